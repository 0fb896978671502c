//! What a scraper reads: the store's series as text, OpenMetrics or protobuf, a piece at a time.

mod escape;
mod negotiate;
mod protobuf;
mod scrape;
mod text;

pub use escape::Escaping;
pub use negotiate::{Format, Protocol};
pub use scrape::Scrape;

pub(crate) use protobuf::put_native;

#[cfg(test)]
mod tests;
