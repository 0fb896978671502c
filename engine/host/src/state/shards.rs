//! Which shard a row belongs to, and batches cut by that.
//!
//! A shard is a hash of the bytes of the row's value, modulo the number of shards: the same in every process and version, because what a
//! snapshot holds is divided by it too. The hash is FNV-1a of 64 bits, whose bits are mixed as MurmurHash3 does in the end, since FNV's
//! lowest bits say little. The bytes are what a plugin would give as a snapshot's key: UTF-8 for text, an id's 8 or 16 bytes, the 8
//! little-endian bytes of an int64 for integers of every width, of an IEEE 754 double for doubles, one byte for truth values. A row without a
//! value, and one whose value has no bytes, belongs to shard 0.

use arrow_array::{Array, ArrayRef};
use smallvec::{SmallVec, smallvec};
use wasmill_batch::RequestContext;

use crate::Limits;
use crate::by_value::by_value;
use crate::groups::GroupSlices;
use crate::requirements::{Input, ShardKey};
use crate::slice::{Runs, Slices, slices};

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// The shard of a value's bytes.
pub(super) fn shard_of(value: &[u8], shards: usize) -> usize {
    of_hash(hash(value), shards)
}

fn of_hash(hash: u64, shards: usize) -> usize {
    // There is always one. The remainder is less than a `usize`.
    (hash % (shards.max(1) as u64)) as usize
}

/// 0 for no bytes.
fn hash(bytes: &[u8]) -> u64 {
    if bytes.is_empty() {
        return 0;
    }
    let mixed = bytes.iter().fold(FNV_OFFSET, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
    let mixed = (mixed ^ mixed >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ mixed >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ mixed >> 33
}

/// The hash of each row, 0 without a value.
fn hashes(array: &dyn Array) -> Vec<u64> {
    by_value(array, &|value| hash(value.bytes())).into_iter().map(Option::unwrap_or_default).collect()
}

/// A batch's rows as slices, each for one shard.
pub(crate) struct Cut {
    pub slices: Slices,
    /// Of each slice. Empty: all are of the only one.
    shards: SmallVec<[usize; 1]>,
    /// Of each slice where its groups start, and the end. Empty: there are no groups.
    starts: Vec<Vec<u32>>,
}

impl Cut {
    pub fn of_groups((slices, starts): GroupSlices) -> Cut {
        Cut { slices, shards: SmallVec::new(), starts }
    }

    /// Where a slice's groups start, and the end; `None`: there are no groups.
    pub fn starts(&self, slice: usize) -> Option<&[u32]> {
        self.starts.get(slice).map(Vec::as_slice)
    }

    pub fn shard(&self, slice: usize) -> usize {
        self.shards.get(slice).copied().unwrap_or(0)
    }

    /// Whether the slices follow each other as their rows do.
    pub fn in_order(&self) -> bool {
        self.shards.is_empty() && self.starts.is_empty()
    }
}

/// Cuts the rows by shard, and then into slices. Shards come one after the other, so that one instance is needed at a time.
pub(crate) fn cut(
    rows: Runs,
    input: &Input,
    arrays: &[ArrayRef],
    context: &RequestContext,
    shards: usize,
    limits: &Limits,
) -> Cut {
    let slices =
        |rows| slices(rows, arrays, &input.columns, limits.rows_max.get() as usize, limits.column_bytes_max.get());
    let hashes = match &input.shard_key {
        None => return Cut { slices: slices(rows), shards: SmallVec::new(), starts: Vec::new() },
        Some(ShardKey::Metadata(name)) => {
            let shard = shard_of(context.metadata(name).unwrap_or_default().as_bytes(), shards);
            let slices = slices(rows);
            return Cut { shards: smallvec![shard; slices.len()], slices, starts: Vec::new() };
        }
        Some(ShardKey::Column(number)) => arrays.get(*number).map(|array| hashes(array)).unwrap_or_default(),
    };
    let mut of_shards = vec![Runs::default(); shards.max(1)];
    for row in rows.rows() {
        let shard = of_hash(hashes.get(row as usize).copied().unwrap_or(0), shards);
        if let Some(rows) = of_shards.get_mut(shard) {
            rows.push(row, row + 1);
        }
    }
    let mut cut = Cut { slices: Slices::new(), shards: SmallVec::new(), starts: Vec::new() };
    for (shard, rows) in of_shards.into_iter().enumerate().filter(|(_, rows)| rows.count() > 0) {
        cut.slices.extend(slices(rows));
        cut.shards.resize(cut.slices.len(), shard);
    }
    cut
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        BinaryArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray, Float64Array, Int32Array, Int64Array,
        StringArray, UInt8Array, UInt32Array, UInt64Array,
    };

    use super::*;

    /// The shards of some values, as they were first published: another number here means that snapshots of older versions are divided wrongly.
    #[test]
    fn shards_are_the_same_for_ever() {
        let values: [&[u8]; 6] = [b"", b"a", b"checkout", b"payments", &7_i64.to_le_bytes(), &[0xff; 16]];
        assert_eq!(values.map(|value| shard_of(value, 1_000)), [0, 315, 380, 514, 501, 943]);
        assert!(values.iter().all(|value| shard_of(value, 1) == 0 && shard_of(value, 0) == 0));
    }

    /// The same value has the same hash in whichever type it comes, no value and an empty one have none.
    #[test]
    fn a_values_hash_does_not_depend_on_its_column() {
        let seven = hash(&7_i64.to_le_bytes());
        let numbers: [ArrayRef; 5] = [
            Arc::new(UInt8Array::from(vec![Some(7), None])),
            Arc::new(UInt32Array::from(vec![Some(7), None])),
            Arc::new(Int32Array::from(vec![Some(7), None])),
            Arc::new(UInt64Array::from(vec![Some(7), None])),
            Arc::new(Int64Array::from(vec![Some(7), None])),
        ];
        for array in &numbers {
            assert_eq!(hashes(array), [seven, 0], "{}", array.data_type());
        }
        let text = Arc::new(StringArray::from(vec!["b", "a"]));
        let dictionary = DictionaryArray::new(UInt32Array::from(vec![Some(1), None, Some(0)]), text);
        assert_eq!(hashes(&dictionary), [hash(b"a"), 0, hash(b"b")]);
        assert_eq!(hashes(&StringArray::from(vec![Some("a"), Some(""), None])), [hash(b"a"), 0, 0]);
        assert_eq!(hashes(&BinaryArray::from(vec![b"a".as_slice(), b""])), [hash(b"a"), 0]);
        let id = FixedSizeBinaryArray::try_from_iter([[9_u8; 8]].into_iter()).unwrap();
        assert_eq!(hashes(&id), [hash(&[9; 8])]);
        assert_eq!(hashes(&Float64Array::from(vec![0.5])), [hash(&0.5_f64.to_le_bytes())]);
        assert_eq!(hashes(&BooleanArray::from(vec![true, false])), [hash(&[1]), hash(&[0])]);
    }

    /// Numbered names over any number of shards: none gets much more than its part.
    #[test]
    fn values_are_divided_evenly() {
        for shards in 2..20 {
            let mut counts = vec![0; shards];
            (0..20_000).for_each(|number| counts[shard_of(format!("service-{number}").as_bytes(), shards)] += 1);
            let mean = 20_000 / shards;
            assert!(counts.iter().all(|&count| (mean * 4 / 5..=mean * 6 / 5).contains(&count)), "{counts:?}");
        }
    }
}
