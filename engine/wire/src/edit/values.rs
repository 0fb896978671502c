//! The values that an edit sets, read out of Arrow arrays.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, UInt8Type, UInt32Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, ListArray, MapArray, PrimitiveArray, StringArray,
    UnionArray,
};
use arrow_schema::DataType;

/// Type ids of an `any` column, see [`crate::ColumnType::Any`]. Absent is 0.
const EMPTY: i8 = 1;
const LIST: i8 = 7;
const MAP: i8 = 8;
const ANY_KINDS: usize = 9;

/// One value. Doubles are equal when their bits are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'v> {
    /// No value: what it is set on is removed.
    Null,
    /// An `any` that is there and holds nothing.
    Empty,
    Text(&'v str),
    Int(i64),
    Double(f64),
    Bool(bool),
    Bytes(&'v [u8]),
    /// An encoded `ArrayValue`.
    List(&'v [u8]),
    /// An encoded `KeyValueList`.
    Map(&'v [u8]),
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) | (Value::Empty, Value::Empty) => true,
            (Value::Text(one), Value::Text(other)) => one == other,
            (Value::Int(one), Value::Int(other)) => one == other,
            (Value::Double(one), Value::Double(other)) => one.to_bits() == other.to_bits(),
            (Value::Bool(one), Value::Bool(other)) => one == other,
            (Value::Bytes(one), Value::Bytes(other))
            | (Value::List(one), Value::List(other))
            | (Value::Map(one), Value::Map(other)) => one == other,
            _ => false,
        }
    }
}

impl Value<'_> {
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// For messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "no value",
            Value::Empty => "an empty value",
            Value::Text(_) => "text",
            Value::Int(_) => "an integer",
            Value::Double(_) => "a double",
            Value::Bool(_) => "a boolean",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// An array of values, as the types of [`crate::ColumnType`] have them.
