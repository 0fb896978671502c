//! The bytes on disk, version 1. All numbers are little-endian; checksums are CRC-32C.
//!
//! ```text
//! segment  0 magic "wmlogseg" | 8 version u32 | 12 zero u32 | 16 first sequence u64 | 24 checksum of the 24 before u32 | 28 zero u32
//! record   0 marker u32 | 4 payload length u32 | 8 sequence u64 | 16 partition u64 | 24 items u32 | 28 zero u32
//!          | 32 checksum of the payload u32 | 36 checksum of the 36 before u32 | 40 payload
//! acks     0 magic "wmlogack" | 8 version u32 | 12 checksum of the 12 before u32, then for each acknowledged record
//!          0 sequence u64 | 8 zero u32 | 12 checksum of the segment's first sequence and the 12 before u32
//! ```
//!
//! A record's header has a checksum of its own: its length can be trusted where the payload is damaged, and the marker lets the
//! next record be found where the header is.

use bytes::Bytes;

pub const VERSION: u32 = 1;

/// A request after decompression is 64 MiB unless somebody allows more; what is longer than this is a mistake. A length from a
/// damaged file is not believed beyond it.
pub const PAYLOAD_BYTES_MAX: usize = 512 << 20;

pub const SEGMENT_HEADER_LEN: usize = 32;
pub const RECORD_HEADER_LEN: usize = 40;
pub const ACKS_HEADER_LEN: usize = 16;
pub const ACK_LEN: usize = 16;

const SEGMENT_MAGIC: &[u8; 8] = b"wmlogseg";
const ACKS_MAGIC: &[u8; 8] = b"wmlogack";
/// Not text and not a protobuf tag that OTLP has, so that payloads rarely hold it.
pub const MARKER: [u8; 4] = [0xf7, 0x9e, 0x52, 0xd1];

/// What the beginning of a file says.
#[derive(Debug, PartialEq, Eq)]
pub enum Header {
    /// Of this version.
    Served,
    OtherVersion(u32),
    /// The file was cut before its header was whole.
    Short,
    Damaged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    pub len: u32,
    pub sequence: u64,
    pub partition: u64,
    pub items: u32,
    pub payload_checksum: u32,
}

pub fn segment_header(base: u64) -> [u8; SEGMENT_HEADER_LEN] {
    let mut header = [0; SEGMENT_HEADER_LEN];
    header[..8].copy_from_slice(SEGMENT_MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[16..24].copy_from_slice(&base.to_le_bytes());
    let checksum = crc32c::crc32c(&header[..24]);
    header[24..28].copy_from_slice(&checksum.to_le_bytes());
    header
}

pub fn read_segment_header(bytes: &[u8], base: u64) -> Header {
    let Some(header) = bytes.get(..SEGMENT_HEADER_LEN) else { return Header::Short };
    if header[..8] != *SEGMENT_MAGIC || u32_at(header, 24) != crc32c::crc32c(&header[..24]) {
        return Header::Damaged;
    }
    match u32_at(header, 8) {
        VERSION if u64_at(header, 16) == base => Header::Served,
        // Renamed by somebody: its records say who they are.
        VERSION => Header::Damaged,
        other => Header::OtherVersion(other),
    }
}

pub fn acks_header() -> [u8; ACKS_HEADER_LEN] {
    let mut header = [0; ACKS_HEADER_LEN];
    header[..8].copy_from_slice(ACKS_MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let checksum = crc32c::crc32c(&header[..12]);
    header[12..].copy_from_slice(&checksum.to_le_bytes());
    header
}

pub fn read_acks_header(bytes: &[u8]) -> Header {
    let Some(header) = bytes.get(..ACKS_HEADER_LEN) else { return Header::Short };
    if header[..8] != *ACKS_MAGIC || u32_at(header, 12) != crc32c::crc32c(&header[..12]) {
        return Header::Damaged;
    }
    match u32_at(header, 8) {
        VERSION => Header::Served,
        other => Header::OtherVersion(other),
    }
}

pub fn ack(base: u64, sequence: u64) -> [u8; ACK_LEN] {
    let mut ack = [0; ACK_LEN];
    ack[..8].copy_from_slice(&sequence.to_le_bytes());
    let checksum = ack_checksum(base, &ack);
    ack[12..].copy_from_slice(&checksum.to_le_bytes());
    ack
}

/// The sequence, if the ack is intact and of this segment.
pub fn read_ack(base: u64, ack: &[u8]) -> Option<u64> {
    let ack: &[u8; ACK_LEN] = ack.try_into().ok()?;
    (u32_at(ack, 12) == ack_checksum(base, ack)).then(|| u64_at(ack, 0))
}

fn ack_checksum(base: u64, ack: &[u8; ACK_LEN]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&base.to_le_bytes()), &ack[..12])
}

/// Appends a record's header and its payload, which is the parts one after another, to `out`.
pub fn put_record(out: &mut Vec<u8>, sequence: u64, partition: u64, items: u32, parts: &[Bytes]) {
    let len: usize = parts.iter().map(Bytes::len).sum();
    let payload_checksum = parts.iter().fold(0, |checksum, part| crc32c::crc32c_append(checksum, part));
    let start = out.len();
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&(len as u32).to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&partition.to_le_bytes());
    out.extend_from_slice(&items.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&payload_checksum.to_le_bytes());
    let checksum = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// `None`: there is no intact header here.
pub fn read_record_header(bytes: &[u8]) -> Option<RecordHeader> {
    let header = bytes.get(..RECORD_HEADER_LEN)?;
    if header[..4] != MARKER || u32_at(header, 36) != crc32c::crc32c(&header[..36]) {
        return None;
    }
    let len = u32_at(header, 4);
    (len as usize <= PAYLOAD_BYTES_MAX).then(|| RecordHeader {
        len,
        sequence: u64_at(header, 8),
        partition: u64_at(header, 16),
        items: u32_at(header, 24),
        payload_checksum: u32_at(header, 32),
    })
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}
