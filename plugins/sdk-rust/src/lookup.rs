//! Tables that the gateway loads for a plugin: rows of a CSV file by key, networks of a MaxMind DB by address.
//!
//! A plugin names the tables that it asks in [`Plugin::init`](crate::Plugin::init); what file each is, and when it is loaded anew, is
//! the operator's. It asks for a whole column of keys at a time:
//!
//! ```
//! use wasmill_sdk::prelude::*;
//! use wasmill_sdk::testing::{self, Harness};
//!
//! struct Owner {
//!     service: Column<str>,
//!     services: Table,
//! }
//!
//! impl Plugin for Owner {
//!     type Config = ();
//!
//!     fn init(_: (), needs: &mut Requirements) -> Result<Self> {
//!         needs.signals(Signal::ALL);
//!         let service = needs.column(r#"resource.attributes["service.name"]"#);
//!         Ok(Owner { service, services: needs.table("services") })
//!     }
//!
//!     fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
//!         let answer = self.services.find(slice.column(self.service), &["team"])?;
//!         // Rows whose service is not in the table keep what they have.
//!         answer.columns().set(verdict, r#"attributes["team"]"#, 0);
//!         Ok(())
//!     }
//! }
//!
//! testing::table("services", ["service", "team"], [["checkout", "shop"], ["ledger", "payments"]]);
//! let mut plugin = Harness::<Owner>::start("null").unwrap();
//! let names = ["ledger", "unknown"];
//! let answer = plugin.slice(Signal::Logs, 2).with(r#"resource.attributes["service.name"]"#, names).process().unwrap();
//! assert_eq!(answer.column(r#"attributes["team"]"#), [Some("payments".into()), None]);
//! ```

use std::fmt;

use wasmill_columns as data;
use wasmill_columns::{
    Any, AnyBuilder, AnyKind, Binary, Bitmap, Bits, Block, BlockBuilder, Fixed, NodeId, PlainText, Text, Values,
};

use crate::host::Failure;
use crate::{ColumnType, Error, Requirements, Result, Rows, Verdict};

/// A table that a plugin may ask: see [`Requirements::table`].
#[derive(Clone, Debug)]
pub struct Table {
    name: String,
}

/// What a table answered: a column for each field, a row for each key.
#[derive(Clone, Debug)]
pub struct Answer {
    block: Vec<u8>,
}

/// A look at an [`Answer`].
#[derive(Clone, Debug)]
pub struct Found<'a> {
    block: Block<'a>,
}

/// A question that was not answered: see [`Failure`] for what each kind means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LookupError {
    pub table: String,
    pub failure: Failure,
}

/// Columns whose rows can be looked up: text, whole numbers of 64 bits, bytes, ids and what is typed by row.
pub trait Keys {
    #[doc(hidden)]
    fn write(&self, block: &mut BlockBuilder);
}

impl Requirements {
    /// Says that the plugin asks this table. The gateway does not start the plugin without it: the stage's `tables:` has a file of
    /// this name.
    pub fn table(&mut self, name: &str) -> Table {
        if !self.tables.iter().any(|table| table == name) {
            self.tables.push(name.to_owned());
        }
        Table { name: name.to_owned() }
    }
}

impl Table {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Finds each key. Rows without a key, and keys that are not in the table, find no value. A field of CSV is a column's name, one of
    /// a MaxMind DB a path with dots: `country.iso_code`, `subdivisions.0.names.en`.
    ///
    /// A call costs about as much as one of [`Plugin::process`](crate::Plugin::process): ask once for a slice, for all fields.
    pub fn find(&self, keys: impl Keys, fields: &[&str]) -> Result<Answer, LookupError> {
        let failed = |failure| LookupError { table: self.name.clone(), failure };
        let mut block = BlockBuilder::with_capacity(2, 0);
        keys.write(&mut block);
        let keys = block.finish().map_err(|_| failed(Failure::Limit))?;
        call::find(&self.name, &keys, fields).map(|block| Answer { block }).map_err(failed)
    }
}

impl Answer {
    /// The columns.
    pub fn columns(&self) -> Found<'_> {
        // SAFETY: the host made this block, and the contract says that its text is UTF-8.
        let block = unsafe { Block::trusted(&self.block) };
        match block {
            Ok(block) => Found { block },
            Err(error) => panic!("the host answered what is no block: {error}"),
        }
    }
}

impl Found<'_> {
    /// The field of that number, in the order in which they were asked for, whatever its kind.
    ///
    /// # Panics
    /// When fewer were asked for.
    pub fn view(&self, field: usize) -> data::Column<'_> {
        match self.block.column(field) {
            Some(column) => column,
            None => panic!("field {field} was not asked for"),
        }
    }

    /// The field of that number as its type: `str`, `i64`, `f64` or `bool`, of a MaxMind DB also `u64`, `[u8]` and
    /// [`Dynamic`](crate::Dynamic). An error: the table has it as another, which is for the operator to set right.
    ///
    /// # Panics
    /// When fewer were asked for.
    pub fn column<T: ColumnType + ?Sized>(&self, field: usize) -> Result<T::View<'_>> {
        let column = self.view(field);
        let kind = column.kind();
        T::view(column)
            .ok_or_else(|| Error::new(format!("field {field} of the lookup table is `{kind}`, expected `{}`", T::KIND)))
    }

    /// The rows that have a value in this field.
    ///
    /// # Panics
    /// When fewer were asked for.
    pub fn has(&self, field: usize) -> Bitmap {
        match self.view(field) {
            data::Column::Any(any) => Bitmap::from_fn(any.len(), |row| any.kind(row) != AnyKind::Absent),
            column => column.validity().map_or_else(|| Bitmap::all(column.len()), |bits| bits.to_bitmap()),
        }
    }

    /// Sets a path to this field in the rows that have a value in it; the others keep what they have. For keys that were a column of the
    /// slice.
    ///
    /// # Panics
    /// When fewer were asked for.
    pub fn set(&self, verdict: &mut Verdict, path: &str, field: usize) {
        let has = self.has(field);
        if has.is_none() {
            return;
        }
        let rows: Vec<usize> = has.ones().collect();
        let column = self.view(field);
        verdict.set_each(path, Rows::Bitmap(&has), |block| write_rows(block, column, &rows));
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.failure {
            Failure::Denied => "it was not named in `init`",
            Failure::Unknown => "it has no such field",
            Failure::Invalid => "its keys are of another type",
            Failure::Limit => "more keys or fields than are answered at a time",
            Failure::Unavailable => "there are no tables here",
        };
        write!(f, "the lookup table `{}` was not asked: {why}", self.table)
    }
}

