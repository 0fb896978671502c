//! From a body on its way to one contiguous, decompressed buffer: every limit on a request's size is here.
//!
//! A length that the sender announces decides only what is refused at once and how much room there is at first; memory is
//! taken as bytes come. An uncompressed body that comes in one piece is not copied at all, any other once.
//!
//! A body that is on its way holds what has come. When the budget is short, whoever is slow gives way ([`Pace`]): else a few
//! clients that stall would keep everybody out for as long as a body may take.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::Request;
use http_body::Body;
use tokio::time::{Instant, timeout_at};
use wasmill_batch::{Refusal, RefusalKind};
use wasmill_wire::JsonError;

use crate::Budget;
use crate::budget::{Permit, Spent};
use crate::encoding::{DecodeError, Decompression, Encoding};
use crate::framing::{PREFIX_BYTES, Prefix};
use crate::settings::BUDGET_RETRY_AFTER;

/// Room at first for a body whose length is announced: no more than this is believed before it arrives.
const ROOM_BYTES_MAX: usize = 1 << 20;

/// Room at first for a body of unknown length.
const ROOM_BYTES_MIN: usize = 64 << 10;

/// A piece below this is copied even if it is the whole body: it may be a small part of a large read buffer, which it would
/// keep alive. Copying costs less than a microsecond.
const SHARED_BYTES_MIN: usize = 16 << 10;

/// What a request that is open takes beside its head and body: a stream, a task, the handler's state. Measured: 4 KiB, for each of
/// 30,000 on 300 connections; another handler may have more.
const OPEN_BYTES: usize = 8 << 10;

/// When the budget is short, a body has to bring [`PACE_BYTES`] in this time, or its end.
const PACE_PERIOD: Duration = Duration::from_secs(2);

/// 32 KiB/s: what brings 64 MiB brings it 17 times as fast, if it is to arrive within the minute that a body may take.
const PACE_BYTES: usize = 64 << 10;

/// A body, whole.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Owns its part of the budget.
    pub payload: Bytes,
    /// Bytes as they came, without gRPC's prefix.
    pub wire_bytes: usize,
}

/// Why a body was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntakeError {
    #[error("the request is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error(transparent)]
    Spent(#[from] Spent),
    #[error(transparent)]
    Decode(DecodeError),
    #[error("the request ends after {found} of {announced} bytes")]
    Short { found: usize, announced: usize },
    #[error("the request has more than its one message")]
    Long,
    #[error("the request has no message")]
    NoMessage,
    #[error("the message's compression flag is {0}, expected 0 or 1")]
    Flag(u8),
    #[error("the message is compressed, but `grpc-encoding` does not say how")]
    FlagWithoutEncoding,
    #[error(transparent)]
    Json(JsonError),
    #[error(
        "the request came slowly while the gateway holds nearly as many bytes of requests as it may, try again later"
    )]
    Slow,
    #[error("the request broke off")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
}

/// What intake needs to know of a request.
pub(crate) struct Terms {
    pub encoding: Encoding,
    /// Of the body, both as it comes and decompressed.
    pub bytes_max: usize,
    /// Of no bytes yet.
    pub permit: Permit,
}

/// What a request takes while it is open, its body aside: to be held until it is answered.
pub(crate) fn open<B>(request: &Request<B>, budget: &Arc<Budget>) -> Result<Permit, IntakeError> {
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let mut permit = budget.permit();
    permit.grow(OPEN_BYTES + path + headers.sum::<usize>())?;
    Ok(permit)
}

/// Takes an HTTP body. `announced` is its `content-length`.
pub(crate) async fn take_body<B>(body: B, announced: Option<u64>, terms: Terms) -> Result<Taken, IntakeError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let limit = terms.bytes_max;
    // A length that no memory holds is over any limit.
    let announced = announced.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced.is_some_and(|length| length > limit) {
        return Err(IntakeError::TooLarge { limit });
    }
    let mut chunks = Chunks::new(body, &terms.permit);
    let mut content = Content::new(announced, terms)?;
    while let Some(chunk) = chunks.next().await? {
        content.push(chunk).await?;
    }
    content.finish()
}

