//! Log records as Loki takes them: labels, streams and structured metadata, from OTLP as it came.
//!
//! Loki indexes a stream's labels, and nothing else; everything of a record that is no label is in its line or in its structured metadata.
//! A label with many values makes many streams, which is what Loki is worst at: so few attributes become labels unless more are asked for.
//!
//! Two records of one stream lie beside each other in a push, wherever they were in the request. What Loki would refuse for its length or
//! number is cut or left out here and counted ([`Altered`]): it would refuse the line otherwise, or all lines of a stream.
//!
//! Pure: bytes in, bytes out.

mod altered;
mod answer;
mod form;
mod hint;
mod label;
mod line;
mod metadata;
mod name;
mod options;
mod push;
mod record;
mod stream;
#[cfg(test)]
mod tests;
mod translate;

pub use altered::Altered;
pub use answer::{Refused, refused};
pub use options::{DefaultLabels, Encoding, Limits, LineFormat, Options};
pub use push::Push;
pub use stream::is_tenant;
pub use translate::{Translation, Translator};
