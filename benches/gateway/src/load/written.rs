//! Files that an engine writes, read while they grow, as a shipper does.
//!
//! What was read is taken out of the file, which keeps its length. Else it would be gigabytes in the system's memory, and on a machine
//! whose memory is given to it page by page the first touch of each costs several times the write that is to be measured.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use anyhow::{Context, Result};
use rustix::fs::{FallocateFlags, fallocate};
use wasmill_wire::Signal;

use super::backend::State;
use crate::records::{ids, json_ids};

/// Of a file's requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// OTLP/JSON, one a line.
    Json,
    /// Protobuf, each behind its length: four bytes, big-endian.
    Proto,
}

pub struct Written {
    path: PathBuf,
    form: Form,
    signal: Signal,
    file: Option<BufReader<File>>,
    /// Of a request that is not there to its end yet, or the last one.
    request: Vec<u8>,
    is_whole: bool,
    /// Bytes of whole requests, and those that were taken out.
    read: u64,
    taken_out: u64,
}

/// Is taken out at a time.
const BLOCK_BYTES: u64 = 8 << 20;

impl Written {
    pub fn new(path: PathBuf, form: Form, signal: Signal) -> Written {
        Written { path, form, signal, file: None, request: Vec::new(), is_whole: false, read: 0, taken_out: 0 }
    }

    /// Takes all requests that were written since it was called last. An error: there is no such file.
    pub fn look(&mut self, state: &State) -> Result<()> {
        if self.file.is_none() {
            let file = OpenOptions::new().read(true).write(true).open(&self.path);
            let file = file.with_context(|| format!("`{}`", self.path.display()))?;
            self.file = Some(BufReader::with_capacity(1 << 20, file));
        }
        let (form, signal) = (self.form, self.signal);
        while let Some(request) = self.next()? {
            let len = request.len();
            state.take(len, |mut found| match form {
                Form::Json => json_ids(signal, request, &mut found),
                Form::Proto => ids(signal, &request[HEAD..], &mut found),
            });
            self.read += len as u64;
            self.take_out();
        }
        Ok(())
    }

    /// A file system that cannot do it keeps everything.
    fn take_out(&mut self) {
        let whole = self.read - self.read % BLOCK_BYTES;
        let Some(file) = self.file.as_ref().filter(|_| whole > self.taken_out) else { return };
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let _ = fallocate(file.get_ref(), flags, self.taken_out, whole - self.taken_out);
        self.taken_out = whole;
    }

    /// The next request with what stands around it. `None`: it is not there to its end yet.
    fn next(&mut self) -> Result<Option<&[u8]>> {
        let Some(file) = &mut self.file else { return Ok(None) };
        if std::mem::take(&mut self.is_whole) {
            self.request.clear();
        }
        self.is_whole = match self.form {
            Form::Json => {
                file.read_until(b'\n', &mut self.request)?;
                self.request.ends_with(b"\n")
            }
            Form::Proto => {
                let is_headed = read_to(file, &mut self.request, HEAD)?;
                match self.request.first_chunk::<HEAD>() {
                    Some(len) if is_headed => {
                        let len = u32::from_be_bytes(*len) as usize;
                        read_to(file, &mut self.request, HEAD + len)?
                    }
                    _ => false,
                }
            }
        };
        Ok(self.is_whole.then_some(&self.request))
    }
}

/// Bytes of a length.
const HEAD: usize = 4;

/// Reads until `into` has `len` bytes, if there are so many.
fn read_to(file: &mut impl Read, into: &mut Vec<u8>, len: usize) -> Result<bool> {
    let missing = len.saturating_sub(into.len());
    file.take(missing as u64).read_to_end(into)?;
    Ok(into.len() >= len)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// Whoever reads a file that is written to finds it ending anywhere.
    #[test]
    fn a_request_is_taken_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        for (form, pieces, wanted) in [
            (Form::Json, [&b"one\ntw"[..], b"o", b"\n"], ["one\n", "two\n"]),
            (Form::Proto, [&b"\0\0\0\x03one\0\0"[..], b"\0\x03t", b"wo"], ["\0\0\0\x03one", "\0\0\0\x03two"]),
        ] {
            let path = folder.path().join("file");
            let mut file = File::create(&path).unwrap();
            let mut written = Written::new(path.clone(), form, Signal::Traces);
            written.file = Some(BufReader::new(File::open(&path).unwrap()));
            let mut found = Vec::new();
            for piece in pieces {
                file.write_all(piece).unwrap();
                while let Some(request) = written.next().unwrap() {
                    found.push(String::from_utf8(request.to_vec()).unwrap());
                }
            }
            assert_eq!(found, wanted);
        }
    }
}
