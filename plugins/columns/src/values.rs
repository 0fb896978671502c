//! Columns of a fixed width.

use crate::{Bitmap, Bits, Kind};

mod sealed {
    pub trait Sealed {}
}

/// A type whose values have the same number of bytes each: the numbers, and ids of 8 and 16 bytes.
pub trait Fixed: Copy + PartialEq + Default + sealed::Sealed + 'static {
    const KIND: Kind;
    /// As it lies in a block.
    type Bytes: Copy + AsRef<[u8]> + 'static;

    fn from_le(bytes: Self::Bytes) -> Self;
    fn to_le(self) -> Self::Bytes;
    /// As many whole values as there are.
    #[doc(hidden)]
    fn cut(bytes: &[u8]) -> &[Self::Bytes];
}

macro_rules! fixed_numbers {
    ($($type:ty, $kind:ident;)*) => {$(
        impl sealed::Sealed for $type {}
        impl Fixed for $type {
            const KIND: Kind = Kind::$kind;
            type Bytes = [u8; size_of::<$type>()];
            #[inline]
            fn from_le(bytes: Self::Bytes) -> Self {
                <$type>::from_le_bytes(bytes)
            }
            #[inline]
            fn to_le(self) -> Self::Bytes {
                self.to_le_bytes()
            }
            #[inline]
            fn cut(bytes: &[u8]) -> &[Self::Bytes] {
                bytes.as_chunks().0
            }
        }
    )*};
}

fixed_numbers! {
    u8, UInt8;
    u32, UInt32;
    i32, Int32;
    u64, UInt64;
    i64, Int64;
    f64, Double;
}

macro_rules! fixed_ids {
    ($($bytes:literal, $kind:ident;)*) => {$(
        impl sealed::Sealed for [u8; $bytes] {}
        impl Fixed for [u8; $bytes] {
            const KIND: Kind = Kind::$kind;
            type Bytes = Self;
            #[inline]
            fn from_le(bytes: Self) -> Self {
                bytes
            }
            #[inline]
            fn to_le(self) -> Self {
                self
            }
            #[inline]
            fn cut(bytes: &[u8]) -> &[Self] {
                bytes.as_chunks().0
            }
        }
    )*};
}

fixed_ids! {
    8, Id8;
    16, Id16;
}

/// A value of one fixed width for each row.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a, T: Fixed> {
    values: &'a [T::Bytes],
    validity: Option<Bits<'a>>,
}

/// A truth value for each row.
#[derive(Clone, Copy, Debug)]
pub struct Boolean<'a> {
    values: Bits<'a>,
    validity: Option<Bits<'a>>,
}

impl<'a, T: Fixed> Values<'a, T> {
    pub(crate) fn new(bytes: &'a [u8], validity: Option<Bits<'a>>) -> Self {
        Values { values: T::cut(bytes), validity }
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// 1 where there is a value; `None`: every row has one.
    pub fn validity(&self) -> Option<Bits<'a>> {
        self.validity
    }

    #[inline]
    pub fn is_valid(&self, row: usize) -> bool {
        row < self.len() && self.validity.is_none_or(|bits| bits.get(row))
    }

    /// The row's value; `None` where it has none, and behind the end.
    #[inline]
    pub fn get(&self, row: usize) -> Option<T> {
        if self.is_valid(row) { Some(self.raw(row)) } else { None }
    }

    /// What lies at the row, whether it counts or not; the type's default behind the end.
    #[inline]
    pub fn raw(&self, row: usize) -> T {
        self.values.get(row).map_or_else(T::default, |&bytes| T::from_le(bytes))
    }

    /// What lies at each row, whether it counts or not.
    pub fn raw_iter(&self) -> impl ExactSizeIterator<Item = T> + Clone + use<'a, T> {
        self.values.iter().map(|&bytes| T::from_le(bytes))
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<T>> + Clone + use<'a, T> {
        let column = *self;
        (0..self.len()).map(move |row| column.get(row))
    }

    /// The rows whose value is as `wanted` says. Rows without a value are not.
    pub fn matches(&self, mut wanted: impl FnMut(T) -> bool) -> Bitmap {
        let mut values = self.values.iter();
        // One value for each row, in order: quicker than by number, which is checked each time.
        let next = |_| values.next().is_some_and(|&bytes| wanted(T::from_le(bytes)));
        let mut bitmap = Bitmap::from_fn(self.len(), next);
        bitmap.and_valid(self.validity);
        bitmap
    }
}

impl<'a> Boolean<'a> {
    pub(crate) fn new(values: Bits<'a>, validity: Option<Bits<'a>>) -> Self {
        Boolean { values, validity }
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// 1 where there is a value; `None`: every row has one.
    pub fn validity(&self) -> Option<Bits<'a>> {
        self.validity
    }

    #[inline]
    pub fn is_valid(&self, row: usize) -> bool {
        row < self.len() && self.validity.is_none_or(|bits| bits.get(row))
    }

    /// The row's value; `None` where it has none, and behind the end.
    #[inline]
    pub fn get(&self, row: usize) -> Option<bool> {
        if self.is_valid(row) { Some(self.values.get(row)) } else { None }
    }

    /// The values as they lie; bits of rows without a value may be anything.
    pub fn raw(&self) -> Bits<'a> {
        self.values
    }

    /// The rows that are true. Rows without a value are not.
    pub fn is_true(&self) -> Bitmap {
        let mut bitmap = self.values.to_bitmap();
        bitmap.and_valid(self.validity);
        bitmap
    }
}
