//! One pass over a request: is it one, and where does each part of it lie.
//!
//! The pass accepts what `prost` accepts with the published messages (up to [`RECORDS_MAX`] records and
//! [`BUFFER_LEN_MAX`] bytes), and means the same by it: fields in any order,
//! parents behind their children, singular messages that repeat (they merge), unknown fields and groups (they are kept in
//! the header that they came in), over-long varints, nesting up to [`DEPTH_MAX`]. A metric whose `data` changes its type
//! on the way loses the points that came before the change, as it does in `prost`; these are still validated.
//!
//! A length that exceeds its parent is refused where it stands. `prost` notices it only when the parent ends, but refuses
//! it too.

use arrow_array::ArrayRef;
use bytes::Bytes;

use crate::field::{DEPTH_MAX, Fault, WireType, read_len, read_tag, skip};
use crate::index::MetricData;
use crate::project::{self, Columns};
use crate::scan::{known, scan};
use crate::shape::{self, Shape};
use crate::{Extent, IdFaults, Index, MetricKind, Parent, Projection, Record, Signal};

/// Buffers are shorter than this, because Arrow's views and offsets hold 31 bits.
pub(crate) const BUFFER_LEN_MAX: usize = (1 << 31) - 1;

/// Records in one request, and parents of each level. A record can be as short as two bytes, and its place in the index
/// takes twenty, those in columns more: without a limit, 64 MiB of empty records would cost gigabytes. Exporters send
/// thousands at a time. This, with the limit on the length, is all that is refused of what `prost` accepts.
pub(crate) const RECORDS_MAX: usize = 1 << 20;

/// A request, taken apart.
pub(crate) struct Parsed {
    pub index: Index,
    pub id_faults: IdFaults,
    /// As many as were wanted.
    pub columns: Vec<ArrayRef>,
}

/// Takes a request apart, and projects the wanted columns of its records while it is at it.
pub(crate) fn parse(signal: Signal, request: &Bytes, wanted: &Projection) -> Result<Parsed, Fault> {
    if request.len() > BUFFER_LEN_MAX {
        return Err(Fault::new(BUFFER_LEN_MAX, "the request has 2 GiB or more"));
    }
    let mut parser = Parser {
        signal,
        bytes: request,
        index: Index::default(),
        id_faults: IdFaults::default(),
        open: Vec::new(),
        data: Vec::new(),
        seen: project::Record::new(wanted.plan()),
        wanted,
        columns: None,
        withdrawn: false,
    };
    parser.request()?;
    let Parser { mut index, id_faults, columns, withdrawn, .. } = parser;
    index.buffers.push(request.clone());
    let columns = match columns {
        Some(columns) if !withdrawn => project::complete(signal, &index, wanted.columns(), columns),
        _ => project::project(signal, &index, wanted.columns()),
    };
    Ok(Parsed { index, id_faults, columns })
}

struct Parser<'a> {
    signal: Signal,
    bytes: &'a [u8],
    index: Index,
    id_faults: IdFaults,
    /// Header extents of the messages that are being read, those of the innermost last.
    open: Vec<Extent>,
    /// Header extents of the `data` of the metric that is being read.
    data: Vec<Extent>,
    wanted: &'a Projection,
    /// What was seen of the record that is being read.
    seen: project::Record<'a>,
    /// Made at the first record, from whose length the number of rows is guessed.
    columns: Option<Columns<'a>>,
    /// A metric changed the type of its data, and rows that were already in the columns are none.
    withdrawn: bool,
}

/// The header fields `start..end`, as an extent of its own or as the continuation of the one before.
fn note(extents: &mut Vec<Extent>, first: usize, start: usize, end: usize) {
    let (offset, len) = (start as u32, (end - start) as u32);
    match extents[first..].last_mut() {
        Some(last) if last.offset + last.len == offset => last.len += len,
        _ => extents.push(Extent { buffer: 0, offset, len }),
    }
}

