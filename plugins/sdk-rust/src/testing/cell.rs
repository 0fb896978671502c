//! One value of a test.

use wasmill_columns::AnyValue;

/// A value of whatever type, as tests write it. A column takes the cells of its type; others have no value there, as an
/// attribute of another type has none.
#[derive(Clone, PartialEq, Default, Debug)]
pub enum Cell {
    #[default]
    Absent,
    /// A value without a type.
    Empty,
    Text(String),
    Int(i64),
    UInt(u64),
    Double(f64),
    Boolean(bool),
    Binary(Vec<u8>),
    /// A whole set of attributes.
    Attributes(Vec<(String, Cell)>),
    /// Several values.
    List(Vec<Cell>),
}

impl Cell {
    /// A set of attributes.
    pub fn attributes<K: Into<String>, C: Into<Cell>>(entries: impl IntoIterator<Item = (K, C)>) -> Cell {
        Cell::Attributes(entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// Several values of a row.
    pub fn list<C: Into<Cell>>(values: impl IntoIterator<Item = C>) -> Cell {
        Cell::List(values.into_iter().map(Into::into).collect())
    }

    /// The value as `any` has it.
    pub(super) fn any(&self) -> AnyValue<'_> {
        match self {
            Cell::Absent | Cell::Attributes(_) | Cell::List(_) => AnyValue::Absent,
            Cell::Empty => AnyValue::Empty,
            Cell::Text(text) => AnyValue::Text(text),
            Cell::Int(int) => AnyValue::Int(*int),
            Cell::UInt(int) => AnyValue::Int(*int as i64),
            Cell::Double(double) => AnyValue::Double(*double),
            Cell::Boolean(boolean) => AnyValue::Boolean(*boolean),
            Cell::Binary(bytes) => AnyValue::Binary(bytes),
        }
    }
}

impl From<AnyValue<'_>> for Cell {
    fn from(value: AnyValue<'_>) -> Cell {
        match value {
            AnyValue::Absent => Cell::Absent,
            AnyValue::Empty => Cell::Empty,
            AnyValue::Text(text) => Cell::Text(text.to_owned()),
            AnyValue::Int(int) => Cell::Int(int),
            AnyValue::Double(double) => Cell::Double(double),
            AnyValue::Boolean(boolean) => Cell::Boolean(boolean),
            AnyValue::Binary(bytes) | AnyValue::List(bytes) | AnyValue::Map(bytes) => Cell::Binary(bytes.to_vec()),
        }
    }
}

impl<C: Into<Cell>> From<Option<C>> for Cell {
    fn from(value: Option<C>) -> Cell {
        value.map_or(Cell::Absent, Into::into)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Cell {
        Cell::Text(value.to_owned())
    }
}

macro_rules! cells {
    ($($type:ty, $value:ident => $cell:expr;)*) => {$(
        impl From<$type> for Cell {
            fn from($value: $type) -> Cell {
                $cell
            }
        }
    )*};
}

cells! {
    String, value => Cell::Text(value);
    bool, value => Cell::Boolean(value);
    u8, value => Cell::UInt(value.into());
    u32, value => Cell::UInt(value.into());
    u64, value => Cell::UInt(value);
    i32, value => Cell::Int(value.into());
    i64, value => Cell::Int(value);
    f64, value => Cell::Double(value);
    [u8; 8], value => Cell::Binary(value.to_vec());
    [u8; 16], value => Cell::Binary(value.to_vec());
    Vec<u8>, value => Cell::Binary(value);
}
