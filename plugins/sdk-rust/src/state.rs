//! What a plugin keeps beyond a call: in the gateway, or in its instance.
//!
//! **In the gateway** ([`get`], [`put`], [`add`]): one table for all instances of the stage. Swaps, reloads and faults leave it as it is.
//! A plugin says [`Requirements::keeps`]; then each call of these functions is one for a whole column of keys:
//!
//! ```
//! # use std::time::Duration;
//! # use wasmill_sdk::prelude::*;
//! use wasmill_sdk::state::{self, Keys};
//! # struct Limit(Column<str>);
//! # impl Plugin for Limit {
//! #     type Config = ();
//!     fn init(_: (), needs: &mut Requirements) -> Result<Self> {
//!         needs.keeps();
//! #       needs.signals([Signal::Traces]);
//! #       Ok(Limit(needs.column(r#"resource.attributes["service.name"]"#)))
//!     }
//!     fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
//!         // How many spans of its service came within a second, each itself included?
//!         let services = Keys::of_text(&slice.column(self.0));
//!         let Ok(sums) = state::add(&services, 1, Some(Duration::from_secs(1))) else { return Ok(()) };
//!         verdict.keep(&sums.iter().map(|sum| sum.is_none_or(|sum| sum <= 100)).collect());
//!         Ok(())
//!     }
//! # }
//! # let mut plugin = wasmill_sdk::testing::Harness::<Limit>::start("null").unwrap();
//! # let services = vec!["shop"; 150];
//! # let answer = plugin.slice(Signal::Traces, 150).with(r#"resource.attributes["service.name"]"#, services).process().unwrap();
//! # assert_eq!(answer.kept().len(), 100);
//! ```
//!
//! **In the instance**: fields of the plugin. [`Requirements::single`] makes the instance the stage's only one,
//! [`Requirements::keyed`] one of several that the values of a path are divided among. With [`Requirements::hands_over`] a swap asks the
//! old plugin for what it holds ([`Plugin::snapshot`](crate::Plugin::snapshot)) and gives it to the new one
//! ([`Plugin::restore`](crate::Plugin::restore)).

use std::time::Duration;

use wasmill_columns::{Binary, Bitmap, Block, BlockBuilder, BlockTooLarge, Column, Dictionary, Text};

use crate::host::Failure;
use crate::requirements::Use;
use crate::{Error, Requirements, Result};

#[cfg(not(target_family = "wasm"))]
use crate::testing::state as call;

/// Keys, one for each row, some without: at most 65,536 for a call, each of at most 4 KiB.
#[derive(Clone, Debug)]
pub struct Keys {
    block: Vec<u8>,
    len: usize,
}

/// Something that an instance holds, for the one that follows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Entry {
    /// Of scope `keyed`, the value of the path that it is about, as bytes: text, an id, the 8 little-endian bytes of an integer. Else whatever
    /// the plugin likes.
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// Who shares what an instance holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum Scope {
    #[default]
    Stateless,
    Keyed(String),
    Single,
}

impl Requirements {
    /// The plugin calls [`get`], [`put`] or [`add`].
    pub fn keeps(&mut self) {
        self.also(Use::State);
    }

    /// The stage is to have one instance. Batches take turns.
    pub fn single(&mut self) {
        self.scope = Scope::Single;
    }

    /// Each value of this path is to be decided about by the same instance, which sees only its share of the values. The path has one value
    /// for each row, such as `trace_id` or `resource.attributes["service.name"]`; the plugin need not ask for it as a column.
    pub fn keyed(&mut self, path: &str) {
        self.scope = Scope::Keyed(path.to_owned());
    }

    /// What an instance holds is to be handed to the one that follows it. For a plugin that is [`single`](Requirements::single) or
    /// [`keyed`](Requirements::keyed).
    pub fn hands_over(&mut self) {
        self.also(Use::Snapshot);
    }
}

impl Keys {
    /// The text of each row.
    pub fn of_text(column: &Text<'_>) -> Keys {
        match column {
            // Each distinct text crosses once.
            Text::Dictionary(dictionary) => Keys::of_dictionary(dictionary),
            Text::Plain(text) => Keys::new(text.iter()),
        }
    }

    /// The bytes of each key: text, ids, whatever is unlike others. `None`: this row has no key, and nothing is done about it.
    pub fn new<K: AsRef<[u8]>>(keys: impl IntoIterator<Item = Option<K>>) -> Keys {
        let keys: Vec<Option<K>> = keys.into_iter().collect();
        let mut block = BlockBuilder::new();
        let node = block.binary(keys.iter().map(|key| key.as_ref().map(K::as_ref).unwrap_or_default()));
        let valid: Bitmap = keys.iter().map(Option::is_some).collect();
        if !valid.is_all() {
            block.set_validity(node, &valid);
        }
        Keys { len: keys.len(), block: finished(block) }
    }

