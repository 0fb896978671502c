//! Columns that are being built.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, UInt8Type, UInt32Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeBinaryArray, ListArray, MapArray, NullArray, PrimitiveArray, StructArray,
    UnionArray, new_null_array,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, UnionFields, UnionMode};

use super::record::Noted;
use super::text::{Slices, Text, Validity, dictionary, empty_text, gather_nulls};
use super::value::{Parts, Value, any_value, key_of, value_of};
use crate::scan::{plain_entry, plain_text};
use crate::{ColumnType, TextForm, varint};

/// A column that is being built, a value at a time.
#[derive(Debug)]
pub(crate) enum Column {
    Boolean(Booleans),
    UInt8(Numbers<UInt8Type>),
    UInt32(Numbers<UInt32Type>),
    Int32(Numbers<Int32Type>),
    UInt64(Numbers<UInt64Type>),
    Int64(Numbers<Int64Type>),
    Double(Numbers<Float64Type>),
    Id(Ids),
    Text(Text),
    Binary(Binaries),
    Any(Box<Anys>),
    Attributes(Box<Maps>),
    Sequence(Sequences),
}

#[derive(Debug)]
pub(crate) struct Numbers<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    validity: Validity,
}

#[derive(Debug)]
pub(crate) struct Booleans {
    values: BooleanBufferBuilder,
    validity: Validity,
}

#[derive(Debug)]
pub(crate) struct Ids {
    /// 8 or 16.
    width: usize,
    values: Vec<u8>,
    validity: Validity,
}

#[derive(Debug)]
pub(crate) struct Binaries {
    slices: Slices,
    validity: Validity,
}

/// See [`ColumnType::Any`].
#[derive(Debug)]
pub(crate) struct Anys {
    /// A bit for each kind that a row has.
    seen: u16,
    kinds: Vec<i8>,
    places: Vec<i32>,
    text: Text,
    ints: Vec<i64>,
    doubles: Vec<f64>,
    booleans: BooleanBufferBuilder,
    binaries: Slices,
    lists: Slices,
    maps: Slices,
}

#[derive(Debug)]
pub(crate) struct Maps {
    /// Where each row's entries end.
    ends: Vec<i32>,
    keys: Text,
    values: Anys,
    validity: Validity,
}

#[derive(Debug)]
pub(crate) struct Sequences {
    /// Where each row's elements end.
    ends: Vec<i32>,
    elements: Box<Column>,
    len: usize,
    validity: Validity,
}

impl<T: ArrowPrimitiveType> Numbers<T> {
    fn with_capacity(rows: usize) -> Self {
        Numbers { values: Vec::with_capacity(rows), validity: Validity::default() }
    }

    #[inline]
    pub(crate) fn push(&mut self, value: Option<T::Native>) {
        match value {
            Some(_) => self.validity.valid(),
            None => self.validity.null(self.values.len()),
        }
        self.values.push(value.unwrap_or_default());
    }

    fn finish(self) -> ArrayRef {
        Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(self.values), self.validity.finish()))
    }

    fn spread(self, parents: &[u32]) -> ArrayRef {
        let value = |&parent: &u32| self.values.get(parent as usize).copied().unwrap_or_default();
        let values: Vec<T::Native> = parents.iter().map(value).collect();
        let nulls = self.validity.finish().map(|nulls| gather_nulls(&nulls, parents));
        Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls))
    }
}

impl Booleans {
    fn push(&mut self, value: Option<bool>) {
        match value {
            Some(_) => self.validity.valid(),
            None => self.validity.null(self.values.len()),
        }
        self.values.append(value.unwrap_or_default());
    }

    fn finish(mut self) -> BooleanArray {
        BooleanArray::new(self.values.finish(), self.validity.finish())
    }

    fn spread(self, parents: &[u32]) -> ArrayRef {
        let values = self.finish();
        let value = |&parent: &u32| {
            let row = parent as usize;
            (row < values.len() && values.is_valid(row)).then(|| values.value(row))
        };
        Arc::new(parents.iter().map(value).collect::<BooleanArray>())
    }
}

impl Ids {
    #[inline]
    pub(crate) fn push(&mut self, id: Option<&[u8]>) {
        match id.filter(|id| id.len() == self.width) {
            Some(id) => {
                self.validity.valid();
                self.values.extend_from_slice(id);
            }
            None => {
                self.validity.null(self.len());
                self.values.resize(self.values.len() + self.width, 0);
            }
        }
    }

