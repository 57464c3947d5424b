//! Elements to byte planes and back: the reversible transform in front of the entropy coder.
//!
//! Byte `p` of every element goes to plane `p` (0 is the lowest). Before the split an element `a` becomes `rotl1(a)`, so
//! that sign and exponent of a float no longer share a byte, or, with a base element `b`, `zigzag(a - b)` on the bit
//! patterns: neighbouring floats have neighbouring patterns, so a small change of value is a small number.
//!
//! Work is done on tiles of 64 elements, which the compiler turns into vector code: it knows the length and that nothing
//! aliases. Each loop does all it can with an element: by way of memory in between, joining takes two to three times as
//! long. Processors with wide vectors get code of their own.
//!
//! **Limitations.** `len / word` elements only; the caller keeps the bytes of a broken last element.

use multiversion::multiversion;

/// Elements in a tile: 64 of the widest fill eight cache lines.
const TILE: usize = 64;

macro_rules! word_transform {
    ($split:ident, $join:ident, $word:ty, $signed:ty, $bytes:literal) => {
        #[multiversion(targets("x86_64+avx2"))]
        fn $split(plain: &[u8], base: Option<&[u8]>, planes: &mut [u8]) {
            let (words, _) = plain.as_chunks::<$bytes>();
            let count = words.len();
            let base = base.map(|base| base.as_chunks::<$bytes>().0[..count].as_chunks::<TILE>());
            let coded = |a: &[u8; $bytes], b: Option<&[u8; $bytes]>| {
                let a = <$word>::from_le_bytes(*a);
                let Some(b) = b else { return a.rotate_left(1) };
                let delta = a.wrapping_sub(<$word>::from_le_bytes(*b));
                (delta << 1) ^ ((delta as $signed >> (<$word>::BITS - 1)) as $word)
            };
            let (tiles, rest) = words.as_chunks::<TILE>();
            for (at, tile) in tiles.iter().enumerate() {
                let mut zs: [$word; TILE] = [0; TILE];
                if let Some((base, _)) = base {
                    for (z, (a, b)) in zs.iter_mut().zip(tile.iter().zip(&base[at])) {
                        *z = coded(a, Some(b));
                    }
                } else {
                    for (z, a) in zs.iter_mut().zip(tile) {
                        *z = coded(a, None);
                    }
                }
                for (index, plane) in planes.chunks_exact_mut(count).enumerate() {
                    let Some(bytes) = plane[at * TILE..].first_chunk_mut::<TILE>() else { continue };
                    for (byte, z) in bytes.iter_mut().zip(&zs) {
                        *byte = (z >> (8 * index)) as u8;
                    }
                }
            }
            for (at, a) in rest.iter().enumerate() {
                let z = coded(a, base.map(|(_, rest)| &rest[at]));
                for (plane, byte) in planes.chunks_exact_mut(count).zip(z.to_le_bytes()) {
                    plane[count - rest.len() + at] = byte;
                }
            }
        }

        #[multiversion(targets("x86_64+avx2"))]
        fn $join(planes: &[&[u8]; 8], base: Option<&[u8]>, out: &mut [u8]) {
            let (words, _) = out.as_chunks_mut::<$bytes>();
            let base = base.map(|base| base.as_chunks::<$bytes>().0[..words.len()].as_chunks::<TILE>());
            let planes: [&[u8]; $bytes] = std::array::from_fn(|index| &planes[index][..words.len()]);
            let plain = |z: [u8; $bytes], b: Option<&[u8; $bytes]>| {
                let z = <$word>::from_le_bytes(z);
                let Some(b) = b else { return z.rotate_right(1).to_le_bytes() };
                let delta = (z >> 1) ^ (z & 1).wrapping_neg();
                delta.wrapping_add(<$word>::from_le_bytes(*b)).to_le_bytes()
            };
            let (tiles, rest) = words.as_chunks_mut::<TILE>();
            let (whole, ends) =
                (planes.map(|plane| plane.as_chunks::<TILE>().0), planes.map(|plane| plane.as_chunks::<TILE>().1));
            for (at, tile) in tiles.iter_mut().enumerate() {
                let planes = whole.map(|plane| &plane[at]);
                if let Some((base, _)) = base {
                    for (i, (a, b)) in tile.iter_mut().zip(&base[at]).enumerate() {
                        *a = plain(planes.map(|plane| plane[i]), Some(b));
                    }
                } else {
                    for (i, a) in tile.iter_mut().enumerate() {
                        *a = plain(planes.map(|plane| plane[i]), None);
                    }
                }
            }
            for (at, a) in rest.iter_mut().enumerate() {
                *a = plain(ends.map(|plane| plane[at]), base.map(|(_, rest)| &rest[at]));
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