    fn of_dictionary(column: &Dictionary<'_>) -> Keys {
        let (keys, texts) = (column.keys(), column.values());
        let mut block = BlockBuilder::new();
        let node = block.dictionary(keys.raw_iter(), (0..texts.len()).map(|text| texts.raw(text)));
        if let Some(valid) = keys.validity() {
            block.set_validity(node, &valid.to_bitmap());
        }
        Keys { len: keys.len(), block: finished(block) }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The value of each key; `None` where there is none.
///
/// # Errors
/// [`Failure::Limit`]: too many keys, or values that are too large for one call. [`Failure::Denied`]: the plugin did not say that it
/// [`keeps`](Requirements::keeps) anything.
pub fn get(keys: &Keys) -> Result<Vec<Option<Vec<u8>>>, Failure> {
    let answer = call::get(&keys.block)?;
    let block = Block::check(&answer).map_err(|_| Failure::Invalid)?;
    match block.column(0) {
        Some(Column::Binary(values)) => Ok(values.iter().map(|value| value.map(<[u8]>::to_vec)).collect()),
        _ => Err(Failure::Invalid),
    }
}

/// Gives each key its value; `None` forgets the key. `ttl`: how long; `None`: until there is no room.
///
/// # Errors
/// As [`get`], and nothing was put; [`Failure::Invalid`]: not as many values as keys, and not one for all.
pub fn put<V: AsRef<[u8]>>(
    keys: &Keys,
    values: impl IntoIterator<Item = Option<V>>,
    ttl: Option<Duration>,
) -> Result<(), Failure> {
    call::put(&keys.block, &Keys::new(values).block, millis(ttl))
}

/// Adds to each key's number, 0 where it has none, and gives the sums: a key that comes several times has several, one after the other.
/// `ttl`: how long from when a key came to be, which further additions do not prolong. `None`: a row without a key, or a key whose value
/// is no number.
///
/// # Errors
/// As [`get`], and nothing was added.
pub fn add(keys: &Keys, delta: i64, ttl: Option<Duration>) -> Result<Vec<Option<i64>>, Failure> {
    add_each(keys, [delta], ttl)
}

/// As [`add`], with a number for each key.
///
/// # Errors
/// As [`get`], and [`Failure::Invalid`]: not as many numbers as keys, and not one for all.
pub fn add_each(
    keys: &Keys,
    deltas: impl IntoIterator<Item = i64>,
    ttl: Option<Duration>,
) -> Result<Vec<Option<i64>>, Failure> {
    let mut block = BlockBuilder::new();
    block.fixed(deltas.into_iter().collect::<Vec<i64>>());
    let answer = call::add(&keys.block, &finished(block), millis(ttl))?;
    let block = Block::check(&answer).map_err(|_| Failure::Invalid)?;
    match block.column(0) {
        Some(Column::Int64(sums)) => Ok(sums.iter().collect()),
        _ => Err(Failure::Invalid),
    }
}

/// A block that is too large to be one is one that the host does not take either.
fn finished(block: BlockBuilder) -> Vec<u8> {
    block.finish().unwrap_or_else(|BlockTooLarge { .. }| vec![0])
}

/// 0 is for ever: the shortest time is a millisecond.
fn millis(ttl: Option<Duration>) -> u32 {
    ttl.map_or(0, |ttl| u32::try_from(ttl.as_millis()).unwrap_or(u32::MAX).max(1))
}

/// What `snapshot` answers.
#[cfg_attr(not(target_family = "wasm"), expect(dead_code, reason = "what a component exports"))]
pub(crate) fn to_block(entries: &[Entry]) -> Result<Vec<u8>> {
    let mut block = BlockBuilder::new();
    block.binary(entries.iter().map(|entry| entry.key.as_slice()));
    block.binary(entries.iter().map(|entry| entry.value.as_slice()));
    Ok(block.finish()?)
}

/// What `restore` is given.
#[cfg_attr(not(target_family = "wasm"), expect(dead_code, reason = "what a component exports"))]
pub(crate) fn from_block(bytes: &[u8]) -> Result<Vec<Entry>> {
    let block = Block::check(bytes)?;
    let (Some(Column::Binary(keys)), Some(Column::Binary(values))) = (block.column(0), block.column(1)) else {
        return Err(Error::new("what is to be restored is not two columns of bytes"));
    };
    let own = |column: &Binary<'_>, row| column.get(row).unwrap_or_default().to_vec();
    Ok((0..keys.len()).map(|row| Entry { key: own(&keys, row), value: own(&values, row) }).collect())
}

#[cfg(target_family = "wasm")]
mod call {
    use crate::guest::bindings::wasmill::plugin::{state, types};
    use crate::host::Failure;

    pub fn get(keys: &[u8]) -> Result<Vec<u8>, Failure> {
        state::get(keys).map_err(failure)
    }

    pub fn put(keys: &[u8], values: &[u8], ttl_ms: u32) -> Result<(), Failure> {
        state::put(keys, values, ttl_ms).map_err(failure)
    }

    pub fn add(keys: &[u8], deltas: &[u8], ttl_ms: u32) -> Result<Vec<u8>, Failure> {
        state::add(keys, deltas, ttl_ms).map_err(failure)
    }

    fn failure(failure: types::Failure) -> Failure {
        match failure {
            types::Failure::Denied => Failure::Denied,
            types::Failure::Unknown => Failure::Unknown,
            types::Failure::Invalid => Failure::Invalid,
            types::Failure::Limit => Failure::Limit,
            types::Failure::Unavailable => Failure::Unavailable,
        }
    }
}
