//! A scrape on its way: a place in the store, and how its series are written.
//!
//! The next piece is made when the last one was taken, from the series as they are then. Nothing is held in between but the name of a
//! family and the number of a series; what comes meanwhile behind that place is seen, and no series is seen twice.

use std::sync::Arc;

use super::protobuf::ProtobufWriter;
use super::text::TextWriter;
use super::{Format, Protocol};
use crate::store::{Members, Series, Store};

/// A piece is written until it has so many bytes: large enough that a thousand series cost one write, small enough that a hundred scrapers
/// that do not read hold a few MiB.
const PIECE_BYTES: usize = 64 << 10;

/// Series that are looked at before points of new ones may come in between.
const SERIES_PER_VISIT: usize = 64;

/// One answer to one scraper.
pub struct Scrape {
    store: Arc<Store>,
    writer: Writer,
    place: Place,
    now_ms: u64,
}

enum Place {
    /// Behind the family of this name.
    Behind(Option<String>),
    /// Within a family, at the series of this number.
    At {
        members: Arc<Members>,
        number: u64,
    },
    End,
}

enum Writer {
    Text(TextWriter),
    Protobuf(ProtobufWriter),
}

impl Scrape {
    /// `has_timestamps`: each sample says when its point was taken.
    pub fn new(store: Arc<Store>, format: Format, has_timestamps: bool) -> Scrape {
        let now_ms = store.clock().now_ms();
        store.sweep_if_due(now_ms);
        let writer = match format.protocol {
            Protocol::Protobuf => Writer::Protobuf(ProtobufWriter::new(format.escaping, has_timestamps)),
            Protocol::Text { .. } | Protocol::OpenMetrics { .. } => {
                Writer::Text(TextWriter::new(format, has_timestamps))
            }
        };
        Scrape { store, writer, place: Place::Behind(None), now_ms }
    }

    /// Appends the next piece to `out`. `false`: that was the last, and may be empty.
    pub fn next(&mut self, out: &mut Vec<u8>) -> bool {
        let most = out.len() + PIECE_BYTES;
        while out.len() < most {
            self.place = match std::mem::replace(&mut self.place, Place::End) {
                Place::Behind(name) => match self.store.family_after(name.as_deref()) {
                    Some(members) => {
                        self.writer.begin(&members);
                        Place::At { members, number: 0 }
                    }
                    None => {
                        self.writer.finish(out);
                        Place::End
                    }
                },
                Place::At { members, number } => match self.visit(&members, number, out) {
                    Some(number) => Place::At { members, number },
                    None => {
                        self.writer.end(out);
                        Place::Behind(Some(members.family.name.clone()))
                    }
                },
                Place::End => return false,
            };
        }
        true
    }

    /// Writes some series. Where to go on; `None`: there are no more.
    fn visit(&mut self, members: &Members, from: u64, out: &mut Vec<u8>) -> Option<u64> {
        let (store, writer, now_ms) = (&self.store, &mut self.writer, self.now_ms);
        let most = out.len() + PIECE_BYTES;
        let (mut seen, mut next) = (0, None);
        members.visit(from, |series| {
            if seen == SERIES_PER_VISIT || out.len() >= most {
                next = Some(series.number);
                return false;
            }
            seen += 1;
            writer.put(store, series, now_ms, out);
            true
        });
        next
    }
}

impl Writer {
    fn begin(&mut self, members: &Members) {
        match self {
            Writer::Text(writer) => writer.begin(&members.family),
            Writer::Protobuf(writer) => writer.begin(&members.family),
        }
    }

    fn put(&mut self, store: &Store, series: &Series, now_ms: u64, out: &mut Vec<u8>) {
        let state = series.state.lock();
        if !store.is_current(&state, now_ms) {
            return;
        }
        match self {
            Writer::Text(writer) => writer.put(&series.labels, &state, out),
            Writer::Protobuf(writer) => writer.put(&series.labels, &state, out),
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        match self {
            Writer::Text(_) => {}
            Writer::Protobuf(writer) => writer.end(out),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Writer::Text(writer) => writer.finish(out),
            Writer::Protobuf(_) => {}
        }
    }
}
