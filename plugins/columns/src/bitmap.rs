//! Bitmaps: which rows. The first row is the least significant bit of the first byte.

use smallvec::{SmallVec, smallvec};

/// Words of a bitmap. In a call of few rows, getting memory for each bitmap would take longer than what it is for.
type Words = SmallVec<[u64; WORDS_INLINE]>;

/// 128 rows.
const WORDS_INLINE: usize = 2;

/// A bitmap that somebody else owns, as it lies in a block.
#[derive(Clone, Copy, Default, Debug)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    len: usize,
}

/// A bitmap of one's own: what a plugin answers with, and what it computes with, 64 rows at a time.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Bitmap {
    /// Bits from `len` on are 0.
    words: Words,
    len: usize,
}

impl<'a> Bits<'a> {
    /// The first `len` bits of `bytes`; `None` if there are fewer.
    pub fn new(bytes: &'a [u8], len: usize) -> Option<Bits<'a>> {
        Some(Bits { bytes: bytes.get(..len.div_ceil(8))?, len })
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the bit is set; false behind the end.
    #[inline]
    pub fn get(&self, row: usize) -> bool {
        row < self.len && self.bytes.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1)
    }

    /// Number of set bits.
    pub fn count(&self) -> usize {
        self.words().map(|word| word.count_ones() as usize).sum()
    }

    /// 64 rows each, the last one filled up with zeros.
    pub fn words(&self) -> impl Iterator<Item = u64> + use<'a> {
        let (chunks, rest) = self.bytes.as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let spare = (64 - self.len % 64) % 64;
        let words = self.len.div_ceil(64);
        let tail = (!rest.is_empty()).then_some(&last).copied();
        chunks.iter().copied().chain(tail).enumerate().map(move |(at, word)| {
            let word = u64::from_le_bytes(word);
            if at + 1 == words { word & (u64::MAX >> spare) } else { word }
        })
    }

    pub fn to_bitmap(&self) -> Bitmap {
        Bitmap { words: self.words().collect(), len: self.len }
    }
}

impl Bitmap {
    /// No row of `len`.
    pub fn none(len: usize) -> Bitmap {
        Bitmap { words: smallvec![0; len.div_ceil(64)], len }
    }

    /// Every row of `len`.
    pub fn all(len: usize) -> Bitmap {
        let mut bitmap = Bitmap { words: smallvec![u64::MAX; len.div_ceil(64)], len };
        bitmap.clear_spare();
        bitmap
    }

    /// The rows of `0..len` that `wanted` says, asked once for each, in order.
    #[inline]
    pub fn from_fn(len: usize, mut wanted: impl FnMut(usize) -> bool) -> Bitmap {
        let mut words = Words::with_capacity(len.div_ceil(64));
        let mut start = 0;
        while start < len {
            let rows = (len - start).min(64);
            words.push((0..rows).fold(0, |word, bit| word | u64::from(wanted(start + bit)) << bit));
            start += rows;
        }
        Bitmap { words, len }
    }

