//! The block codec: any block comes back, any payload is survived.

use git_model::store::codec::{Codec, Decoder, Encoded, Encoder};

use super::take;

/// Blocks of these tests reach past three of zstd's blocks in each of several planes, and stay fast.
const LEN_MAX: usize = 600 << 10;
const THOROUGH_LEN_MAX: usize = 100 << 10;

/// The first bytes say what to make of the others: element width, how far to stretch them, what the base is.
pub fn round_trip(mut bytes: &[u8]) {
    let [word, base_kind, noise] = take(&mut bytes);
    let len = u32::from_le_bytes(take(&mut bytes)) as usize;
    let word = [1, 2, 4, 8, 3][usize::from(word % 5)];
    let plain = stretch(bytes, len % LEN_MAX, noise);
    let base = base(&plain, base_kind, noise);

    let quick = round_trip_by(Encoder::encode, &plain, word, base.as_deref(), noise);
    // Given time, which the largest take too much of for a test.
    if plain.len() <= THOROUGH_LEN_MAX {
        let small = round_trip_by(Encoder::encode_smallest, &plain, word, base.as_deref(), noise);
        assert!(small <= quick, "with time, nothing becomes larger");
    }
}

type Encode = fn(&mut Encoder, &[u8], usize, Option<&[u8]>, &mut Vec<u8>) -> Encoded;

/// Returns the payload's length.
fn round_trip_by(encode: Encode, plain: &[u8], word: usize, base: Option<&[u8]>, noise: u8) -> usize {
    let mut encoder = Encoder::new();
    let (mut payload, mut second) = (Vec::new(), vec![7; 3]);
    let encoded = encode(&mut encoder, plain, word, base, &mut payload);
    assert_eq!(encode(&mut encoder, plain, word, base, &mut second), encoded, "an encoder keeps no state");
    assert!(second[..3] == [7; 3] && second[3..] == payload, "an encoder appends, and keeps no state");
    assert!(payload.len() <= plain.len(), "{} bytes of {}", payload.len(), plain.len());
    assert!(!encoded.delta || base.is_some());

    let given = if encoded.delta { base } else { None };
    let mut out = vec![0xaa; plain.len()];
    let mut decoder = Decoder::new();
    decoder.decode(encoded.codec, &payload, given, &mut out).expect("a payload of our own");
    assert!(out == plain, "{encoded:?} of {} bytes, word {word}", plain.len());

    // The zero codec reads nothing, so it alone has nothing to end early.
    if !payload.is_empty() {
        let cut = usize::from(noise) % payload.len();
        decoder.decode(encoded.codec, &payload[..cut], given, &mut out).expect_err("a payload cut short");
    }
    payload.push(0);
    decoder.decode(encoded.codec, &payload, given, &mut out).expect_err("a payload with a byte too many");
    payload.len() - 1
}

/// The first bytes say how the others are to be decoded.
pub fn decode(mut bytes: &[u8]) {
    let [codec, base] = take(&mut bytes);
    let len = u32::from_le_bytes(take(&mut bytes)) as usize % (256 << 10);
    let Some(codec) = Codec::from_byte(codec % 4) else { return };
    let base = match base % 3 {
        0 => None,
        1 => Some(stretch(b"\x80\x3f\x10\xbe", len, 3)),
        _ => Some(vec![1; len + 1]),
    };
    let mut out = vec![0x55; len];
    let first = Decoder::new().decode(codec, bytes, base.as_deref(), &mut out);
    let mut again = vec![0xaa; len];
    let second = Decoder::new().decode(codec, bytes, base.as_deref(), &mut again);
    assert_eq!(first, second);
    assert!(first.is_err() || out == again, "decoding fills all of a block");
}

/// `len` bytes: `bytes` again and again, each time changed a little more if `noise` says so.
fn stretch(bytes: &[u8], len: usize, noise: u8) -> Vec<u8> {
    if bytes.is_empty() {
        return vec![noise; len];
    }
    let mut state = u32::from(noise) | 1;
    let mut out = Vec::with_capacity(len);
    while out.len() < len {
        let count = bytes.len().min(len - out.len());
        let start = out.len();
        out.extend_from_slice(&bytes[..count]);
        if noise & 0x80 != 0 {
            for byte in &mut out[start..] {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte ^= (state >> 24) as u8 & noise & 0x7f;
            }
        }
    }
    out
}

fn base(plain: &[u8], kind: u8, noise: u8) -> Option<Vec<u8>> {
    let mut base = plain.to_vec();
    match kind % 6 {
        0 => return None,
        1 => base.iter_mut().for_each(|byte| *byte = byte.wrapping_add(noise)),
        2 => base.iter_mut().step_by(usize::from(noise) + 1).for_each(|byte| *byte ^= 1),
        3 => base.reverse(),
        4 => base.push(noise),
        _ => base.fill(noise),
    }
    Some(base)
}
