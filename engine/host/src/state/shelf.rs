//! Keys with values, in the order of their use, within bounds.

use std::time::Instant;

use lru::LruCache;
use smallvec::SmallVec;

/// Ids and names of services lie in the entry itself.
type Key = SmallVec<[u8; 24]>;
/// Sums lie in the entry itself.
type Value = SmallVec<[u8; 16]>;

/// What an entry costs besides its key and value: links, the table's slot, what the allocator adds.
pub(super) const ENTRY_BYTES: usize = 144;

const _: () = assert!(size_of::<Key>() + size_of::<Entry>() + 6 * size_of::<usize>() <= ENTRY_BYTES);

/// How much may be kept. The smallest store has room for nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bounds {
    pub bytes_max: usize,
    pub keys_max: usize,
}

impl Bounds {
    pub fn fits(self, key: &[u8], value: &[u8]) -> bool {
        self.keys_max > 0 && bytes(key, value) <= self.bytes_max
    }
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// `None`: known to have none, which only a [`View`](super::View) of a store has to know.
    value: Option<Value>,
    /// `None`: when there is no room.
    pub expires: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Shelf {
    entries: LruCache<Key, Entry>,
    bytes: usize,
}

impl Default for Shelf {
    fn default() -> Self {
        Shelf { entries: LruCache::unbounded(), bytes: 0 }
    }
}

impl Entry {
    /// `None`: there is none, or its time is over.
    pub fn value(&self, now: Instant) -> Option<&[u8]> {
        self.value.as_deref().filter(|_| !self.is_over(now))
    }

