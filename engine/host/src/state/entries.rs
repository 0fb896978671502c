//! What instances hold, on its way from one plugin to the next: keys with values, as a plugin gave them.

use wasmill_columns::{Binary, Block, BlockBuilder, BlockTooLarge, Column};

use super::shards::shard_of;
use crate::fault::Fault;

/// Blocks that `snapshot` gave, checked.
#[derive(Debug, Default)]
pub(crate) struct Entries(Vec<Vec<u8>>);

impl Entries {
    /// Takes what an instance gave: two columns of bytes with a value in each row, as many keys as values; or no column, where it holds
    /// nothing.
    pub fn take(&mut self, snapshot: Vec<u8>) -> Result<(), Fault> {
        let bad = |reason: String| Fault::bad_output(format!("what `snapshot` gave: {reason}"));
        let block = Block::check(&snapshot).map_err(|error| bad(error.to_string()))?;
        let columns = block.columns().count();
        match pair(&block) {
            _ if columns == 0 => return Ok(()),
            Some((keys, values)) if columns == 2 => {
                if keys.len() != values.len() {
                    return Err(bad(format!("{} keys for {} values", keys.len(), values.len())));
                }
                if let Some(row) = (0..keys.len()).find(|&row| !keys.is_valid(row) || !values.is_valid(row)) {
                    return Err(bad(format!("entry {row} has no key, or no value")));
                }
                if keys.is_empty() {
                    return Ok(());
                }
            }
            _ => {
                let kinds: Vec<&str> = block.columns().take(4).map(|column| column.kind().name()).collect();
                return Err(bad(format!("{columns} columns ({}), expected two of `binary`", kinds.join(", "))));
            }
        }
        self.0.push(snapshot);
        Ok(())
    }

    /// What one instance gave, as it is given to another. `None`: it holds nothing.
    pub fn whole(snapshot: Vec<u8>) -> Result<Option<Vec<u8>>, Fault> {
        let mut entries = Entries::default();
        entries.take(snapshot)?;
        Ok(entries.0.pop())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Blocks for `restore`, one for each shard that has entries; with `keyed` false all are for shard 0.
    pub fn divided(&self, shards: usize, keyed: bool) -> Result<Vec<(usize, Vec<u8>)>, BlockTooLarge> {
        let blocks: Vec<Block<'_>> = self.0.iter().filter_map(|block| Block::check(block).ok()).collect();
        let mut of_shards: Vec<Vec<(&[u8], &[u8])>> = vec![Vec::new(); if keyed { shards.max(1) } else { 1 }];
        for (keys, values) in blocks.iter().filter_map(pair) {
            for (key, value) in keys.iter().zip(values.iter()) {
                let (key, value) = (key.unwrap_or_default(), value.unwrap_or_default());
                let shard = if keyed { shard_of(key, shards) } else { 0 };
                if let Some(entries) = of_shards.get_mut(shard) {
                    entries.push((key, value));
                }
            }
        }
        let with_entries = of_shards.into_iter().enumerate().filter(|(_, entries)| !entries.is_empty());
        with_entries.map(|(shard, entries)| Ok((shard, block_of(&entries)?))).collect()
    }
}

fn block_of(entries: &[(&[u8], &[u8])]) -> Result<Vec<u8>, BlockTooLarge> {
    let mut block = BlockBuilder::new();
    block.binary(entries.iter().map(|(key, _)| *key));
    block.binary(entries.iter().map(|(_, value)| *value));
    block.finish()
}

fn pair<'a>(block: &'a Block<'_>) -> Option<(Binary<'a>, Binary<'a>)> {
    match (block.column(0)?, block.column(1)?) {
        (Column::Binary(keys), Column::Binary(values)) => Some((keys, values)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(entries: &[(&str, &str)]) -> Vec<u8> {
        let entries: Vec<(&[u8], &[u8])> =
            entries.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes())).collect();
        block_of(&entries).unwrap()
    }

    /// What several instances gave is divided anew: each entry is in the block of its key's shard, once.
    #[test]
    fn entries_are_divided_by_their_keys() {
        let mut entries = Entries::default();
        let names: Vec<String> = (0..50).map(|number| format!("key {number}")).collect();
        for half in names.chunks(25) {
            let pairs: Vec<(&str, &str)> = half.iter().map(|name| (name.as_str(), "value")).collect();
            entries.take(block(&pairs)).unwrap();
        }
        let mut seen = Vec::new();
        for (shard, bytes) in entries.divided(3, true).unwrap() {
            let block = Block::check(&bytes).unwrap();
            let (keys, values) = pair(&block).unwrap();
            for (key, value) in keys.iter().zip(values.iter()) {
                assert_eq!((shard_of(key.unwrap(), 3), value.unwrap()), (shard, b"value".as_slice()));
                seen.push(String::from_utf8(key.unwrap().to_vec()).unwrap());
            }
        }
        seen.sort();
        let mut expected = names.clone();
        expected.sort();
        assert_eq!(seen, expected);
        let all = entries.divided(3, false).unwrap();
        assert_eq!(all.iter().map(|(shard, _)| *shard).collect::<Vec<_>>(), [0]);
    }

    /// Nothing is no fault; what is no two columns of bytes is, and says what it is.
    #[test]
    fn only_two_columns_of_bytes_are_taken() {
        let mut entries = Entries::default();
        entries.take(Vec::new()).unwrap();
        entries.take(block(&[])).unwrap();
        assert!(entries.is_empty());
        let built = |build: &dyn Fn(&mut BlockBuilder)| {
            let mut block = BlockBuilder::new();
            build(&mut block);
            block.finish().unwrap()
        };
        let bytes = |values: &[&'static str]| values.iter().map(|value| value.as_bytes()).collect::<Vec<_>>();
        for (snapshot, says) in [
            (vec![1, 2, 3], "the block has 3 bytes"),
            (
                built(&|block| {
                    block.binary(bytes(&["a"]));
                }),
                "1 columns (binary)",
            ),
            (
                built(&|block| {
                    block.text(["a"]);
                    block.text(["b"]);
                }),
                "2 columns (text, text)",
            ),
            (
                built(&|block| {
                    block.binary(bytes(&["a", "b"]));
                    block.binary(bytes(&["c"]));
                }),
                "2 keys for 1 values",
            ),
        ] {
            let fault = entries.take(snapshot).unwrap_err();
            assert!(fault.message.contains(says), "{fault}");
        }
        assert!(entries.is_empty());
    }
}
