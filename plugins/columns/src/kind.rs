//! The types of nodes and of dynamically typed values, with their numbers in the contract.

use std::fmt;

/// What a node holds: a case of `kind` in the contract, with its number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    Boolean = 0,
    UInt8 = 1,
    UInt32 = 2,
    Int32 = 3,
    UInt64 = 4,
    Int64 = 5,
    Double = 6,
    Id8 = 7,
    Id16 = 8,
    Text = 9,
    Binary = 10,
    Dictionary = 11,
    Any = 12,
    ListValue = 13,
    MapValue = 14,
    Sequence = 15,
    Attributes = 16,
}

impl Kind {
    pub const ALL: [Kind; 17] = [
        Kind::Boolean,
        Kind::UInt8,
        Kind::UInt32,
        Kind::Int32,
        Kind::UInt64,
        Kind::Int64,
        Kind::Double,
        Kind::Id8,
        Kind::Id16,
        Kind::Text,
        Kind::Binary,
        Kind::Dictionary,
        Kind::Any,
        Kind::ListValue,
        Kind::MapValue,
        Kind::Sequence,
        Kind::Attributes,
    ];

    /// The kind of that number; `None`: a later version of the contract has it, or nobody.
    pub fn from_number(number: u32) -> Option<Kind> {
        Kind::ALL.get(number as usize).copied()
    }

    /// The name in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Boolean => "boolean",
            Kind::UInt8 => "uint8",
            Kind::UInt32 => "uint32",
            Kind::Int32 => "int32",
            Kind::UInt64 => "uint64",
            Kind::Int64 => "int64",
            Kind::Double => "double",
            Kind::Id8 => "id8",
            Kind::Id16 => "id16",
            Kind::Text => "text",
            Kind::Binary => "binary",
            Kind::Dictionary => "dictionary",
            Kind::Any => "any",
            Kind::ListValue => "list-value",
            Kind::MapValue => "map-value",
            Kind::Sequence => "sequence",
            Kind::Attributes => "attributes",
        }
    }

    /// Bytes of a row in `values`, where that is the same for each row and at least a byte.
    pub(crate) fn width(self) -> Option<usize> {
        match self {
            Kind::UInt8 | Kind::Any => Some(1),
            Kind::UInt32 | Kind::Int32 | Kind::Dictionary => Some(4),
            Kind::UInt64 | Kind::Int64 | Kind::Double | Kind::Id8 => Some(8),
            Kind::Id16 => Some(16),
            _ => None,
        }
    }

    /// Whether `values` is cut by `offsets`.
    pub(crate) fn is_cut(self) -> bool {
        matches!(self, Kind::Text | Kind::Binary | Kind::ListValue | Kind::MapValue)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The type of one value of an `any` column: a case of `any-kind` in the contract, with its number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum AnyKind {
    /// There is no such attribute, or no such field.
    Absent = 0,
    /// There is, and its value is empty: OTLP's value without a type.
    Empty = 1,
    Text = 2,
    Int = 3,
    Double = 4,
    Boolean = 5,
    Binary = 6,
    List = 7,
    Map = 8,
}

impl AnyKind {
    pub const ALL: [AnyKind; 9] = [
        AnyKind::Absent,
        AnyKind::Empty,
        AnyKind::Text,
        AnyKind::Int,
        AnyKind::Double,
        AnyKind::Boolean,
        AnyKind::Binary,
        AnyKind::List,
        AnyKind::Map,
    ];

    pub fn from_number(number: u8) -> Option<AnyKind> {
        AnyKind::ALL.get(number as usize).copied()
    }
}
