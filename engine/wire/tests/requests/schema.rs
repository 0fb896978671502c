//! OTLP's messages, for the tests' own reader and writer: written from the `.proto` files, not from the engine's table.

use wasmill_wire::Signal;

pub struct Schema {
    pub fields: &'static [(u32, Type)],
}

#[derive(Clone, Copy)]
pub enum Type {
    Varint,
    Fixed32,
    Fixed64,
    /// A scalar that tells "not written" from 0.
    Optional64,
    Bytes,
    /// `repeated string`.
    Texts,
    One(&'static Schema),
    Many(&'static Schema),
    PackedFixed64,
    PackedVarint,
    /// A case of the message's `oneof`.
    CaseVarint,
    Case64,
    CaseBytes,
    CaseOne(&'static Schema),
}

use Type::{
    Bytes, Case64, CaseBytes, CaseOne, CaseVarint, Fixed32, Fixed64, Many, One, Optional64, PackedFixed64,
    PackedVarint, Texts, Varint,
};

impl Type {
    pub fn is_case(self) -> bool {
        matches!(self, Case64 | CaseBytes | CaseOne(_) | CaseVarint)
    }

    pub fn message(self) -> Option<&'static Schema> {
        match self {
            One(schema) | Many(schema) | CaseOne(schema) => Some(schema),
            _ => None,
        }
    }
}

impl Schema {
    pub fn of(&self, number: u32) -> Option<Type> {
        self.fields.iter().find(|(known, _)| *known == number).map(|(_, kind)| *kind)
    }
}

pub fn request(signal: Signal) -> &'static Schema {
    match signal {
        Signal::Traces => &TRACES,
        Signal::Logs => &LOGS,
        Signal::Metrics => &METRICS,
    }
}

macro_rules! schemas {
    ($($name:ident { $($number:literal $kind:expr),* })*) => {
        $(pub static $name: Schema = Schema { fields: &[$(($number, $kind)),*] };)*
    };
}

schemas! {
    TRACES { 1 Many(&RESOURCE_SPANS) }
    RESOURCE_SPANS { 1 One(&RESOURCE), 2 Many(&SCOPE_SPANS), 3 Bytes }
    SCOPE_SPANS { 1 One(&SCOPE), 2 Many(&SPAN), 3 Bytes }
    LOGS { 1 Many(&RESOURCE_LOGS) }
    RESOURCE_LOGS { 1 One(&RESOURCE), 2 Many(&SCOPE_LOGS), 3 Bytes }
    SCOPE_LOGS { 1 One(&SCOPE), 2 Many(&LOG), 3 Bytes }
    METRICS { 1 Many(&RESOURCE_METRICS) }
    RESOURCE_METRICS { 1 One(&RESOURCE), 2 Many(&SCOPE_METRICS), 3 Bytes }
    SCOPE_METRICS { 1 One(&SCOPE), 2 Many(&METRIC), 3 Bytes }

    RESOURCE { 1 Many(&KEY_VALUE), 2 Varint, 3 Many(&ENTITY) }
    ENTITY { 1 Bytes, 2 Bytes, 3 Texts, 4 Texts }
    SCOPE { 1 Bytes, 2 Bytes, 3 Many(&KEY_VALUE), 4 Varint }
    KEY_VALUE { 1 Bytes, 2 One(&ANY), 3 Varint }
    ANY {
        1 CaseBytes, 2 CaseVarint, 3 CaseVarint, 4 Case64, 5 CaseOne(&LIST), 6 CaseOne(&MAP), 7 CaseBytes, 8 CaseVarint
    }
    LIST { 1 Many(&ANY) }
    MAP { 1 Many(&KEY_VALUE) }

    SPAN {
        1 Bytes, 2 Bytes, 3 Bytes, 4 Bytes, 5 Bytes, 6 Varint, 7 Fixed64, 8 Fixed64, 9 Many(&KEY_VALUE), 10 Varint,
        11 Many(&EVENT), 12 Varint, 13 Many(&LINK), 14 Varint, 15 One(&STATUS), 16 Fixed32
    }
    EVENT { 1 Fixed64, 2 Bytes, 3 Many(&KEY_VALUE), 4 Varint }
    LINK { 1 Bytes, 2 Bytes, 3 Bytes, 4 Many(&KEY_VALUE), 5 Varint, 6 Fixed32 }
    STATUS { 2 Bytes, 3 Varint }
    LOG {
        1 Fixed64, 2 Varint, 3 Bytes, 5 One(&ANY), 6 Many(&KEY_VALUE), 7 Varint, 8 Fixed32, 9 Bytes, 10 Bytes, 11 Fixed64,
        12 Bytes
    }

    METRIC {
        1 Bytes, 2 Bytes, 3 Bytes, 12 Many(&KEY_VALUE), 5 CaseOne(&GAUGE), 7 CaseOne(&SUM), 9 CaseOne(&HISTOGRAM),
        10 CaseOne(&EXPONENTIAL), 11 CaseOne(&SUMMARY)
    }
    GAUGE { 1 Many(&NUMBER_POINT) }
    SUM { 1 Many(&NUMBER_POINT), 2 Varint, 3 Varint }
    HISTOGRAM { 1 Many(&HISTOGRAM_POINT), 2 Varint }
    EXPONENTIAL { 1 Many(&EXPONENTIAL_POINT), 2 Varint }
    SUMMARY { 1 Many(&SUMMARY_POINT) }
    NUMBER_POINT {
        7 Many(&KEY_VALUE), 2 Fixed64, 3 Fixed64, 4 Case64, 6 Case64, 5 Many(&EXEMPLAR), 8 Varint
    }
    HISTOGRAM_POINT {
        9 Many(&KEY_VALUE), 2 Fixed64, 3 Fixed64, 4 Fixed64, 5 Optional64, 6 PackedFixed64, 7 PackedFixed64,
        8 Many(&EXEMPLAR), 10 Varint, 11 Optional64, 12 Optional64
    }
    EXPONENTIAL_POINT {
        1 Many(&KEY_VALUE), 2 Fixed64, 3 Fixed64, 4 Fixed64, 5 Optional64, 6 Varint, 7 Fixed64, 8 One(&BUCKETS),
        9 One(&BUCKETS), 10 Varint, 11 Many(&EXEMPLAR), 12 Optional64, 13 Optional64, 14 Fixed64
    }
    BUCKETS { 1 Varint, 2 PackedVarint }
    SUMMARY_POINT {
        7 Many(&KEY_VALUE), 2 Fixed64, 3 Fixed64, 4 Fixed64, 5 Fixed64, 6 Many(&QUANTILE), 8 Varint
    }
    QUANTILE { 1 Fixed64, 2 Fixed64 }
    EXEMPLAR { 7 Many(&KEY_VALUE), 2 Fixed64, 3 Case64, 6 Case64, 4 Bytes, 5 Bytes }
}
