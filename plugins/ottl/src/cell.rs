//! One row of a value that was computed, and the memory that such values share.
//!
//! What is read from a column is borrowed from the block; what is computed lies in one growing buffer and is named by its
//! place there. A cell is therefore small and copied freely, and no row has memory of its own.

use wasmill_columns::AnyValue;

use crate::Reason;
use crate::value::Value;

/// One row's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    /// There is no such entry or field.
    Absent,
    /// There is, without a value.
    Empty,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    List(&'a [u8]),
    Map(&'a [u8]),
    /// In [`Made::text`].
    MadeText(Span),
    /// In [`Made::bytes`], as are the next.
    MadeBytes(Span),
    MadeList(Span),
    MadeMap(Span),
    SpanId([u8; 8]),
    TraceId([u8; 16]),
    Failed(Reason),
}

/// A part of a buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

/// Bytes that one call may compute. Far above what a slice needs, and below what a guest's memory holds.
pub(crate) const MADE_BYTES_MAX: usize = 64 << 20;

/// What was computed in a call.
#[derive(Debug, Default)]
pub(crate) struct Made {
    text: String,
    bytes: Vec<u8>,
    /// Whether something did not fit, so that the call is to fail.
    pub full: bool,
}

impl Made {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.bytes.clear();
        self.full = false;
    }

    fn fits(&mut self, more: usize) -> bool {
        let fits = self.text.len() + self.bytes.len() + more <= MADE_BYTES_MAX;
        self.full |= !fits;
        fits
    }

    pub(crate) fn text<'a>(&mut self, text: &str) -> Cell<'a> {
        if !self.fits(text.len()) {
            return Cell::Empty;
        }
        let start = self.text.len() as u32;
        self.text.push_str(text);
        Cell::MadeText(Span { start, end: self.text.len() as u32 })
    }

    pub(crate) fn binary<'a>(&mut self, bytes: &[u8]) -> Cell<'a> {
        self.raw(bytes).map_or(Cell::Empty, Cell::MadeBytes)
    }

    pub(crate) fn list<'a>(&mut self, list: &[u8]) -> Cell<'a> {
        self.raw(list).map_or(Cell::Empty, Cell::MadeList)
    }

    pub(crate) fn map<'a>(&mut self, map: &[u8]) -> Cell<'a> {
        self.raw(map).map_or(Cell::Empty, Cell::MadeMap)
    }

    fn raw(&mut self, bytes: &[u8]) -> Option<Span> {
        if !self.fits(bytes.len()) {
            return None;
        }
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        Some(Span { start, end: self.bytes.len() as u32 })
    }

    fn text_at(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    fn bytes_at(&self, span: Span) -> &[u8] {
        self.bytes.get(span.start as usize..span.end as usize).unwrap_or_default()
    }
}

impl<'a> Cell<'a> {
    /// What it is. A failure is nil: callers look for it before.
    pub(crate) fn value<'m>(self, made: &'m Made) -> Value<'m>
    where
        'a: 'm,
    {
        match self {
            Cell::Absent | Cell::Empty | Cell::Failed(_) => Value::Nil,
            Cell::Bool(value) => Value::Bool(value),
            Cell::Int(value) => Value::Int(value),
            Cell::Double(value) => Value::Double(value),
            Cell::Text(text) => Value::Text(text),
            Cell::Bytes(bytes) => Value::Bytes(bytes),
            Cell::List(list) => Value::List(list),
            Cell::Map(map) => Value::Map(map),
            Cell::MadeText(span) => Value::Text(made.text_at(span)),
            Cell::MadeBytes(span) => Value::Bytes(made.bytes_at(span)),
            Cell::MadeList(span) => Value::List(made.bytes_at(span)),
            Cell::MadeMap(span) => Value::Map(made.bytes_at(span)),
            Cell::SpanId(id) => Value::SpanId(id),
            Cell::TraceId(id) => Value::TraceId(id),
        }
    }

    /// As an attribute's value. An id is none, and is refused before.
    pub(crate) fn any<'m>(self, made: &'m Made) -> AnyValue<'m>
    where
        'a: 'm,
    {
        match self.value(made) {
            Value::Nil if self == Cell::Absent => AnyValue::Absent,
            Value::Nil | Value::SpanId(_) | Value::TraceId(_) => AnyValue::Empty,
            Value::Bool(value) => AnyValue::Boolean(value),
            Value::Int(value) => AnyValue::Int(value),
            Value::Double(value) => AnyValue::Double(value),
            Value::Text(text) => AnyValue::Text(text),
            Value::Bytes(bytes) => AnyValue::Binary(bytes),
            Value::List(list) => AnyValue::List(list),
            Value::Map(map) => AnyValue::Map(map),
        }
    }

    /// The text of it from one byte to another, shared.
    pub(crate) fn part(self, made: &Made, start: usize, end: usize) -> Option<Cell<'a>> {
        match self {
            Cell::Text(text) => text.get(start..end).map(Cell::Text),
            Cell::MadeText(span) => {
                made.text_at(span).get(start..end)?;
                let (start, end) = (span.start + start as u32, span.start + end as u32);
                Some(Cell::MadeText(Span { start, end }))
            }
            _ => None,
        }
    }

    pub(crate) fn of(value: Value<'a>) -> Cell<'a> {
        match value {
            Value::Nil => Cell::Empty,
            Value::Bool(value) => Cell::Bool(value),
            Value::Int(value) => Cell::Int(value),
            Value::Double(value) => Cell::Double(value),
            Value::Text(text) => Cell::Text(text),
            Value::Bytes(bytes) => Cell::Bytes(bytes),
            Value::List(list) => Cell::List(list),
            Value::Map(map) => Cell::Map(map),
            Value::SpanId(id) => Cell::SpanId(id),
            Value::TraceId(id) => Cell::TraceId(id),
        }
    }
}

