//! What the block codec makes of real weights: two steps of the fine-tuning of a small encoder.

use git_model::format::{self, Bytes, Detected};
use git_model::store::codec::{Decoder, Encoded, Encoder};

const BLOCK: usize = 1 << 20;

type Encode = fn(&mut Encoder, &[u8], usize, Option<&[u8]>, &mut Vec<u8>) -> Encoded;

/// Bytes of `step` once coded, against `base` if there is one, tensor by tensor and block by block, as a share of the
/// whole file.
fn share(encode: Encode, step: &str, base: Option<&str>) -> f64 {
    let read = |name: &str| {
        std::fs::read(format!("{}/tests/data/finetune/{name}.safetensors", env!("CARGO_MANIFEST_DIR"))).expect(name)
    };
    let file = read(step);
    let base = base.map(read);
    let base_records = base.as_ref().map(|base| records(base));
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new();
    let mut payload = Vec::new();
    let mut stored = 0;
    for (index, record) in records(&file).iter().enumerate() {
        let tensor = bytes(&file, record);
        let base = base.as_ref().zip(base_records.as_ref()).map(|(base, records)| bytes(base, &records[index]));
        for (number, plain) in tensor.chunks(BLOCK).enumerate() {
            let base = base.map(|base| &base[number * BLOCK..number * BLOCK + plain.len()]);
            payload.clear();
            let encoded = encode(&mut encoder, plain, record.dtype.word_bytes(), base, &mut payload);
            let mut back = vec![0; plain.len()];
            decoder.decode(encoded.codec, &payload, base.filter(|_| encoded.delta), &mut back).expect("well-formed");
            assert!(back == plain, "{}", record.name);
            stored += payload.len();
        }
    }
    stored as f64 / file.len() as f64
}

fn records(file: &[u8]) -> Vec<format::Record> {
    match format::detect(&Bytes(file)) {
        Ok(Detected::Model(layout)) => layout.records,
        other => panic!("{other:?}"),
    }
}

fn bytes<'a>(file: &'a [u8], record: &format::Record) -> &'a [u8] {
    &file[record.offset as usize..(record.offset + record.len) as usize]
}

fn assert_share(share: f64, share_max: f64) {
    assert!(share <= share_max, "{:.2} %, more than {:.2} %", 100.0 * share, 100.0 * share_max);
}

#[test]
fn bf16_alone() {
    assert_share(share(Encoder::encode, "encoder-step100.bf16", None), 0.668);
}

#[test]
fn bf16_against_an_earlier_step() {
    assert_share(share(Encoder::encode, "encoder-step100.bf16", Some("encoder-step060.bf16")), 0.136);
}

#[test]
fn f32_alone() {
    assert_share(share(Encoder::encode, "encoder-step100.f32", None), 0.834);
}

/// As `git model gc --aggressive` writes it.
#[test]
fn bf16_against_an_earlier_step_given_time() {
    assert_share(share(Encoder::encode_smallest, "encoder-step100.bf16", Some("encoder-step060.bf16")), 0.110);
}

#[test]
fn f32_against_an_earlier_step_given_time() {
    assert_share(share(Encoder::encode_smallest, "encoder-step100.f32", Some("encoder-step060.f32")), 0.530);
}