/// Takes the one message of a gRPC request's body.
pub(crate) async fn take_message<B>(body: B, terms: Terms) -> Result<Taken, IntakeError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let limit = terms.bytes_max;
    let mut chunks = Chunks::new(body, &terms.permit);
    let (prefix, first) = chunks.prefix().await?;
    // An encoding is announced for the call and used by message.
    let encoding = match (prefix.compressed, terms.encoding) {
        (true, Encoding::Identity) => return Err(IntakeError::FlagWithoutEncoding),
        (true, encoding) => encoding,
        (false, _) => Encoding::Identity,
    };
    let announced = usize::try_from(prefix.len).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(IntakeError::TooLarge { limit });
    }
    let mut content = Content::new(Some(announced), Terms { encoding, ..terms })?;
    let mut left = announced;
    let mut next = first;
    loop {
        if next.len() > left {
            return Err(IntakeError::Long);
        }
        left -= next.len();
        content.push(next).await?;
        // The end of the stream is waited for, because a client may take an earlier answer as a reset.
        match chunks.next().await? {
            Some(chunk) => next = chunk,
            None if left > 0 => return Err(IntakeError::Short { found: announced - left, announced }),
            None => return content.finish(),
        }
    }
}

/// The data of a body; trailers are not looked at.
struct Chunks<B> {
    body: Pin<Box<B>>,
    pace: Pace,
}

/// How fast a body comes.
struct Pace {
    budget: Arc<Budget>,
    /// Since when `bytes` have come. `None`: it was not waited for since.
    since: Option<Instant>,
    bytes: usize,
}

impl Pace {
    fn brought(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes >= PACE_BYTES {
            (self.since, self.bytes) = (None, 0);
        }
    }

    /// Waits for the next piece, for as long as that is not too slow.
    async fn wait<F>(&mut self, next: impl Future<Output = F>) -> Result<F, IntakeError> {
        let mut next = pin!(next);
        loop {
            let since = *self.since.get_or_insert_with(Instant::now);
            match timeout_at(since + PACE_PERIOD, next.as_mut()).await {
                Ok(frame) => return Ok(frame),
                Err(_) if self.budget.is_short() => return Err(IntakeError::Slow),
                Err(_) => (self.since, self.bytes) = (None, 0),
            }
        }
    }
}

impl<B> Chunks<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    fn new(body: B, permit: &Permit) -> Self {
        let pace = Pace { budget: Arc::clone(permit.budget()), since: None, bytes: 0 };
        Chunks { body: Box::pin(body), pace }
    }

    /// The next piece, not empty; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, IntakeError> {
        loop {
            if self.body.is_end_stream() {
                return Ok(None);
            }
            let Chunks { body, pace } = self;
            // What is there needs no clock.
            let there = poll_fn(|cx| match body.as_mut().poll_frame(cx) {
                Poll::Ready(frame) => Poll::Ready(Some(frame)),
                Poll::Pending => Poll::Ready(None),
            });
            let frame = match there.await {
                Some(frame) => frame,
                None => pace.wait(poll_fn(|cx| body.as_mut().poll_frame(cx))).await?,
            };
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(IntakeError::Broken(error.into())),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        self.pace.brought(data.len());
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The prefix, and what came with its last byte.
    async fn prefix(&mut self) -> Result<(Prefix, Bytes), IntakeError> {
        let mut prefix = [0; PREFIX_BYTES];
        let mut found = 0;
        loop {
            let Some(mut chunk) = self.next().await? else {
                return Err(match found {
                    0 => IntakeError::NoMessage,
                    _ => IntakeError::Short { found, announced: PREFIX_BYTES },
                });
            };
            for (to, from) in prefix.iter_mut().skip(found).zip(chunk.iter()) {
                *to = *from;
            }
            let more = chunk.len().min(PREFIX_BYTES - found);
            found += more;
            chunk.advance(more);
            if found == PREFIX_BYTES {
                return Ok((Prefix::parse(prefix).map_err(|flag| IntakeError::Flag(flag.0))?, chunk));
            }
        }
    }
}

/// A body's content while it arrives.
struct Content {
    wire_bytes: usize,
    limit: usize,
    state: State,
}

enum State {
    Plain(Plain),
    Compressed(Box<Decompression>),
}

/// What is not compressed.
struct Plain {
    /// The only piece so far.
    whole: Option<Bytes>,
    /// Where there are several.
    buffer: Vec<u8>,
    announced: Option<usize>,
    limit: usize,
    permit: Permit,
}

