//! A table's columns in memory.
//!
//! A text column is a number for each row into its distinct values, as long as these are at most half as many as the rows; else it
//! is the texts one behind the other, cut by offsets. An empty text is no value, so that neither needs a bitmap.

use wasmill_columns::Bitmap;

use crate::CellType;
use crate::index::{Index, hash_bytes};

/// From so many rows on it is looked whether a column's values repeat: below, numbering them costs nothing worth mentioning.
const LOOK_ROWS: usize = 1 << 16;

/// Texts one behind the other.
#[derive(Debug)]
pub(crate) struct Cut {
    /// One more than texts. The file has less than 4 GiB, and so have they.
    offsets: Vec<u32>,
    text: String,
}

/// The cells of a column.
#[derive(Debug)]
pub(crate) enum Column {
    Plain(Cut),
    /// Value 0 is the empty text, which is none.
    Coded {
        codes: Vec<u32>,
        values: Cut,
    },
    Int64 {
        values: Vec<i64>,
        valid: Bitmap,
    },
    Double {
        values: Vec<f64>,
        valid: Bitmap,
    },
    Boolean {
        values: Bitmap,
        valid: Bitmap,
    },
}

/// A column in the making.
#[derive(Debug)]
pub(crate) enum ColumnBuilder {
    Done(Column),
    Coded { codes: Vec<u32>, values: Cut, numbers: Index },
}

impl Default for Cut {
    fn default() -> Self {
        Cut { offsets: vec![0], text: String::new() }
    }
}

impl Cut {
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    #[inline]
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.offsets.push(self.text.len() as u32);
    }

    /// The text of that number; the empty one behind the end.
    #[inline]
    pub fn get(&self, number: u32) -> &str {
        match self.offsets.get(number as usize..).and_then(|rest| rest.first_chunk::<2>()) {
            Some(&[start, end]) => self.text.get(start as usize..end as usize).unwrap_or_default(),
            None => "",
        }
    }

    /// The same as bytes, for whoever compares.
    #[inline]
    pub fn bytes_of(&self, number: u32) -> &[u8] {
        self.bytes_at(self.range(number))
    }

    /// Where a text lies, for [`bytes_at`](Cut::bytes_at); nowhere behind the end.
    #[inline]
    pub fn range(&self, number: u32) -> (u32, u32) {
        match self.offsets.get(number as usize..).and_then(|rest| rest.first_chunk::<2>()) {
            Some(&[start, end]) => (start, end),
            None => (0, 0),
        }
    }

    #[inline]
    pub fn bytes_at(&self, (start, end): (u32, u32)) -> &[u8] {
        self.text.as_bytes().get(start as usize..end as usize).unwrap_or_default()
    }

    /// Has the processor fetch the beginnings of these texts at once: whoever looks at them next does not wait for one after the other.
    #[inline]
    pub fn fetch(&self, ranges: impl IntoIterator<Item = (u32, u32)>) {
        let bytes = self.text.as_bytes();
        let sum = ranges
            .into_iter()
            .fold(0_u8, |sum, (start, _)| sum.wrapping_add(bytes.get(start as usize).copied().unwrap_or_default()));
        std::hint::black_box(sum);
    }

    pub fn bytes(&self) -> usize {
        self.offsets.capacity() * 4 + self.text.capacity()
    }

    fn shrink(&mut self) {
        self.offsets.shrink_to_fit();
        self.text.shrink_to_fit();
    }
}

impl Column {
    pub fn bytes(&self) -> usize {
        match self {
            Column::Plain(texts) => texts.bytes(),
            Column::Coded { codes, values } => codes.capacity() * 4 + values.bytes(),
            Column::Int64 { values, valid } => values.capacity() * 8 + bitmap_bytes(valid),
            Column::Double { values, valid } => values.capacity() * 8 + bitmap_bytes(valid),
            Column::Boolean { values, valid } => bitmap_bytes(values) + bitmap_bytes(valid),
        }
    }
}

impl ColumnBuilder {
    /// `distinct`: its values do not repeat.
    pub fn new(cell: CellType, distinct: bool) -> ColumnBuilder {
        match cell {
            CellType::Text if distinct => ColumnBuilder::Done(Column::Plain(Cut::default())),
            CellType::Text => {
                let mut values = Cut::default();
                values.push("");
                let mut numbers = Index::default();
                numbers.insert(hash_bytes(b""), 0);
                ColumnBuilder::Coded { codes: Vec::new(), values, numbers }
            }
            CellType::Int64 => ColumnBuilder::Done(Column::Int64 { values: Vec::new(), valid: Bitmap::default() }),
            CellType::Double => ColumnBuilder::Done(Column::Double { values: Vec::new(), valid: Bitmap::default() }),
            CellType::Boolean => {
                ColumnBuilder::Done(Column::Boolean { values: Bitmap::default(), valid: Bitmap::default() })
            }
        }
    }