    fn len(&self) -> usize {
        self.values.len() / self.width
    }

    fn finish(self) -> ArrayRef {
        let (len, width) = (self.len(), self.width as i32);
        let array = FixedSizeBinaryArray::try_new(width, Buffer::from_vec(self.values), self.validity.finish());
        or_without_values(array, &DataType::FixedSizeBinary(width), len)
    }
}

impl Binaries {
    fn push(&mut self, value: Option<&[u8]>) {
        match value {
            Some(_) => self.validity.valid(),
            None => self.validity.null(self.slices.len()),
        }
        self.slices.push(value.unwrap_or_default());
    }
}

impl Anys {
    fn new(form: TextForm, rows: usize) -> Anys {
        Anys {
            seen: 0,
            kinds: Vec::with_capacity(rows),
            places: Vec::with_capacity(rows),
            text: Text::new(form, rows),
            ints: Vec::new(),
            doubles: Vec::new(),
            booleans: BooleanBufferBuilder::new(0),
            binaries: Slices::with_capacity(0),
            lists: Slices::with_capacity(0),
            maps: Slices::with_capacity(0),
        }
    }

    pub(crate) fn push(&mut self, value: &Value<'_>) {
        let opaque = |slices: &mut Slices, parts: &Parts<'_>| {
            parts.iter().for_each(|part| slices.extend(part));
            slices.end();
            slices.len() - 1
        };
        let (kind, place) = match value {
            Value::Absent | Value::Attributes(..) => (0, 0),
            Value::Empty => (1, 0),
            Value::Text(text) => return self.push_text(text),
            Value::Int(int) => return self.push_int(*int),
            Value::UInt(int) => return self.push_int(*int as i64),
            Value::Double(double) => return self.push_double(*double),
            Value::Bool(bool) => return self.push_bool(*bool),
            Value::Bytes(bytes) => {
                self.binaries.push(bytes);
                (6, self.binaries.len() - 1)
            }
            Value::List(parts) => (7, opaque(&mut self.lists, parts)),
            Value::Map(parts) => (8, opaque(&mut self.maps, parts)),
        };
        self.note(kind, place);
    }

    /// The value of an `AnyValue`. `like`: the place of an earlier text that may well be the same.
    #[inline]
    pub(crate) fn push_any(&mut self, any: &[u8], like: Option<usize>) {
        if let Some(text) = plain_text(any) {
            self.note(2, self.text.len());
            return self.text.push_like(text, like);
        }
        match any {
            [0x18, int @ ..]
                if let Some((value, end)) = varint::read(int, 0)
                    && end == int.len() =>
            {
                self.push_int(value as i64);
            }
            [0x21, double @ ..] if let Ok(bits) = <[u8; 8]>::try_from(double) => {
                self.push_double(f64::from_le_bytes(bits));
            }
            [0x10, bool @ 0..=1] => self.push_bool(*bool == 1),
            any => self.push(&any_value(&Parts::One(any))),
        }
    }

    /// The place of the last text.
    #[inline]
    pub(crate) fn last_text(&self) -> Option<usize> {
        self.text.len().checked_sub(1)
    }

    /// The place of a row's text; `None`: it has another value.
    #[inline]
    fn text_of(&self, row: usize) -> Option<usize> {
        (self.kinds.get(row) == Some(&2)).then(|| self.places[row] as usize)
    }

    #[inline]
    fn note(&mut self, kind: i8, place: usize) {
        self.seen |= 1 << kind;
        self.kinds.push(kind);
        self.places.push(place as i32);
    }

    #[inline]
    fn push_text(&mut self, text: &[u8]) {
        self.note(2, self.text.len());
        self.text.push(text);
    }

    #[inline]
    pub(crate) fn push_int(&mut self, int: i64) {
        self.note(3, self.ints.len());
        self.ints.push(int);
    }

    #[inline]
    pub(crate) fn push_double(&mut self, double: f64) {
        self.note(4, self.doubles.len());
        self.doubles.push(double);
    }

    #[inline]
    pub(crate) fn push_bool(&mut self, bool: bool) {
        self.note(5, self.booleans.len());
        self.booleans.append(bool);
    }

    fn finish(self) -> ArrayRef {
        self.with(|kinds, places| (kinds, places))
    }

    fn spread(self, parents: &[u32]) -> ArrayRef {
        self.with(|kinds, places| {
            let kind = |&parent: &u32| kinds.get(parent as usize).copied().unwrap_or_default();
            let place = |&parent: &u32| places.get(parent as usize).copied().unwrap_or_default();
            (parents.iter().map(kind).collect(), parents.iter().map(place).collect())
        })
    }

    fn with(mut self, rows: impl FnOnce(Vec<i8>, Vec<i32>) -> (Vec<i8>, Vec<i32>)) -> ArrayRef {
        // Each costs a microsecond, values or not.
        let (seen, all) = (self.seen, self.text.form() == TextForm::Plain);
        let has = |kind: usize| all || seen >> kind & 1 == 1;
        let none = || Arc::new(NullArray::new(1)) as ArrayRef;
        let text = || match self.text.len() {
            0 => empty_text(self.text.form()),
            _ => self.text.finish(),
        };
        let children = [
            has(0).then(none),
            has(1).then(none),
            has(2).then(text),
            has(3).then(|| Arc::new(PrimitiveArray::<Int64Type>::from(self.ints)) as ArrayRef),
            has(4).then(|| Arc::new(PrimitiveArray::<Float64Type>::from(self.doubles)) as ArrayRef),
            has(5).then(|| Arc::new(BooleanArray::new(self.booleans.finish(), None)) as ArrayRef),
            has(6).then(|| self.binaries.binary(None)),
            has(7).then(|| self.lists.binary(None)),
            has(8).then(|| self.maps.binary(None)),
        ];
        let fields = any_fields(&children);
        let (kinds, places) = rows(self.kinds, self.places);
        let len = kinds.len();
        let children = children.into_iter().flatten().collect();
        let union =
            UnionArray::try_new(fields.clone(), ScalarBuffer::from(kinds), Some(ScalarBuffer::from(places)), children);
        or_without_values(union, &DataType::Union(fields, UnionMode::Dense), len)
    }
}

