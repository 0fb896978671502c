//! How requests lie in a file, one behind the other, and where the last whole one ends.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use wasmill_config::{FileExporter, FileFormat};

/// Of what is read at one time to find the end.
const BLOCK_BYTES: u64 = 64 << 10;

/// As in the Collector: what is not plain JSON stands behind its length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// Each request ends with a line break, and has none within.
    Lines,
    /// Each request behind its length: four bytes, big-endian.
    Lengths,
}

impl Framing {
    pub fn of(settings: &FileExporter) -> Framing {
        match settings.format {
            FileFormat::Json if !settings.compress => Framing::Lines,
            _ => Framing::Lengths,
        }
    }

    /// Where the last whole request of a file of `len` bytes ends.
    pub fn whole(self, file: &File, len: u64) -> io::Result<u64> {
        match self {
            Framing::Lines => last_line(file, len),
            Framing::Lengths => last_frame(file, len),
        }
    }
}

/// A request behind its length.
pub fn with_length(body: &[u8]) -> Result<Bytes, String> {
    let length = u32::try_from(body.len()).map_err(|_| "it has more than 4 GiB".to_owned())?;
    let mut frame = Vec::with_capacity(4 + body.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(body);
    Ok(frame.into())
}

fn last_line(file: &File, len: u64) -> io::Result<u64> {
    let mut block = vec![0; BLOCK_BYTES as usize];
    let mut end = len;
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES);
        // At most a block's length.
        let block = &mut block[..(end - start) as usize];
        file.read_exact_at(block, start)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn last_frame(file: &File, len: u64) -> io::Result<u64> {
    let mut at = 0;
    let mut length = [0; 4];
    while at + 4 <= len {
        file.read_exact_at(&mut length, at)?;
        let end = at + 4 + u64::from(u32::from_be_bytes(length));
        if end > len {
            break;
        }
        at = end;
    }
    Ok(at)
}
