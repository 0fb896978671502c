//! Files that an engine writes, read when the load has ended: they may have some gigabytes, and the machine is shared.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use anyhow::{Context, Result};
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
}

impl Written {
    pub fn new(path: PathBuf, form: Form, signal: Signal) -> Written {
        Written { path, form, signal, file: None, request: Vec::new(), is_whole: false }
    }

    /// Takes all requests that were written since it was called last. An error: there is no such file.
    pub fn look(&mut self, state: &State) -> Result<()> {
        if self.file.is_none() {
            let file = File::open(&self.path).with_context(|| format!("`{}`", self.path.display()))?;
            self.file = Some(BufReader::with_capacity(1 << 20, file));
        }
        let (form, signal) = (self.form, self.signal);
        while let Some(request) = self.next()? {
            state.take(request.len(), |mut found| match form {
                Form::Json => json_ids(signal, request, &mut found),
                Form::Proto => ids(signal, &request[HEAD..], &mut found),
            });
        }
        Ok(())
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
