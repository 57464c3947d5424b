//! A text in pieces of shared buffers: what git's deltas make of a version without writing it out.
//!
//! A version in a pack is mostly copies of another one. Kept as pieces, a thousand versions of a text of megabytes take
//! little more room than one, and two of them are compared where they differ: a piece of the same buffer at the same
//! place is equal, unread.
//!
//! Source of the delta's form: git's `gitformat-pack`, "Deltified representation".

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// A text in more pieces is written out: then finding a place in it costs more than the bytes do.
const PIECES_MAX: usize = 1 << 16;
/// Bytes that are compared at once.
const STRIDE: usize = 4096;

/// A text of less than 4 GiB.
#[derive(Clone)]
pub struct Rope {
    /// In order, without gaps, none empty.
    pieces: Vec<Piece>,
    len: usize,
}

#[derive(Clone)]
struct Piece {
    source: Arc<Vec<u8>>,
    /// Where it begins in the source, and in the text.
    start: u32,
    at: u32,
}

impl From<Vec<u8>> for Rope {
    fn from(bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        let pieces = if len == 0 { Vec::new() } else { vec![Piece { source: Arc::new(bytes), start: 0, at: 0 }] };
        Self { pieces, len }
    }
}

impl Rope {
    /// The text that `delta` makes of `base`; `None` for a delta that is broken or belongs to another base.
    pub fn patched(base: &Self, delta: Vec<u8>) -> Option<Self> {
        let delta = Arc::new(delta);
        let mut input = Instructions { bytes: &delta, at: 0 };
        if input.size()? != base.len {
            return None;
        }
        let len = input.size()?;
        u32::try_from(len.max(delta.len())).ok()?;
        let mut text = Self { pieces: Vec::with_capacity(base.pieces.len() + 16), len: 0 };
        while let Some(first) = input.byte() {
            if first & 0x80 != 0 {
                let start = input.little_endian(first & 0x0f)?;
                let size = input.little_endian(first >> 4 & 0x07)?;
                let size = if size == 0 { 0x10000 } else { size };
                if start + size > base.len {
                    return None;
                }
                text.copy(base, start..start + size);
            } else {
                let (start, size) = (input.at, usize::from(first));
                input.at += size;
                if size == 0 || input.at > delta.len() {
                    return None;
                }
                text.push(&delta, start, size);
            }
            if text.len > len {
                return None;
            }
        }
        if text.len != len {
            return None;
        }
        Some(if text.pieces.len() > PIECES_MAX { Self::from(text.slice(0..len).into_owned()) } else { text })
    }

    /// Length in bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of pieces.
    pub const fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// How many bytes from `at` on are the same as those of `other` from `other_at` on.
    pub fn common_len(&self, at: usize, other: &Self, other_at: usize) -> usize {
        let (mut here, mut there) = (self.piece_at(at), other.piece_at(other_at));
        let mut same = 0;
        while let (Some(a), Some(b)) = (self.pieces.get(here), other.pieces.get(there)) {
            let (a_end, b_end) = (self.end_of(here), other.end_of(there));
            let len = (a_end - at - same).min(b_end - other_at - same);
            let a_start = a.start as usize + (at + same - a.at as usize);
            let b_start = b.start as usize + (other_at + same - b.at as usize);
            if a_start != b_start || !Arc::ptr_eq(&a.source, &b.source) {
                let equal = common_prefix(&a.source[a_start..a_start + len], &b.source[b_start..b_start + len]);
                if equal < len {
                    return same + equal;
                }
            }
            same += len;
            here += usize::from(at + same == a_end);
            there += usize::from(other_at + same == b_end);
        }
        same
    }

    /// The bytes of `range`, which must lie in the text.
    pub fn slice(&self, range: Range<usize>) -> Cow<'_, [u8]> {
        let mut joined = Cow::Borrowed(&[][..]);
        let mut at = range.start;
        let mut piece = self.piece_at(at);
        while at < range.end {
            let part = self.rest_of(piece, at);
            let part = &part[..part.len().min(range.end - at)];
            at += part.len();
            piece += 1;
            if joined.is_empty() {
                joined = Cow::Borrowed(part);
            } else {
                joined.to_mut().extend_from_slice(part);
            }
        }
        joined
    }

    /// The line that begins at `at`, without the LF at its end.
    pub fn line(&self, at: usize) -> Cow<'_, [u8]> {
        let mut end = at;
        for piece in self.piece_at(at)..self.pieces.len() {
            let part = self.rest_of(piece, end);
            match part.iter().position(|&byte| byte == b'\n') {
                Some(len) => return self.slice(at..end + len),
                None => end += part.len(),
            }
        }
        self.slice(at..end)
    }

    /// Where the line begins that the byte at `at` belongs to: behind the last LF before it.
    pub fn line_start(&self, at: usize) -> usize {
        let mut end = at;
        while end > 0 {
            let piece = self.piece_at(end - 1);
            let begin = self.pieces[piece].at as usize;
            let part = &self.rest_of(piece, begin)[..end - begin];
            if let Some(found) = part.iter().rposition(|&byte| byte == b'\n') {
                return begin + found + 1;
            }
            end = begin;
        }
        0
    }

    /// The piece that the byte at `at` lies in; the number of pieces at the end of the text.
    fn piece_at(&self, at: usize) -> usize {
        if at >= self.len {
            return self.pieces.len();
        }
        self.pieces.partition_point(|piece| piece.at as usize <= at) - 1
    }

    fn end_of(&self, piece: usize) -> usize {
        self.pieces.get(piece + 1).map_or(self.len, |next| next.at as usize)
    }

    /// The bytes of a piece from the text's place `at` on.
    fn rest_of(&self, piece: usize, at: usize) -> &[u8] {
        let Piece { source, start, at: begin } = &self.pieces[piece];
        let shift = |at: usize| at - *begin as usize + *start as usize;
        &source[shift(at)..shift(self.end_of(piece))]
    }

    fn push(&mut self, source: &Arc<Vec<u8>>, start: usize, len: usize) {
        // What continues the last piece makes it longer: git copies at most 64 KiB at a time.
        let continues = self.pieces.last().is_some_and(|last| {
            Arc::ptr_eq(&last.source, source) && last.start as usize + (self.len - last.at as usize) == start
        });
        if !continues {
            // Sources and texts are shorter than 4 GiB.
            self.pieces.push(Piece { source: Arc::clone(source), start: start as u32, at: self.len as u32 });
        }
        self.len += len;
    }

    /// Appends a part of `base`.
    fn copy(&mut self, base: &Self, range: Range<usize>) {
        let mut at = range.start;
        let mut piece = base.piece_at(at);
        while at < range.end {
            let Piece { source, start, at: begin } = &base.pieces[piece];
            let end = base.end_of(piece).min(range.end);
            self.push(source, *start as usize + (at - *begin as usize), end - at);
            at = end;
            piece += 1;
        }
    }
}

