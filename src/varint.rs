//! Unsigned LEB128: seven bits a byte, lowest first, the top bit set on all but the last byte.

/// Appends `value`.
pub fn write(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a value off the front of `bytes`; `None` if they end early or the value has more than 64 bits.
pub fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if shift == 63 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_what_it_wrote(value: u64) {
            let mut bytes = Vec::new();
            super::write(&mut bytes, value);
            let mut rest = &bytes[..];
            prop_assert_eq!(super::read(&mut rest), Some(value));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn takes_any_bytes(bytes: Vec<u8>) {
            super::read(&mut &bytes[..]);
        }
    }

    #[test]
    fn refuses_more_than_64_bits() {
        assert_eq!(super::read(&mut &[0xff; 10][..]), None);
        assert_eq!(super::read(&mut &[][..]), None);
    }
}