pub(super) enum Values<'v> {
    Text(&'v StringArray),
    Dictionary(&'v PrimitiveArray<UInt32Type>, Box<Values<'v>>),
    Int64(&'v PrimitiveArray<Int64Type>),
    Int32(&'v PrimitiveArray<Int32Type>),
    UInt8(&'v PrimitiveArray<UInt8Type>),
    UInt32(&'v PrimitiveArray<UInt32Type>),
    UInt64(&'v PrimitiveArray<UInt64Type>),
    Double(&'v PrimitiveArray<Float64Type>),
    Bool(&'v BooleanArray),
    Binary(&'v BinaryArray),
    Fixed(&'v FixedSizeBinaryArray),
    Any(&'v UnionArray, [Option<Box<Values<'v>>>; ANY_KINDS]),
    Map(&'v MapArray, Box<Values<'v>>, Box<Values<'v>>),
    Sequence(&'v ListArray, Box<Values<'v>>),
}

impl<'v> Values<'v> {
    /// `None` for types that no column has.
    pub fn new(array: &'v ArrayRef) -> Option<Values<'v>> {
        Some(match array.data_type() {
            DataType::Utf8 => Values::Text(array.as_string()),
            DataType::Dictionary(..) => {
                let dictionary = array.as_dictionary_opt::<UInt32Type>()?;
                Values::Dictionary(dictionary.keys(), Box::new(Values::new(dictionary.values())?))
            }
            DataType::Int64 => Values::Int64(array.as_primitive()),
            DataType::Int32 => Values::Int32(array.as_primitive()),
            DataType::UInt8 => Values::UInt8(array.as_primitive()),
            DataType::UInt32 => Values::UInt32(array.as_primitive()),
            DataType::UInt64 => Values::UInt64(array.as_primitive()),
            DataType::Float64 => Values::Double(array.as_primitive()),
            DataType::Boolean => Values::Bool(array.as_boolean()),
            DataType::Binary => Values::Binary(array.as_binary()),
            DataType::FixedSizeBinary(_) => Values::Fixed(array.as_fixed_size_binary()),
            DataType::Union(..) => Values::any(array.as_any().downcast_ref()?)?,
            DataType::Map(..) => {
                let map: &MapArray = array.as_map();
                Values::Map(map, Box::new(Values::new(map.keys())?), Box::new(Values::new(map.values())?))
            }
            DataType::List(_) => {
                let list: &ListArray = array.as_list();
                Values::Sequence(list, Box::new(Values::new(list.values())?))
            }
            _ => return None,
        })
    }

    /// An `any` column, with the children that it has.
    fn any(union: &'v UnionArray) -> Option<Values<'v>> {
        let DataType::Union(fields, _) = union.data_type() else {
            return None;
        };
        union.offsets()?;
        let mut children = [const { None }; ANY_KINDS];
        for (id, _) in fields.iter() {
            if id > EMPTY {
                *children.get_mut(id as usize)? = Some(Box::new(Values::new(union.child(id))?));
            }
        }
        Some(Values::Any(union, children))
    }

    pub fn len(&self) -> usize {
        match self {
            Values::Text(array) => array.len(),
            Values::Dictionary(keys, _) => keys.len(),
            Values::Int64(array) => array.len(),
            Values::Int32(array) => array.len(),
            Values::UInt8(array) => array.len(),
            Values::UInt32(array) => array.len(),
            Values::UInt64(array) => array.len(),
            Values::Double(array) => array.len(),
            Values::Bool(array) => array.len(),
            Values::Binary(array) => array.len(),
            Values::Fixed(array) => array.len(),
            Values::Any(array, _) => array.len(),
            Values::Map(array, ..) => array.len(),
            Values::Sequence(array, _) => array.len(),
        }
    }

    /// The value at `at`; [`Value::Null`] for maps and sequences, which [`Values::range`] is for. 64-bit integers
    /// without a sign come as the signed ones of the same bits.
    #[inline]
    pub fn get(&self, at: usize) -> Value<'v> {
        match self {
            Values::Text(array) => valid(*array, at, || Value::Text(array.value(at))),
            Values::Dictionary(keys, values) => valid(*keys, at, || values.get(keys.value(at) as usize)),
            Values::Int64(array) => number(array, at, |value| value),
            Values::Int32(array) => number(array, at, i64::from),
            Values::UInt8(array) => number(array, at, i64::from),
            Values::UInt32(array) => number(array, at, i64::from),
            Values::UInt64(array) => number(array, at, |value| value as i64),
            Values::Double(array) => valid(*array, at, || Value::Double(array.value(at))),
            Values::Bool(array) => valid(*array, at, || Value::Bool(array.value(at))),
            Values::Binary(array) => valid(*array, at, || Value::Bytes(array.value(at))),
            Values::Fixed(array) => valid(*array, at, || Value::Bytes(array.value(at))),
            Values::Any(array, children) => any(array, children, at),
            Values::Map(..) | Values::Sequence(..) => Value::Null,
        }
    }

    pub fn is_text(&self) -> bool {
        match self {
            Values::Text(_) => true,
            Values::Dictionary(_, values) => values.is_text(),
            _ => false,
        }
    }

    pub fn is_integer(&self) -> bool {
        use Values::{Int32, Int64, UInt8, UInt32, UInt64};
        matches!(self, Int32(_) | Int64(_) | UInt8(_) | UInt32(_) | UInt64(_))
    }

    /// All lists and maps, each once, whichever rows have them.
    pub fn encoded(&self) -> impl Iterator<Item = Value<'v>> {
        let children = match self {
            Values::Any(_, children) => Some(children),
            Values::Dictionary(_, values) => match &**values {
                Values::Any(_, children) => Some(children),
                _ => None,
            },
            _ => None,
        };
        let of = move |kind: i8| {
            let child = children.and_then(|children| children[kind as usize].as_deref());
            child.into_iter().flat_map(|child| (0..child.len()).map(|at| child.get(at)))
        };
        let bytes = |value| if let Value::Bytes(bytes) = value { Some(bytes) } else { None };
        of(LIST).filter_map(bytes).map(Value::List).chain(of(MAP).filter_map(bytes).map(Value::Map))
    }

    /// The keys and values of a map's entries.
    pub fn entries(&self) -> Option<(&Values<'v>, &Values<'v>)> {
        match self {
            Values::Map(_, keys, values) => Some((keys, values)),
            Values::Dictionary(_, values) => values.entries(),
            _ => None,
        }
    }

    /// The elements of a sequence.
    pub fn elements(&self) -> Option<&Values<'v>> {
        match self {
            Values::Sequence(_, elements) => Some(elements),
            _ => None,
        }
    }

    /// Of a map or a sequence: where its elements lie in the child. `None` for a null, and for what is neither.
    pub fn range(&self, at: usize) -> Option<Range<usize>> {
        let (offsets, null) = match self {
            Values::Map(array, ..) => (array.value_offsets(), array.is_null(at)),
            Values::Sequence(array, _) => (array.value_offsets(), array.is_null(at)),
            Values::Dictionary(keys, values) if keys.is_valid(at) => return values.range(keys.value(at) as usize),
            _ => return None,
        };
        (!null).then(|| offsets[at] as usize..offsets[at + 1] as usize)
    }
}

#[inline]
fn valid<'v>(array: &dyn Array, at: usize, value: impl FnOnce() -> Value<'v>) -> Value<'v> {
    if array.is_null(at) { Value::Null } else { value() }
}

#[inline]
fn number<'v, T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    at: usize,
    to_int: impl FnOnce(T::Native) -> i64,
) -> Value<'v> {
    if array.is_null(at) { Value::Null } else { Value::Int(to_int(array.value(at))) }
}

#[inline]
fn any<'v>(array: &'v UnionArray, children: &[Option<Box<Values<'v>>>; ANY_KINDS], at: usize) -> Value<'v> {
    let kind = array.type_id(at);
    let value = match children.get(kind as usize) {
        _ if kind == EMPTY => return Value::Empty,
        Some(Some(child)) => child.get(array.value_offset(at)),
        _ => return Value::Null,
    };
    match (kind, value) {
        (LIST, Value::Bytes(list)) => Value::List(list),
        (MAP, Value::Bytes(map)) => Value::Map(map),
        (_, value) => value,
    }
}