impl<'a> From<AnyValue<'a>> for Cell<'a> {
    fn from(value: AnyValue<'a>) -> Cell<'a> {
        match value {
            AnyValue::Absent => Cell::Absent,
            AnyValue::Empty => Cell::Empty,
            AnyValue::Text(text) => Cell::Text(text),
            AnyValue::Int(value) => Cell::Int(value),
            AnyValue::Double(value) => Cell::Double(value),
            AnyValue::Boolean(value) => Cell::Bool(value),
            AnyValue::Binary(bytes) => Cell::Bytes(bytes),
            AnyValue::List(list) => Cell::List(list),
            AnyValue::Map(map) => Cell::Map(map),
        }
    }
}

/// A value for each row of a frame, or one for all.
#[derive(Debug)]
pub(crate) enum Vector<'a> {
    Same(Cell<'a>),
    Each(Vec<Cell<'a>>),
}

impl<'a> Vector<'a> {
    #[inline]
    pub(crate) fn get(&self, place: usize) -> Cell<'a> {
        match self {
            Vector::Same(cell) => *cell,
            Vector::Each(cells) => cells.get(place).copied().unwrap_or(Cell::Absent),
        }
    }

    pub(crate) fn is_same(&self) -> bool {
        matches!(self, Vector::Same(_))
    }
}

/// Vectors' memory, from one call to the next.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    spare: Vec<Vec<Cell<'static>>>,
}

/// Vectors kept at most: as many as an expression of usual size has alive at once.
const SPARE_MAX: usize = 16;

impl Pool {
    /// An empty vector with room for so many cells: the smallest that has it, so that larger ones are left for whoever
    /// needs them, else the largest, made larger.
    pub(crate) fn take<'a>(&mut self, cells: usize) -> Vec<Cell<'a>> {
        let rank = |vector: &Vec<_>| match vector.capacity() {
            enough if enough >= cells => (0, enough),
            less => (1, usize::MAX - less),
        };
        let best = self.spare.iter().enumerate().min_by_key(|(_, vector)| rank(vector)).map(|(place, _)| place);
        let mut vector = best.map_or_else(Vec::new, |place| self.spare.swap_remove(place));
        vector.reserve(cells);
        vector
    }

    pub(crate) fn give(&mut self, vector: Vector<'_>) {
        if let Vector::Each(cells) = vector {
            self.give_cells(cells);
        }
    }

    pub(crate) fn give_cells(&mut self, mut cells: Vec<Cell<'_>>) {
        if self.spare.len() < SPARE_MAX {
            cells.clear();
            // Collecting nothing from an owned vector keeps its memory: only the lifetime changes.
            self.spare.push(cells.into_iter().map(|_| Cell::Absent).collect());
        }
    }
}
