//! Writes deltas as git's packs have them, between texts that share most of their lines.
//!
//! Two versions of a manifest differ in few lines, mostly in place: so both are compared as bytes, line by line only
//! around what differs. Where many lines came, went or changed, the place to go on at is looked up.
//!
//! Source of the delta's form: git's `gitformat-pack`, "Deltified representation".

use std::collections::HashMap;
use std::ops::Range;

use super::rope::common_prefix;

/// Lines that are looked at on both sides to find the place where the texts go on together.
const NEAR: usize = 32;
/// The longest texts that one instruction inserts and copies.
const INSERT_MAX: usize = 0x7f;
const COPY_MAX: usize = 0xff_ffff;

/// What makes `text` of `base`; `None` if that takes more than `len_max` bytes, or if a text is too long for a delta.
pub fn delta(base: &[u8], text: &[u8], len_max: usize) -> Option<Vec<u8>> {
    u32::try_from(base.len().max(text.len())).ok()?;
    let mut writer = Writer::new(base, text.len());
    let mut places = None;
    // Where lines begin that are not dealt with yet.
    let (mut base_at, mut at) = (0, 0);
    loop {
        let same = common_lines(&base[base_at..], &text[at..]);
        writer.copy(base_at..base_at + same);
        (base_at, at) = (base_at + same, at + same);
        if at == text.len() {
            let delta = writer.finish();
            return (delta.len() <= len_max).then_some(delta);
        }
        if let Some((base_len, len)) = meeting(&base[base_at..], &text[at..]) {
            writer.replace(base_at..base_at + base_len, &text[at..at + len]);
            (base_at, at) = (base_at + base_len, at + len);
        } else {
            let places = places.get_or_insert_with(|| places_of_lines(base));
            let begin = at;
            base_at = base.len();
            for line in lines(&text[begin..]) {
                if let Some(&found) = places.get(line) {
                    base_at = found;
                    break;
                }
                at += line.len();
                if at - begin > len_max {
                    return None;
                }
            }
            writer.insert(&text[begin..at]);
        }
        if writer.delta.len() > len_max {
            return None;
        }
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n')
}

fn is_blank(line: &[u8]) -> bool {
    line == b"\n"
}

/// The length of the whole lines at the beginning of both that are equal.
fn common_lines(base: &[u8], text: &[u8]) -> usize {
    let same = common_prefix(base, text);
    if same == text.len() {
        return same;
    }
    text[..same].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1)
}

/// How many bytes of each come before the next line that both have, if that is near. Blank lines tell nothing.
fn meeting(base: &[u8], text: &[u8]) -> Option<(usize, usize)> {
    let (base, text) = (near(base), near(text));
    (1..2 * NEAR).find_map(|steps| {
        (0..=steps).find_map(|step| {
            let ((base_at, base_line), (at, line)) = (base.get(step)?, text.get(steps - step)?);
            (base_line == line).then_some((*base_at, *at))
        })
    })
}

fn near(text: &[u8]) -> Vec<(usize, &[u8])> {
    lines_with_places(text).filter(|(_, line)| !is_blank(line)).take(NEAR).collect()
}

fn lines_with_places(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut next = 0;
    lines(text).map(move |line| {
        let at = next;
        next += line.len();
        (at, line)
    })
}

fn places_of_lines(text: &[u8]) -> HashMap<&[u8], usize> {
    lines_with_places(text).filter(|(_, line)| !is_blank(line)).map(|(at, line)| (line, at)).collect()
}

/// A delta in the making.
struct Writer<'b> {
    base: &'b [u8],
    delta: Vec<u8>,
    /// What is to be copied next, as long as it may become longer.
    copied: Range<usize>,
}

impl<'b> Writer<'b> {
    fn new(base: &'b [u8], len: usize) -> Self {
        let mut writer = Self { base, delta: Vec::new(), copied: 0..0 };
        writer.size(base.len());
        writer.size(len);
        writer
    }

    /// A length: seven bits a byte, lowest first.
    fn size(&mut self, mut size: usize) {
        while size >= 0x80 {
            self.delta.push(size as u8 | 0x80);
            size >>= 7;
        }
        self.delta.push(size as u8);
    }

    /// Appends a part of the base.
    fn copy(&mut self, range: Range<usize>) {
        if self.copied.end == range.start {
            self.copied.end = range.end;
        } else if !range.is_empty() {
            self.write_copies();
            self.copied = range;
        }
    }

    fn write_copies(&mut self) {
        for start in self.copied.clone().step_by(COPY_MAX) {
            let size = (self.copied.end - start).min(COPY_MAX);
            let first = self.delta.len();
            self.delta.push(0x80);
            let bytes = (start as u32).to_le_bytes().into_iter().chain((size as u32).to_le_bytes());
            // Of start and size only those bytes are there that are not zero.
            for (position, byte) in bytes.enumerate().filter(|(_, byte)| *byte != 0) {
                self.delta[first] |= 1 << position;
                self.delta.push(byte);
            }
        }
        self.copied = self.copied.end..self.copied.end;
    }

