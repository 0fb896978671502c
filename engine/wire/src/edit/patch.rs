//! The buffer that an apply writes into.

use bytes::Bytes;

use super::EditError;
use crate::Extent;

/// Bytes that one apply may write. Far above what requests of the default limit of 64 MiB need; below the 2 GiB of any
/// buffer; and what stops edits that give each row of a large resource a resource of its own.
pub(super) const PATCH_BYTES_MAX: usize = 1 << 30;

/// New records and headers.
pub(super) struct Patch {
    number: u32,
    /// At most [`PATCH_BYTES_MAX`].
    bytes_max: usize,
    out: Vec<u8>,
}

impl Patch {
    /// A patch that will be the buffer of this number, and have at most `bytes_max`.
    pub fn new(number: usize, capacity: usize, bytes_max: usize) -> Patch {
        let bytes_max = bytes_max.min(PATCH_BYTES_MAX);
        Patch { number: number as u32, bytes_max, out: Vec::with_capacity(capacity.min(bytes_max)) }
    }

    pub fn number(&self) -> u32 {
        self.number
    }

    /// Refuses what would not fit into a patch.
    pub fn check(&self, len: usize) -> Result<(), EditError> {
        match len > self.bytes_max {
            true => Err(EditError::Size { limit: self.bytes_max }),
            false => Ok(()),
        }
    }

    /// The patch, to which `len` bytes may be appended.
    pub fn reserve(&mut self, len: usize) -> Result<&mut Vec<u8>, EditError> {
        self.check(self.out.len() + len)?;
        Ok(&mut self.out)
    }

    pub fn bytes(&self, extent: Extent) -> &[u8] {
        &self.out[extent.offset as usize..(extent.offset + extent.len) as usize]
    }

    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Takes back all from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.out.truncate(len);
    }

    pub fn finish(self) -> Bytes {
        Bytes::from(self.out)
    }
}
