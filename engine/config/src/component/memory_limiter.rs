//! `memory_limiter`, as a processor and as an extension.

use std::time::Duration;

use super::FileProcessor;
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{Endpoint, Extension, MemoryLimiter, MemoryShare, Processor};
use crate::schema::{Kind, Section, key, required};

pub(super) static SECTION: Section = Section {
    keys: &[
        required("check_interval", Kind::Duration, "How often the process's memory is looked at; 1ms to 1h."),
        key(
            "limit_mib",
            Kind::Integer,
            "0",
            "The memory that the process may use. It, or `limit_percentage`, is needed.",
        ),
        key(
            "spike_limit_mib",
            Kind::Integer,
            "0",
            "So much below the limit requests are refused, and their clients told to retry. `0`: a fifth of the limit.",
        ),
        key(
            "limit_percentage",
            Kind::Integer,
            "0",
            "The limit as a part of the memory of the control group, or of the machine; `limit_mib` goes before it.",
        ),
        key("spike_limit_percentage", Kind::Integer, "0", "As `spike_limit_mib`, of the same memory."),
        key(
            "min_gc_interval_when_soft_limited",
            Kind::Duration,
            "10s",
            "How often memory that is free but kept is given back to the system at most, while requests are refused.",
        ),
        key(
            "min_gc_interval_when_hard_limited",
            Kind::Duration,
            "0s",
            "The same above the limit itself; not more than that.",
        ),
    ],
};

const CHECK_INTERVAL_MIN: Duration = Duration::from_millis(1);
const CHECK_INTERVAL_MAX: Duration = Duration::from_secs(60 * 60);

pub(super) fn read_processor(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<FileProcessor> {
    Some(FileProcessor::Other(Processor::MemoryLimiter(read(reader)?)))
}

pub(super) fn read_extension(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<Extension> {
    Some(Extension::MemoryLimiter(read(reader)?))
}

fn read(reader: &Reader) -> Option<MemoryLimiter> {
    const INTERVAL: &str = "a duration, `1ms` to `1h`";
    // Reports that it is missing.
    reader.required::<Duration>("check_interval", INTERVAL)?;
    let valid = |interval: &Duration| (CHECK_INTERVAL_MIN..=CHECK_INTERVAL_MAX).contains(interval);
    let check_interval = reader.checked("check_interval", INTERVAL, valid);
    let soft = reader.get_or("min_gc_interval_when_soft_limited", MemoryLimiter::TRIM_INTERVAL_SOFT);
    let hard = reader.get_or("min_gc_interval_when_hard_limited", Duration::ZERO);
    if soft < hard {
        let problem =
            Problem::Invalid(format!("expected at most `min_gc_interval_when_soft_limited`, which is {soft:?}"));
        reader.report.error(&reader.place("min_gc_interval_when_hard_limited"), problem);
    }
    let mib = read_pair(reader, "limit_mib", "spike_limit_mib", u64::from(u32::MAX));
    let percentage = read_pair(reader, "limit_percentage", "spike_limit_percentage", 100);
    let (limit, spike) = match (mib, percentage) {
        ((0, _), (0, _)) => {
            let expected = "the memory that the process may use, in MiB, or `limit_percentage`".to_owned();
            reader.report.error(reader.own_place(), Problem::MissingKey { key: "limit_mib", expected });
            return None;
        }
        ((0, _), (limit, spike)) => (MemoryShare::Percent(limit), MemoryShare::Percent(spike)),
        ((limit, spike), _) => (MemoryShare::Bytes(limit << 20), MemoryShare::Bytes(spike << 20)),
    };
    Some(MemoryLimiter {
        check_interval: check_interval?,
        limit,
        spike,
        trim_interval_soft: soft,
        trim_interval_hard: hard,
    })
}

/// A limit, and how far below it refusing begins. 0: not given.
fn read_pair(reader: &Reader, limit_key: &str, spike_key: &str, most: u64) -> (u64, u64) {
    let what = format!("a whole number, 0 to {most}");
    let get = |key: &str| reader.checked(key, &what, |value: &u64| *value <= most).unwrap_or(0);
    let (limit, spike) = (get(limit_key), get(spike_key));
    if limit > 0 && spike >= limit {
        let problem = Problem::Invalid(format!("expected less than `{limit_key}`, which is {limit}; found {spike}"));
        reader.report.error(&reader.place(spike_key), problem);
    }
    (limit, spike)
}
