//! What a plugin asks for: signals, columns, routes.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use wasmill_columns as data;
use wasmill_columns::{Any, Binary, Boolean, Kind, Sequence, Text, Values};

use crate::state::Scope;

/// What rows are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Signal {
    /// Rows are spans.
    Traces,
    /// Rows are data points.
    Metrics,
    /// Rows are log records.
    Logs,
}

/// What a plugin does with rows. The host refuses a verdict that does something else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Use {
    Keep,
    Routes,
    Edits,
    /// Keeps or routes whole [groups](crate::groups). Follows from asking for a column `group.…`, too, where the plugin does not say
    /// what it [uses](Requirements::uses).
    Groups,
    /// Makes new records, in whichever call.
    Emit,
    /// Holds something from call to call that [`Plugin::flush`](crate::Plugin::flush) gives: say so with [`Requirements::uses`].
    Flush,
    /// Calls the functions of [`state`](crate::state): what [`Requirements::keeps`] says.
    State,
    /// Gives what it holds to its successor: what [`Requirements::hands_over`] says.
    Snapshot,
}

/// How text comes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum TextForm {
    Plain,
    Dictionary,
    /// Whichever costs less; it may differ from call to call.
    #[default]
    Either,
}

/// A column that was asked for, and the key to it in each [`Slice`](crate::Slice).
pub struct Column<T: ?Sized> {
    pub(crate) number: usize,
    column: PhantomData<fn() -> Box<T>>,
}

/// One of the route sets that a plugin declared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RouteSet(pub(crate) u16);

/// A column that is typed by row: a body, an attribute of whatever type. Its view is [`Any`].
pub enum Dynamic {}

/// A whole set of attributes for each row. Its view is [`columns::Attributes`](crate::columns::Attributes).
pub enum Attributes {}

/// Several values for each row: a field of events or links. Its view is [`Sequence`].
pub struct List<T: ?Sized>(PhantomData<fn() -> Box<T>>);