impl Content {
    fn new(announced: Option<usize>, terms: Terms) -> Result<Content, IntakeError> {
        let Terms { encoding, bytes_max: limit, permit } = terms;
        let state = match encoding {
            Encoding::Identity => State::Plain(Plain { whole: None, buffer: Vec::new(), announced, limit, permit }),
            _ => State::Compressed(Box::new(Decompression::new(encoding, announced.unwrap_or(0), limit, permit)?)),
        };
        Ok(Content { wire_bytes: 0, limit, state })
    }

    async fn push(&mut self, chunk: Bytes) -> Result<(), IntakeError> {
        self.wire_bytes += chunk.len();
        if self.wire_bytes > self.limit {
            return Err(IntakeError::TooLarge { limit: self.limit });
        }
        match &mut self.state {
            State::Plain(plain) => plain.push(chunk)?,
            State::Compressed(decompression) => decompression.push(&chunk).await?,
        }
        Ok(())
    }

    fn finish(self) -> Result<Taken, IntakeError> {
        let payload = match self.state {
            State::Plain(plain) => plain.finish(),
            State::Compressed(decompression) => {
                let (data, permit) = decompression.finish()?;
                own(data, permit)
            }
        };
        Ok(Taken { payload, wire_bytes: self.wire_bytes })
    }
}

impl Plain {
    fn push(&mut self, chunk: Bytes) -> Result<(), Spent> {
        self.permit.grow(chunk.len())?;
        if self.buffer.is_empty() && self.whole.is_none() {
            match self.announced {
                // More will come: copied at once, while it is in the processor's cache.
                Some(announced) if announced > chunk.len() => self.append(&chunk),
                _ => self.whole = Some(chunk),
            }
            return Ok(());
        }
        if let Some(whole) = self.whole.take() {
            self.append(&whole);
        }
        self.append(&chunk);
        Ok(())
    }

    fn append(&mut self, chunk: &[u8]) {
        let needed = self.buffer.len() + chunk.len();
        if needed > self.buffer.capacity() {
            let room = match self.announced {
                Some(announced) if self.buffer.is_empty() => announced.min(ROOM_BYTES_MAX),
                Some(announced) => announced.min(self.buffer.capacity() * 2),
                None => self.limit.min((self.buffer.capacity() * 2).max(ROOM_BYTES_MIN)),
            };
            self.buffer.reserve_exact(room.max(needed) - self.buffer.len());
        }
        self.buffer.extend_from_slice(chunk);
    }

    fn finish(self) -> Bytes {
        match self.whole {
            Some(whole) if whole.len() >= SHARED_BYTES_MIN => own(whole, self.permit),
            Some(whole) => own(whole.to_vec(), self.permit),
            None => {
                let mut buffer = self.buffer;
                if buffer.capacity() - buffer.len() > buffer.len() / 4 {
                    buffer.shrink_to_fit();
                }
                own(buffer, self.permit)
            }
        }
    }
}

/// A buffer that gives its part of the budget back when it goes.
pub(crate) fn own<D: AsRef<[u8]> + Send + 'static>(data: D, permit: Permit) -> Bytes {
    struct Owned<D> {
        data: D,
        _permit: Permit,
    }

    impl<D: AsRef<[u8]>> AsRef<[u8]> for Owned<D> {
        fn as_ref(&self) -> &[u8] {
            self.data.as_ref()
        }
    }

    Bytes::from_owner(Owned { data, _permit: permit })
}

impl From<DecodeError> for IntakeError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Spent(spent) => IntakeError::Spent(spent),
            error => IntakeError::Decode(error),
        }
    }
}

impl IntakeError {
    /// What the sender is told.
    pub fn refusal(&self) -> Refusal {
        let kind = match self {
            IntakeError::TooLarge { .. } | IntakeError::Decode(DecodeError::TooLarge { .. }) => RefusalKind::TooLarge,
            IntakeError::Spent(_) | IntakeError::Slow | IntakeError::Broken(_) => RefusalKind::Unavailable,
            // gRPC's specification of compression says so.
            IntakeError::FlagWithoutEncoding => RefusalKind::Internal,
            _ => RefusalKind::Invalid,
        };
        let mut reason = self.to_string();
        // The decoder's reason, which is this error's second sentence.
        if let IntakeError::Decode(DecodeError::Corrupt { source, .. }) = self {
            reason = format!("{reason}: {source}");
        }
        let retry_after = matches!(self, IntakeError::Spent(_) | IntakeError::Slow).then_some(BUDGET_RETRY_AFTER);
        Refusal { retry_after, ..Refusal::new(kind, reason) }
    }
}

#[cfg(test)]
mod tests;
