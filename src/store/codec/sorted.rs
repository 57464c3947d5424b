//! Codec C: F's differences in the order of their classes (`classes.rs`), each class with planes of its own.

use super::classes::{CLASSES_MAX, Classes};
use super::reader::Reader;
use super::{Codec, CodecError, Decoder, Encoded, Encoder, HEADER_BITS, HEADER_DELTA, HEADER_TAIL_SHIFT};

/// Classes of C: on fine-tunes half as many take one part in thirty more, and twice as many one in sixty less, for which
/// small blocks and every reader would pay.
const CLASSES: usize = 16;
const _: () = assert!(CLASSES <= CLASSES_MAX);

impl Encoder {
    /// As [`Encoder::encode`], with C and all ways of writing a plane tried and the smallest kept, for which it takes some
    /// ten times as long.
    pub fn encode_smallest(&mut self, plain: &[u8], word: usize, base: Option<&[u8]>, out: &mut Vec<u8>) -> Encoded {
        let start = out.len();
        let mut best = self.encode(plain, word, base, out);
        if best.codec == Codec::Zero {
            return best;
        }
        let word = if matches!(word, 2 | 4 | 8) { word } else { 1 };
        let base = base.filter(|base| base.len() == plain.len());
        // The sample has told already that without a base it is larger by far, or else both were tried.
        let without_base = (!best.delta).then_some((Codec::F, None));
        let with_base = base.into_iter().flat_map(|base| [(Codec::F, Some(base)), (Codec::C, Some(base))]);
        self.planes.thorough = true;
        let mut other = std::mem::take(&mut self.other);
        for (codec, base) in without_base.into_iter().chain(with_base) {
            other.clear();
            match (codec, base) {
                (Codec::C, Some(base)) => self.encode_c(plain, word, base, &mut other),
                _ => self.encode_f(plain, word, base, &mut other),
            }
            if other.len() < out.len() - start {
                out.truncate(start);
                out.extend_from_slice(&other);
                best = Encoded { codec, delta: base.is_some() };
            }
        }
        self.other = other;
        self.planes.thorough = false;
        best
    }

    /// Appends the C payload of `plain`, which is as long as `base`.
    pub(super) fn encode_c(&mut self, plain: &[u8], word: usize, base: &[u8], out: &mut Vec<u8>) {
        let (elements, tail) = plain.split_at(plain.len() / word * word);
        let base = &base[..elements.len()];
        out.push(word.trailing_zeros() as u8 | HEADER_DELTA | (tail.len() as u8) << HEADER_TAIL_SHIFT);
        out.push(CLASSES as u8);
        out.extend_from_slice(tail);
        let classes = Classes::of_base(word, base, CLASSES);
        self.split.resize(elements.len(), 0);
        classes.sort(word, elements, base, &mut self.split);
        let count = elements.len() / word;
        for range in classes.ranges() {
            for plane in self.split.chunks_exact(count) {
                self.planes.encode(&plane[range.clone()], false, out);
            }
        }
    }
}

impl Decoder {
    pub(super) fn decode_c(
        &mut self,
        reader: &mut Reader<'_>,
        base: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<(), CodecError> {
        let header = reader.byte()?;
        let word = 1 << (header & 3);
        let tail = usize::from(header >> HEADER_TAIL_SHIFT);
        if header & !HEADER_BITS != 0 || header & HEADER_DELTA == 0 || tail != out.len() % word {
            return Err(CodecError::Malformed("header"));
        }
        let class_count = usize::from(reader.byte()?);
        if !(1..=CLASSES_MAX).contains(&class_count) {
            return Err(CodecError::Malformed("number of classes"));
        }
        let base = base.filter(|base| base.len() == out.len()).ok_or(CodecError::Base)?;
        let (elements, tail) = out.split_at_mut(out.len() - tail);
        tail.copy_from_slice(reader.take(tail.len())?);
        let base = &base[..elements.len()];
        let classes = Classes::of_base(word, base, class_count);
        self.split.resize(elements.len(), 0);
        let count = elements.len() / word;
        for range in classes.ranges() {
            for plane in self.split.chunks_exact_mut(count) {
                self.planes.decode_into(reader, &mut plane[range.clone()])?;
            }
        }
        classes.restore(word, &self.split, base, elements);
        Ok(())
    }
}