/// The fields of those children of a [`ColumnType::Any`] that there are, by kind.
pub fn any_fields(children: &[Option<ArrayRef>; 9]) -> UnionFields {
    static FIELDS: LazyLock<[FieldRef; 9]> = LazyLock::new(|| {
        let field = |name: &str, data_type| Arc::new(Field::new(name, data_type, true));
        [
            field("absent", DataType::Null),
            field("empty", DataType::Null),
            field("text", DataType::Utf8),
            field("int", DataType::Int64),
            field("double", DataType::Float64),
            field("boolean", DataType::Boolean),
            field("binary", DataType::Binary),
            field("list-value", DataType::Binary),
            field("map-value", DataType::Binary),
        ]
    });
    let field = |((kind, child), field): ((i8, &Option<ArrayRef>), &FieldRef)| {
        let data_type = child.as_ref()?.data_type();
        let field = match field.data_type() == data_type {
            true => Arc::clone(field),
            false => Arc::new(field.as_ref().clone().with_data_type(data_type.clone())),
        };
        Some((kind, field))
    };
    (0..).zip(children).zip(&*FIELDS).filter_map(field).collect()
}

impl Maps {
    fn new(form: TextForm, rows: usize) -> Maps {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Maps { ends, keys: Text::new(form, 0), values: Anys::new(form, 0), validity: Validity::default() }
    }