impl Parser<'_> {
    fn request(&mut self) -> Result<(), Fault> {
        let (first, end) = (self.open.len(), self.bytes.len());
        let mut at = 0;
        while at < end {
            let (number, wire, next) = read_tag(self.bytes, at)?;
            let start = at;
            if number == 1 {
                let (inner, behind) = child(self.bytes, next, wire)?;
                self.resource(inner, behind)?;
                at = behind;
            } else {
                at = skip(self.bytes, next, number, wire, DEPTH_MAX)?;
                note(&mut self.open, first, start, at);
            }
        }
        self.index.header = self.close(first).0;
        Ok(())
    }

    fn resource(&mut self, from: usize, end: usize) -> Result<(), Fault> {
        const DEPTH: u32 = DEPTH_MAX - 1;
        let (number_own, first) = (self.index.resources.len(), self.open.len());
        room(self.index.resources.len(), from)?;
        self.index.resources.push(Parent { parent: 0, header: (0, 0), header_len: 0 });
        let bytes = &self.bytes[..end];
        let mut at = from;
        while at < end {
            let (number, wire, next) = read_tag(bytes, at)?;
            let start = at;
            if number == 2 {
                let (inner, behind) = child(bytes, next, wire)?;
                self.scope(inner, behind, number_own as u32)?;
                at = behind;
            } else {
                at = known(bytes, next, number, wire, &shape::RESOURCE_HEADER, DEPTH)?;
                note(&mut self.open, first, start, at);
            }
        }
        let (header, header_len) = self.close(first);
        self.index.resources[number_own] = Parent { parent: 0, header, header_len };
        Ok(())
    }

    fn scope(&mut self, from: usize, end: usize, parent: u32) -> Result<(), Fault> {
        const DEPTH: u32 = DEPTH_MAX - 2;
        let (number_own, first) = (self.index.scopes.len(), self.open.len());
        room(self.index.scopes.len(), from)?;
        self.index.scopes.push(Parent { parent, header: (0, 0), header_len: 0 });
        let bytes = &self.bytes[..end];
        let record = match self.signal {
            Signal::Traces => Some(&shape::SPAN),
            Signal::Logs => Some(&shape::LOG_RECORD),
            Signal::Metrics => None,
        };
        let mut at = from;
        while at < end {
            let (number, wire, next) = read_tag(bytes, at)?;
            let start = at;
            if number == 2 {
                let (inner, behind) = child(bytes, next, wire)?;
                match record {
                    Some(shape) => {
                        let of = Of { parent: number_own as u32, kind: MetricKind::None, shape };
                        self.record(start, inner, behind, of, DEPTH)?;
                    }
                    None => self.metric(inner, behind, number_own as u32)?,
                }
                at = behind;
            } else {
                at = known(bytes, next, number, wire, &shape::SCOPE_HEADER, DEPTH)?;
                note(&mut self.open, first, start, at);
            }
        }
        let (header, header_len) = self.close(first);
        self.index.scopes[number_own] = Parent { parent, header, header_len };
        Ok(())
    }

    fn metric(&mut self, from: usize, end: usize, parent: u32) -> Result<(), Fault> {
        const DEPTH: u32 = DEPTH_MAX - 3;
        let (number_own, first) = (self.index.metrics.len(), self.open.len());
        let first_record = self.index.records.len();
        room(self.index.metrics.len(), from)?;
        self.index.metrics.push(Parent { parent, header: (0, 0), header_len: 0 });
        self.data.clear();
        let mut kind = MetricKind::None;
        let bytes = &self.bytes[..end];
        let mut at = from;
        while at < end {
            let (number, wire, next) = read_tag(bytes, at)?;
            let start = at;
            if let Some(found) = MetricKind::of_field(number) {
                let (inner, behind) = child(bytes, next, wire)?;
                if found != kind {
                    self.withdrawn |= self.index.records.len() > first_record;
                    self.index.records.truncate(first_record);
                    self.data.clear();
                    kind = found;
                }
                self.data(inner, behind, number_own as u32, kind)?;
                at = behind;
            } else {
                at = known(bytes, next, number, wire, &shape::METRIC_HEADER, DEPTH)?;
                note(&mut self.open, first, start, at);
            }
        }
        let (header, header_len) = self.close(first);
        self.index.metrics[number_own] = Parent { parent, header, header_len };
        self.open.append(&mut self.data);
        let (header, header_len) = self.close(first);
        self.index.metric_data.push(MetricData { kind, header, header_len });
        Ok(())
    }

    fn data(&mut self, from: usize, end: usize, metric: u32, kind: MetricKind) -> Result<(), Fault> {
        const DEPTH: u32 = DEPTH_MAX - 4;
        let Some((header, point)) = shape::of_metric(kind) else {
            return Ok(());
        };
        let bytes = &self.bytes[..end];
        let mut at = from;
        while at < end {
            let (number, wire, next) = read_tag(bytes, at)?;
            let start = at;
            if number == 1 {
                let (inner, behind) = child(bytes, next, wire)?;
                self.record(start, inner, behind, Of { parent: metric, kind, shape: point }, DEPTH)?;
                at = behind;
            } else {
                at = known(bytes, next, number, wire, header, DEPTH)?;
                note(&mut self.data, 0, start, at);
            }
        }
        Ok(())
    }

    /// A record whose field starts at `start` and whose message is `from..end`; `depth` is its parent's.
    fn record(&mut self, start: usize, from: usize, end: usize, of: Of, depth: u32) -> Result<(), Fault> {
        room(self.index.records.len(), start)?;
        self.seen.clear();
        scan(self.bytes, from, end, of.shape, depth - 1, &mut self.seen)?;
        let record = Record {
            buffer: 0,
            offset: start as u32,
            len: (end - start) as u32,
            head: (from - start) as u32,
            parent: of.parent,
        };
        self.note_ids();
        self.index.records.push(record);
        if self.wanted.plan().is_empty() {
            return Ok(());
        }
        let columns =
            self.columns.get_or_insert_with(|| Columns::new(self.wanted.plan(), self.bytes.len() / (end - start) + 1));
        columns.push(&self.seen, self.bytes, (from, end), of.kind);
        Ok(())
    }

    /// Notes a record whose ids are not as the specification has them.
    #[inline]
    fn note_ids(&mut self) {
        let (trace, span) = match self.signal {
            Signal::Traces => (1, 2),
            Signal::Logs => (9, 10),
            Signal::Metrics => return,
        };
        let trace = self.seen.slice(self.bytes, trace);
        let span = self.seen.slice(self.bytes, span);
        if let (Ok(trace), Ok(span)) = (<[u8; 16]>::try_from(trace), <[u8; 8]>::try_from(span))
            && trace != [0; 16]
            && span != [0; 8]
        {
            return;
        }
        self.note_odd_ids(trace, span);
    }

    /// Ids that are not both there and of the right length.
    #[cold]
    fn note_odd_ids(&mut self, trace: &[u8], span: &[u8]) {
        let wrong = |id: &[u8], len: usize| id.len() != len && !id.is_empty();
        let missing = |id: &[u8]| id.iter().all(|&byte| byte == 0);
        let row = self.index.records.len() as u32;
        if wrong(trace, 16) || wrong(span, 8) {
            self.id_faults.wrong_length.push(row);
        } else if self.signal == Signal::Traces && (missing(trace) || missing(span)) {
            self.id_faults.missing.push(row);
        }
    }

    /// Moves the open extents from `first` on to the index: their numbers there, and their bytes together.
    fn close(&mut self, first: usize) -> ((u32, u32), u32) {
        let from = self.index.extents.len() as u32;
        let len = self.open[first..].iter().map(|extent| extent.len).sum();
        self.index.extents.extend(self.open.drain(first..));
        ((from, self.index.extents.len() as u32), len)
    }
}

/// Whether there may be one more of what there are `len`.
#[inline]
fn room(len: usize, at: usize) -> Result<(), Fault> {
    if len < RECORDS_MAX { Ok(()) } else { Err(Fault::new(at, "more than 1,048,576 records or parents")) }
}

/// Where the message of a child lies. Never nested too deep: the levels of a request are five, and the limit is 100.
fn child(bytes: &[u8], at: usize, wire: WireType) -> Result<(usize, usize), Fault> {
    match wire {
        WireType::Len => read_len(bytes, at),
        _ => Err(Fault::new(at, "expected a message, found another wire type")),
    }
}

/// What a record is one of.
#[derive(Clone, Copy)]
struct Of {
    parent: u32,
    kind: MetricKind,
    shape: &'static Shape,
}
