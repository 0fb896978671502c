//! Metrics as Prometheus takes them: names and labels, series and their state, exposition.
//!
//! ```text
//!  batch of points ──► Store::take: known series? ──yes──► its state
//!                                    │ no                     ▲
//!                                    └──► Translation ────────┘
//!                                                             │
//!  scraper ──Accept──► Format ──► Scrape::next, a piece at a time
//! ```
//!
//! OTLP pushes points of streams; Prometheus asks for the newest value of each series. Between the two stands the [`Store`]: it finds a
//! point's series by the bytes that identify it on the wire, so that names and labels are translated once for each series and not for
//! each point, and it adds up what came as deltas. A scrape walks the series as they are and writes them in pieces; no copy of them is
//! made for it, and points are taken meanwhile.
//!
//! Names and labels are those of "Prometheus and OpenMetrics Compatibility" of the OpenTelemetry specification, and of the Collector's
//! exporter where that is silent.
//!
//! Remote write ([`write`]) needs no state: each point goes as a sample of its own.
//!
//! Nothing here does I/O or waits for it.

mod exposition;
mod number;
mod remote_write;
#[cfg(test)]
mod requests;
mod store;
mod translate;
mod wire;

pub use exposition::{Escaping, Format, Protocol, Scrape};
pub use remote_write::{WriteProtocol, WriteRequest, WriteSettings, Writing, write};
pub use store::{
    BUCKETS_MAX, Clock, Counts, LABEL_BYTES_PER_SERIES, NATIVE_BUCKETS_MAX, QUANTILES_MAX, Reason, Store,
    StoreSettings, Tally,
};
pub use translate::{
    Family, HELP_BYTES_MAX, LABELS_BYTES_MAX, Labels, MetricType, NAME_BYTES_MAX, NameError, Origin, TooManyLabels,
    Translation,
};