/// Types that a column can be had as: `str`, `[u8]`, `bool`, the numbers, ids as `[u8; 8]` and `[u8; 16]`, [`Dynamic`],
/// [`Attributes`], and a [`List`] of these.
pub trait ColumnType {
    /// A look at the column, without copying it.
    type View<'a>;
    const KIND: Kind;
    #[doc(hidden)]
    const INNER: Kind = Self::KIND;
    /// The view; `None` if the column is of another type.
    fn view(column: data::Column<'_>) -> Option<Self::View<'_>>;
}

/// What a plugin needs, said once in [`Plugin::init`](crate::Plugin::init).
#[derive(Debug, Default)]
pub struct Requirements {
    pub(crate) columns: Vec<Wanted>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) route_sets: Vec<Vec<String>>,
    /// Lookup tables: see [`crate::lookup`].
    pub(crate) tables: Vec<String>,
    uses: Option<Vec<Use>>,
    /// 0: none.
    pub(crate) tick_ms: u32,
    /// Besides.
    also: Vec<Use>,
    pub(crate) scope: Scope,
    /// The signals that columns are asked for of.
    current: Vec<Signal>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wanted {
    pub path: String,
    pub kind: Kind,
    /// The kind that the view is of: [`Kind::Sequence`] where `kind` is that of its values.
    pub view: Kind,
    pub text: TextForm,
}

#[derive(Debug)]
pub(crate) struct Input {
    pub signal: Signal,
    /// Numbers in [`Requirements::columns`], in the order in which they come.
    pub columns: Vec<usize>,
}

/// The path of an attribute whose key is only known now, with the key quoted: `attributes["http.route"]`.
///
/// ```
/// assert_eq!(wasmill_sdk::attribute(r#"my "own" key"#), r#"attributes["my \"own\" key"]"#);
/// ```
pub fn attribute(key: &str) -> String {
    format!(r#"attributes["{}"]"#, key.replace('\\', r"\\").replace('"', r#"\""#))
}

impl Signal {
    pub const ALL: [Signal; 3] = [Signal::Traces, Signal::Metrics, Signal::Logs];
}

impl Requirements {
    /// The plugin can be used on these signals. Columns asked for from here on are columns of each of them; say it again to ask
    /// for columns of fewer.
    pub fn signals(&mut self, signals: impl IntoIterator<Item = Signal>) {
        self.current = signals.into_iter().collect();
        for &signal in &self.current {
            if !self.inputs.iter().any(|input| input.signal == signal) {
                self.inputs.push(Input { signal, columns: Vec::new() });
            }
        }
    }

    /// Asks for a column. `path` is as in the Collector's transformation language: `name`, `attributes["k"]`,
    /// `resource.attributes["service.name"]`. An attribute that is asked for as a type has no value in rows where it is of
    /// another; ask for [`Dynamic`] to see all.
    pub fn column<T: ColumnType + ?Sized>(&mut self, path: &str) -> Column<T> {
        self.column_as(path, TextForm::default())
    }

    /// As [`column`](Requirements::column), with a wish for how text comes.
    pub fn column_as<T: ColumnType + ?Sized>(&mut self, path: &str, text: TextForm) -> Column<T> {
        self.want(Wanted { path: path.to_owned(), kind: T::INNER, view: T::KIND, text })
    }

    /// Asks for a column of a kind that is only known now; it is seen through
    /// [`Slice::view`](crate::Slice::view). Not for [`Kind::Dictionary`], which is a form of text.
    pub fn column_of(&mut self, path: &str, kind: Kind, text: TextForm) -> Column<Dynamic> {
        self.want(Wanted { path: path.to_owned(), kind, view: kind, text })
    }

    fn want<T: ?Sized>(&mut self, wanted: Wanted) -> Column<T> {
        let number = self.columns.iter().position(|column| *column == wanted).unwrap_or_else(|| {
            self.columns.push(wanted);
            self.columns.len() - 1
        });
        for input in self.inputs.iter_mut().filter(|input| self.current.contains(&input.signal)) {
            if !input.columns.contains(&number) {
                input.columns.push(number);
            }
        }
        Column { number, column: PhantomData }
    }

    /// Declares a set of routes, by the names that the stage's `routes:` has. Rows that take it go to all of them.
    pub fn route_set<S: Into<String>>(&mut self, names: impl IntoIterator<Item = S>) -> RouteSet {
        self.route_sets.push(names.into_iter().map(Into::into).collect());
        // More sets than a u16 counts are more than the host takes: it refuses the plugin.
        RouteSet((self.route_sets.len() - 1) as u16)
    }

    /// Says that the plugin does this alone, and what other calls here say that it does. Without it, it may keep, edit, route where it
    /// declared route sets, and decide about groups where it asked for a column `group.…`.
    pub fn uses(&mut self, uses: impl IntoIterator<Item = Use>) {
        self.uses = Some(uses.into_iter().collect());
    }

    /// Asks for [`Plugin::tick`](crate::Plugin::tick) at this interval: at least 10 ms, in whole milliseconds.
    pub fn ticks(&mut self, interval: Duration) {
        // Shorter ones are the host's to refuse; 0 would be none at all.
        self.tick_ms = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX).max(1);
    }

    pub(crate) fn used(&self) -> Vec<Use> {
        let mut used = self.uses.clone().unwrap_or_else(|| {
            let routes = (!self.route_sets.is_empty()).then_some(Use::Routes);
            let groups = self.columns.iter().any(|column| column.path.starts_with("group.")).then_some(Use::Groups);
            [Use::Keep, Use::Edits].into_iter().chain(routes).chain(groups).collect()
        });
        used.extend(self.also.iter().filter(|also| !self.uses.iter().flatten().any(|used| used == *also)));
        used
    }

    /// Says that it does this besides what else it does.
    pub(crate) fn also(&mut self, used: Use) {
        if !self.also.contains(&used) {
            self.also.push(used);
        }
    }

    /// Where a column is among those of a signal.
    pub(crate) fn position(&self, signal: Signal, number: usize) -> Option<usize> {
        let input = self.inputs.iter().find(|input| input.signal == signal)?;
        input.columns.iter().position(|&column| column == number)
    }
}

impl<T: ?Sized> Clone for Column<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Column<T> {}

impl<T: ?Sized> fmt::Debug for Column<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Column").field(&self.number).finish()
    }
}

macro_rules! column_types {
    ($($type:ty, $kind:ident, $view:ty;)*) => {$(
        impl ColumnType for $type {
            type View<'a> = $view;
            const KIND: Kind = Kind::$kind;
            fn view(column: data::Column<'_>) -> Option<Self::View<'_>> {
                match column {
                    data::Column::$kind(view) => Some(view),
                    _ => None,
                }
            }
        }
    )*};
}

column_types! {
    bool, Boolean, Boolean<'a>;
    u8, UInt8, Values<'a, u8>;
    u32, UInt32, Values<'a, u32>;
    i32, Int32, Values<'a, i32>;
    u64, UInt64, Values<'a, u64>;
    i64, Int64, Values<'a, i64>;
    f64, Double, Values<'a, f64>;
    [u8; 8], Id8, Values<'a, [u8; 8]>;
    [u8; 16], Id16, Values<'a, [u8; 16]>;
    str, Text, Text<'a>;
    [u8], Binary, Binary<'a>;
    Dynamic, Any, Any<'a>;
    Attributes, Attributes, data::Attributes<'a>;
}

impl<T: ColumnType + ?Sized> ColumnType for List<T> {
    type View<'a> = Sequence<'a>;
    const KIND: Kind = Kind::Sequence;
    const INNER: Kind = T::KIND;
    fn view(column: data::Column<'_>) -> Option<Sequence<'_>> {
        match column {
            data::Column::Sequence(view) => Some(view),
            _ => None,
        }
    }
}