    /// Adds a cell. `Err` says what was expected.
    pub fn push(&mut self, cell: &str) -> Result<(), &'static str> {
        match self {
            ColumnBuilder::Coded { codes, values, numbers } => {
                let hash = hash_bytes(cell.as_bytes());
                let code = numbers.find(hash, |number| values.bytes_of(number) == cell.as_bytes());
                let code = code.unwrap_or_else(|| {
                    let code = values.len() as u32;
                    values.push(cell);
                    numbers.insert(hash, code);
                    code
                });
                codes.push(code);
                if codes.len().is_multiple_of(LOOK_ROWS) {
                    self.look();
                }
            }
            ColumnBuilder::Done(Column::Plain(texts)) => texts.push(cell),
            ColumnBuilder::Done(Column::Int64 { values, valid }) => {
                let value = number(cell, "a whole number of 64 bits")?;
                values.push(value.unwrap_or_default());
                valid.push(value.is_some());
            }
            ColumnBuilder::Done(Column::Double { values, valid }) => {
                let value = number::<f64>(cell, "a number")?;
                if value.is_some_and(|value| !value.is_finite()) {
                    return Err("a finite number");
                }
                values.push(value.unwrap_or_default());
                valid.push(value.is_some());
            }
            ColumnBuilder::Done(Column::Boolean { values, valid }) => {
                let value = match cell.trim_ascii() {
                    "" => None,
                    word if word.eq_ignore_ascii_case("true") => Some(true),
                    word if word.eq_ignore_ascii_case("false") => Some(false),
                    _ => return Err("`true` or `false`"),
                };
                values.push(value.unwrap_or_default());
                valid.push(value.is_some());
            }
            ColumnBuilder::Done(Column::Coded { .. }) => {}
        }
        Ok(())
    }

    /// Takes a column's values as they are where most are there once.
    fn look(&mut self) {
        let ColumnBuilder::Coded { codes, values, .. } = self else { return };
        if values.len() * 2 > codes.len() {
            let mut texts = Cut::default();
            codes.iter().for_each(|&code| texts.push(values.get(code)));
            *self = ColumnBuilder::Done(Column::Plain(texts));
        }
    }

    /// The cells so far, to find a key that is there already.
    pub fn column(&self) -> Option<&Column> {
        match self {
            ColumnBuilder::Done(column) => Some(column),
            ColumnBuilder::Coded { .. } => None,
        }
    }

    pub fn bytes(&self) -> usize {
        match self {
            ColumnBuilder::Done(column) => column.bytes(),
            ColumnBuilder::Coded { codes, values, numbers } => codes.capacity() * 4 + values.bytes() + numbers.bytes(),
        }
    }

    pub fn finish(mut self) -> Column {
        if matches!(&self, ColumnBuilder::Coded { codes, .. } if codes.len() >= LOOK_ROWS) {
            self.look();
        }
        let mut column = match self {
            ColumnBuilder::Done(column) => column,
            ColumnBuilder::Coded { codes, values, .. } => Column::Coded { codes, values },
        };
        match &mut column {
            Column::Plain(texts) => texts.shrink(),
            Column::Coded { codes, values } => {
                codes.shrink_to_fit();
                values.shrink();
            }
            Column::Int64 { values, .. } => values.shrink_to_fit(),
            Column::Double { values, .. } => values.shrink_to_fit(),
            Column::Boolean { .. } => {}
        }
        column
    }
}

/// `None`: an empty cell.
fn number<T: std::str::FromStr>(cell: &str, expected: &'static str) -> Result<Option<T>, &'static str> {
    match cell.trim_ascii() {
        "" => Ok(None),
        digits => digits.parse().map(Some).map_err(|_| expected),
    }
}

fn bitmap_bytes(bitmap: &Bitmap) -> usize {
    bitmap.words().len() * 8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(cell: CellType, rows: usize, text: impl Fn(usize) -> String) -> Column {
        let mut builder = ColumnBuilder::new(cell, false);
        (0..rows).for_each(|row| builder.push(&text(row)).unwrap());
        builder.finish()
    }

    /// Values that repeat are there once; those that do not are not numbered besides.
    #[test]
    fn a_text_column_is_coded_where_values_repeat() {
        let repeated = column(CellType::Text, 200_000, |row| format!("team {}", row % 40));
        let Column::Coded { codes, values } = &repeated else { panic!("{repeated:?}") };
        assert_eq!((codes.len(), values.len(), values.get(codes[81])), (200_000, 41, "team 1"));
        let single = column(CellType::Text, 200_000, |row| format!("host {row}"));
        let Column::Plain(texts) = &single else { panic!("coded") };
        assert_eq!((texts.len(), texts.get(199_999), texts.get(200_000)), (200_000, "host 199999", ""));
        assert!(matches!(column(CellType::Text, 2, |_| "a".to_owned()), Column::Coded { .. }));
    }

    /// What cells are not is said in words; an empty one is no value.
    #[test]
    fn typed_cells_are_checked() {
        let wrong = [
            (CellType::Int64, "1.5"),
            (CellType::Int64, "9223372036854775808"),
            (CellType::Double, "many"),
            (CellType::Double, "inf"),
            (CellType::Boolean, "yes"),
        ];
        for (cell, text) in wrong {
            assert!(ColumnBuilder::new(cell, false).push(text).is_err(), "{text} as {cell:?}");
        }
        let mut builder = ColumnBuilder::new(CellType::Int64, false);
        for text in ["-7", "", " 8 "] {
            builder.push(text).unwrap();
        }
        let Column::Int64 { values, valid } = builder.finish() else { panic!("another type") };
        assert_eq!((values, valid.ones().collect::<Vec<_>>()), (vec![-7, 0, 8], vec![0, 2]));
    }
}
