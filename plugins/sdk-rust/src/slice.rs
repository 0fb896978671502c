//! What a plugin is shown.

use wasmill_columns as data;
use wasmill_columns::Block;

use crate::{Column, ColumnType, Groups, Requirements, Signal};

/// Some rows of a batch, as the columns that were asked for. All columns have [`rows`](Slice::rows) rows, but those of `group.…`: they have
/// a value for each group.
///
/// A request may come in several slices, and rows that an earlier stage dropped are in none.
#[derive(Clone, Copy, Debug)]
pub struct Slice<'a> {
    pub(crate) signal: Signal,
    pub(crate) rows: usize,
    pub(crate) groups: Groups<'a>,
    pub(crate) block: &'a Block<'a>,
    pub(crate) requirements: &'a Requirements,
}

impl<'a> Slice<'a> {
    pub fn signal(&self) -> Signal {
        self.signal
    }

    /// At least 1.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Which rows belong together, in a stage with `group_by:`.
    pub fn groups(&self) -> Groups<'a> {
        self.groups
    }

    /// All columns of this signal in the order in which they were asked for.
    pub fn block(&self) -> &'a Block<'a> {
        self.block
    }

    /// The column.
    ///
    /// # Panics
    /// When it was not asked for of this slice's signal.
    pub fn column<T: ColumnType + ?Sized>(&self, column: Column<T>) -> T::View<'a> {
        let found = self.view(column);
        let kind = found.kind();
        match T::view(found) {
            Some(view) => view,
            None => panic!("`{}` came as `{kind}`, asked for was `{}`", self.path(column), T::KIND),
        }
    }

    /// The column, whatever its kind.
    ///
    /// # Panics
    /// When it was not asked for of this slice's signal.
    pub fn view<T: ?Sized>(&self, column: Column<T>) -> data::Column<'a> {
        let position = self.requirements.position(self.signal, column.number);
        match position.and_then(|position| self.block.column(position)) {
            Some(view) => view,
            None => panic!("`{}` was not asked for of {:?}", self.path(column), self.signal),
        }
    }

    fn path<T: ?Sized>(&self, column: Column<T>) -> &'a str {
        self.requirements.columns.get(column.number).map_or("?", |wanted| wanted.path.as_str())
    }
}
