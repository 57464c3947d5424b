//! The order that codec C puts differences in: by what the base says of how large they will be.
//!
//! A training step moves a weight by an amount that has little to do with the weight's size, while neighbouring floats
//! are the farther apart the larger they are. So the differences of large weights are mostly 0 and those of small ones
//! are large numbers, and the base, which a reader has before the differences, tells which is which. Elements are
//! divided into classes by exponent and first bits of mantissa of their base, about as many in each; within a class they
//! keep their order. Each class then has statistics, and so codes, of its own.
//!
//! **Limitations.** A block of few elements has classes too small to pay for their codes; the writer then takes F.

/// Bits below the sign that an element of the base is judged by: the exponent of the widest floats.
const CONTEXT_BITS_MAX: u32 = 11;
const CONTEXTS: usize = 1 << CONTEXT_BITS_MAX;
/// More classes gain nothing, and cost a code each.
pub(super) const CLASSES_MAX: usize = 64;

/// The classes of the elements of a base block.
pub(super) struct Classes {
    /// The class of each context.
    of_context: [u8; CONTEXTS],
    /// The place of each class's first element in the new order, and behind the last class the number of elements.
    starts: [usize; CLASSES_MAX + 1],
}

macro_rules! word_classes {
    ($count:ident, $sort:ident, $restore:ident, $word:ty, $signed:ty, $bytes:literal) => {
        fn $count(base: &[u8]) -> [usize; CONTEXTS] {
            let mut counts = [0; CONTEXTS];
            // Two tables: neighbours often have the same context, and would wait for each other's store.
            let mut others = [0; CONTEXTS];
            let (pairs, rest) = base.as_chunks::<{ 2 * $bytes }>();
            for pair in pairs {
                let (words, _) = pair.as_chunks::<$bytes>();
                counts[context(<$word>::from_le_bytes(words[0]).into(), <$word>::BITS)] += 1;
                others[context(<$word>::from_le_bytes(words[1]).into(), <$word>::BITS)] += 1;
            }
            for word in rest.as_chunks::<$bytes>().0 {
                counts[context(<$word>::from_le_bytes(*word).into(), <$word>::BITS)] += 1;
            }
            for (count, other) in counts.iter_mut().zip(others) {
                *count += other;
            }
            counts
        }

        fn $sort(classes: &Classes, plain: &[u8], base: &[u8], planes: &mut [u8]) {
            let mut places = classes.starts;
            let count = plain.len() / $bytes;
            let words = plain.as_chunks::<$bytes>().0.iter().zip(base.as_chunks::<$bytes>().0);
            for (a, b) in words {
                let (a, b) = (<$word>::from_le_bytes(*a), <$word>::from_le_bytes(*b));
                let delta = a.wrapping_sub(b);
                let z = (delta << 1) ^ ((delta as $signed >> (<$word>::BITS - 1)) as $word);
                let place = &mut places[classes.of(b.into(), <$word>::BITS)];
                for (index, byte) in z.to_le_bytes().into_iter().enumerate() {
                    planes[index * count + *place] = byte;
                }
                *place += 1;
            }
        }

        fn $restore(classes: &Classes, planes: &[u8], base: &[u8], out: &mut [u8]) {
            let mut places = classes.starts;
            let count = out.len() / $bytes;
            let mut each = [&planes[..0]; $bytes];
            for (to, plane) in each.iter_mut().zip(planes.chunks_exact(count.max(1))) {
                *to = plane;
            }
            let words = out.as_chunks_mut::<$bytes>().0.iter_mut().zip(base.as_chunks::<$bytes>().0);
            for (a, b) in words {
                let b = <$word>::from_le_bytes(*b);
                let place = &mut places[classes.of(b.into(), <$word>::BITS)];
                let mut bytes = [0; $bytes];
                for (byte, plane) in bytes.iter_mut().zip(each) {
                    *byte = plane[*place];
                }
                *place += 1;
                let z = <$word>::from_le_bytes(bytes);
                *a = ((z >> 1) ^ (z & 1).wrapping_neg()).wrapping_add(b).to_le_bytes();
            }
        }
    };
}

