//! OTLP/JSON, transcoded: documents to and from the bytes of the protobuf messages that they stand for.
//!
//! ```text
//!  JSON ──from_json──► Export…ServiceRequest ──► WireBatch::parse, and all that follows
//!  JSON ◄───to_json─── Export…ServiceRequest ◄── encode
//! ```
//!
//! Everything behind the receivers and before the exporters knows one form of a request. So JSON is not decoded into values:
//! one table of OTLP's messages ([`schema`]) drives a reader that writes wire bytes as it meets the fields, and a writer that
//! walks wire bytes. No value is kept, and nothing is allocated for a record: the output grows, and a field that is written
//! with escapes where bytes are meant goes through one scratch buffer.
//!
//! **Reading** is one pass. A message's length stands before it and is known after it, so the length is patched in: room is
//! left for as many bytes as the last message of that kind needed, which nearly always is right; where it is not, the message
//! is moved by the difference. Measuring first would read the document twice. Below [`from_json::MOVED_DEPTH`] levels nothing
//! is moved: lengths there are written in five bytes, which protobuf permits, so that nesting cannot make work of its own.
//! The output has at most [`WIRE_PER_JSON_MAX`] times the bytes of the document, and at most what the caller allows.
//!
//! What is taken is OTLP's mapping, as the Collector reads it: names in lowerCamelCase or snake_case, in any order, unknown
//! ones ignored with whatever they hold; ids in hex of either case; other bytes in base64 of either alphabet, padded or not;
//! whole numbers as numbers or texts, also `1.0` and `1e3`; enums as numbers or names; doubles as numbers or texts, `"NaN"`,
//! `"Infinity"`, `"-Infinity"`; `null` for "not there", as an element for an empty message. A name that comes twice means
//! what the field twice in a message means: the last number or text, all elements of both lists, messages merged. A half of a
//! surrogate pair is read as U+FFFD. The Collector differs in that it takes what follows the document, and control characters
//! in some texts; here both are refused. Ids of a wrong length are not refused here but where all requests are judged.
//!
//! **Writing** walks each message once to see which fields it has and where, then writes them in the order of the table, as
//! the Collector does: fields that have their default are left out, 64-bit integers are texts, enums numbers, ids small hex.
//! Unknown fields have no name and so are left out. A field that is spread over a message, or repeated against its rule, is
//! put together as protobuf merges it.

mod bytes;
mod from_json;
mod number;
mod reader;
mod schema;
mod text;
mod to_json;

pub(crate) use bytes::put_base64;
pub(crate) use number::{put_double, put_integer};
pub(crate) use text::escape as put_text;

use crate::Signal;
use crate::field::Fault;
use reader::{JsonFault, Reason};

/// Wire bytes for each byte of a document, at most: `[1,1,1]` are doubles of eight bytes for every two.
pub const WIRE_PER_JSON_MAX: usize = 4;

/// What a document stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JsonDocument {
    /// `Export…ServiceRequest`.
    Request(Signal),
    /// `Export…ServiceResponse`.
    Response(Signal),
    /// `google.rpc.Status`, its code and message.
    Status,
}

/// A document that is not what it should be. Nothing of it was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// `offset` counts from the first byte of the document; `reason` says what was expected and what was found.
    #[error("not valid OTLP/JSON at byte {offset}: {reason}")]
    Invalid { offset: usize, reason: String },
    #[error("the request has more than {limit} bytes as protobuf")]
    TooLarge { limit: usize },
    /// `offset` counts from the first byte of the message that was to be written.
    #[error("not a valid OTLP message at byte {offset}: {reason}")]
    Wire { offset: usize, reason: &'static str },
}

/// Writes a document's message as wire bytes, of which there may be `bytes_max`.
///
/// A request that this gives is one that [`crate::WireBatch::parse`] takes (but for its limit on records).
pub fn from_json(document: JsonDocument, json: &[u8], bytes_max: usize) -> Result<Vec<u8>, JsonError> {
    from_json::from_json(schema::root(document), json, bytes_max).map_err(|fault| error(json, fault))
}

#[cold]
fn error(json: &[u8], JsonFault { offset, reason }: JsonFault) -> JsonError {
    let found = reader::found(json, offset);
    let reason = match reason {
        Reason::Expected(what) => format!("expected {what}, found {found}"),
        Reason::Field(name, what) => format!("`{name}` is {what}, found {found}"),
        Reason::Other(reason) => reason.to_owned(),
        Reason::TooLarge(limit) => return JsonError::TooLarge { limit },
    };
    JsonError::Invalid { offset, reason }
}

/// Appends a message as JSON on one line, without a line break. A request is to be one that [`crate::WireBatch::parse`] takes.
///
/// Bytes that are no such message are refused where that is noticed; then `out` holds a part, which is to be thrown away.
pub fn to_json(document: JsonDocument, wire: &[u8], out: &mut Vec<u8>) -> Result<(), JsonError> {
    let written = to_json::to_json(schema::root(document), wire, out);
    written.map_err(|Fault { offset, reason }| JsonError::Wire { offset, reason })
}
