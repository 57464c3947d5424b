use proptest::prelude::*;

use super::*;

const MIB: usize = 1 << 20;

/// SplitMix64 (Steele, Lea, Flood 2014): blocks are too large to let proptest make them byte by byte.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Kinds of bytes a block may hold.
#[derive(Debug, Clone, Copy)]
enum Fill {
    Zero,
    Same,
    Noise,
    Few,
    Geometric,
    NanPatterns,
    SparseNoise,
}

const FILLS: [Fill; 7] =
    [Fill::Zero, Fill::Same, Fill::Noise, Fill::Few, Fill::Geometric, Fill::NanPatterns, Fill::SparseNoise];

fn block(fill: Fill, len: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let nan = [0x00, 0x00, 0xc0, 0x7f, 0xff, 0xff, 0x80, 0xff, 0x01, 0x00, 0x80, 0x7f];
    let mut byte = |index: usize| match fill {
        Fill::Zero => 0,
        Fill::Same => seed as u8,
        Fill::Noise => random.next() as u8,
        Fill::Few => [3, 5, 250, seed as u8][random.below(4)],
        Fill::Geometric => 120_u8.wrapping_add((random.next() | 1 << 40).trailing_zeros() as u8),
        Fill::NanPatterns => nan[(index % 4 + 4 * random.below(3)) % 12],
        Fill::SparseNoise => (random.next() >> 8) as u8 * u8::from(random.below(20) == 0),
    };
    (0..len).map(&mut byte).collect()
}

fn round_trip(plain: &[u8], word: usize, base: Option<&[u8]>) -> (Encoded, Vec<u8>) {
    round_trip_by(Encoder::encode, plain, word, base)
}

type Encode = fn(&mut Encoder, &[u8], usize, Option<&[u8]>, &mut Vec<u8>) -> Encoded;

fn round_trip_by(encode: Encode, plain: &[u8], word: usize, base: Option<&[u8]>) -> (Encoded, Vec<u8>) {
    let mut payload = vec![7; 3];
    let encoded = encode(&mut Encoder::new(), plain, word, base, &mut payload);
    assert_eq!(payload[..3], [7; 3], "the payload is appended");
    let payload = payload.split_off(3);
    assert!(payload.len() <= plain.len());
    assert!(base.is_some_and(|base| base.len() == plain.len()) || !encoded.delta);
    let mut out = vec![0xaa; plain.len()];
    let given = if encoded.delta { base } else { None };
    Decoder::new().decode(encoded.codec, &payload, given, &mut out).expect("well-formed");
    assert!(out == plain, "{encoded:?} of {} bytes, word {word}", plain.len());
    (encoded, payload)
}

/// The payload of codec C, whether it pays or not.
fn encode_c(plain: &[u8], word: usize, base: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    Encoder::new().encode_c(plain, word, base, &mut payload);
    payload
}

fn any_word() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![1, 2, 4, 8])
}

fn any_len() -> impl Strategy<Value = usize> {
    let edges = vec![0, 1, 2, 3, 7, 8, 9, 63, 64, 65, 511, 512, 513, 65_535, 65_536, 65_537, MIB - 1, MIB, MIB + 1];
    prop_oneof![prop::sample::select(edges), 0..40_000_usize, 250_000..300_000_usize]
}

fn any_fill() -> impl Strategy<Value = Fill> {
    prop::sample::select(FILLS.to_vec())
}

