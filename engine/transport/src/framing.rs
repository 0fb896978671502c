//! gRPC's unary calls over HTTP/2 bodies: the five bytes, the paths, the deadline, the trailers. The only place that knows
//! them, for both sides.
//!
//! ```text
//!  request    HEADERS POST /…/Export    DATA [flag u8][length u32 be][message]   END_STREAM
//!  answer     HEADERS 200               DATA [0][length][response]               HEADERS grpc-status: 0
//!  refusal    HEADERS 200 grpc-status: N, grpc-message, grpc-status-details-bin  END_STREAM
//! ```
//!
//! A message is sent as one HTTP/2 DATA stream of prefix and payload in one vectored write, never copied together.
//!
//! Source: `doc/PROTOCOL-HTTP2.md` of gRPC.

use std::convert::Infallible;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use wasmill_wire::{GatherList, Signal};

/// Bytes before each message.
pub(crate) const PREFIX_BYTES: usize = 5;

pub(crate) const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");
pub(crate) const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
pub(crate) const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
pub(crate) const STATUS_OK: HeaderValue = HeaderValue::from_static("0");
/// What a server of ours reads, for `grpc-accept-encoding`.
pub(crate) const ACCEPTED_ENCODINGS: HeaderValue = HeaderValue::from_static("identity,gzip,zstd");

/// What stands before a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    pub compressed: bool,
    /// Bytes of the message as it is sent.
    pub len: u32,
}

/// A first byte that is neither 0 nor 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadFlag(pub u8);

impl Prefix {
    pub fn parse([flag, len @ ..]: [u8; PREFIX_BYTES]) -> Result<Prefix, BadFlag> {
        let compressed = match flag {
            0 => false,
            1 => true,
            _ => return Err(BadFlag(flag)),
        };
        Ok(Prefix { compressed, len: u32::from_be_bytes(len) })
    }

    pub fn bytes(self) -> [u8; PREFIX_BYTES] {
        let [a, b, c, d] = self.len.to_be_bytes();
        [u8::from(self.compressed), a, b, c, d]
    }
}

