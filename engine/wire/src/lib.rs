//! The wire engine: OTLP requests as they came, indexed, seen as columns, edited and encoded without decoding them.
//!
//! An `Export{Trace,Logs,Metrics}ServiceRequest` is one protobuf buffer. [`WireBatch::parse`] validates it once, to the
//! letter of what `prost` accepts, and notes where each record lies; from then on a record is a range of bytes. Columns
//! are projected out of these ranges when somebody asks ([`WireBatch::columns`]), and what was not changed is copied out
//! again as it stood ([`encode`]).
//!
//! ```text
//!  bytes ──parse──► WireBatch ──columns──► Arrow arrays ──► a decision
//!                      │                                       │
//!                      └────────── edit, select ◄──────────────┘
//!                                      │
//!                                    encode ──► bytes
//! ```
//!
//! Nothing here does I/O, waits, or knows of plugins. `prost` is the oracle of the tests, and only that.

mod batch;
mod edit;
mod encode;
mod error;
mod field;
mod gather;
mod index;
mod json;
mod merge;
#[cfg(test)]
mod oracle;
mod parse;
mod path;
mod project;
mod record_batch;
mod scan;
mod select;
mod shape;
mod signal;
mod varint;
mod view;

pub use batch::{IdFaults, WireBatch};
pub use edit::{Change, Edit, EditError, Like, NewRecords, NewRecordsError, Overlay, Rows, create};
pub use encode::{encode, encode_limited, encoded_len, gather};
pub use error::WireError;
pub use field::{Fields, RawField, WireType, fields};
pub use gather::GatherList;
pub use index::{Extent, Index, MetricData, MetricKind, Parent, Record};
pub use json::{JsonDocument, JsonError, WIRE_PER_JSON_MAX, from_json, to_json};
pub use merge::{MergePart, compact, merge};
pub use path::{Field, Key, Level, Path, PathError};
pub use project::{ColumnRequest, ColumnType, Projection, TextForm, any_fields};
pub use record_batch::record_batch;
pub use select::Selection;
pub use signal::Signal;
pub use view::{Any, Message, any, attribute};
