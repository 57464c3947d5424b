//! Elements to byte planes and back: the reversible transform in front of the entropy coder.
//!
//! Byte `p` of every element goes to plane `p` (0 is the lowest). Before the split an element `a` becomes `rotl1(a)`, so
//! that sign and exponent of a float no longer share a byte, or, with a base element `b`, `zigzag(a - b)` on the bit
//! patterns: neighbouring floats have neighbouring patterns, so a small change of value is a small number.
//!
//! Work is done on tiles of 64 elements in local arrays, which the compiler turns into vector code: it knows the length
//! and that nothing aliases. Processors with wide vectors get code of their own.
//!
//! **Limitations.** `len / word` elements only; the caller keeps the bytes of a broken last element.

use multiversion::multiversion;

/// Elements in a tile: 64 of the widest fill eight cache lines.
const TILE: usize = 64;

macro_rules! word_transform {
    ($split:ident, $join:ident, $word:ty, $signed:ty, $bytes:literal) => {
        #[multiversion(targets("x86_64+avx2"))]
        fn $split(plain: &[u8], base: Option<&[u8]>, planes: &mut [u8]) {
            const BITS: u32 = <$word>::BITS;
            let (words, _) = plain.as_chunks::<$bytes>();
            let (base_words, _) = base.unwrap_or_default().as_chunks::<$bytes>();
            let count = words.len();
            let mut start = 0;
            while start < count {
                let len = TILE.min(count - start);
                let mut tile: [$word; TILE] = [0; TILE];
                match words[start..].first_chunk::<TILE>() {
                    Some(words) => {
                        for (z, a) in tile.iter_mut().zip(words) {
                            *z = <$word>::from_le_bytes(*a);
                        }
                    }
                    None => {
                        for (z, a) in tile.iter_mut().zip(&words[start..]) {
                            *z = <$word>::from_le_bytes(*a);
                        }
                    }
                }
                if base.is_some() {
                    let mut from: [$word; TILE] = [0; TILE];
                    match base_words[start..].first_chunk::<TILE>() {
                        Some(words) => {
                            for (to, b) in from.iter_mut().zip(words) {
                                *to = <$word>::from_le_bytes(*b);
                            }
                        }
                        None => {
                            for (to, b) in from.iter_mut().zip(&base_words[start..]) {
                                *to = <$word>::from_le_bytes(*b);
                            }
                        }
                    }
                    for (z, b) in tile.iter_mut().zip(from) {
                        let delta = z.wrapping_sub(b);
                        *z = (delta << 1) ^ ((delta as $signed >> (BITS - 1)) as $word);
                    }
                } else {
                    for z in &mut tile {
                        *z = z.rotate_left(1);
                    }
                }
                for (index, plane) in planes.chunks_exact_mut(count).enumerate() {
                    let shift = 8 * index as u32;
                    match plane[start..].first_chunk_mut::<TILE>() {
                        Some(bytes) => {
                            for (byte, z) in bytes.iter_mut().zip(&tile) {
                                *byte = (z >> shift) as u8;
                            }
                        }
                        None => {
                            for (byte, z) in plane[start..].iter_mut().zip(&tile) {
                                *byte = (z >> shift) as u8;
                            }
                        }
                    }
                }
                start += len;
            }
        }

        #[multiversion(targets("x86_64+avx2"))]
        fn $join(planes: &[&[u8]; 8], base: Option<&[u8]>, out: &mut [u8]) {
            let (words, _) = out.as_chunks_mut::<$bytes>();
            let (base_words, _) = base.unwrap_or_default().as_chunks::<$bytes>();
            let count = words.len();
            let mut start = 0;
            while start < count {
                let len = TILE.min(count - start);
                let mut tile: [$word; TILE] = [0; TILE];
                for (index, plane) in planes[..$bytes].iter().enumerate() {
                    let shift = 8 * index as u32;
                    // Twice the same loop: where the length is known, it becomes vector code.
                    match plane[start..].first_chunk::<TILE>() {
                        Some(bytes) => {
                            for (z, &byte) in tile.iter_mut().zip(bytes) {
                                *z |= <$word>::from(byte) << shift;
                            }
                        }
                        None => {
                            for (z, &byte) in tile.iter_mut().zip(&plane[start..start + len]) {
                                *z |= <$word>::from(byte) << shift;
                            }
                        }
                    }
                }
                if base.is_some() {
                    let mut from: [$word; TILE] = [0; TILE];
                    match base_words[start..].first_chunk::<TILE>() {
                        Some(words) => {
                            for (to, b) in from.iter_mut().zip(words) {
                                *to = <$word>::from_le_bytes(*b);
                            }
                        }
                        None => {
                            for (to, b) in from.iter_mut().zip(&base_words[start..]) {
                                *to = <$word>::from_le_bytes(*b);
                            }
                        }
                    }
                    for (z, b) in tile.iter_mut().zip(from) {
                        let delta = (*z >> 1) ^ (*z & 1).wrapping_neg();
                        *z = delta.wrapping_add(b);
                    }
                } else {
                    for z in &mut tile {
                        *z = z.rotate_right(1);
                    }
                }
                match words[start..].first_chunk_mut::<TILE>() {
                    Some(words) => {
                        for (a, z) in words.iter_mut().zip(tile) {
                            *a = z.to_le_bytes();
                        }
                    }
                    None => {
                        for (a, z) in words[start..].iter_mut().zip(tile) {
                            *a = z.to_le_bytes();
                        }
                    }
                }
                start += len;
            }
        }
    };
}

word_transform!(split_1, join_1, u8, i8, 1);
word_transform!(split_2, join_2, u16, i16, 2);
word_transform!(split_4, join_4, u32, i32, 4);
word_transform!(split_8, join_8, u64, i64, 8);

/// Transforms the elements of `plain` (against those of `base`, of the same length) and splits them into `word` planes,
/// one behind the other in `planes`, whose length is that of the whole elements.
pub(super) fn split(word: usize, plain: &[u8], base: Option<&[u8]>, planes: &mut [u8]) {
    match word {
        1 => split_1(plain, base, planes),
        2 => split_2(plain, base, planes),
        4 => split_4(plain, base, planes),
        _ => split_8(plain, base, planes),
    }
}

/// The inverse of [`split`]: the first `word` of `planes`, each as long as there are elements, to elements in `out`.
pub(super) fn join(word: usize, planes: &[&[u8]; 8], base: Option<&[u8]>, out: &mut [u8]) {
    match word {
        1 => join_1(planes, base, out),
        2 => join_2(planes, base, out),
        4 => join_4(planes, base, out),
        _ => join_8(planes, base, out),
    }
}
