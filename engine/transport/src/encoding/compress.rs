//! Compressing request bodies.

use std::io;

use bytes::Bytes;
use flate2::{Compress, FlushCompress, Status};
use wasmill_wire::GatherList;

use super::Encoding;

/// What Go's and zlib's default is, and with it that of the Collector: its users see the sizes that they know.
const GZIP_LEVEL: u32 = 6;

/// zstd's default, and the Collector's.
const ZSTD_LEVEL: i32 = 3;

/// 32 KiB, the only window that every gzip reader has.
const GZIP_WINDOW_BITS: u8 = 15;

/// From here on, compressing takes longer than a task may keep its thread (about 0.5 ms), and goes to a blocking one.
const INLINE_BYTES_MAX: usize = 32 << 10;

/// Compresses a whole body.
///
/// `Err`: the compressor failed, or the runtime is shutting down.
pub(crate) async fn compress(payload: GatherList, encoding: Encoding) -> io::Result<GatherList> {
    if encoding == Encoding::Identity {
        return Ok(payload);
    }
    let compressed = if payload.len() <= INLINE_BYTES_MAX {
        compress_now(&payload.into_bytes(), encoding)?
    } else {
        tokio::task::spawn_blocking(move || compress_now(&payload.into_bytes(), encoding)).await??
    };
    Ok(compressed.into())
}

pub(super) fn compress_now(payload: &[u8], encoding: Encoding) -> io::Result<Bytes> {
    match encoding {
        Encoding::Identity => Ok(Bytes::copy_from_slice(payload)),
        Encoding::Gzip => deflate(payload, Compress::new_gzip(flate2::Compression::new(GZIP_LEVEL), GZIP_WINDOW_BITS)),
        Encoding::Deflate => deflate(payload, Compress::new(flate2::Compression::new(GZIP_LEVEL), true)),
        Encoding::Zstd => zstd::bulk::compress(payload, ZSTD_LEVEL).map(Bytes::from),
    }
}

fn deflate(payload: &[u8], mut compress: Compress) -> io::Result<Bytes> {
    // Telemetry shrinks to a tenth; what does not is given more room below.
    let mut compressed = Vec::with_capacity(payload.len() / 4 + 64);
    let mut read = 0;
    loop {
        let left = payload.get(read..).unwrap_or_default();
        let before = compress.total_in();
        let status = compress.compress_vec(left, &mut compressed, FlushCompress::Finish).map_err(io::Error::other)?;
        read += (compress.total_in() - before) as usize;
        if status == Status::StreamEnd {
            return Ok(compressed.into());
        }
        compressed.reserve(compressed.capacity().max(64));
    }
}
