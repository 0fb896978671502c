//! A column of whatever kind.

use crate::{Any, Attributes, Binary, Bits, Boolean, Kind, Sequence, Text, Values};

/// A typed view of one column. It borrows the block; making one costs nothing for each row.
#[derive(Clone, Copy, Debug)]
pub enum Column<'a> {
    Boolean(Boolean<'a>),
    UInt8(Values<'a, u8>),
    UInt32(Values<'a, u32>),
    Int32(Values<'a, i32>),
    UInt64(Values<'a, u64>),
    Int64(Values<'a, i64>),
    Double(Values<'a, f64>),
    Id8(Values<'a, [u8; 8]>),
    Id16(Values<'a, [u8; 16]>),
    /// Kind `text` or `dictionary`.
    Text(Text<'a>),
    Binary(Binary<'a>),
    Any(Any<'a>),
    ListValue(Binary<'a>),
    MapValue(Binary<'a>),
    Sequence(Sequence<'a>),
    Attributes(Attributes<'a>),
}

impl<'a> Column<'a> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Column::Boolean(column) => column.len(),
            Column::UInt8(column) => column.len(),
            Column::UInt32(column) => column.len(),
            Column::Int32(column) => column.len(),
            Column::UInt64(column) => column.len(),
            Column::Int64(column) => column.len(),
            Column::Double(column) => column.len(),
            Column::Id8(column) => column.len(),
            Column::Id16(column) => column.len(),
            Column::Text(column) => column.len(),
            Column::Binary(column) | Column::ListValue(column) | Column::MapValue(column) => column.len(),
            Column::Any(column) => column.len(),
            Column::Sequence(column) => column.len(),
            Column::Attributes(column) => column.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn kind(&self) -> Kind {
        match self {
            Column::Boolean(_) => Kind::Boolean,
            Column::UInt8(_) => Kind::UInt8,
            Column::UInt32(_) => Kind::UInt32,
            Column::Int32(_) => Kind::Int32,
            Column::UInt64(_) => Kind::UInt64,
            Column::Int64(_) => Kind::Int64,
            Column::Double(_) => Kind::Double,
            Column::Id8(_) => Kind::Id8,
            Column::Id16(_) => Kind::Id16,
            Column::Text(Text::Plain(_)) => Kind::Text,
            Column::Text(Text::Dictionary(_)) => Kind::Dictionary,
            Column::Binary(_) => Kind::Binary,
            Column::Any(_) => Kind::Any,
            Column::ListValue(_) => Kind::ListValue,
            Column::MapValue(_) => Kind::MapValue,
            Column::Sequence(_) => Kind::Sequence,
            Column::Attributes(_) => Kind::Attributes,
        }
    }

    /// 1 where there is a value; `None`: every row has one. An `any` column has none: its rows say it by their kind.
    pub fn validity(&self) -> Option<Bits<'a>> {
        match self {
            Column::Boolean(column) => column.validity(),
            Column::UInt8(column) => column.validity(),
            Column::UInt32(column) => column.validity(),
            Column::Int32(column) => column.validity(),
            Column::UInt64(column) => column.validity(),
            Column::Int64(column) => column.validity(),
            Column::Double(column) => column.validity(),
            Column::Id8(column) => column.validity(),
            Column::Id16(column) => column.validity(),
            Column::Text(column) => column.validity(),
            Column::Binary(column) | Column::ListValue(column) | Column::MapValue(column) => column.validity(),
            Column::Any(_) => None,
            Column::Sequence(column) => column.validity(),
            Column::Attributes(column) => column.validity(),
        }
    }
}