    fn push(&mut self, entries: Option<(&Parts<'_>, u32)>) {
        match entries {
            Some((message, number)) => {
                let mut like = self.last_row();
                for field in message.all(number) {
                    let entry = field.payload();
                    match plain_entry(entry) {
                        Some((key, any)) => self.push_entry(key, any, like.next()),
                        None => self.push_odd(entry, like.next()),
                    }
                }
                self.end(true);
            }
            None => self.end(false),
        }
    }

    /// A row of the attributes that were noted of a record of `request`.
    pub(crate) fn push_noted(&mut self, request: &[u8], entries: &[Noted]) {
        let slice = |(start, end): (u32, u32)| request.get(start as usize..end as usize).unwrap_or_default();
        let mut like = self.last_row();
        for entry in entries {
            match *entry {
                Noted::Parts { key, any } => self.push_entry(slice(key), slice(any), like.next()),
                Noted::Entry(start, end) => self.push_odd(slice((start, end)), like.next()),
            }
        }
        self.end(true);
    }

    /// The numbers of the last row's entries: those of the next row are likely to have the same keys in the same order, and often the
    /// same values.
    fn last_row(&self) -> Range<usize> {
        match *self.ends {
            [.., start, end] => start as usize..end as usize,
            _ => 0..0,
        }
    }

    #[inline]
    fn push_entry(&mut self, key: &[u8], any: &[u8], like: Option<usize>) {
        self.keys.push_like(key, like);
        self.values.push_any(any, like.and_then(|row| self.values.text_of(row)));
    }

    /// An entry that is not a key and then a value.
    #[cold]
    fn push_odd(&mut self, entry: &[u8], like: Option<usize>) {
        let entry = Parts::One(entry);
        self.keys.push_like(key_of(&entry), like);
        self.values.push(&value_of(&entry));
    }

    fn end(&mut self, valid: bool) {
        match valid {
            true => self.validity.valid(),
            false => self.validity.null(self.ends.len() - 1),
        }
        self.ends.push(self.keys.len() as i32);
    }

    fn finish(self) -> ArrayRef {
        let keys = match self.keys.len() {
            0 => empty_text(self.keys.form()),
            _ => self.keys.finish(),
        };
        let values = self.values.finish();
        let fields = Fields::from(vec![
            Field::new("keys", keys.data_type().clone(), false),
            Field::new("values", values.data_type().clone(), true),
        ]);
        let entries = Arc::new(Field::new("entries", DataType::Struct(fields.clone()), false));
        let len = self.ends.len() - 1;
        let map = StructArray::try_new(fields, vec![keys, values], None).and_then(|all| {
            let ends = OffsetBuffer::new(ScalarBuffer::from(self.ends));
            MapArray::try_new(Arc::clone(&entries), ends, all, self.validity.finish(), false)
        });
        or_without_values(map, &DataType::Map(entries, false), len)
    }
}

impl Sequences {
    fn end(&mut self, valid: bool) {
        match valid {
            true => self.validity.valid(),
            false => self.validity.null(self.ends.len() - 1),
        }
        self.ends.push(self.len as i32);
    }

    fn finish(self) -> ArrayRef {
        let elements = self.elements.finish();
        let field = Arc::new(Field::new("item", elements.data_type().clone(), true));
        let len = self.ends.len() - 1;
        let ends = OffsetBuffer::new(ScalarBuffer::from(self.ends));
        let list = ListArray::try_new(Arc::clone(&field), ends, elements, self.validity.finish());
        or_without_values(list, &DataType::List(field), len)
    }
}

impl Column {
    /// An empty column with room for `rows`.
    pub(crate) fn new(column: &ColumnType, rows: usize) -> Column {
        let validity = Validity::default();
        match column {
            ColumnType::Boolean => Column::Boolean(Booleans { values: BooleanBufferBuilder::new(rows), validity }),
            ColumnType::UInt8 => Column::UInt8(Numbers::with_capacity(rows)),
            ColumnType::UInt32 => Column::UInt32(Numbers::with_capacity(rows)),
            ColumnType::Int32 => Column::Int32(Numbers::with_capacity(rows)),
            ColumnType::UInt64 => Column::UInt64(Numbers::with_capacity(rows)),
            ColumnType::Int64 => Column::Int64(Numbers::with_capacity(rows)),
            ColumnType::Double => Column::Double(Numbers::with_capacity(rows)),
            ColumnType::Id8 => Column::Id(Ids { width: 8, values: Vec::with_capacity(8 * rows), validity }),
            ColumnType::Id16 => Column::Id(Ids { width: 16, values: Vec::with_capacity(16 * rows), validity }),
            ColumnType::Text(form) => Column::Text(Text::new(*form, rows)),
            ColumnType::Binary => Column::Binary(Binaries { slices: Slices::with_capacity(rows), validity }),
            ColumnType::Any(form) => Column::Any(Box::new(Anys::new(*form, rows))),
            ColumnType::Attributes(form) => Column::Attributes(Box::new(Maps::new(*form, rows))),
            ColumnType::Sequence(element) => {
                let mut ends = Vec::with_capacity(rows + 1);
                ends.push(0);
                Column::Sequence(Sequences { ends, elements: Box::new(Column::new(element, 0)), len: 0, validity })
            }
        }
    }

    /// An empty column for one value of each parent, to be [`spread`](Column::spread). Text is a dictionary then.
    pub(crate) fn of_parents(column: &ColumnType, parents: usize) -> Column {
        match column {
            ColumnType::Text(_) => Column::new(&ColumnType::Text(TextForm::Dictionary), parents),
            column => Column::new(column, parents),
        }
    }

