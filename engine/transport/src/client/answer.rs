//! What a backend's answers say.

use std::time::{Duration, SystemTime};

use ::http::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use prost::Message;
use wasmill_wire::{JsonDocument, from_json};

use crate::Accepted;
use crate::messages::{RpcStatus, decode_response};

/// The longest time that a backend may ask for, so that no sum with it overflows: a day.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What is quoted of an error that is text, in characters.
const QUOTE_CHARS_MAX: usize = 256;

/// A response's body, whole.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub data: Bytes,
    pub trailers: Option<HeaderMap>,
    /// There was more than the limit; `data` is what came before.
    pub cut: bool,
}

/// Reads a response of at most `bytes_max`.
pub(crate) async fn collect<B>(mut body: B, bytes_max: usize) -> Result<Collected, B::Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut collected = Collected::default();
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await.transpose()? {
        match frame.into_data() {
            Ok(data) if collected.data.len().max(joined.len()) + data.len() > bytes_max => {
                collected.cut = true;
                break;
            }
            // Most responses are one piece, or none.
            Ok(data) if collected.data.is_empty() && joined.is_empty() => collected.data = data,
            Ok(data) => {
                joined.extend_from_slice(&std::mem::take(&mut collected.data));
                joined.extend_from_slice(&data);
            }
            Err(frame) => collected.trailers = frame.into_trailers().ok(),
        }
    }
    if !joined.is_empty() {
        collected.data = joined.freeze();
    }
    Ok(collected)
}

/// A successful answer, with the beginning of what the backend has to say.
pub(super) fn accepted(message: Bytes) -> Result<Accepted, prost::DecodeError> {
    let Accepted { rejected, message } = decode_response(message)?;
    Ok(Accepted { rejected, message: quote(&message) })
}

/// The delay of a status's RetryInfo.
pub(super) fn retry_info(details: &[u8]) -> Option<Duration> {
    let retry_after = RpcStatus::decode(details).ok()?.retry_after()?;
    Some(retry_after.min(RETRY_AFTER_MAX))
}

/// `Retry-After`, in seconds or as a date; a date that has passed asks for no delay. A date is seen from that of the answer, if it has
/// one: the clocks of the backend and of the gateway may differ by more than what is asked for.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let delay = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let answered = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
            httpdate::parse_http_date(text).ok()?.duration_since(answered.unwrap_or(now)).unwrap_or_default()
        }
    };
    Some(delay.min(RETRY_AFTER_MAX))
}

/// What an error's body says: `google.rpc.Status`, else the beginning of its text.
pub(super) fn message(headers: &HeaderMap, body: &Bytes) -> String {
    if is_type(headers, b"application/x-protobuf")
        && let Ok(status) = RpcStatus::decode(body.clone())
        && !status.message.is_empty()
    {
        return quote(&status.message);
    }
    if is_type(headers, b"application/json")
        && let Ok(message) = from_json(JsonDocument::Status, body, body.len())
        && let Ok(status) = RpcStatus::decode(&*message)
        && !status.message.is_empty()
    {
        return quote(&status.message);
    }
    match body.is_empty() {
        true => "no reason was given".into(),
        false => quote(&String::from_utf8_lossy(body)),
    }
}

/// Whether the content type is `expected`, whatever its parameters.
pub(super) fn is_type(headers: &HeaderMap, expected: &[u8]) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return false };
    let kind = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(expected)
}

/// The beginning of a text, on one line: it ends in a log.
pub(super) fn quote(text: &str) -> String {
    let mut quoted: String = text.chars().take(QUOTE_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(QUOTE_CHARS_MAX).is_some() {
        quoted.push('…');
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds, dates to come and past, and nonsense.
    #[test]
    fn retry_after_forms() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let read = |text: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, now)
        };
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read("0"), Some(Duration::ZERO));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("18446744073709551615"), Some(RETRY_AFTER_MAX));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-1"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
        let date = |name, text: &'static str| (name, text.parse().unwrap());
        let answered = date(DATE, "Fri, 01 Jan 2100 00:00:00 GMT");
        let headers = HeaderMap::from_iter([answered, date(RETRY_AFTER, "Fri, 01 Jan 2100 00:00:05 GMT")]);
        assert_eq!(retry_after(&headers, now), Some(Duration::from_secs(5)), "another clock than ours");
    }

    /// What a backend says ends in a log as one short line.
    #[test]
    fn quotes_are_short_lines() {
        assert_eq!(quote("a\nb\u{1b}[31m"), "a b [31m");
        assert_eq!(quote(&"ü".repeat(300)).chars().count(), QUOTE_CHARS_MAX + 1);
    }
}