    fn is_over(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl Shelf {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Looks, and makes the key the most recently used.
    pub fn get(&mut self, key: &[u8]) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Looks, and leaves everything as it is.
    pub fn peek(&self, key: &[u8]) -> Option<&Entry> {
        self.entries.peek(key)
    }

    pub fn put(&mut self, key: &[u8], value: Option<&[u8]>, expires: Option<Instant>) {
        self.bytes += bytes(key, value.unwrap_or_default());
        let entry = Entry { value: value.map(Value::from_slice), expires };
        match self.entries.get_mut(key) {
            Some(old) => {
                self.bytes -= bytes(key, old.value.as_deref().unwrap_or_default());
                *old = entry;
            }
            None => drop(self.entries.put(Key::from_slice(key), entry)),
        }
    }

    pub fn remove(&mut self, key: &[u8]) {
        if let Some(entry) = self.entries.pop(key) {
            self.bytes -= bytes(key, entry.value.as_deref().unwrap_or_default());
        }
    }

    /// Adds to the number that a key has, 0 where it has none, and gives the sum, which stays at the ends of an int64. `expires` is for a
    /// key that comes to be. `None`: what the key has is no number, and stays.
    pub fn add(&mut self, key: &[u8], delta: i64, expires: Option<Instant>, now: Instant) -> Option<i64> {
        if let Some(Entry { value: Some(value), .. }) = self.entries.get_mut(key).filter(|entry| !entry.is_over(now)) {
            let sum = number(value)?.saturating_add(delta);
            value.copy_from_slice(&sum.to_le_bytes());
            return Some(sum);
        }
        self.put(key, Some(&delta.to_le_bytes()), expires);
        Some(delta)
    }

    /// Forgets what was used longest ago: what is over, and then as much as the bounds ask for. Gives how many of the latter.
    pub fn trim(&mut self, bounds: Bounds, now: Instant) -> u64 {
        let mut evicted = 0;
        while let Some((_, oldest)) = self.entries.peek_lru() {
            let over = oldest.is_over(now);
            if !over && self.bytes <= bounds.bytes_max && self.len() <= bounds.keys_max {
                break;
            }
            let Some((key, entry)) = self.entries.pop_lru() else { break };
            self.bytes -= bytes(&key, entry.value.as_deref().unwrap_or_default());
            evicted += u64::from(!over);
        }
        evicted
    }
}

/// What `add` counts with: 8 bytes, little-endian.
pub(super) fn number(value: &[u8]) -> Option<i64> {
    value.try_into().ok().map(i64::from_le_bytes)
}

fn bytes(key: &[u8], value: &[u8]) -> usize {
    ENTRY_BYTES + key.len() + value.len()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ROOM: Bounds = Bounds { bytes_max: usize::MAX, keys_max: usize::MAX };

    fn value(shelf: &mut Shelf, key: &str, now: Instant) -> Option<Vec<u8>> {
        shelf.get(key.as_bytes()).and_then(|entry| entry.value(now)).map(<[u8]>::to_vec)
    }

    /// Puts and sums: the time of a key that is put begins anew, of one that is added to it goes on; what is over counts as nothing.
    #[test]
    fn time_runs_from_a_put_and_from_a_first_addition() {
        let (mut shelf, now) = (Shelf::default(), Instant::now());
        let at = |seconds: u64| now + Duration::from_secs(seconds);
        shelf.put(b"a", Some(b"1"), Some(at(10)));
        assert_eq!(shelf.add(b"n", 5, Some(at(10)), now), Some(5));
        shelf.put(b"a", Some(b"2"), Some(at(15)));
        assert_eq!(shelf.add(b"n", 5, Some(at(15)), at(5)), Some(10));
        assert_eq!(value(&mut shelf, "a", at(12)), Some(b"2".to_vec()));
        assert_eq!(value(&mut shelf, "n", at(12)), None);
        assert_eq!(shelf.add(b"n", 1, None, at(12)), Some(1), "it begins anew");
        assert_eq!(value(&mut shelf, "n", at(1_000_000)), Some(1_i64.to_le_bytes().to_vec()));
    }

    /// Sums end at the ends of an int64; what is no number is left alone.
    #[test]
    fn additions_neither_wrap_nor_destroy() {
        let (mut shelf, now) = (Shelf::default(), Instant::now());
        shelf.add(b"n", i64::MAX - 1, None, now);
        assert_eq!(shelf.add(b"n", 7, None, now), Some(i64::MAX));
        assert_eq!(shelf.add(b"n", i64::MIN, None, now), Some(-1));
        shelf.put(b"text", Some(b"seven"), None);
        assert_eq!(shelf.add(b"text", 1, None, now), None);
        assert_eq!(value(&mut shelf, "text", now), Some(b"seven".to_vec()));
    }

    /// Above a bound the least recently used go, and no others; what is over goes first, and is no eviction. Bytes add up to nothing when all
    /// is gone.
    #[test]
    fn the_least_recently_used_go() {
        let (mut shelf, now) = (Shelf::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        shelf.put(b"over", Some(b"x"), Some(later));
        for key in ["a", "b", "c", "d"] {
            shelf.put(key.as_bytes(), Some(&[0; 1_000]), None);
        }
        assert!(shelf.get(b"a").is_some());
        assert_eq!(shelf.trim(Bounds { keys_max: 3, ..ROOM }, later), 1);
        assert_eq!(
            ["over", "a", "b", "c", "d"].map(|key| shelf.peek(key.as_bytes()).is_some()),
            [false, true, false, true, true]
        );
        assert_eq!(shelf.bytes(), 3 * (ENTRY_BYTES + 1_001));
        assert_eq!(shelf.trim(Bounds { bytes_max: 2 * (ENTRY_BYTES + 1_001), ..ROOM }, later), 1);
        assert_eq!(["a", "c", "d"].map(|key| shelf.peek(key.as_bytes()).is_some()), [true, false, true]);
        shelf.put(b"a", Some(b""), None);
        shelf.remove(b"a");
        shelf.remove(b"a");
        shelf.put(b"d", None, None);
        assert_eq!(shelf.trim(Bounds { bytes_max: 0, keys_max: 0 }, later), 1);
        assert_eq!((shelf.len(), shelf.bytes()), (0, 0));
    }
}