/// How many bytes at the beginning of both are equal.
pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let strides = a.chunks(STRIDE).zip(b.chunks(STRIDE)).take_while(|(a, b)| a == b).count();
    let begin = (strides * STRIDE).min(a.len()).min(b.len());
    begin + a[begin..].iter().zip(&b[begin..]).take_while(|(a, b)| a == b).count()
}

/// The bytes of a delta.
struct Instructions<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Instructions<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// A length: seven bits a byte, lowest first.
    fn size(&mut self) -> Option<usize> {
        let mut size = 0_usize;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            size |= usize::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(size);
            }
        }
        None
    }

    /// A number of which only the bytes are there whose bits are set in `mask`.
    fn little_endian(&mut self, mask: u8) -> Option<usize> {
        let mut number = 0;
        for position in (0..8).filter(|position| mask >> position & 1 != 0) {
            number |= usize::from(self.byte()?) << (8 * position);
        }
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A part of the base, or new bytes.
    #[derive(Debug, Clone)]
    enum Step {
        Copy(usize, usize),
        Insert(Vec<u8>),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let copy = (0..500_usize, 1..300_usize).prop_map(|(start, len)| Step::Copy(start, len));
        let insert = prop::collection::vec(prop::sample::select(b"ab\n".to_vec()), 1..20).prop_map(Step::Insert);
        prop::collection::vec(prop_oneof![copy, insert], 0..12)
    }

    /// The delta for `steps` as git encodes it, and the text it makes.
    fn apply(base: &[u8], steps: &[Step]) -> (Vec<u8>, Vec<u8>) {
        let (mut code, mut text) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Copy(start, len) => {
                    let start = (*start).min(base.len());
                    let len = (*len).min(base.len() - start);
                    if len > 0 {
                        code.extend([0x80 | 0x03 | 0x30, start as u8, (start >> 8) as u8, len as u8, (len >> 8) as u8]);
                        text.extend_from_slice(&base[start..start + len]);
                    }
                }
                Step::Insert(bytes) => {
                    code.push(bytes.len() as u8);
                    code.extend_from_slice(bytes);
                    text.extend_from_slice(bytes);
                }
            }
        }
        let size = |len: usize| [len as u8 | 0x80, (len >> 7) as u8];
        let size = |len: usize| if len < 128 { vec![len as u8] } else { size(len).to_vec() };
        ([size(base.len()), size(text.len()), code].concat(), text)
    }

    proptest! {
        #[test]
        fn is_the_text_that_the_deltas_make(first in steps(), second in steps()) {
            let base: Vec<u8> = (0..400_u32).map(|at| b"xyz\n"[(at * at % 7 % 4) as usize]).collect();
            let whole = Rope::from(base.clone());
            let (delta, text) = apply(&base, &first);
            let rope = Rope::patched(&whole, delta).expect("a good delta");
            let (delta, last) = apply(&text, &second);
            let rope = Rope::patched(&rope, delta).expect("a good delta");
            prop_assert_eq!(rope.slice(0..rope.len()).into_owned(), last.clone());
            for at in 0..=last.len() {
                let start = last[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |lf| lf + 1);
                prop_assert_eq!(rope.line_start(at), start);
                let line = last[at..].split(|&byte| byte == b'\n').next().unwrap_or_default();
                prop_assert_eq!(rope.line(at).into_owned(), line);
                let same = last[at..].iter().zip(&base).take_while(|(a, b)| a == b).count();
                prop_assert_eq!(rope.common_len(at, &whole, 0), same);
            }
        }

        #[test]
        fn takes_any_delta(delta: Vec<u8>) {
            let _ = Rope::patched(&Rope::from(vec![0; 9]), [&[9][..], &delta].concat());
        }
    }

    #[test]
    fn a_delta_of_another_base_is_refused() {
        let (delta, _) = apply(b"abc", &[Step::Copy(0, 3)]);
        assert!(Rope::patched(&Rope::from(b"abcd".to_vec()), delta).is_none());
    }
}
