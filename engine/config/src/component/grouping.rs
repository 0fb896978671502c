//! `group_by` and `groups` of a `wasm/NAME` processor: rows that wait for others of their group.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::batch::{read_metadata_keys, to_usize};
use crate::problem::Problem;
use crate::reader::Reader;
use crate::running::{Grouping, PluginLimits};
use crate::schema::{Kind, Section, key};
use crate::values::Size;

pub(super) static SECTION: Section = Section {
    keys: &[
        key(
            "wait",
            Kind::Duration,
            "10s",
            "How long after its first row a group is decided; the rows that have come by then are what the plugin sees. 1ms to 1h.",
        ),
        key(
            "groups_max",
            Kind::Integer,
            "50000",
            "Groups that may wait at one time, at least 1. When there are more, the oldest are decided before their time.",
        ),
        key(
            "rows_max",
            Kind::Integer,
            "the stage's `limits::rows_max`",
            "Rows of a group, at least 1 and at most that: a group that has so many is decided at once.",
        ),
        key(
            "bytes_max",
            Kind::Size,
            "256MiB",
            "Memory that waiting rows keep; 1MiB to 1TiB. When it is more, the oldest groups are decided before their time; when as \
             much again is on its way through what is behind, clients are told to retry.",
        ),
        key(
            "decisions_max",
            Kind::Integer,
            "100000",
            "Groups whose decision is remembered: rows that come late follow it. `0`: none, and late rows are a group of their own.",
        ),
        key(
            "metadata_keys",
            Kind::Ids,
            "[]",
            "Headers of the clients, which the receiver passes on with `include_metadata`: rows are of one group only where all of \
             these are the same, and keep these alone.",
        ),
    ],
};

/// Rows that wait longer are not gathered but stored.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);
/// Less than that holds hardly a request.
const BYTES_MIN: u64 = 1 << 20;
const BYTES_MAX: u64 = 1 << 40;

/// What the stage has to say of groups; `None`: it has none.
pub(super) fn read(reader: &Reader, limits: &PluginLimits) -> Option<Grouping> {
    let section = reader.section("groups", &SECTION);
    if section.is_some() && !reader.has("group_by") {
        let problem = Problem::Invalid(
            "nothing is grouped: expected `group_by` beside it, such as `group_by: trace_id`".to_owned(),
        );
        reader.report.error(&reader.place("groups"), problem);
    }
    let by = reader.checked("group_by", "a path, such as `trace_id`", |path: &String| !path.trim().is_empty())?;
    let default = Grouping::new(by.as_str(), limits);
    let Some(reader) = section else { return Some(default) };
    let wait = reader
        .checked("wait", "a duration, `1ms` to `1h`", |wait| (Duration::from_millis(1)..=WAIT_MAX).contains(wait));
    let what = format!("a whole number, 1 to the stage's `limits::rows_max`, which is {}", limits.slice_rows_max);
    let rows_max = reader.checked("rows_max", &what, |rows: &NonZeroUsize| *rows <= limits.slice_rows_max);
    let bytes_max = reader
        .checked("bytes_max", "a size, `1MiB` to `1TiB`", |size: &Size| (BYTES_MIN..=BYTES_MAX).contains(&size.0));
    Some(Grouping {
        wait: wait.unwrap_or(default.wait),
        groups_max: reader.get_or("groups_max", default.groups_max),
        rows_max: rows_max.unwrap_or(default.rows_max),
        bytes_max: bytes_max.and_then(|size| usize::try_from(size.0).ok()).unwrap_or(default.bytes_max),
        decisions_max: reader.get::<u64>("decisions_max").map_or(default.decisions_max, to_usize),
        metadata_keys: read_metadata_keys(&reader),
        ..default
    })
}