word_classes!(count_1, sort_1, restore_1, u8, i8, 1);
word_classes!(count_2, sort_2, restore_2, u16, i16, 2);
word_classes!(count_4, sort_4, restore_4, u32, i32, 4);
word_classes!(count_8, sort_8, restore_8, u64, i64, 8);

/// What an element of `bits` bits is judged by: up to [`CONTEXT_BITS_MAX`] bits below its sign.
#[inline(always)]
fn context(element: u64, bits: u32) -> usize {
    let width = if bits > CONTEXT_BITS_MAX { CONTEXT_BITS_MAX } else { bits - 1 };
    (element >> (bits - 1 - width)) as usize & ((1 << width) - 1)
}

impl Classes {
    /// `count` classes (at most [`CLASSES_MAX`]) of the elements of `base`, which are `word` bytes wide.
    ///
    /// Contexts are taken in rising order. A context belongs to the class that its first element would be in if all
    /// elements were dealt out evenly, so classes are whole contexts, and some may be empty.
    pub(super) fn of_base(word: usize, base: &[u8], count: usize) -> Self {
        let counts = match word {
            1 => count_1(base),
            2 => count_2(base),
            4 => count_4(base),
            _ => count_8(base),
        };
        let total = base.len() / word;
        let mut classes = Self { of_context: [0; CONTEXTS], starts: [total; CLASSES_MAX + 1] };
        let (mut before, mut next) = (0, 0);
        for (class, elements) in classes.of_context.iter_mut().zip(counts) {
            if elements == 0 {
                continue;
            }
            let number = before * count / total;
            *class = number as u8;
            while next <= number {
                classes.starts[next] = before;
                next += 1;
            }
            before += elements;
        }
        classes
    }

    #[inline(always)]
    fn of(&self, element: u64, bits: u32) -> usize {
        usize::from(self.of_context[context(element, bits)])
    }

    /// Where the classes that are not empty begin and end in the new order.
    pub(super) fn ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.starts.windows(2).map(|pair| pair[0]..pair[1]).filter(|range| !range.is_empty())
    }

    /// Writes the differences between `plain` and `base` (both as the one the classes are of) to `word` planes, one behind
    /// the other, sorted by class.
    pub(super) fn sort(&self, word: usize, plain: &[u8], base: &[u8], planes: &mut [u8]) {
        match word {
            1 => sort_1(self, plain, base, planes),
            2 => sort_2(self, plain, base, planes),
            4 => sort_4(self, plain, base, planes),
            _ => sort_8(self, plain, base, planes),
        }
    }

    /// The inverse of [`Classes::sort`].
    pub(super) fn restore(&self, word: usize, planes: &[u8], base: &[u8], out: &mut [u8]) {
        match word {
            1 => restore_1(self, planes, base, out),
            2 => restore_2(self, planes, base, out),
            4 => restore_4(self, planes, base, out),
            _ => restore_8(self, planes, base, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_the_bits_below_the_sign() {
        // 1.0 and -1.0 in bf16, f32 and f64: exponent 127 or 1023, no mantissa.
        for (element, bits, expected) in [
            (0x3f80, 16, 127 << 3),
            (0xbf80, 16, 127 << 3),
            (0x3f80_0000, 32, 127 << 3),
            (0xbff0_0000_0000_0000, 64, 1023),
            (0x85, 8, 5),
        ] {
            assert_eq!(context(element, bits), expected, "{element:x}");
        }
    }

    #[test]
    fn classes_are_whole_contexts_of_about_equal_size() {
        // Contexts 16 (once), 32 (four times), 48 (three times), dealt out to four classes of two.
        let base: Vec<u8> = [3_u16, 2, 2, 1, 2, 3, 3, 2].iter().flat_map(|n| (n << 9).to_le_bytes()).collect();
        let classes = Classes::of_base(2, &base, 4);
        let ranges: Vec<_> = classes.ranges().collect();
        assert_eq!(ranges, [0..5, 5..8]);
        assert_eq!(Classes::of_base(2, &base, 8).ranges().collect::<Vec<_>>(), [0..1, 1..5, 5..8]);
        assert_eq!(Classes::of_base(2, &[], 4).ranges().count(), 0);
    }
}
