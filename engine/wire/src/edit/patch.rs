//! The buffer that an apply writes into.

use bytes::Bytes;

use super::EditError;
use crate::Extent;

/// Bytes that one apply may write. Far above what requests of the default limit of 64 MiB need; below the 2 GiB of any
/// buffer; and what stops edits that give each row of a large resource a resource of its own.
const PATCH_BYTES_MAX: usize = 1 << 30;

/// New records and headers.
pub(super) struct Patch {
    number: u32,
    out: Vec<u8>,
}

impl Patch {
    /// A patch that will be the buffer of this number.
    pub fn new(number: usize, capacity: usize) -> Patch {
        Patch { number: number as u32, out: Vec::with_capacity(capacity.min(PATCH_BYTES_MAX)) }
    }

    pub fn number(&self) -> u32 {
        self.number
    }

    /// Refuses what would not fit into a patch.
    pub fn check(len: usize) -> Result<(), EditError> {
        match len > PATCH_BYTES_MAX {
            true => Err(EditError::Size { limit: PATCH_BYTES_MAX }),
            false => Ok(()),
        }
    }

    /// The patch, to which `len` bytes may be appended.
    pub fn reserve(&mut self, len: usize) -> Result<&mut Vec<u8>, EditError> {
        Patch::check(self.out.len() + len)?;
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
