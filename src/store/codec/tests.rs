use proptest::prelude::*;

use super::*;

fn round_trip(plain: &[u8], word: usize, base: Option<&[u8]>) -> (Encoded, usize) {
    let mut payload = vec![7; 3];
    let encoded = Encoder::new().encode(plain, word, base, &mut payload);
    let mut out = vec![0xaa; plain.len()];
    let given = if encoded.delta { base } else { None };
    Decoder::new().decode(encoded.codec, &payload, given, &mut out).expect("well-formed");
    assert!(out == plain, "{encoded:?} of {} bytes, word {word}", plain.len());
    assert!(payload.len() <= plain.len());
    (encoded, payload.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_round_trip(plain: Vec<u8>, word in prop::sample::select(vec![1, 2, 4, 8]), other: Vec<u8>) {
        round_trip(&plain, word, None);
        round_trip(&plain, word, Some(&other));
    }
}
