//! `state`, as plugins call it: blocks checked, answered within bounds.

use std::time::{Duration, Instant};

use wasmill_columns::{Bitmap, Block, BlockBuilder, Kind};

use super::cells::Cells;
use crate::bindings::wasmill::plugin::state;
use crate::bindings::wasmill::plugin::types::Failure;
use crate::guest::Guest;

/// The longest key. Trace ids have 16 bytes, URLs some hundred; what is longer is better hashed by the plugin.
const KEY_BYTES_MAX: usize = 4 << 10;

impl state::Host for Guest {
    fn get(&mut self, keys: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let view = self.state.view()?;
        let block = Block::check(&keys).map_err(|_| Failure::Invalid)?;
        let keys = keys_of(&block)?;
        let found = view.get(&keys, self.state.answer_bytes_max, Instant::now())?;
        let mut answer = BlockBuilder::with_capacity(1, found.values.len() + (keys.len() + 1) * 5);
        let node = answer.open(Kind::Binary, keys.len(), 0);
        if !found.valid.is_all() {
            answer.set_validity(node, &found.valid);
        }
        let offsets = answer.offsets(node).as_chunks_mut::<4>().0.iter_mut().skip(1);
        offsets.zip(&found.ends).for_each(|(offset, end)| *offset = end.to_le_bytes());
        answer.values_with(node, |out| out.extend_from_slice(&found.values));
        answer.finish().map_err(|_| Failure::Limit)
    }

    fn put(&mut self, keys: Vec<u8>, values: Vec<u8>, ttl_ms: u32) -> Result<(), Failure> {
        let view = self.state.view()?;
        let (keys, values) = (Block::check(&keys), Block::check(&values));
        let (Ok(keys), Ok(values)) = (&keys, &values) else { return Err(Failure::Invalid) };
        let (keys, values, now) = (keys_of(keys)?, Cells::of(values)?, Instant::now());
        view.put(&keys, &values, expires(ttl_ms, now), now)
    }

    fn add(&mut self, keys: Vec<u8>, deltas: Vec<u8>, ttl_ms: u32) -> Result<Vec<u8>, Failure> {
        let view = self.state.view()?;
        let (keys, deltas) = (Block::check(&keys), Block::check(&deltas));
        let (Ok(keys), Ok(deltas)) = (&keys, &deltas) else { return Err(Failure::Invalid) };
        let (keys, deltas, now) = (keys_of(keys)?, Cells::of(deltas)?, Instant::now());
        let sums = view.add(&keys, &deltas, expires(ttl_ms, now), now)?;
        let mut answer = BlockBuilder::with_capacity(1, keys.len() * 9);
        let node = answer.fixed(sums.iter().map(|sum| sum.unwrap_or_default()));
        let valid: Bitmap = sums.iter().map(Option::is_some).collect();
        if !valid.is_all() {
            answer.set_validity(node, &valid);
        }
        answer.finish().map_err(|_| Failure::Limit)
    }
}

fn keys_of<'a>(block: &'a Block<'_>) -> Result<Cells<'a>, Failure> {
    let keys = Cells::of(block)?;
    let fits = |row| keys.at(row, |key| key.is_none_or(|key| key.len() <= KEY_BYTES_MAX));
    if (0..keys.len()).all(fits) { Ok(keys) } else { Err(Failure::Limit) }
}

/// 0: until there is no room.
fn expires(ttl_ms: u32, now: Instant) -> Option<Instant> {
    if ttl_ms == 0 { None } else { now.checked_add(Duration::from_millis(u64::from(ttl_ms))) }
}
