//! Decompressing request bodies as they arrive, into one buffer that never grows beyond its limit.
//!
//! A kilobyte can stand for a megabyte, so nothing is believed: the output is given room in steps, each taken from the
//! budget before it is written, and one byte over the limit ends it. Bodies of several gzip members or zstd frames are read
//! through, as the formats have it; what follows the last must be another.

use std::io;

use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::Encoding;
use crate::budget::{Permit, Spent};

/// Room for the output at first: what 8 KiB of compressed telemetry becomes.
const ROOM_BYTES_MIN: usize = 64 << 10;

/// What a step of input may be at most, so that a bomb's output is looked at, and other tasks get their turn, in between.
const INPUT_STEP_BYTES: usize = 8 << 10;

/// Output after which other tasks get their turn: about a millisecond of work.
const TURN_BYTES: usize = 1 << 20;

/// 8 MiB, what RFC 8878 asks of a decoder, and what the usual encoders stay within. A larger window would be memory that a
/// few bytes of input can claim.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// The largest of gzip's, which has no other limit.
const GZIP_WINDOW_BITS: u8 = 15;

/// What a decoder takes beside its output: gzip's window and tables, zstd's tables.
const DECODER_BYTES: usize = 48 << 10;

/// Why a body cannot be decompressed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("the body is larger than {limit} bytes when it is decompressed")]
    TooLarge { limit: usize },
    #[error(transparent)]
    Spent(#[from] Spent),
    #[error("the body ends within its {encoding} data")]
    Truncated { encoding: &'static str },
    #[error("the body is not valid {encoding}")]
    Corrupt {
        encoding: &'static str,
        #[source]
        source: io::Error,
    },
}

/// A body that is being decompressed.
pub(crate) struct Decompression {
    encoding: Encoding,
    state: State,
    /// Nothing is open: the input may end here.
    between: bool,
    /// Something ended already.
    seen: bool,
    output: Output,
}

enum State {
    Flate(Decompress),
    Zstd(Decoder<'static>),
}

/// The decompressed bytes. Its permit covers the buffer's capacity, and the decoder.
struct Output {
    buffer: Vec<u8>,
    permit: Permit,
    limit: usize,
    /// Of the output, what the decoder keeps a copy of.
    window_bytes_max: usize,
}

impl Decompression {
    /// For an encoding that is not [`Encoding::Identity`]. `wire_bytes_hint` is what the sender says the body has, or 0.
    pub fn new(
        encoding: Encoding,
        wire_bytes_hint: usize,
        limit: usize,
        permit: Permit,
    ) -> Result<Decompression, DecodeError> {
        let state = match encoding {
            Encoding::Zstd => State::Zstd(zstd_decoder().map_err(|source| corrupt(encoding, source))?),
            _ => State::Flate(flate_decoder(encoding)),
        };
        // A hint is not believed beyond a first step.
        let room = wire_bytes_hint.saturating_mul(8).clamp(ROOM_BYTES_MIN, TURN_BYTES);
        let window_bytes_max = if encoding == Encoding::Zstd { 1 << ZSTD_WINDOW_LOG_MAX } else { 0 };
        let mut output = Output { buffer: Vec::new(), permit, limit, window_bytes_max };
        output.permit.grow(DECODER_BYTES)?;
        output.grow(room)?;
        Ok(Decompression { encoding, state, between: true, seen: false, output })
    }

    /// Decompresses the next part of the body.
    pub async fn push(&mut self, input: &[u8]) -> Result<(), DecodeError> {
        let mut written_at_turn = self.output.buffer.len();
        for step in input.chunks(INPUT_STEP_BYTES) {
            self.step(step)?;
            if self.output.buffer.len() - written_at_turn >= TURN_BYTES {
                written_at_turn = self.output.buffer.len();
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// The decompressed body with its permit. `Err` if the input ended within something, or was nothing at all.
    pub fn finish(self) -> Result<(Vec<u8>, Permit), DecodeError> {
        if !(self.between && self.seen) {
            return Err(DecodeError::Truncated { encoding: self.encoding.name() });
        }
        let Output { mut buffer, mut permit, .. } = self.output;
        // What the last step had too much is worth giving back only where it is much.
        if buffer.capacity() - buffer.len() > buffer.len() / 4 {
            buffer.shrink_to_fit();
        }
        permit.shrink(buffer.capacity());
        Ok((buffer, permit))
    }

    fn step(&mut self, mut input: &[u8]) -> Result<(), DecodeError> {
        loop {
            self.output.make_room()?;
            let (read, ended) = self.decode(input).map_err(|source| corrupt(self.encoding, source))?;
            input = input.get(read..).unwrap_or_default();
            let full = self.output.buffer.len() == self.output.buffer.capacity();
            if ended {
                self.between = true;
                self.seen = true;
            } else if read > 0 {
                self.between = false;
            }
            if self.output.buffer.len() > self.output.limit {
                return Err(DecodeError::TooLarge { limit: self.output.limit });
            }
            // A full output may hide more that is still within the decoder.
            if input.is_empty() && (!full || ended) {
                return Ok(());
            }
        }
    }

    /// One call of the decoder, into the room that there is: bytes read, and whether a member or frame ended.
    fn decode(&mut self, input: &[u8]) -> io::Result<(usize, bool)> {
        let buffer = &mut self.output.buffer;
        match &mut self.state {
            State::Flate(decompress) => {
                let before = decompress.total_in();
                let status = decompress.decompress_vec(input, buffer, FlushDecompress::None)?;
                let read = (decompress.total_in() - before) as usize;
                match status {
                    Status::StreamEnd => {
                        *decompress = flate_decoder(self.encoding);
                        Ok((read, true))
                    }
                    // No progress with input and room at hand would go round for ever.
                    Status::BufError if !input.is_empty() && read == 0 && buffer.len() < buffer.capacity() => {
                        Err(io::Error::other("no progress"))
                    }
                    _ => Ok((read, false)),
                }
            }
            State::Zstd(decoder) => {
                let written = buffer.len();
                let mut from = InBuffer::around(input);
                let mut to = OutBuffer::around_pos(buffer, written);
                let hint = decoder.run(&mut from, &mut to)?;
                Ok((from.pos(), hint == 0))
            }
        }
    }
}

impl Output {
    /// Room for at least a byte, within one byte more than the limit: that one tells that it is exceeded.
    fn make_room(&mut self) -> Result<(), DecodeError> {
        if self.buffer.len() == self.buffer.capacity() { self.grow(self.buffer.capacity()) } else { Ok(()) }
    }

    fn grow(&mut self, by: usize) -> Result<(), DecodeError> {
        let capacity = self.buffer.capacity().saturating_add(by).min(self.limit.saturating_add(1));
        let before = self.buffer.capacity().min(capacity);
        let window = |output: usize| output.min(self.window_bytes_max);
        self.permit.grow(capacity - before + window(capacity) - window(before))?;
        self.buffer.reserve_exact(capacity - self.buffer.len());
        Ok(())
    }
}

fn flate_decoder(encoding: Encoding) -> Decompress {
    match encoding {
        Encoding::Deflate => Decompress::new(true),
        _ => Decompress::new_gzip(GZIP_WINDOW_BITS),
    }
}

fn zstd_decoder() -> io::Result<Decoder<'static>> {
    let mut decoder = Decoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
    Ok(decoder)
}

fn corrupt(encoding: Encoding, source: io::Error) -> DecodeError {
    DecodeError::Corrupt { encoding: encoding.name(), source }
}

#[cfg(test)]
mod tests {
    use super::super::compress::compress_now;
    use super::*;
    use crate::Budget;

    const ALL: [Encoding; 3] = [Encoding::Gzip, Encoding::Zstd, Encoding::Deflate];

    async fn decompress(encoding: Encoding, body: &[u8], step: usize, limit: usize) -> Result<Vec<u8>, DecodeError> {
        let budget = Budget::unlimited();
        let mut decompression = Decompression::new(encoding, body.len(), limit, budget.permit())?;
        for part in body.chunks(step) {
            decompression.push(part).await?;
        }
        let (buffer, permit) = decompression.finish()?;
        assert_eq!((permit.bytes(), budget.taken()), (buffer.capacity(), buffer.capacity()));
        Ok(buffer)
    }

    fn sample(len: usize) -> Vec<u8> {
        (0..len).map(|i| ((i * i) >> 7) as u8 ^ (i % 13) as u8).collect()
    }

    /// Whatever the size and however it is cut, what was compressed comes out.
    #[tokio::test]
    async fn round_trips() {
        for encoding in ALL {
            for len in [0, 1, 100, ROOM_BYTES_MIN, 300_000] {
                let body = compress_now(&sample(len), encoding).unwrap();
                for step in [1, 1000, usize::MAX] {
                    if step == 1 && body.len() > 1000 {
                        continue;
                    }
                    assert_eq!(decompress(encoding, &body, step, 1 << 20).await.unwrap(), sample(len));
                }
            }
        }
    }

    /// The limit itself fits, one byte more does not, with sizes below and above the first room.
    #[tokio::test]
    async fn limit_and_one_byte_more() {
        for encoding in ALL {
            for limit in [0, 1, ROOM_BYTES_MIN - 1, ROOM_BYTES_MIN, 200_000] {
                let body = compress_now(&sample(limit), encoding).unwrap();
                assert_eq!(decompress(encoding, &body, 4096, limit).await.unwrap().len(), limit);
                let body = compress_now(&sample(limit + 1), encoding).unwrap();
                let error = decompress(encoding, &body, 4096, limit).await.unwrap_err();
                assert!(matches!(error, DecodeError::TooLarge { .. }), "{encoding:?} {limit}: {error}");
            }
        }
    }

    /// A gigabyte of zeros in a megabyte or less: refused, with never more memory taken than the limit and a byte, and the decoder's.
    #[tokio::test]
    async fn a_bomb_takes_no_more_than_the_limit() {
        const LIMIT: usize = 1 << 20;
        for encoding in ALL {
            let bomb = compress_now(&vec![0; 64 << 20], encoding).unwrap();
            let window = if encoding == Encoding::Zstd { LIMIT + 1 } else { 0 };
            let budget = Budget::new(LIMIT + 1 + window + DECODER_BYTES);
            let mut decompression = Decompression::new(encoding, bomb.len(), LIMIT, budget.permit()).unwrap();
            let error = decompression.push(&bomb).await.unwrap_err();
            assert!(matches!(error, DecodeError::TooLarge { limit: LIMIT }), "{error}");
            assert!(decompression.output.buffer.capacity() <= LIMIT + 1);
        }
    }

    /// With the budget spent, decompression ends before it writes more.
    #[tokio::test]
    async fn a_spent_budget_ends_it() {
        let body = compress_now(&sample(1 << 20), Encoding::Zstd).unwrap();
        let budget = Budget::new(ROOM_BYTES_MIN * 2);
        let ended = async {
            let mut decompression = Decompression::new(Encoding::Zstd, 0, 1 << 21, budget.permit())?;
            decompression.push(&body).await
        };
        assert!(matches!(ended.await, Err(DecodeError::Spent(_))));
        assert_eq!(budget.taken(), 0);
    }

    /// Cut anywhere, a body is refused as cut; an empty body is no compressed body.
    #[tokio::test]
    async fn truncated() {
        for encoding in ALL {
            let body = compress_now(&sample(500), encoding).unwrap();
            for len in 0..body.len() {
                let error = decompress(encoding, &body[..len], 64, 1 << 20).await.unwrap_err();
                assert!(matches!(error, DecodeError::Truncated { .. }), "{encoding:?} at {len}: {error}");
            }
        }
    }

    /// Several members or frames are one body; garbage after the last, or in the middle, is refused.
    #[tokio::test]
    async fn several_members_and_garbage() {
        for encoding in ALL {
            let one = compress_now(&sample(5000), encoding).unwrap();
            let two = [&one[..], &one[..]].concat();
            assert_eq!(decompress(encoding, &two, 100, 1 << 20).await.unwrap(), sample(5000).repeat(2));
            let tailed = [&one[..], b"garbage that is long enough"].concat();
            assert!(decompress(encoding, &tailed, 100, 1 << 20).await.is_err());
            let error = decompress(encoding, b"{\"resourceSpans\":[]}", 100, 1 << 20).await.unwrap_err();
            assert!(matches!(error, DecodeError::Corrupt { .. }), "{error}");
        }
        let mut flipped = compress_now(&sample(5000), Encoding::Gzip).unwrap().to_vec();
        let checksum = flipped.len() - 6;
        flipped[checksum] ^= 1;
        assert!(decompress(Encoding::Gzip, &flipped, 100, 1 << 20).await.is_err());
    }

    /// A zstd frame that asks for a window of 16 MiB is refused before that memory is taken.
    #[tokio::test]
    async fn zstd_window_is_bounded() {
        // Magic, a descriptor without content size, window descriptor: exponent 14 over 2^10 is 16 MiB; an empty last block.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 14 << 3, 1, 0, 0];
        let error = decompress(Encoding::Zstd, &frame, 100, 1 << 20).await.unwrap_err();
        assert!(matches!(error, DecodeError::Corrupt { .. }), "{error}");
        let allowed = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3, 1, 0, 0];
        assert_eq!(decompress(Encoding::Zstd, &allowed, 100, 1 << 20).await.unwrap(), b"");
    }
}