    /// A row without a value.
    pub(crate) fn push_absent(&mut self) {
        match self {
            Column::Sequence(sequence) => sequence.end(false),
            column => column.push(&Value::Absent),
        }
    }

    /// A row; one without a value where the column has another type.
    pub(crate) fn push(&mut self, value: &Value<'_>) {
        let int = || match value {
            Value::Int(int) => Some(*int),
            Value::UInt(int) => Some(*int as i64),
            _ => None,
        };
        match self {
            Column::Boolean(column) => column.push(match value {
                Value::Bool(bool) => Some(*bool),
                _ => None,
            }),
            Column::UInt8(column) => column.push(int().map(|int| int as u8)),
            Column::UInt32(column) => column.push(int().map(|int| int as u32)),
            Column::Int32(column) => column.push(int().map(|int| int as i32)),
            Column::UInt64(column) => column.push(int().map(|int| int as u64)),
            Column::Int64(column) => column.push(int()),
            Column::Double(column) => column.push(match value {
                Value::Double(double) => Some(*double),
                _ => None,
            }),
            Column::Id(column) => column.push(match value {
                Value::Bytes(bytes) => Some(bytes),
                _ => None,
            }),
            Column::Text(column) => match value {
                Value::Text(text) => column.push(text),
                _ => column.push_null(),
            },
            Column::Binary(column) => column.push(match value {
                Value::Bytes(bytes) => Some(bytes),
                _ => None,
            }),
            Column::Any(column) => column.push(value),
            Column::Attributes(column) => column.push(match value {
                Value::Attributes(message, number) => Some((message, *number)),
                Value::Map(entries) => Some((entries, 1)),
                _ => None,
            }),
            Column::Sequence(column) => column.end(false),
        }
    }

    /// An element of the row that [`Column::end_sequence`] will end.
    pub(crate) fn push_element(&mut self, value: &Value<'_>) {
        if let Column::Sequence(sequence) = self {
            sequence.elements.push(value);
            sequence.len += 1;
        }
    }

    /// Ends a row of a sequence; with any other column, which no checked request has, a row without a value.
    pub(crate) fn end_sequence(&mut self) {
        match self {
            Column::Sequence(sequence) => sequence.end(true),
            column => column.push(&Value::Absent),
        }
    }

    pub(crate) fn finish(self) -> ArrayRef {
        match self {
            Column::Boolean(column) => Arc::new(column.finish()),
            Column::UInt8(column) => column.finish(),
            Column::UInt32(column) => column.finish(),
            Column::Int32(column) => column.finish(),
            Column::UInt64(column) => column.finish(),
            Column::Int64(column) => column.finish(),
            Column::Double(column) => column.finish(),
            Column::Id(column) => column.finish(),
            Column::Text(column) => column.finish(),
            Column::Binary(column) => column.slices.binary(column.validity.finish()),
            Column::Any(column) => column.finish(),
            Column::Attributes(column) => column.finish(),
            Column::Sequence(column) => column.finish(),
        }
    }

    /// A column of rows out of one of parents: `parents` has the parent of each row.
    pub(crate) fn spread(self, parents: &[u32]) -> ArrayRef {
        match self {
            Column::Boolean(column) => column.spread(parents),
            Column::UInt8(column) => column.spread(parents),
            Column::UInt32(column) => column.spread(parents),
            Column::Int32(column) => column.spread(parents),
            Column::UInt64(column) => column.spread(parents),
            Column::Int64(column) => column.spread(parents),
            Column::Double(column) => column.spread(parents),
            Column::Text(column) => column.spread(parents),
            Column::Any(column) => column.spread(parents),
            column => dictionary(parents.to_vec(), None, column.finish()),
        }
    }
}

/// A column in which no row has a value.
pub(crate) fn without_values(column: &ColumnType, rows: usize) -> ArrayRef {
    let mut column = Column::new(column, rows);
    (0..rows).for_each(|_| column.push_absent());
    column.finish()
}

/// The array; where its parts do not fit together, which only an index made by hand can bring about, one of nulls.
pub(super) fn or_without_values<A: Array + 'static>(
    array: Result<A, ArrowError>,
    data_type: &DataType,
    len: usize,
) -> ArrayRef {
    match array {
        Ok(array) => Arc::new(array),
        Err(_) => new_null_array(data_type, len),
    }
}