impl std::error::Error for LookupError {}

impl Keys for Text<'_> {
    fn write(&self, block: &mut BlockBuilder) {
        let node = match self {
            Text::Plain(texts) => return texts.write(block),
            Text::Dictionary(texts) => {
                let values = texts.values();
                block.dictionary(texts.keys().raw_iter(), (0..values.len()).map(|value| values.raw(value)))
            }
        };
        valid(block, node, self.validity());
    }
}

impl Keys for PlainText<'_> {
    fn write(&self, block: &mut BlockBuilder) {
        let node = block.text((0..self.len()).map(|row| self.raw(row)));
        valid(block, node, self.validity());
    }
}

impl Keys for Binary<'_> {
    fn write(&self, block: &mut BlockBuilder) {
        let node = block.binary((0..self.len()).map(|row| self.raw(row)));
        valid(block, node, self.validity());
    }
}

macro_rules! keys {
    ($($type:ty),*) => {$(
        impl Keys for Values<'_, $type> {
            fn write(&self, block: &mut BlockBuilder) {
                let node = block.fixed(self.raw_iter());
                valid(block, node, self.validity());
            }
        }
    )*};
}

keys!(u8, u32, i32, u64, i64, [u8; 16]);

impl Keys for Any<'_> {
    fn write(&self, block: &mut BlockBuilder) {
        let mut any = AnyBuilder::new();
        // A text that many rows have crosses once.
        let texts = self.text().map(|texts| texts.map(|text| any.hold(text.into())));
        for row in 0..self.len() {
            let held = texts.as_ref().zip(self.text_place(row)).and_then(|(texts, place)| texts.get(place));
            match held {
                Some(held) => any.push_place(*held),
                None => any.push(self.get(row)),
            }
        }
        any.append(block);
    }
}

/// Texts of one's own, one for each row.
impl Keys for &[&str] {
    fn write(&self, block: &mut BlockBuilder) {
        block.text(self.iter().copied());
    }
}

fn valid(block: &mut BlockBuilder, node: NodeId, validity: Option<Bits<'_>>) {
    if let Some(bits) = validity {
        block.set_validity(node, &bits.to_bitmap());
    }
}

/// Writes these rows of a column, which have a value.
fn write_rows(block: &mut BlockBuilder, column: data::Column<'_>, rows: &[usize]) {
    fn fixed<T: Fixed>(block: &mut BlockBuilder, values: Values<'_, T>, rows: &[usize]) {
        block.fixed(rows.iter().map(|&row| values.raw(row)));
    }
    match column {
        data::Column::Text(Text::Plain(texts)) => drop(block.text(rows.iter().map(|&row| texts.raw(row)))),
        data::Column::Text(Text::Dictionary(texts)) => {
            let (keys, values) = (texts.keys(), texts.values());
            let texts = (0..values.len()).map(|value| values.raw(value));
            block.dictionary(rows.iter().map(|&row| keys.raw(row)), texts);
        }
        data::Column::Int64(values) => fixed(block, values, rows),
        data::Column::UInt64(values) => fixed(block, values, rows),
        data::Column::Double(values) => fixed(block, values, rows),
        data::Column::Boolean(values) => {
            block.boolean(&Bitmap::from_fn(rows.len(), |row| rows.get(row).is_some_and(|&row| values.raw().get(row))));
        }
        data::Column::Binary(bytes) => drop(block.binary(rows.iter().map(|&row| bytes.raw(row)))),
        data::Column::Any(values) => {
            let mut any = AnyBuilder::new();
            rows.iter().for_each(|&row| any.push(values.get(row)));
            any.append(block);
        }
        other => panic!("no table has `{}`", other.kind()),
    }
}

#[cfg(target_family = "wasm")]
mod call {
    use crate::guest::bindings::wasmill::plugin::{lookup, types};
    use crate::host::Failure;

    pub fn find(table: &str, keys: &[u8], fields: &[&str]) -> Result<Vec<u8>, Failure> {
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        lookup::find(table, keys, &fields).map_err(|failure| match failure {
            types::Failure::Denied => Failure::Denied,
            types::Failure::Unknown => Failure::Unknown,
            types::Failure::Invalid => Failure::Invalid,
            types::Failure::Limit => Failure::Limit,
            types::Failure::Unavailable => Failure::Unavailable,
        })
    }
}

#[cfg(not(target_family = "wasm"))]
use crate::testing as call;
