//! Pushes: bodies that Loki takes at once, each of one tenant and of a bounded size.

use bytes::Bytes;

use crate::form::Open;
use crate::options::{Encoding, Limits};

/// What closing a stream and a push may add to what is written so far.
const CLOSING_BYTES: usize = 8;

/// A request to Loki.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Push {
    /// Empty: that of the request, whoever says it.
    pub tenant: String,
    /// Compressed, where the encoding is.
    pub body: Bytes,
    /// Entries in it.
    pub rows: u64,
}

/// Writes one push after the other.
pub(crate) struct Pushes {
    encoding: Encoding,
    bytes_max: usize,
    out: Vec<u8>,
    rows: u64,
    tenant: String,
    /// The stream that is open: where it began, and how it is closed.
    stream: Option<(usize, Open)>,
    /// Entries of that stream in this push.
    stream_rows: u64,
    snappy: snap::raw::Encoder,
    pub done: Vec<Push>,
    /// Rows that cannot be sent, as snappy cannot hold their push: it has 4 GiB.
    pub lost: u64,
}

impl Pushes {
    pub fn new(encoding: Encoding, limits: &Limits) -> Pushes {
        let mut out = Vec::new();
        encoding.begin_push(&mut out);
        Pushes {
            encoding,
            bytes_max: limits.push_bytes_max,
            out,
            rows: 0,
            tenant: String::new(),
            stream: None,
            stream_rows: 0,
            snappy: snap::raw::Encoder::new(),
            done: Vec::new(),
            lost: 0,
        }
    }

    /// What follows is this tenant's.
    pub fn set_tenant(&mut self, tenant: &str) {
        if self.tenant != tenant {
            self.finish();
            tenant.clone_into(&mut self.tenant);
        }
    }

    /// Adds an entry of a stream, which `write` writes, once or, where it does not fit, twice.
    pub fn add(&mut self, labels: &[u8], mut write: impl FnMut(&mut Vec<u8>)) {
        self.open(labels);
        let before = self.out.len();
        write(&mut self.out);
        if self.out.len() + CLOSING_BYTES > self.bytes_max && self.rows > 0 {
            self.out.truncate(before);
            self.finish();
            self.open(labels);
            write(&mut self.out);
        }
        self.rows += 1;
        self.stream_rows += 1;
    }

    fn open(&mut self, labels: &[u8]) {
        if self.stream.is_none() {
            let start = self.out.len();
            self.stream = Some((start, self.encoding.begin_stream(labels, &mut self.out)));
            self.stream_rows = 0;
        }
    }

    /// The next entry is another stream's.
    pub fn end_stream(&mut self) {
        if let Some((start, open)) = self.stream.take() {
            match self.stream_rows {
                0 => self.out.truncate(start),
                _ => self.encoding.end_stream(open, &mut self.out),
            }
        }
    }

    /// Closes the push, if there is anything in it.
    pub fn finish(&mut self) {
        self.end_stream();
        if self.rows > 0 {
            self.encoding.end_push(&mut self.out);
            let body = match self.encoding {
                Encoding::Protobuf => self.snappy.compress_vec(&self.out).ok(),
                Encoding::Json => Some(self.out.clone()),
            };
            match body {
                Some(body) => {
                    self.done.push(Push { tenant: self.tenant.clone(), body: body.into(), rows: self.rows });
                }
                None => self.lost += self.rows,
            }
        }
        self.rows = 0;
        self.encoding.begin_push(&mut self.out);
    }
}
