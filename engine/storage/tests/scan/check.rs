//! What holds for a segment with any content.

use wasmill_storage::{RECORD_HEADER_LEN, scan};

/// The segment's number in every corpus file.
pub const BASE: u64 = 1;

pub fn check(segment: &[u8]) {
    let Ok(scan) = scan(segment, BASE) else { return };
    let records = scan.records.iter().map(|record| (record.offset, RECORD_HEADER_LEN as u64 + u64::from(record.len)));
    let mut parts: Vec<(u64, u64)> =
        records.chain(scan.damage.iter().map(|damage| (damage.offset, damage.bytes))).collect();
    let torn_at = segment.len() as u64 - scan.torn_bytes;
    parts.push((torn_at, scan.torn_bytes));
    parts.sort_unstable();
    // The segment's header is a part only where it is damaged, or torn itself.
    let mut at = parts[0].0;
    assert!(at == 0 || at == 32 || segment.len() <= 32, "begins at {at}");
    for (offset, bytes) in parts {
        assert!(offset == at, "every byte is of one part: {offset} follows {at}");
        at = offset + bytes;
    }
    assert_eq!(at, (segment.len() as u64).max(at.min(32)), "to the end");
    assert!(scan.records.is_sorted_by(|a, b| a.sequence < b.sequence), "sequence numbers ascend");
    assert!(scan.records.iter().all(|record| record.sequence >= BASE));
}
