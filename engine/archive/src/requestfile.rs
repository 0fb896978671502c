//! A file of requests while it is written: OTLP as it came, one request behind the other.
//!
//! Its compression is of the file, so that every tool reads it, and not of each request as in the Collector's files: those are appended to.

use std::fs::File;
use std::io::{self, Write};

use wasmill_wire::{JsonDocument, JsonError, Signal, to_json};

use crate::counted::Counted;

/// Of zstd: its default.
const LEVEL: i32 = 3;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestFormat {
    /// A line of OTLP/JSON for each.
    Json,
    /// Protobuf, each behind its length: four bytes, big-endian.
    Proto,
}

/// How files are laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestSettings {
    pub format: RequestFormat,
    /// With zstd.
    pub is_compressed: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is left out. What is in the file is as before.
    #[error(transparent)]
    Json(#[from] JsonError),
}

/// A file that is being written.
pub struct RequestFile {
    out: Out,
    signal: Signal,
    format: RequestFormat,
    rows: u64,
    line: Vec<u8>,
}

enum Out {
    Plain(Counted),
    Zstd(Box<zstd::Encoder<'static, Counted>>),
}

impl RequestFile {
    pub fn begin(file: File, signal: Signal, settings: &RequestSettings) -> io::Result<RequestFile> {
        let file = Counted::new(file);
        let out = if settings.is_compressed {
            let mut encoder = zstd::Encoder::new(file, LEVEL)?;
            encoder.include_checksum(true)?;
            Out::Zstd(Box::new(encoder))
        } else {
            Out::Plain(file)
        };
        Ok(RequestFile { out, signal, format: settings.format, rows: 0, line: Vec::new() })
    }

    /// A request that was parsed, of `rows` rows.
    pub fn write(&mut self, request: &[u8], rows: u64) -> Result<(), RequestError> {
        match self.format {
            RequestFormat::Json => {
                self.line.clear();
                to_json(JsonDocument::Request(self.signal), request, &mut self.line)?;
                self.line.push(b'\n');
                self.out.write_all(&self.line)?;
            }
            RequestFormat::Proto => {
                let length = u32::try_from(request.len()).map_err(|_| io::Error::other("it has more than 4 GiB"))?;
                self.out.write_all(&length.to_be_bytes())?;
                self.out.write_all(request)?;
            }
        }
        self.rows += rows;
        Ok(())
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// What the file has; of what is compressed a little is on its way.
    pub fn bytes(&self) -> u64 {
        match &self.out {
            Out::Plain(file) => file.bytes(),
            Out::Zstd(encoder) => encoder.get_ref().bytes(),
        }
    }

    /// Sees to it that the file stays. Gives its size.
    pub fn finish(self) -> io::Result<u64> {
        match self.out {
            Out::Plain(file) => file.finish(),
            Out::Zstd(encoder) => encoder.finish()?.finish(),
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Out::Plain(file) => file.write(bytes),
            Out::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Out::Plain(file) => file.flush(),
            Out::Zstd(encoder) => encoder.flush(),
        }
    }
}
