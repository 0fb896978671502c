//! Reading a segment whose end, or middle, may be anything.

use crate::format::{Header, MARKER, RECORD_HEADER_LEN, SEGMENT_HEADER_LEN, read_record_header, read_segment_header};

/// What a segment holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// In the order of the file, which is that of their sequence numbers.
    pub records: Vec<Found>,
    /// What is neither a record nor a torn tail.
    pub damage: Vec<Damage>,
    /// At the end: the beginning of something whose rest was never written.
    pub torn_bytes: u64,
}

/// An intact record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub sequence: u64,
    pub partition: u64,
    pub items: u32,
    /// Of its header.
    pub offset: u64,
    /// Of its payload.
    pub len: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    pub offset: u64,
    pub bytes: u64,
    pub reason: &'static str,
}

/// Finds every intact record of the segment that begins at sequence `base`. The error is the version that it has instead.
///
/// A record whose payload does not match is stepped over, because its length is known; where a header does not match, the next
/// intact record is looked for. A record that reaches beyond the end was being written when everything stopped, and so was one
/// whose end is zeros up to the end of the file (a file system may make a file longer before it writes). What is whole in length
/// and wrong at the very end cannot be told from a flipped bit otherwise, and is reported as one.
pub fn scan(bytes: &[u8], base: u64) -> Result<Scan, u32> {
    let mut scan = Scan::default();
    let mut at = SEGMENT_HEADER_LEN;
    match read_segment_header(bytes, base) {
        Header::Served => {}
        Header::OtherVersion(version) => return Err(version),
        Header::Short => {
            scan.torn_bytes = bytes.len() as u64;
            return Ok(scan);
        }
        Header::Damaged if content_len(bytes) < SEGMENT_HEADER_LEN => {
            scan.torn_bytes = bytes.len() as u64;
            return Ok(scan);
        }
        Header::Damaged => scan.damaged(0, SEGMENT_HEADER_LEN, "the segment's header does not match its checksum"),
    }
    let content_len = content_len(bytes);
    let mut sequence_min = base;
    while at < bytes.len() {
        let rest = &bytes[at..];
        match next(rest, sequence_min) {
            Next::Record(found) => {
                scan.records.push(Found { offset: at as u64, ..found });
                sequence_min = found.sequence.saturating_add(1);
                at += RECORD_HEADER_LEN + found.len as usize;
            }
            Next::BadPayload { total } if at + total <= content_len => {
                scan.damaged(at, total, "a record's payload does not match its checksum");
                at += total;
            }
            Next::BadHeader if at + RECORD_HEADER_LEN <= content_len => {
                let skipped = find_record(rest, sequence_min);
                scan.damaged(at, skipped, "no record begins here");
                at += skipped;
            }
            Next::Torn | Next::BadPayload { .. } | Next::BadHeader => {
                scan.torn_bytes = rest.len() as u64;
                break;
            }
        }
    }
    Ok(scan)
}

enum Next {
    Record(Found),
    Torn,
    /// The record ends after `total` bytes.
    BadPayload {
        total: usize,
    },
    BadHeader,
}

fn next(rest: &[u8], sequence_min: u64) -> Next {
    let Some(header) = read_record_header(rest).filter(|header| header.sequence >= sequence_min) else {
        return if rest.len() < RECORD_HEADER_LEN { Next::Torn } else { Next::BadHeader };
    };
    let total = RECORD_HEADER_LEN + header.len as usize;
    match rest.get(RECORD_HEADER_LEN..total) {
        None => Next::Torn,
        Some(payload) if crc32c::crc32c(payload) != header.payload_checksum => Next::BadPayload { total },
        Some(_) => Next::Record(Found {
            sequence: header.sequence,
            partition: header.partition,
            items: header.items,
            offset: 0,
            len: header.len,
        }),
    }
}

/// How far it is to the next record that is whole and intact; all of `rest` if there is none. Whole: a payload may hold anything,
/// the beginning of a record included.
///
/// A payload made to be searched could hold a header every few bytes, each claiming all the rest: when so many payloads have been
/// checked as make up the rest several times, the next intact header is believed without.
fn find_record(rest: &[u8], sequence_min: u64) -> usize {
    let mut budget = SEARCH_FACTOR.saturating_mul(rest.len());
    let starts = rest.windows(MARKER.len()).enumerate().skip(1).filter(|(_, bytes)| *bytes == MARKER);
    for (at, _) in starts {
        match next(&rest[at..], sequence_min) {
            Next::Record(_) => return at,
            Next::BadPayload { total } => match budget.checked_sub(total) {
                Some(left) => budget = left,
                None => return at,
            },
            Next::Torn | Next::BadHeader => {}
        }
    }
    rest.len()
}

/// How often a search may look at the bytes that are left: an honest one does so once.
const SEARCH_FACTOR: usize = 8;

/// Without the zeros at the end, where there are more than a payload is likely to end with by itself.
fn content_len(bytes: &[u8]) -> usize {
    const ZEROS_MIN: usize = 16;
    let len = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if bytes.len() - len >= ZEROS_MIN { len } else { bytes.len() }
}

impl Scan {
    fn damaged(&mut self, offset: usize, bytes: usize, reason: &'static str) {
        self.damage.push(Damage { offset: offset as u64, bytes: bytes as u64, reason });
    }
}
