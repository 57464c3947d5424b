//! A file of which only the gaps are there: zeros stand for its tensors.

use std::io;
use std::ops::Range;

use super::{CannotRebuild, Side, TensorSpec, cannot};
use crate::format::{Skeleton, Source};

/// The file that a skeleton and a list of tensors make.
pub(super) struct Sparse<'a> {
    /// What the file is called in messages.
    pub who: &'static str,
    pub skeleton: &'a Skeleton,
    pub tensors: &'a [TensorSpec<'a>],
    /// The gaps: one before each tensor, one after the last.
    pub gaps: Vec<&'a [u8]>,
    /// Where in the file each of them starts.
    starts: Vec<u64>,
    len: u64,
}

impl<'a> Sparse<'a> {
    pub fn new(who: &'static str, side: &Side<'a>) -> Result<Self, CannotRebuild> {
        let &Side { skeleton, tensors } = side;
        let gaps: Vec<&[u8]> = skeleton.gaps().collect();
        if gaps.len() != tensors.len() + 1 {
            return Err(cannot(format!("the skeleton of {who} is that of another file")));
        }
        let mut starts = Vec::with_capacity(gaps.len());
        let mut len = 0_u64;
        for (index, gap) in gaps.iter().enumerate() {
            starts.push(len);
            let tensor_len = tensors.get(index).map_or(Some(0), TensorSpec::byte_len);
            len = tensor_len
                .and_then(|tensor_len| len.checked_add(gap.len() as u64)?.checked_add(tensor_len))
                .ok_or_else(|| cannot(format!("the tensors of {who} have no size")))?;
        }
        Ok(Self { who, skeleton, tensors, gaps, starts, len })
    }

    /// The tensors' names in file order.
    pub fn names(&self) -> Vec<&'a str> {
        self.tensors.iter().map(|spec| spec.name).collect()
    }

    /// Where tensor `index` starts and ends.
    pub fn tensor(&self, index: usize) -> Range<u64> {
        self.starts[index] + self.gaps[index].len() as u64..self.starts[index + 1]
    }

    /// The bytes of a part of the file; `None` if a tensor's are among them or it is not within the file.
    pub fn bytes(&self, part: Range<u64>) -> Option<Vec<u8>> {
        let mut position = part.start;
        let mut index = self.gap_at(position);
        let mut bytes = Vec::new();
        if part.start > part.end || part.end > self.len {
            return None;
        }
        while position < part.end {
            let (start, gap) = (self.starts[index], self.gaps[index]);
            let end = part.end.min(start + gap.len() as u64);
            bytes.extend_from_slice(gap.get((position - start) as usize..(end - start) as usize)?);
            position = end;
            index += 1;
            // Only a tensor of no bytes may stand here.
            if position < part.end && self.starts.get(index) != Some(&position) {
                return None;
            }
        }
        Some(bytes)
    }

    /// The last gap that starts at `position` or before.
    fn gap_at(&self, position: u64) -> usize {
        self.starts.partition_point(|&start| start <= position) - 1
    }
}

impl Source for Sparse<'_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end =
            offset.checked_add(buf.len() as u64).filter(|&end| end <= self.len).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.fill(0);
        let first = self.gap_at(offset);
        for (gap, &start) in self.gaps[first..].iter().zip(&self.starts[first..]) {
            if start >= end {
                break;
            }
            let (from, to) = (start.max(offset), end.min(start + gap.len() as u64));
            if from < to {
                buf[(from - offset) as usize..(to - offset) as usize]
                    .copy_from_slice(&gap[(from - start) as usize..(to - start) as usize]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{Dtype, Plain};

    const U8: Dtype = Dtype::Plain(Plain::U8);

    fn skeleton(gaps: &[&[u8]]) -> Skeleton {
        let mut skeleton = Skeleton::new();
        gaps.iter().for_each(|gap| skeleton.push(gap));
        skeleton
    }

    #[test]
    fn tensors_read_as_zeros_and_are_no_bytes() {
        let skeleton = skeleton(&[b"ab", b"", b"cd", b"e"]);
        let spec = |name, shape| TensorSpec { name, dtype: &U8, shape };
        let tensors = [spec("x", &[3]), spec("none", &[0]), spec("nothing", &[0])];
        let file = Sparse::new("a file", &Side { skeleton: &skeleton, tensors: &tensors }).expect("a file");
        let mut all = [9; 8];
        file.read_at(0, &mut all).expect("in the file");
        assert_eq!(&all, b"ab\0\0\0cde");
        assert!(file.read_at(1, &mut all).is_err(), "past the end");
        for start in 0..8 {
            for end in start..=8 {
                let mut part = vec![9; end - start];
                file.read_at(start as u64, &mut part).expect("in the file");
                assert_eq!(part, all[start..end]);
                let is_free = end <= 2 || start >= 5 || start == end;
                assert_eq!(file.bytes(start as u64..end as u64), is_free.then(|| part.clone()), "{start}..{end}");
            }
        }
        assert_eq!(file.bytes(7..9), None);
        assert_eq!((file.tensor(0), file.tensor(1), file.tensor(2)), (2..5, 5..5, 7..7));
    }

    #[test]
    fn what_has_no_size_is_refused() {
        let skeleton = skeleton(&[b"ab", b""]);
        let refuse = |tensors: &[TensorSpec]| {
            assert!(Sparse::new("a file", &Side { skeleton: &skeleton, tensors }).is_err());
        };
        refuse(&[]);
        refuse(&[TensorSpec { name: "x", dtype: &U8, shape: &[u64::MAX] }]);
        refuse(&[TensorSpec { name: "x", dtype: &U8, shape: &[u64::MAX, 2] }]);
    }
}
