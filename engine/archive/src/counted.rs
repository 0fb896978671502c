//! A file that is written from its beginning to its end.

use std::fs::File;
use std::io::{self, BufWriter, IntoInnerError, Write};

/// What is gathered before it is written.
const BUFFER_BYTES: usize = 1 << 20;

/// A buffered file that knows how much was written to it.
pub struct Counted {
    inner: BufWriter<File>,
    bytes: u64,
}

impl Counted {
    pub fn new(file: File) -> Counted {
        Counted { inner: BufWriter::with_capacity(BUFFER_BYTES, file), bytes: 0 }
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Sees to it that the file stays. Gives its size.
    pub fn finish(self) -> io::Result<u64> {
        let file = self.inner.into_inner().map_err(IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(self.bytes)
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
