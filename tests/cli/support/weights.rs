//! Weight files made on the spot.

/// A tensor for [`safetensors`].
pub struct Tensor<'a> {
    pub name: &'a str,
    pub dtype: &'a str,
    pub shape: &'a [usize],
    pub bytes: &'a [u8],
}

/// A safetensors file.
pub fn safetensors(tensors: &[Tensor<'_>]) -> Vec<u8> {
    let mut offset = 0;
    let entries: Vec<String> = tensors
        .iter()
        .map(|tensor| {
            let begin = offset;
            offset += tensor.bytes.len();
            let Tensor { name, dtype, shape, .. } = tensor;
            format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{begin},{offset}]}}"#)
        })
        .collect();
    let mut header = format!("{{{}}}", entries.join(","));
    while header.len() % 8 != 0 {
        header.push(' ');
    }
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    tensors.iter().for_each(|tensor| file.extend_from_slice(tensor.bytes));
    file
}

/// Pseudo-random words; the same for the same seed.
pub fn random(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    })
}

/// bf16 weights that look like a layer's: the sum of four uniform numbers, small.
pub fn noise(elements: usize, seed: u64) -> Vec<u8> {
    let mut random = random(seed);
    (0..elements)
        .flat_map(|_| {
            let word = random.next().unwrap_or_default();
            let sum: i64 = (0..4).map(|part| (word >> (part * 16) & 0xffff) as i64 - 32_768).sum();
            let value = sum as f32 / 1_000_000.0;
            [(value.to_bits() >> 16) as u8, (value.to_bits() >> 24) as u8]
        })
        .collect()
}
