//! Bytes that lie in several places, to be written one after the other: what scatter/gather I/O takes, and nobody put together.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::{Buf, Bytes};

/// A request whose kept records lie where they came in. A clone copies no byte; it is read as a [`Buf`], of which each chunk is a
/// range of one of its buffers.
#[derive(Clone, Debug, Default)]
pub struct GatherList {
    parts: Parts,
    /// The part that is next, and how much of it is gone.
    at: usize,
    gone: usize,
    /// Bytes that are left.
    len: usize,
}

#[derive(Clone, Debug)]
enum Parts {
    One(Bytes),
    /// Ranges of buffers, none of them empty.
    Many(Arc<[Bytes]>, Arc<[Part]>),
}

/// A range of the buffer with this number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub buffer: u32,
    pub start: u32,
    pub len: u32,
}

impl Default for Parts {
    fn default() -> Parts {
        Parts::One(Bytes::new())
    }
}

impl From<Bytes> for GatherList {
    fn from(bytes: Bytes) -> GatherList {
        GatherList { len: bytes.len(), parts: Parts::One(bytes), at: 0, gone: 0 }
    }
}

impl GatherList {
    /// `parts` are ranges of `buffers`.
    pub(crate) fn new(buffers: Vec<Bytes>, mut parts: Vec<Part>) -> GatherList {
        parts.retain(|part| part.len > 0);
        let len = parts.iter().map(|part| part.len as usize).sum();
        GatherList { parts: Parts::Many(buffers.into(), parts.into()), at: 0, gone: 0, len }
    }

    /// Bytes in all parts together.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// In one piece. Copies unless it is.
    pub fn into_bytes(mut self) -> Bytes {
        match self.parts {
            Parts::One(mut bytes) => bytes.split_off(self.gone.min(bytes.len())),
            Parts::Many(..) => self.copy_to_bytes(self.len),
        }
    }

    /// What is left of the part with this number, counted from the next one.
    fn part(&self, number: usize) -> &[u8] {
        let gone = if number == 0 { self.gone } else { 0 };
        let part = match &self.parts {
            Parts::One(bytes) if number == 0 => bytes,
            Parts::One(_) => &[][..],
            Parts::Many(buffers, parts) => parts.get(self.at + number).map_or(&[][..], |part| {
                let (start, end) = (part.start as usize, (part.start + part.len) as usize);
                buffers.get(part.buffer as usize).and_then(|buffer| buffer.get(start..end)).unwrap_or_default()
            }),
        };
        part.get(gone..).unwrap_or_default()
    }
}

impl Buf for GatherList {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        self.part(0)
    }

    fn chunks_vectored<'a>(&'a self, to: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for slot in to {
            let part = self.part(filled);
            if part.is_empty() {
                break;
            }
            *slot = IoSlice::new(part);
            filled += 1;
        }
        filled
    }

    /// Panics, as every `Buf`, where `bytes` is more than there is.
    fn advance(&mut self, mut bytes: usize) {
        assert!(bytes <= self.len, "cannot advance by {bytes} where {} bytes are left", self.len);
        self.len -= bytes;
        loop {
            let left = self.part(0).len();
            if bytes < left || matches!(self.parts, Parts::One(_)) {
                self.gone += bytes;
                return;
            }
            if left == 0 {
                return;
            }
            bytes -= left;
            (self.at, self.gone) = (self.at + 1, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> GatherList {
        let part = |buffer, start, len| Part { buffer, start, len };
        let buffers = vec![Bytes::from_static(b"0123456789"), Bytes::from_static(b"abc")];
        GatherList::new(buffers, vec![part(1, 1, 2), part(0, 3, 0), part(0, 9, 1), part(0, 0, 4), part(1, 0, 1)])
    }

    fn joined(list: &GatherList, slots: usize) -> Vec<u8> {
        let mut slices = vec![IoSlice::new(&[]); slots];
        let filled = list.chunks_vectored(&mut slices);
        slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    /// However a writer takes it (whole, vectored, cut anywhere), it gets the same bytes once.
    #[test]
    fn parts_are_one_buffer() {
        let expected = b"bc90123a";
        assert_eq!((list().len(), &list().into_bytes()[..]), (8, &expected[..]));
        for cut in 0..=expected.len() {
            let (mut cut_off, mut left) = (list(), list());
            let head = cut_off.copy_to_bytes(cut);
            assert_eq!([&head[..], &joined(&cut_off, 8)].concat(), expected);
            assert_eq!((cut_off.len(), cut_off.has_remaining()), (8 - cut, cut < 8));
            assert_eq!(cut_off.into_bytes(), expected[cut..]);
            for _ in 0..cut {
                left.advance(1);
            }
            assert_eq!(left.into_bytes(), expected[cut..]);
        }
        assert_eq!(joined(&list(), 2), b"bc9");
    }

    /// Bytes that are in one place stay there.
    #[test]
    fn one_part_is_not_copied() {
        let bytes = Bytes::from(vec![7; 100]);
        let mut list = GatherList::from(bytes.clone());
        assert_eq!(list.clone().into_bytes().as_ptr(), bytes.as_ptr());
        list.advance(60);
        assert_eq!((list.len(), joined(&list, 4).len()), (40, 40));
        assert_eq!(list.clone().into_bytes().as_ptr(), bytes[60..].as_ptr());
        list.advance(40);
        assert!(list.is_empty() && list.chunk().is_empty() && list.into_bytes().is_empty());
        assert!(GatherList::default().is_empty() && joined(&GatherList::default(), 4).is_empty());
    }

    #[test]
    #[should_panic(expected = "cannot advance by 9 where 8 bytes are left")]
    fn no_more_than_there_is() {
        list().advance(9);
    }
}
