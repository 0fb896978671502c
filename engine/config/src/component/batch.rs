//! The `batch` processor.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::FileProcessor;
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{BatchProcessor, Endpoint, Processor};
use crate::schema::{Kind, Section, key};

pub(super) static SECTION: Section = Section {
    keys: &[
        key("timeout", Kind::Duration, "200ms", "How long a row waits at most; up to 1h. `0`: nothing waits."),
        key(
            "send_batch_size",
            Kind::Integer,
            "8192",
            "So many rows (spans, log records, data points) are sent without waiting any longer. `0`: nothing waits.",
        ),
        key(
            "send_batch_max_size",
            Kind::Integer,
            "0",
            "No more rows than that in one batch, at least `send_batch_size`: larger ones are split. `0`: no limit.",
        ),
        key(
            "metadata_keys",
            Kind::Ids,
            "[]",
            "Headers of the clients, which the receiver passes on with `include_metadata`: requests are batched together only \
             where all of these are the same, and a batch keeps these alone. Without any, a batch keeps no header.",
        ),
        key(
            "metadata_cardinality_limit",
            Kind::Integer,
            "1000",
            "Combinations of these headers that may have rows waiting at one time; clients that would add one are told to \
             retry. `0`: no limit.",
        ),
    ],
};

/// A row that waits longer is not batched but stored.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<FileProcessor> {
    let default = BatchProcessor::default();
    let rows = |key: &str, default: usize| reader.get::<u64>(key).map_or(default, to_usize);
    let batch = BatchProcessor {
        timeout: reader
            .checked("timeout", "a duration, `0s` to `1h`", |timeout| *timeout <= TIMEOUT_MAX)
            .unwrap_or(default.timeout),
        rows_trigger: rows("send_batch_size", default.rows_trigger),
        rows_max: NonZeroUsize::new(rows("send_batch_max_size", 0)),
        metadata_keys: read_metadata_keys(reader),
        metadata_combinations_max: NonZeroUsize::new(
            reader.get::<u64>("metadata_cardinality_limit").map_or(BatchProcessor::METADATA_COMBINATIONS_MAX, to_usize),
        ),
    };
    if let Some(most) = batch.rows_max.filter(|most| most.get() < batch.rows_trigger) {
        let problem = Problem::Invalid(format!(
            "expected at least `send_batch_size`, which is {}; found {most}",
            batch.rows_trigger
        ));
        reader.report.error(&reader.place("send_batch_max_size"), problem);
    }
    Some(FileProcessor::Other(Processor::Batch(batch)))
}

/// In lower case, as headers are kept.
pub(super) fn read_metadata_keys(reader: &Reader) -> Vec<Arc<str>> {
    let mut keys: Vec<Arc<str>> = Vec::new();
    for Located { value, place } in reader.list::<String>("metadata_keys") {
        let key: Arc<str> = value.to_ascii_lowercase().into();
        if keys.contains(&key) {
            reader.report.error(&place, Problem::ListedTwice { id: value });
        } else {
            keys.push(key);
        }
    }
    keys
}

pub(super) fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