/// The path of a signal's only method.
pub(crate) fn path(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

/// The signal of a path; `None`: no method of ours.
pub(crate) fn signal(of: &str) -> Option<Signal> {
    Signal::ALL.into_iter().find(|signal| path(*signal) == of)
}

/// Whether a content type is gRPC with protobuf.
pub(crate) fn is_grpc(content_type: Option<&HeaderValue>) -> bool {
    let Some(rest) = content_type.and_then(|value| value.as_bytes().strip_prefix(b"application/grpc")) else {
        return false;
    };
    rest.is_empty() || rest.starts_with(b";") || rest == b"+proto" || rest.starts_with(b"+proto;")
}

/// Reads `grpc-timeout`: at most eight digits and a unit.
pub(crate) fn parse_timeout(value: &HeaderValue) -> Option<Duration> {
    let (unit, digits) = value.as_bytes().split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let amount = digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(amount * 60 * 60),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// Writes `grpc-timeout` in the finest of the units that eight digits hold.
pub(crate) fn format_timeout(timeout: Duration) -> HeaderValue {
    const EIGHT_DIGITS: u128 = 99_999_999;
    let text = if timeout.as_micros() <= EIGHT_DIGITS {
        format!("{}u", timeout.as_micros())
    } else if timeout.as_millis() <= EIGHT_DIGITS {
        format!("{}m", timeout.as_millis())
    } else {
        format!("{}S", timeout.as_secs().min(EIGHT_DIGITS as u64))
    };
    // Digits and a letter always are a header value.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("99999999S"))
}

/// The HTTP status's meaning where an answer has no `grpc-status`: it was not gRPC that answered.
///
/// Source: `doc/http-grpc-status-mapping.md` of gRPC.
pub(crate) fn code_of_http(status: http::StatusCode) -> tonic::Code {
    match status.as_u16() {
        400 => tonic::Code::Internal,
        401 => tonic::Code::Unauthenticated,
        403 => tonic::Code::PermissionDenied,
        404 => tonic::Code::Unimplemented,
        429 | 502 | 503 | 504 => tonic::Code::Unavailable,
        _ => tonic::Code::Unknown,
    }
}

/// A message with its prefix, as one buffer that was never put together.
#[derive(Debug)]
pub(crate) struct Message {
    prefix: [u8; PREFIX_BYTES],
    /// Bytes of the prefix that are gone.
    prefix_at: usize,
    payload: GatherList,
}

impl Message {
    /// `None` for 4 GiB or more, which the prefix cannot say.
    pub fn new(payload: impl Into<GatherList>, compressed: bool) -> Option<Message> {
        let payload = payload.into();
        let len = u32::try_from(payload.len()).ok()?;
        Some(Message { prefix: Prefix { compressed, len }.bytes(), prefix_at: 0, payload })
    }

    fn prefix_left(&self) -> &[u8] {
        self.prefix.get(self.prefix_at..).unwrap_or_default()
    }
}

impl Buf for Message {
    fn remaining(&self) -> usize {
        self.prefix_left().len() + self.payload.len()
    }

    fn chunk(&self) -> &[u8] {
        let prefix = self.prefix_left();
        if prefix.is_empty() { self.payload.chunk() } else { prefix }
    }

    fn chunks_vectored<'a>(&'a self, to: &mut [IoSlice<'a>]) -> usize {
        match (self.prefix_left(), to) {
            ([], to) => self.payload.chunks_vectored(to),
            (prefix, [first, rest @ ..]) => {
                *first = IoSlice::new(prefix);
                1 + self.payload.chunks_vectored(rest)
            }
            (_, []) => 0,
        }
    }

    fn advance(&mut self, bytes: usize) {
        let of_prefix = bytes.min(self.prefix_left().len());
        self.prefix_at += of_prefix;
        self.payload.advance(bytes - of_prefix);
    }
}

/// A body of at most one message and, after it, trailers.
#[derive(Debug, Default)]
pub(crate) struct UnaryBody {
    message: Option<Message>,
    trailers: Option<HeaderMap>,
}

impl UnaryBody {
    /// A client's: nothing follows.
    pub fn request(message: Message) -> UnaryBody {
        UnaryBody { message: Some(message), trailers: None }
    }

    /// A server's, of a call that succeeded. Responses are small and never compressed.
    pub fn success(response: Bytes) -> UnaryBody {
        let trailers = HeaderMap::from_iter([(GRPC_STATUS, STATUS_OK)]);
        UnaryBody { message: Message::new(response, false), trailers: Some(trailers) }
    }
}

impl Body for UnaryBody {
    type Data = Message;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Message>, Infallible>>> {
        let frame = match self.message.take() {
            Some(message) => Some(Frame::data(message)),
            None => self.trailers.take().map(Frame::trailers),
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.message.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.message.as_ref().map_or(0, |message| message.remaining() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A prefix that is written is read back; a flag that gRPC does not know is refused.
    #[test]
    fn prefixes() {
        for prefix in [Prefix { compressed: false, len: 0 }, Prefix { compressed: true, len: u32::MAX }] {
            assert_eq!(Prefix::parse(prefix.bytes()), Ok(prefix));
        }
        assert_eq!(Prefix { compressed: true, len: 258 }.bytes(), [1, 0, 0, 1, 2]);
        assert_eq!(Prefix::parse([2, 0, 0, 0, 0]), Err(BadFlag(2)));
    }

    /// However a writer takes a message (whole, vectored, byte by byte), it gets prefix and payload once.
    #[test]
    fn a_message_is_one_buffer() {
        let message = || Message::new(Bytes::from_static(b"spans"), true).unwrap();
        let expected = b"\x01\0\0\0\x05spans";
        assert_eq!(message().copy_to_bytes(10), expected.as_slice());
        let mut slices = [IoSlice::new(&[]); 4];
        let whole = message();
        let filled = whole.chunks_vectored(&mut slices);
        assert_eq!(joined(&slices[..filled]), expected);
        for cut in 0..=expected.len() {
            let mut message = message();
            let head = message.copy_to_bytes(cut);
            let mut slices = [IoSlice::new(&[]); 4];
            let filled = message.chunks_vectored(&mut slices);
            assert_eq!([head.to_vec(), joined(&slices[..filled])].concat(), expected);
        }
    }

    fn joined(slices: &[IoSlice<'_>]) -> Vec<u8> {
        slices.iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    /// Deadlines as clients write them; what they may not write is none.
    #[test]
    fn timeouts() {
        let parse = |text| parse_timeout(&HeaderValue::from_static(text));
        assert_eq!(parse("10S"), Some(Duration::from_secs(10)));
        assert_eq!(parse("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!(parse("1m"), Some(Duration::from_millis(1)));
        assert_eq!(parse("7n"), Some(Duration::from_nanos(7)));
        for odd in ["", "S", "123456789S", "10s", "-1S", "1.5S", "10"] {
            assert_eq!(parse(odd), None, "{odd}");
        }
        for timeout in [Duration::ZERO, Duration::from_secs(5), Duration::from_secs(500), Duration::from_secs(1 << 20)]
        {
            assert_eq!(parse_timeout(&format_timeout(timeout)), Some(timeout));
        }
        assert!(parse_timeout(&format_timeout(Duration::MAX)).is_some());
    }

    /// The content types of gRPC clients, and of those who knock at the wrong port.
    #[test]
    fn content_types() {
        let is = |text| is_grpc(Some(&HeaderValue::from_static(text)));
        assert!(is("application/grpc") && is("application/grpc+proto") && is("application/grpc; charset=utf-8"));
        assert!(!is("application/grpc-web") && !is("application/grpc+json") && !is("application/x-protobuf"));
        assert!(!is_grpc(None));
    }
}