    /// Appends new bytes.
    fn insert(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.write_copies();
        }
        for part in bytes.chunks(INSERT_MAX) {
            self.delta.push(part.len() as u8);
            self.delta.extend_from_slice(part);
        }
    }

    /// Appends `bytes`, which stand in the place of a part of the base: what is the same at their ends is copied.
    fn replace(&mut self, range: Range<usize>, bytes: &[u8]) {
        let old = &self.base[range.clone()];
        let head = common_prefix(old, bytes);
        let tail = old[head..].iter().rev().zip(bytes[head..].iter().rev()).take_while(|(a, b)| a == b).count();
        self.copy(range.start..range.start + head);
        self.insert(&bytes[head..bytes.len() - tail]);
        self.copy(range.end - tail..range.end);
    }

    fn finish(mut self) -> Vec<u8> {
        self.write_copies();
        self.delta
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::git::history::rope::Rope;

    /// What the delta makes of the base, where it may be as long as it likes.
    fn there_and_back(base: &[u8], text: &[u8]) -> Vec<u8> {
        let delta = delta(base, text, usize::MAX).expect("a delta");
        let made = Rope::patched(&Rope::from(base.to_vec()), delta).expect("a good delta");
        made.slice(0..made.len()).into_owned()
    }

    fn record(name: usize, value: usize) -> String {
        format!("\n{{\"name\":\"layers.{name}.weight\",\"dtype\":\"F32\",\"shape\":[1],\"sha256\":\"{value:064}\"}}\n")
    }

    fn manifest(records: impl IntoIterator<Item = (usize, usize)>) -> Vec<u8> {
        let records: String = records.into_iter().map(|(name, value)| record(name, value)).collect();
        ("{\"git-model\":1}\n".to_owned() + &records).into_bytes()
    }

    /// The bytes that a delta has for this change of a manifest.
    #[track_caller]
    fn delta_len(base: &[(usize, usize)], text: &[(usize, usize)]) -> usize {
        let (base, text) = (manifest(base.iter().copied()), manifest(text.iter().copied()));
        assert_eq!(there_and_back(&base, &text), text);
        delta(&base, &text, usize::MAX).expect("a delta").len()
    }

    proptest! {
        #[test]
        fn makes_any_text_of_any_other(base: Vec<u8>, text: Vec<u8>) {
            prop_assert_eq!(there_and_back(&base, &text), text);
        }

        #[test]
        fn makes_lines_of_lines(base in "(a|b|c|\n){0,200}", text in "(a|b|c|\n){0,200}") {
            prop_assert_eq!(there_and_back(base.as_bytes(), text.as_bytes()), text.into_bytes());
        }

        /// Records change, come, go and move.
        #[test]
        fn makes_a_manifest_of_another(
            changes in prop::collection::vec((0..300_usize, 0..4_usize), 0..80),
            gone in prop::collection::vec(0..300_usize, 0..80),
            added in 0..80_usize,
            turned in 0..150_usize,
        ) {
            let base: Vec<_> = (0..300).map(|name| (name, 9)).collect();
            let mut text = base.clone();
            changes.iter().for_each(|&(name, value)| text[name].1 = value);
            text.retain(|(name, _)| !gone.contains(name));
            (0..added).for_each(|name| text.insert(100, (1000 + name, 0)));
            text.rotate_left(turned);
            let (base, text) = (manifest(base), manifest(text));
            prop_assert_eq!(there_and_back(&base, &text), text.clone());
            prop_assert_eq!(there_and_back(&text, &base), base);
        }
    }

    #[test]
    fn what_changes_little_takes_little() {
        let base: Vec<_> = (0..2000).map(|name| (name, 1)).collect();
        let mut text = base.clone();
        text[1000].1 = 2;
        // Two copies, and what differs of a digest.
        assert!(delta_len(&base, &text) < 30, "{}", delta_len(&base, &text));
        text.insert(500, (9000, 9));
        text.remove(1500);
        assert!(delta_len(&base, &text) < 300, "{}", delta_len(&base, &text));
        // More than are near at once: gone, come, moved.
        text.drain(700..900);
        assert!(delta_len(&base, &text) < 400, "{}", delta_len(&base, &text));
        (0..100).for_each(|name| text.insert(1200, (5000 + name, 1)));
        assert!(delta_len(&base, &text) < 400 + 101 * record(5000, 1).len(), "{}", delta_len(&base, &text));
        let mut moved = base.clone();
        moved.rotate_left(700);
        assert!(delta_len(&base, &moved) < 50, "{}", delta_len(&base, &moved));
    }

    #[test]
    fn what_changes_much_is_given_up() {
        let (base, text) =
            (manifest((0..500).map(|name| (name, 1))), manifest((0..500).map(|name| (name, name + 1000))));
        assert_eq!(delta(&base, &text, text.len() / 8), None);
        assert!(delta(&base, &text, usize::MAX).is_some());
        let exact = delta(b"", b"abc\n", usize::MAX).expect("a delta");
        assert!(delta(b"", b"abc\n", exact.len()).is_some());
        assert_eq!(delta(b"", b"abc\n", exact.len() - 1), None);
    }

    #[test]
    fn a_copy_may_be_longer_than_an_instruction_can_say() {
        let base = vec![b'x'; 2 * COPY_MAX + 5];
        let text = [&base[..], b"y"].concat();
        assert!(there_and_back(&base, &text) == text);
        let text = &base[..1 << 16];
        assert!(there_and_back(&base, text) == text);
    }
}
