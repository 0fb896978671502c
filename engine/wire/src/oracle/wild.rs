//! Requests as wild as protobuf allows: fields in any order, repeated, merged, packed and not, over-long varints, unknown
//! fields and groups; and, if asked, some that protobuf does not allow.

use crate::Signal;
use crate::field::{WireType, put_len, put_tag};
use crate::shape::*;
use crate::varint;

macro_rules! parents {
    ($($request:ident $resource:ident $scope:ident $record:expr;)*) => { $(
        static $request: Shape = Shape::new(&[(1, Kind::Message(&$resource))]);
        static $resource: Shape =
            Shape::new(&[(1, Kind::Message(&RESOURCE)), (2, Kind::Message(&$scope)), (3, Kind::Text)]);
        static $scope: Shape =
            Shape::new(&[(1, Kind::Message(&SCOPE)), (2, Kind::Message($record)), (3, Kind::Text)]);
    )* };
}

parents! {
    TRACES RESOURCE_SPANS SCOPE_SPANS &SPAN;
    LOGS RESOURCE_LOGS SCOPE_LOGS &LOG_RECORD;
    METRICS RESOURCE_METRICS SCOPE_METRICS &METRIC;
}

static METRIC: Shape = Shape::new(&[
    (1, Kind::Text),
    (2, Kind::Text),
    (3, Kind::Text),
    (5, Kind::Message(&GAUGE)),
    (7, Kind::Message(&SUM)),
    (9, Kind::Message(&HISTOGRAM)),
    (10, Kind::Message(&EXPONENTIAL)),
    (11, Kind::Message(&SUMMARY)),
    (12, Kind::KeyValue),
]);
static GAUGE: Shape = Shape::new(&[(1, Kind::Message(&NUMBER_POINT))]);
static SUM: Shape = Shape::new(&[(1, Kind::Message(&NUMBER_POINT)), (2, Kind::Varint), (3, Kind::Varint)]);
static HISTOGRAM: Shape = Shape::new(&[(1, Kind::Message(&HISTOGRAM_POINT)), (2, Kind::Varint)]);
static EXPONENTIAL: Shape = Shape::new(&[(1, Kind::Message(&EXPONENTIAL_POINT)), (2, Kind::Varint)]);
static SUMMARY: Shape = Shape::new(&[(1, Kind::Message(&SUMMARY_POINT))]);

/// A request, the same for the same seed. Unless it is `sloppy`, it is one that protobuf allows.
pub(crate) fn request(signal: Signal, seed: u64, sloppy: bool) -> Vec<u8> {
    let shape = match signal {
        Signal::Traces => &TRACES,
        Signal::Logs => &LOGS,
        Signal::Metrics => &METRICS,
    };
    let mut wild = Wild { state: seed, sloppy };
    let mut out = Vec::new();
    for _ in 0..wild.below(4) {
        wild.message(shape, 0, &mut out);
    }
    out
}

/// A log record whose body is a list in a list, `depth` times, with `innermost` as the last value's message.
pub(crate) fn nested_body(depth: usize, innermost: &[u8]) -> Vec<u8> {
    let wrap = |number: u32, message: &[u8]| {
        let mut out = Vec::new();
        put_len(&mut out, number, message);
        out
    };
    let mut value = innermost.to_vec();
    for _ in 0..depth {
        value = wrap(5, &wrap(1, &value));
    }
    [5, 2, 2, 1].iter().fold(value, |message, &number| wrap(number, &message))
}

struct Wild {
    state: u64,
    sloppy: bool,
}

const TEXTS: [&str; 10] =
    ["a", "b", "", "http.route", "a", "http.route.a", "/users/{id}/orders", "é", "longer than sixteen bytes", "\u{0}"];

