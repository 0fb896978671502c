//! Text and bytes of any length, and the dictionary of a text column.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, BinaryArray, DictionaryArray, PrimitiveArray, StringArray};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;

use super::column::or_without_values;
use crate::TextForm;

/// Which rows have a value. Costs nothing until one has none.
#[derive(Debug, Default)]
pub(super) struct Validity {
    bits: Option<BooleanBufferBuilder>,
}

impl Validity {
    /// The row behind the first `len` has a value.
    #[inline]
    pub(super) fn valid(&mut self) {
        if let Some(bits) = &mut self.bits {
            bits.append(true);
        }
    }

    /// The row behind the first `len` has none.
    #[inline]
    pub(super) fn null(&mut self, len: usize) {
        let bits = self.bits.get_or_insert_with(|| {
            let mut bits = BooleanBufferBuilder::new(len + 64);
            bits.append_n(len, true);
            bits
        });
        bits.append(false);
    }

    pub(super) fn finish(self) -> Option<NullBuffer> {
        self.bits.map(|mut bits| NullBuffer::new(bits.finish()))
    }

    pub(super) fn is_valid(&self, row: usize) -> bool {
        self.bits.as_ref().is_none_or(|bits| bits.get_bit(row))
    }
}

/// Room is made for values of this length.
const VALUE_LEN_USUAL: usize = 16;

/// Values one behind the other, cut by offsets.
#[derive(Debug)]
pub(super) struct Slices {
    ends: Vec<i32>,
    values: Vec<u8>,
}

impl Slices {
    pub(super) fn with_capacity(len: usize) -> Slices {
        let mut ends = Vec::with_capacity(len + 1);
        ends.push(0);
        Slices { ends, values: Vec::with_capacity(VALUE_LEN_USUAL * len) }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len() - 1
    }

    #[inline]
    pub(super) fn push(&mut self, value: &[u8]) {
        self.values.extend_from_slice(value);
        self.end();
    }

    /// Adds to the value that [`Slices::end`] will end.
    pub(super) fn extend(&mut self, part: &[u8]) {
        self.values.extend_from_slice(part);
    }

    /// Ends a value. No buffer has 2 GiB, and no byte of one gets into a column twice, so that the offsets fit; of more
    /// buffers than that together, what is too much is left out.
    #[inline]
    pub(super) fn end(&mut self) {
        self.values.truncate(i32::MAX as usize);
        self.ends.push(self.values.len() as i32);
    }

    #[inline]
    fn get(&self, place: usize) -> &[u8] {
        &self.values[self.ends[place] as usize..self.ends[place + 1] as usize]
    }

    pub(super) fn parts(self) -> (OffsetBuffer<i32>, Buffer) {
        // Ends only grow and start at 0, which is what `new` asserts.
        (OffsetBuffer::new(ScalarBuffer::from(self.ends)), Buffer::from_vec(self.values))
    }

    pub(super) fn binary(self, nulls: Option<NullBuffer>) -> ArrayRef {
        let len = self.len();
        let (offsets, values) = self.parts();
        or_without_values(BinaryArray::try_new(offsets, values, nulls), &DataType::Binary, len)
    }

    /// Checks UTF-8 again, over all values at once: an index can be made by hand, and a wrong one must not be unsound.
    fn text(self, nulls: Option<NullBuffer>) -> ArrayRef {
        let len = self.len();
        let (offsets, values) = self.parts();
        or_without_values(StringArray::try_new(offsets, values, nulls), &DataType::Utf8, len)
    }
}

/// A text column that is being built.
#[derive(Debug)]
pub(crate) struct Text {
    form: TextForm,
    /// Each row's value while `table` is `None`, each distinct value otherwise.
    slices: Slices,
    /// Each row's place in `slices`, while there is a table.
    keys: Vec<u32>,
    table: Option<Table>,
    validity: Validity,
}

/// With [`TextForm::Either`], a dictionary is given up when it has at least so many values, and one for every two rows:
/// its look-ups then cost more than it saves whoever evaluates once for each distinct value.
const EITHER_DISTINCT_MIN: usize = 64;

impl Text {
    pub(super) fn new(form: TextForm, capacity: usize) -> Text {
        match form {
            TextForm::Plain => Text {
                form,
                slices: Slices::with_capacity(capacity),
                keys: Vec::new(),
                table: None,
                validity: Validity::default(),
            },
            TextForm::Dictionary | TextForm::Either => Text {
                form,
                slices: Slices::with_capacity(16),
                keys: Vec::with_capacity(capacity),
                table: Some(Table::default()),
                validity: Validity::default(),
            },
        }
    }

    pub(super) fn form(&self) -> TextForm {
        self.form
    }