/// A base: equal, with few elements changed, with all changed a little, or something else.
fn base_of(plain: &[u8], how: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    match how {
        0 => plain.to_vec(),
        1 => plain.iter().map(|&byte| byte.wrapping_add(u8::from(random.below(100) == 0))).collect(),
        2 => plain.iter().map(|&byte| byte.wrapping_sub(random.below(3) as u8)).collect(),
        3 => block(FILLS[random.below(FILLS.len())], plain.len(), seed),
        _ => vec![1; plain.len() + 1],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn blocks_round_trip(fill in any_fill(), len in any_len(), word in any_word(), how in 0..5_usize, seed: u64) {
        let plain = block(fill, len, seed);
        round_trip(&plain, word, None);
        round_trip(&plain, word, Some(&base_of(&plain, how, seed ^ 1)));
    }

    #[test]
    fn any_bytes_round_trip(plain: Vec<u8>, word in any_word(), other: Vec<u8>) {
        for encode in [Encoder::encode as Encode, Encoder::encode_smallest] {
            round_trip_by(encode, &plain, word, None);
            round_trip_by(encode, &plain, word, Some(&other));
        }
    }

    /// With time, nothing becomes larger; and C comes back whether it pays or not.
    #[test]
    fn blocks_given_time_round_trip(
        fill in any_fill(), len in any_len(), word in any_word(), how in 0..5_usize, seed: u64,
    ) {
        let len = len % 300_000;
        let plain = block(fill, len, seed);
        let base = base_of(&plain, how, seed ^ 1);
        for base in [None, Some(&base[..])] {
            let (_, quick) = round_trip(&plain, word, base);
            let (_, small) = round_trip_by(Encoder::encode_smallest, &plain, word, base);
            prop_assert!(small.len() <= quick.len());
        }
        if base.len() == len {
            let mut out = vec![0xaa; len];
            Decoder::new().decode(Codec::C, &encode_c(&plain, word, &base), Some(&base), &mut out).expect("well-formed");
            prop_assert!(out == plain);
        }
    }

    /// Our frames are zstd's: its own decoder reads them. Few symbols, steep and flat counts, all lengths.
    #[test]
    fn frames_are_ordinary(
        counts in prop::collection::vec((0..129_usize, 1..200_000_u32), 2..129),
        len in prop_oneof![Just(131_072_usize), Just(262_144), Just(131_073), 2..300_000_usize],
        seed: u64,
    ) {
        let mut random = Random(seed);
        let total: u64 = counts.iter().map(|&(_, count)| u64::from(count)).sum();
        let mut symbol = || {
            let mut at = random.next() % total;
            counts.iter().find(|&&(_, count)| {
                let here = at < u64::from(count);
                at = at.wrapping_sub(u64::from(count));
                here
            }).map_or(0, |&(symbol, _)| symbol as u8)
        };
        let plane: Vec<u8> = (0..len).map(|_| symbol()).collect();
        let histogram = Histogram::of(&plane);
        if histogram.max() < len {
            let code = huffman::Code::new(&histogram).expect("symbols are low enough");
            let mut frame = Vec::new();
            frame::FrameWriter::new().write(&plane, &code, &mut frame);
            let mut back = vec![0; len];
            prop_assert_eq!(zstd_safe::decompress(&mut back[..], &frame), Ok(len));
            prop_assert!(back == plane);
        }
    }

    #[test]
    fn noise_is_refused_or_decoded(payload: Vec<u8>, codec in 0..4_u8, len in 0..5000_usize, base: bool) {
        let codec = Codec::from_byte(codec).expect("known");
        let base = vec![1; if base { len } else { 0 }];
        let mut out = vec![0; len];
        let _ = Decoder::new().decode(codec, &payload, Some(&base), &mut out);
    }

    #[test]
    fn damage_never_panics(
        fill in any_fill(), word in any_word(), how in 0..4_usize, seed: u64, flips in 1..4_usize, len in 1..20_000_usize,
    ) {
        let plain = block(fill, len, seed);
        let base = base_of(&plain, how, seed ^ 1);
        let mut decoder = Decoder::new();
        let mut out = vec![0; len];
        let mut random = Random(seed ^ 2);
        let tries: [(Encode, Option<&[u8]>); 3] =
            [(Encoder::encode, None), (Encoder::encode, Some(&base)), (Encoder::encode_smallest, Some(&base))];
        let tries = tries.map(|(encode, base)| (round_trip_by(encode, &plain, word, base), base));
        let sorted = (Encoded { codec: Codec::C, delta: true }, encode_c(&plain, word, &base));
        for ((encoded, payload), base) in tries.into_iter().chain([(sorted, Some(&base[..]))]) {
            if payload.is_empty() {
                continue;
            }
            let cut = &payload[..random.below(payload.len())];
            prop_assert!(decoder.decode(encoded.codec, cut, base, &mut out).is_err());
            let mut longer = payload.clone();
            longer.push(0);
            prop_assert_eq!(decoder.decode(encoded.codec, &longer, base, &mut out), Err(CodecError::Trailing(1)));
            let mut flipped = payload.clone();
            for _ in 0..flips {
                // Headers more often than not.
                let end = if random.below(2) == 0 { payload.len().min(32) } else { payload.len() };
                let at = random.below(end);
                flipped[at] ^= 1 << random.below(8);
            }
            let _ = decoder.decode(encoded.codec, &flipped, base, &mut out);
            let mut short = vec![0; random.below(len)];
            let _ = decoder.decode(encoded.codec, &payload, None, &mut short);
        }
    }
}

#[test]
fn codecs_have_their_numbers() {
    for codec in [Codec::Raw, Codec::Zero, Codec::F, Codec::C] {
        assert_eq!(Codec::from_byte(codec as u8), Some(codec));
    }
    assert_eq!(Codec::from_byte(4), None);
}

#[test]
fn zeros_take_nothing_and_noise_is_raw() {
    let (encoded, payload) = round_trip(&vec![0; MIB], 2, None);
    assert_eq!((encoded.codec, payload.len()), (Codec::Zero, 0));
    let (encoded, _) = round_trip(&block(Fill::Noise, MIB, 1), 4, None);
    assert_eq!(encoded, Encoded { codec: Codec::Raw, delta: false });
}

#[test]
fn text_is_searched_for_repeats() {
    let text: String = (0..20_000).map(|index| format!("\"token{}\": {index},\n", index * 7919 % 20_000)).collect();
    let (encoded, payload) = round_trip(text.as_bytes(), 1, None);
    assert_eq!(encoded.codec, Codec::F);
    assert!(payload.len() < text.len() * 2 / 5, "{} of {}", payload.len(), text.len());
}

#[test]
fn an_equal_base_leaves_a_few_bytes() {
    for word in [1, 2, 4, 8] {
        let plain = block(Fill::Noise, MIB, 1);
        let (encoded, payload) = round_trip(&plain, word, Some(&plain));
        assert!(encoded.delta);
        assert!(payload.len() <= 1 + 2 * word);
    }
}

#[test]
fn a_base_that_does_not_help_is_not_used() {
    let (encoded, _) = round_trip(&block(Fill::Few, MIB, 1), 2, Some(&block(Fill::Noise, MIB, 2)));
    assert_eq!(encoded, Encoded { codec: Codec::F, delta: false });
}

#[test]
fn a_delta_needs_its_base() {
    let plain = block(Fill::Noise, 1000, 1);
    let (encoded, payload) = round_trip(&plain, 2, Some(&plain));
    let mut out = vec![0; 1000];
    for base in [None, Some(&plain[1..])] {
        assert_eq!(Decoder::new().decode(encoded.codec, &payload, base, &mut out), Err(CodecError::Base));
    }
}

/// A plane that says it holds 2^28 non-zero bytes, and a bitmap that disagrees with its count.
#[test]
fn counts_are_checked_before_memory_is_taken() {
    let mut out = vec![0; 16];
    let decode = |payload: &[u8], out: &mut [u8]| Decoder::new().decode(Codec::F, payload, None, out);
    assert!(matches!(decode(&[0, 3, 0xff, 0xff, 0xff, 0x7f], &mut out), Err(CodecError::Malformed(_))));
    assert!(matches!(decode(&[0, 3, 1, 0, 3, 0, 0, 9], &mut out), Err(CodecError::Malformed(_))));
    assert!(matches!(decode(&[0, 3, 0xff, 0xff, 0xff, 0xff, 0xff], &mut out), Err(CodecError::Malformed(_))));
    assert_eq!(decode(&[0, 3, 1, 0, 0, 1, 0, 9], &mut out), Ok(()));
    assert_eq!(out, [0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
}

/// The bytes that `docs/FORMAT.md` shows.
#[test]
fn the_documented_example() {
    let plain = [0x80, 0x3f, 0x80, 0x3f, 0x80, 0x3f, 0x80, 0x3f, 0x80, 0x3f, 0x55];
    let (encoded, payload) = round_trip(&plain, 2, None);
    assert_eq!(encoded, Encoded { codec: Codec::F, delta: false });
    assert_eq!(payload, [0x09, 0x55, 0x01, 0x00, 0x01, 0x7f]);
}

/// Differences are large where the base is small and none where it is large, in no order: C tells them apart.
#[test]
fn small_weights_that_move_more_are_sorted_out() {
    let mut random = Random(1);
    let base: Vec<u16> =
        (0..40_000).map(|_| 0x3c00 + (random.below(8) << 7) as u16 + random.below(128) as u16).collect();
    let mut step = |weight: &u16| weight.wrapping_add((random.below(1024) >> ((weight >> 7) & 7)) as u16);
    let plain: Vec<u16> = base.iter().map(&mut step).collect();
    let bytes = |words: &[u16]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let (plain, base) = (bytes(&plain), bytes(&base));
    let (encoded, small) = round_trip_by(Encoder::encode_smallest, &plain, 2, Some(&base));
    assert_eq!(encoded, Encoded { codec: Codec::C, delta: true });
    let (_, quick) = round_trip(&plain, 2, Some(&base));
    assert!(small.len() * 10 < quick.len() * 9, "{} of {}", small.len(), quick.len());
}

#[test]
fn classes_and_base_of_c_are_checked() {
    let base = [1; 16];
    let mut out = [0; 16];
    let mut decode = |payload: &[u8], base: Option<&[u8]>| Decoder::new().decode(Codec::C, payload, base, &mut out);
    // Eight equal elements of the base are one class: two planes.
    let payload = [0x05, 16, 1, 0, 1, 0];
    assert_eq!(decode(&payload, Some(&base)), Ok(()));
    assert_eq!(decode(&payload, None), Err(CodecError::Base));
    assert_eq!(decode(&payload, Some(&base[1..])), Err(CodecError::Base));
    for (at, byte) in [(0, 0x01), (0, 0x0d), (0, 0x45), (1, 0), (1, 65)] {
        let mut broken = payload;
        broken[at] = byte;
        assert!(matches!(decode(&broken, Some(&base)), Err(CodecError::Malformed(_))), "{broken:?}");
    }
    assert_eq!(decode(&payload[..5], Some(&base)), Err(CodecError::Truncated));
}

/// The bytes that `docs/FORMAT.md` shows for C.
#[test]
fn the_documented_example_of_c() {
    let base = [0x80, 0x3f, 0x00, 0x3e, 0x80, 0x3f, 0x80, 0x3f, 0x55];
    let plain = [0x80, 0x3f, 0x05, 0x3e, 0x80, 0x3f, 0x80, 0x3f, 0x56];
    assert_eq!(encode_c(&plain, 2, &base), [0x0d, 0x10, 0x56, 0x01, 0x0a, 0x01, 0x00, 0x01, 0x00, 0x01, 0x00]);
}
