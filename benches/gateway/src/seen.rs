//! Which spans arrived, and which arrived more than once.

use std::sync::atomic::{AtomicU64, Ordering};

/// One bit for each span that a run may send.
pub struct Seen {
    bits: Vec<AtomicU64>,
    duplicates: AtomicU64,
    /// Ids that this run never sent.
    strange: AtomicU64,
}

impl Seen {
    pub fn new(ids: u64) -> Seen {
        let bits = (0..ids.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Seen { bits, duplicates: AtomicU64::new(0), strange: AtomicU64::new(0) }
    }

    /// Ids that fit.
    pub fn capacity(&self) -> u64 {
        self.bits.len() as u64 * 64
    }

    pub fn see(&self, id: u64) {
        let Some(bits) = usize::try_from(id / 64).ok().and_then(|word| self.bits.get(word)) else {
            self.strange.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let bit = 1 << (id % 64);
        if bits.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            self.duplicates.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn has(&self, id: u64) -> bool {
        let word = usize::try_from(id / 64).ok().and_then(|word| self.bits.get(word));
        word.is_some_and(|bits| bits.load(Ordering::Relaxed) & 1 << (id % 64) != 0)
    }

    pub fn duplicates(&self) -> u64 {
        self.duplicates.load(Ordering::Relaxed)
    }

    pub fn strange(&self) -> u64 {
        self.strange.load(Ordering::Relaxed)
    }
}

/// Calls `found` with the id of each span of an `ExportTraceServiceRequest`. `None`: it is not one.
///
/// Walks lengths only; ids are where [`Template`](crate::template::Template) puts them.
pub fn ids(request: &[u8], found: &mut impl FnMut(u64)) -> Option<()> {
    // resource_spans, scope_spans, spans.
    each(request, 1, &mut |resource| {
        each(resource, 2, &mut |scope| {
            each(scope, 2, &mut |span| {
                each(span, 2, &mut |id| {
                    found(u64::from_be_bytes(id.try_into().ok()?));
                    Some(())
                })
            })
        })
    })
}

/// Calls `found` with each length-delimited field of the given number.
fn each<'a>(mut message: &'a [u8], wanted: u64, found: &mut dyn FnMut(&'a [u8]) -> Option<()>) -> Option<()> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let len = match tag & 7 {
            0 => {
                varint(&mut message)?;
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (field, rest) = message.split_at_checked(len)?;
        message = rest;
        if tag >> 3 == wanted && tag & 7 == 2 {
            found(field)?;
        }
    }
    Some(())
}

fn varint(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