    /// From words of 64 rows; missing ones are zeros.
    pub fn from_words(words: Vec<u64>, len: usize) -> Bitmap {
        let mut words = Words::from_vec(words);
        words.resize(len.div_ceil(64), 0);
        let mut bitmap = Bitmap { words, len };
        bitmap.clear_spare();
        bitmap
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the bit is set; false behind the end.
    #[inline]
    pub fn get(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Sets or clears a bit; nothing behind the end.
    pub fn set(&mut self, row: usize, wanted: bool) {
        if row < self.len
            && let Some(word) = self.words.get_mut(row / 64)
        {
            *word = *word & !(1 << (row % 64)) | u64::from(wanted) << (row % 64);
        }
    }

    /// Appends a bit.
    pub fn push(&mut self, wanted: bool) {
        if self.len.is_multiple_of(64) {
            self.words.push(0);
        }
        self.len += 1;
        self.set(self.len - 1, wanted);
    }

    /// Number of set bits.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether no bit is set.
    pub fn is_none(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// Whether every bit is set.
    pub fn is_all(&self) -> bool {
        self.count() == self.len
    }

    /// Keeps what is in both. Bits that `other` is too short for are taken as 0, here and below.
    pub fn and(&mut self, other: &Bitmap) {
        self.combine(other.words.iter().copied(), |a, b| a & b);
    }

    pub fn or(&mut self, other: &Bitmap) {
        self.combine(other.words.iter().copied(), |a, b| a | b);
    }

    /// Takes out what is in `other`.
    pub fn and_not(&mut self, other: &Bitmap) {
        self.combine(other.words.iter().copied(), |a, b| a & !b);
    }

    /// As [`and`](Bitmap::and), with bits that lie in a block; with none, nothing changes: a column without validity has
    /// a value in every row.
    pub fn and_valid(&mut self, validity: Option<Bits<'_>>) {
        if let Some(bits) = validity {
            self.combine(bits.words(), |a, b| a & b);
        }
    }

    /// Swaps set and clear.
    pub fn not(&mut self) {
        self.words.iter_mut().for_each(|word| *word = !*word);
        self.clear_spare();
    }

    /// Numbers of the set bits, ascending.
    pub fn ones(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(at, &word)| {
            std::iter::successors((word != 0).then_some(word), |&word| {
                Some(word & (word - 1)).filter(|&rest| rest != 0)
            })
            .map(move |word| at * 64 + word.trailing_zeros() as usize)
        })
    }

    /// 64 rows each; bits behind the end are 0.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// As it crosses: `len / 8` bytes, rounded up.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len.div_ceil(8)];
        self.write(&mut bytes);
        bytes
    }

    /// Writes the bits into `out`, as far as it goes.
    pub fn write(&self, out: &mut [u8]) {
        for (to, word) in out.chunks_mut(8).zip(&self.words) {
            to.copy_from_slice(&word.to_le_bytes()[..to.len()]);
        }
    }

    fn combine(&mut self, other: impl Iterator<Item = u64>, with: impl Fn(u64, u64) -> u64) {
        let other = other.chain(std::iter::repeat(0));
        self.words.iter_mut().zip(other).for_each(|(word, other)| *word = with(*word, other));
        self.clear_spare();
    }

    fn clear_spare(&mut self) {
        if let (spare @ 1.., Some(last)) = ((64 - self.len % 64) % 64, self.words.last_mut()) {
            *last &= u64::MAX >> spare;
        }
    }
}

impl FromIterator<bool> for Bitmap {
    fn from_iter<I: IntoIterator<Item = bool>>(rows: I) -> Bitmap {
        let mut bitmap = Bitmap::default();
        rows.into_iter().for_each(|wanted| bitmap.push(wanted));
        bitmap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths around a word and a byte: what is written is read, and nothing behind the end counts.
    #[test]
    fn bits_survive_bytes_at_every_length() {
        for len in 0..200 {
            let wanted = |row: usize| row.is_multiple_of(3) || row == len - 1;
            let bitmap = Bitmap::from_fn(len, wanted);
            let mut bytes = bitmap.to_bytes();
            assert_eq!(bytes.len(), len.div_ceil(8));
            if let Some(last) = bytes.last_mut()
                && !len.is_multiple_of(8)
            {
                *last |= 0xff << (len % 8);
            }
            let bits = Bits::new(&bytes, len).unwrap();
            assert_eq!(bits.to_bitmap(), bitmap);
            assert_eq!(bits.count(), (0..len).filter(|&row| wanted(row)).count());
            assert_eq!((0..len + 9).map(|row| bits.get(row)).collect::<Vec<_>>(), {
                (0..len + 9).map(|row| row < len && wanted(row)).collect::<Vec<_>>()
            });
            assert_eq!(bitmap, (0..len).map(wanted).collect());
            assert_eq!(bitmap.ones().collect::<Vec<_>>(), (0..len).filter(|&row| wanted(row)).collect::<Vec<_>>());
        }
    }

    /// Negation and the two neutral bitmaps leave no stray bits in the last word.
    #[test]
    fn not_keeps_the_spare_bits_clear() {
        for len in [0, 1, 63, 64, 65, 130] {
            let mut bitmap = Bitmap::none(len);
            bitmap.not();
            assert_eq!(bitmap, Bitmap::all(len));
            assert_eq!((bitmap.count(), bitmap.is_all()), (len, true));
            bitmap.and_not(&Bitmap::all(len));
            assert!(bitmap.is_none());
        }
    }

    /// A shorter operand counts as zeros, in every operation.
    #[test]
    fn a_shorter_operand_is_filled_up_with_zeros() {
        let mut bitmap = Bitmap::all(100);
        bitmap.and(&Bitmap::all(10));
        assert_eq!(bitmap.ones().collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
        bitmap.or(&Bitmap::all(20));
        assert_eq!(bitmap.count(), 20);
        bitmap.and_valid(Bits::new(&[0b101], 3));
        assert_eq!(bitmap.ones().collect::<Vec<_>>(), [0, 2]);
        assert_eq!(bitmap.len(), 100);
    }
}