impl Wild {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True once in `times`.
    fn rarely(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn message(&mut self, shape: &Shape, depth: u64, out: &mut Vec<u8>) {
        for _ in 0..self.below(7) {
            let number = match self.below(12) {
                0 => 1 + self.below(20) as u32,
                1 if self.rarely(8) => 1 + self.below((1 << 29) - 1) as u32,
                _ => loop {
                    let number = 1 + self.below(16) as u32;
                    if !matches!(shape.kind(number), Kind::Unknown) || self.rarely(60) {
                        break number;
                    }
                },
            };
            self.field(shape.kind(number), number, depth, out);
        }
    }

    fn field(&mut self, kind: Kind, number: u32, depth: u64, out: &mut Vec<u8>) {
        if self.sloppy && self.rarely(150) {
            return self.field(Kind::Unknown, number, depth, out);
        }
        let kind = match kind {
            Kind::KeyValue => Kind::Message(&KEY_VALUE),
            Kind::AnyValue => Kind::Message(&ANY_VALUE),
            kind => kind,
        };
        let mut inner = Vec::new();
        match kind {
            Kind::KeyValue | Kind::AnyValue => {}
            Kind::Unknown => return self.unknown(number, 0, out),
            Kind::Varint => {
                self.tag(number, WireType::Varint, out);
                return self.varint(out);
            }
            Kind::Fixed32 => {
                self.tag(number, WireType::Fixed32, out);
                return out.extend((self.next() as u32).to_le_bytes());
            }
            Kind::Fixed64 | Kind::Fixed64s | Kind::Varints if self.rarely(2) || matches!(kind, Kind::Fixed64) => {
                match kind {
                    Kind::Varints => {
                        self.tag(number, WireType::Varint, out);
                        return self.varint(out);
                    }
                    _ => {
                        self.tag(number, WireType::Fixed64, out);
                        let value = if self.rarely(2) { self.below(1000) } else { self.next() };
                        return out.extend(value.to_le_bytes());
                    }
                }
            }
            Kind::Fixed64 | Kind::Fixed64s => {
                (0..self.below(4)).for_each(|_| inner.extend(self.next().to_le_bytes()));
                if self.sloppy && self.rarely(20) {
                    inner.push(0);
                }
            }
            Kind::Varints => (0..self.below(4)).for_each(|_| self.varint(&mut inner)),
            Kind::Text => {
                inner.extend(TEXTS[self.below(10) as usize].as_bytes());
                if self.sloppy && self.rarely(60) {
                    inner.push(0xff);
                }
            }
            Kind::Bytes => {
                let len = [0, 8, 16, 16, 8, 5][self.below(6) as usize];
                (0..len).for_each(|_| inner.push(self.next() as u8));
            }
            Kind::Message(shape) => {
                if depth < 4 + self.below(8) {
                    self.message(shape, depth + 1, &mut inner);
                }
            }
        }
        self.tag(number, WireType::Len, out);
        self.over_long(inner.len() as u64, out);
        out.extend(inner);
    }

    fn unknown(&mut self, number: u32, depth: u64, out: &mut Vec<u8>) {
        match self.below(if depth < 3 { 6 } else { 4 }) {
            0 => {
                self.tag(number, WireType::Varint, out);
                self.varint(out);
            }
            1 => {
                self.tag(number, WireType::Fixed64, out);
                out.extend(self.next().to_le_bytes());
            }
            2 => {
                self.tag(number, WireType::Fixed32, out);
                out.extend((self.next() as u32).to_le_bytes());
            }
            3 => put_len(out, number, b"\xffunknown"),
            _ => {
                self.tag(number, WireType::StartGroup, out);
                for _ in 0..self.below(3) {
                    let inner = 1 + self.below(20) as u32;
                    self.unknown(inner, depth + 1, out);
                }
                let end = if self.sloppy && self.rarely(10) { number + 1 } else { number };
                self.tag(end, WireType::EndGroup, out);
            }
        }
    }

    fn tag(&mut self, number: u32, wire: WireType, out: &mut Vec<u8>) {
        if self.rarely(40) {
            return self.over_long(u64::from(number) << 3 | wire as u64, out);
        }
        put_tag(out, number, wire);
    }

    fn varint(&mut self, out: &mut Vec<u8>) {
        let value = match self.below(4) {
            0 => self.next(),
            1 => self.below(3),
            _ => self.below(300),
        };
        self.over_long(value, out);
    }

    /// A varint, once in a while longer than it need be, up to ten bytes.
    fn over_long(&mut self, value: u64, out: &mut Vec<u8>) {
        let start = out.len();
        varint::put(out, value);
        let len = out.len() - start;
        if self.rarely(20) && len < varint::VARINT_LEN_MAX {
            let more = self.below((varint::VARINT_LEN_MAX - len) as u64 + 1) as usize;
            if more > 0 {
                *out.last_mut().expect("just written") |= 0x80;
                out.extend(std::iter::repeat_n(0x80, more - 1));
                out.push(0);
            }
        }
        if self.sloppy && self.rarely(400) {
            out.pop();
        }
    }
}
