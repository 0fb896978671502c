//! What to do for each record: made once for a set of columns.

use crate::path::{Code, Entry};
use crate::{ColumnRequest, Key, Level, MetricKind, Path, Signal};

/// The columns of records among those that were asked for, and where their values come from. Columns of parents are
/// made from the index afterwards.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(super) columns: Vec<Planned>,
    /// Keys of attributes that any column wants, each once.
    pub(super) wants: Vec<Want>,
    /// A bit for each length (modulo 64) that a wanted key has.
    pub(super) want_lens: u64,
    /// Whether any column wants all attributes.
    pub(super) wants_all: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub request: ColumnRequest,
    /// Its place among the requests that the plan was made of.
    pub place: usize,
    pub entry: &'static Entry,
    /// By [`MetricKind`]; all the same for spans and log records.
    pub sources: [Source; 6],
}

/// Where a value comes from: numbers are those of fields of the record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// Records of this kind have no such field.
    Absent,
    /// One field of the record's message, that is written so.
    Field(u32, Code),
    /// A field of a message of the record (`status.code`): both numbers.
    Inner(u32, u32, Code),
    /// The attribute with this number in [`Plan::wants`].
    Attribute(usize),
    /// All attributes.
    Attributes,
    /// A field of each of the messages that the field with this number repeats.
    Elements(u32),
    /// Anything else: read again for this column alone.
    Record,
}

/// A key that attributes are compared with: by length, then by the first eight bytes, then by the rest.
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub key: Vec<u8>,
    /// The first eight bytes, little-endian, zero behind the end.
    pub head: u64,
}

impl Plan {
    pub(crate) fn new(signal: Signal, requests: &[ColumnRequest]) -> Plan {
        let mut plan = Plan { columns: Vec::new(), wants: Vec::new(), want_lens: 0, wants_all: false };
        for (place, request) in requests.iter().enumerate() {
            let entry = request.path.entry();
            let served = request.path.signal == signal && request.path.accepts(&request.column);
            if !served || entry.level != Level::Record {
                continue;
            }
            let sources = MetricKind::ALL.map(|kind| plan.source(&request.path, entry, kind));
            plan.columns.push(Planned { request: request.clone(), place, entry, sources });
        }
        plan
    }

    /// Whether no column needs the records.
    pub(crate) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    fn source(&mut self, path: &Path, entry: &'static Entry, kind: MetricKind) -> Source {
        let Some(steps) = entry.steps(kind) else {
            return Source::Absent;
        };
        match (steps, entry.code) {
            ([outer, ..], _) if entry.inner.is_some() => Source::Elements(*outer),
            _ if entry.code.is_repeated() => Source::Record,
            ([_], Code::Attributes) => match path.keys.first() {
                Some(Key::Name(key)) => Source::Attribute(self.want(key)),
                Some(Key::Index(_)) => Source::Record,
                None => {
                    self.wants_all = true;
                    Source::Attributes
                }
            },
            // A summary's sum is always there, see `value::fill`.
            ([number], Code::OptionalDouble) if kind == MetricKind::Summary => Source::Field(*number, Code::Double),
            ([number], code) => Source::Field(*number, code),
            ([outer, number], code) => Source::Inner(*outer, *number, code),
            _ => Source::Record,
        }
    }

    fn want(&mut self, key: &str) -> usize {
        let key = key.as_bytes();
        if let Some(place) = self.wants.iter().position(|want| want.key == key) {
            return place;
        }
        let head = key.iter().take(8).rev().fold(0, |head, &byte| head << 8 | u64::from(byte));
        self.wants.push(Want { key: key.to_vec(), head });
        self.want_lens |= 1 << (key.len() % 64);
        self.wants.len() - 1
    }
}
