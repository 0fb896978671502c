//! `state` in a test: what was put on this thread is there until the thread ends. It has no bounds, and time passes when a test says so.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use wasmill_columns::{Bitmap, Block, BlockBuilder, Column};

use crate::host::Failure;

/// A value, and when it is over, in milliseconds of this thread's time.
type Kept = (Vec<u8>, Option<u64>);

thread_local! {
    static KEPT: RefCell<HashMap<Vec<u8>, Kept>> = RefCell::default();
    static NOW_MS: Cell<u64> = const { Cell::new(0) };
}

/// Lets so much time pass for what is kept on this thread.
pub fn pass(time: Duration) {
    NOW_MS.set(NOW_MS.get().saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)));
}

/// Forgets all that is kept on this thread.
pub fn forget_state() {
    KEPT.take();
}

pub(crate) fn get(keys: &[u8]) -> Result<Vec<u8>, Failure> {
    let values: Vec<Option<Vec<u8>>> = bytes(keys)?.iter().map(|key| key.as_ref().and_then(|key| kept(key))).collect();
    let mut block = BlockBuilder::new();
    let node = block.binary(values.iter().map(|value| value.as_deref().unwrap_or_default()));
    block.set_validity(node, &values.iter().map(Option::is_some).collect::<Bitmap>());
    block.finish().map_err(|_| Failure::Limit)
}

pub(crate) fn put(keys: &[u8], values: &[u8], ttl_ms: u32) -> Result<(), Failure> {
    let (keys, values) = (bytes(keys)?, bytes(values)?);
    let values = for_each(values, keys.len())?;
    for (key, value) in keys.into_iter().zip(values) {
        match (key, value) {
            (Some(key), Some(value)) => keep(key, value, ttl_ms),
            (Some(key), None) => KEPT.with_borrow_mut(|kept| drop(kept.remove(&key))),
            (None, _) => {}
        }
    }
    Ok(())
}

pub(crate) fn add(keys: &[u8], deltas: &[u8], ttl_ms: u32) -> Result<Vec<u8>, Failure> {
    let (keys, block) = (bytes(keys)?, Block::check(deltas).map_err(|_| Failure::Invalid)?);
    let Some(Column::Int64(deltas)) = block.column(0) else { return Err(Failure::Invalid) };
    let deltas = for_each(deltas.iter().collect(), keys.len())?;
    let sums: Vec<Option<i64>> = keys.into_iter().zip(deltas).map(|(key, delta)| sum(key?, delta?, ttl_ms)).collect();
    let mut block = BlockBuilder::new();
    block.fixed_options(sums);
    block.finish().map_err(|_| Failure::Limit)
}

fn sum(key: Vec<u8>, delta: i64, ttl_ms: u32) -> Option<i64> {
    let Some(value) = kept(&key) else {
        keep(key, delta.to_le_bytes().to_vec(), ttl_ms);
        return Some(delta);
    };
    let sum = i64::from_le_bytes(value.try_into().ok()?).saturating_add(delta);
    KEPT.with_borrow_mut(|kept| {
        if let Some((value, _)) = kept.get_mut(&key) {
            *value = sum.to_le_bytes().to_vec();
        }
    });
    Some(sum)
}

fn kept(key: &[u8]) -> Option<Vec<u8>> {
    let now = NOW_MS.get();
    KEPT.with_borrow(|kept| {
        kept.get(key).filter(|(_, over)| over.is_none_or(|over| over > now)).map(|(value, _)| value.clone())
    })
}

fn keep(key: Vec<u8>, value: Vec<u8>, ttl_ms: u32) {
    let over = (ttl_ms > 0).then(|| NOW_MS.get().saturating_add(u64::from(ttl_ms)));
    KEPT.with_borrow_mut(|kept| drop(kept.insert(key, (value, over))));
}

fn bytes(block: &[u8]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
    let block = Block::check(block).map_err(|_| Failure::Invalid)?;
    match block.column(0) {
        Some(Column::Binary(values)) => Ok(values.iter().map(|value| value.map(<[u8]>::to_vec)).collect()),
        Some(Column::Text(values)) => {
            Ok(values.iter().map(|value| value.map(|text| text.as_bytes().to_vec())).collect())
        }
        _ => Err(Failure::Invalid),
    }
}

/// Each its own, or one for all.
fn for_each<T: Clone>(values: Vec<T>, rows: usize) -> Result<Vec<T>, Failure> {
    match values.as_slice() {
        values if values.len() == rows => Ok(values.to_vec()),
        [one] => Ok(vec![one.clone(); rows]),
        _ => Err(Failure::Invalid),
    }
}
