//! Batches, each of one process and of so many bytes at most.

use wasmill_wire::{Index, Selection};

use crate::process::Processes;
use crate::span::{ScopeTags, Span};
use crate::thrift;

/// What is reserved of a batch's limit before there is anything: most are small.
const RESERVED_BYTES_MAX: usize = 256 << 10;

/// A `Batch` in Thrift's binary protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    pub body: Vec<u8>,
    pub spans: u64,
}

/// What became of a request's spans.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Encoded {
    pub batches: Vec<Batch>,
    pub left_out: LeftOut,
}

/// Spans that are in no batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LeftOut {
    /// Their trace id or span id is missing, zero, or of another length: Jaeger cannot find them.
    pub without_id: u64,
    /// They are longer than Thrift can say, 2 GiB, with what lists and maps become as JSON.
    pub too_long: u64,
}

impl LeftOut {
    pub fn spans(self) -> u64 {
        self.without_id + self.too_long
    }
}

/// Batches of the selected spans of a request, processes in the order in which they first come, spans of each in theirs.
///
/// `batch_bytes_max` bounds the body of a batch. A span that is longer alone is a batch by itself: only the backend can say whether that
/// is too much.
pub fn encode(index: &Index, selection: &Selection, batch_bytes_max: usize) -> Encoded {
    let processes = Processes::of(index, selection);
    let mut encoded = Encoded::default();
    let mut scope_tags = ScopeTags::default();
    let mut scope_number = None;
    let mut span = Span::default();
    let mut open: Option<Open> = None;
    for &(process, row) in &processes.rows {
        let Some(record) = index.records.get(row as usize) else { continue };
        if scope_number != Some(record.parent) {
            scope_number = Some(record.parent);
            scope_tags.set(index.scopes.get(record.parent as usize).and_then(|scope| index.parent(scope).message(1)));
        }
        if open.as_ref().is_some_and(|open| open.process != process) {
            encoded.batches.extend(open.take().and_then(Open::close));
        }
        let encoded_process = processes.encoded.get(process as usize).map_or(&[][..], Vec::as_slice);
        let batch = open.get_or_insert_with(|| Open::new(process, encoded_process, batch_bytes_max));
        let start = batch.body.len();
        span.read(&index.record(record));
        if !span.put(&mut batch.body, &scope_tags) {
            encoded.left_out.without_id += 1;
            continue;
        }
        if batch.body.len() - start > thrift::LEN_MAX {
            batch.body.truncate(start);
            encoded.left_out.too_long += 1;
            continue;
        }
        // The last byte ends the batch.
        if batch.body.len() + 1 > batch_bytes_max && batch.spans > 0 {
            let mut next = Open::new(process, encoded_process, batch_bytes_max);
            next.body.extend_from_slice(batch.body.get(start..).unwrap_or_default());
            batch.body.truncate(start);
            encoded.batches.extend(std::mem::replace(batch, next).close());
        }
        batch.spans += 1;
    }
    encoded.batches.extend(open.and_then(Open::close));
    encoded
}

/// A batch that spans are appended to.
struct Open {
    process: u32,
    body: Vec<u8>,
    list: thrift::OpenList,
    spans: u32,
}

impl Open {
    fn new(process: u32, encoded: &[u8], bytes_max: usize) -> Open {
        let mut body = Vec::with_capacity(bytes_max.min(RESERVED_BYTES_MAX).max(encoded.len()));
        thrift::put_field(&mut body, thrift::Type::Struct, 1);
        body.extend_from_slice(encoded);
        let list = thrift::begin_list(&mut body, 2);
        Open { process, body, list, spans: 0 }
    }

    /// `None`: there is no span in it.
    fn close(mut self) -> Option<Batch> {
        self.list.end(&mut self.body, self.spans);
        thrift::end_struct(&mut self.body);
        (self.spans > 0).then_some(Batch { body: self.body, spans: u64::from(self.spans) })
    }
}