    pub(super) fn len(&self) -> usize {
        match self.table {
            Some(_) => self.keys.len(),
            None => self.slices.len(),
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, value: &[u8]) {
        self.push_like(value, self.keys.len().checked_sub(1));
    }

    /// As [`push`](Text::push), of a value that may well be that of row `like`.
    #[inline]
    pub(super) fn push_like(&mut self, value: &[u8], like: Option<usize>) {
        self.validity.valid();
        let Some(table) = &mut self.table else {
            return self.slices.push(value);
        };
        if let Some(&key) = like.and_then(|row| self.keys.get(row))
            && (key as usize) < self.slices.len()
            && same(self.slices.get(key as usize), value)
        {
            return self.keys.push(key);
        }
        let distinct = self.slices.len();
        let key = table.key(value, &mut self.slices);
        self.keys.push(key);
        if key as usize == distinct
            && self.form == TextForm::Either
            && distinct >= EITHER_DISTINCT_MIN
            && 2 * distinct > self.keys.len()
        {
            self.give_up_dictionary();
        }
    }

    pub(super) fn push_null(&mut self) {
        self.validity.null(self.len());
        match self.table {
            Some(_) => self.keys.push(0),
            None => self.slices.push(&[]),
        }
    }

    fn give_up_dictionary(&mut self) {
        let distinct = std::mem::replace(&mut self.slices, Slices::with_capacity(2 * self.keys.len()));
        for (row, &key) in self.keys.iter().enumerate() {
            self.slices.push(if self.validity.is_valid(row) { distinct.get(key as usize) } else { &[] });
        }
        self.keys = Vec::new();
        self.table = None;
    }

    pub(super) fn finish(self) -> ArrayRef {
        let nulls = self.validity.finish();
        match self.table {
            None => self.slices.text(nulls),
            Some(_) => dictionary(self.keys, nulls, self.slices.text(None)),
        }
    }

    /// A key for each row of a column that has a value for each parent.
    pub(super) fn spread(self, parents: &[u32]) -> ArrayRef {
        let key = |&parent: &u32| self.keys.get(parent as usize).copied().unwrap_or_default();
        let keys = match self.keys.len() {
            1 => vec![0; parents.len()],
            _ => parents.iter().map(key).collect(),
        };
        let nulls = self.validity.finish().map(|nulls| gather_nulls(&nulls, parents));
        dictionary(keys, nulls, self.slices.text(None))
    }
}

pub(super) fn gather_nulls(nulls: &NullBuffer, rows: &[u32]) -> NullBuffer {
    rows.iter().map(|&row| (row as usize) < nulls.len() && nulls.is_valid(row as usize)).collect()
}

pub(super) fn dictionary(keys: Vec<u32>, nulls: Option<NullBuffer>, values: ArrayRef) -> ArrayRef {
    let (len, value_type) = (keys.len(), values.data_type().clone());
    let keys = PrimitiveArray::<UInt32Type>::new(ScalarBuffer::from(keys), nulls);
    or_without_values(
        DictionaryArray::try_new(keys, values),
        &DataType::Dictionary(Box::new(DataType::UInt32), Box::new(value_type)),
        len,
    )
}

pub(super) fn empty_text(form: TextForm) -> ArrayRef {
    match form {
        TextForm::Dictionary => dictionary(Vec::new(), None, Arc::new(StringArray::new_null(0))),
        TextForm::Plain | TextForm::Either => Arc::new(StringArray::new_null(0)),
    }
}

/// Finds the place of a text among distinct ones: open addressing, a quarter to half full.
#[derive(Debug, Default)]
struct Table {
    /// A place plus one; 0 is free. As many as a power of two.
    slots: Vec<u32>,
    /// Of each distinct value.
    hashes: Vec<u32>,
}

/// Random for each process, so that nobody can choose attributes that collide.
static SEEDS: LazyLock<[u64; 2]> = LazyLock::new(|| {
    let state = RandomState::new();
    [state.hash_one(0), state.hash_one(1) | 1]
});

impl Table {
    /// The place of `value` in `distinct`, to whose end it is added when it is new.
    fn key(&mut self, value: &[u8], distinct: &mut Slices) -> u32 {
        if 2 * self.hashes.len() >= self.slots.len() {
            self.grow();
        }
        let hash = hash(value);
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            match self.slots[slot] {
                0 => break,
                taken => {
                    let place = taken as usize - 1;
                    if self.hashes[place] == hash && same(distinct.get(place), value) {
                        return place as u32;
                    }
                }
            }
            slot = (slot + 1) & mask;
        }
        let place = distinct.len() as u32;
        self.slots[slot] = place + 1;
        self.hashes.push(hash);
        distinct.push(value);
        place
    }
}

impl Table {
    #[cold]
    fn grow(&mut self) {
        self.slots = vec![0; (2 * self.slots.len()).max(64)];
        let mask = self.slots.len() - 1;
        for (place, &hash) in self.hashes.iter().enumerate() {
            let mut slot = hash as usize & mask;
            while self.slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = place as u32 + 1;
        }
    }
}

/// Whether two texts are the same: most are a few words long, for which calling a function of the system takes longer than comparing.
#[inline(always)]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (Some(a_last), Some(b_last)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) else {
        return a.iter().zip(b).all(|(a, b)| a == b);
    };
    if a.len() > 64 {
        return a == b;
    }
    let mut words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    words.all(|(a, b)| a == b) && a_last == b_last
}

/// Eight bytes at a time, folded by multiplying; the last eight overlap those before.
#[inline]
fn hash(value: &[u8]) -> u32 {
    let [seed, factor] = *SEEDS;
    let fold = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(factor);
        (product as u64) ^ (product >> 64) as u64
    };
    let mut hash = seed ^ value.len() as u64;
    let (words, tail) = value.as_chunks::<8>();
    for word in words {
        hash = fold(hash, u64::from_le_bytes(*word));
    }
    if !tail.is_empty() {
        let last = match value.last_chunk::<8>() {
            Some(last) => u64::from_le_bytes(*last),
            None => tail.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)),
        };
        hash = fold(hash, last);
    }
    (fold(hash, seed) >> 32) as u32
}
