//! Varints: protobuf's integers of one to ten bytes, seven bits each, lowest first.

/// The longest varint: 64 bits in groups of seven.
pub(crate) const VARINT_LEN_MAX: usize = 10;

/// Reads the varint at `at` and says where it ends.
///
/// Takes what `prost` takes: any length up to ten bytes, however few would do; the tenth byte may only be 0 or 1.
/// `None` where the bytes end within it, or it is longer.
#[inline(always)]
pub(crate) fn read(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    match bytes.get(at) {
        Some(&first) if first < 0x80 => Some((u64::from(first), at + 1)),
        Some(&first) => match bytes.get(at + 1) {
            Some(&second) if second < 0x80 => Some((u64::from(first & 0x7f) | u64::from(second) << 7, at + 2)),
            _ => read_long(bytes, at),
        },
        None => None,
    }
}

#[inline(never)]
fn read_long(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (place, &byte) in bytes.get(at..)?.iter().take(VARINT_LEN_MAX).enumerate() {
        if place == VARINT_LEN_MAX - 1 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some((value, at + place + 1));
        }
    }
    None
}

/// Bytes that [`put`] writes for `value`: 1 to 10.
#[inline]
pub(crate) const fn len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Appends `value` in its shortest form.
#[inline]
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A `sint32` or `sint64` from its varint.
#[inline]
pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// The varint of a `sint32` or `sint64`.
#[inline]
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Written varints are as long as announced, are read back, and are those of prost.
        #[test]
        fn written_is_read(value: u64, shift in 0u32..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            put(&mut out, value);
            prop_assert_eq!(out.len(), len(value));
            prop_assert_eq!(read(&out, 0), Some((value, out.len())));
            prop_assert_eq!(unzigzag(zigzag(value as i64)), value as i64);
            let mut oracle = Vec::new();
            prost::encoding::encode_varint(value, &mut oracle);
            prop_assert_eq!(out, oracle);
        }

        /// Any bytes, over-long varints and truncated ones among them, are read as prost reads them.
        #[test]
        fn any_bytes_as_prost(bytes in prop::collection::vec(prop_oneof![Just(0x80u8), Just(0xff), Just(1), any::<u8>()], 0..13)) {
            let mut rest = bytes.as_slice();
            let oracle = prost::encoding::decode_varint(&mut rest).ok().map(|value| (value, bytes.len() - rest.len()));
            prop_assert_eq!(read(&bytes, 0), oracle);
        }
    }
}
