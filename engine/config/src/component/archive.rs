//! The `file` exporter that makes whole files in folders.

use std::num::NonZeroU32;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::file_exporter::{BUCKET, RETENTION, refuse};
use crate::node::Node;
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{
    ArchiveBucket, ArchiveCompression, ArchiveExporter, ArchiveFormat, ArchiveRetention, ArchiveRotation,
};
use crate::secret::Secret;
use crate::values::{FromNode, Size, expected, text};

const PLACEHOLDERS: [&str; 3] = ["{signal}", "{day}", "{hour}"];

/// Our own folder below the root.
const STATE: &str = ".wasmill";

const ROW_GROUP_ROWS_MIN: u32 = 1_024;
const ROW_GROUP_ROWS_MAX: u32 = 1 << 24;
const ROWS_MIN: u64 = 1_024;
const INTERVAL_MIN: Duration = Duration::from_secs(1);
const INTERVAL_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Less holds hardly one request.
const BACKLOG_BYTES_MIN: u64 = 64 << 20;
/// A shorter time is a slip: files would go as they come.
const AGE_MIN: Duration = Duration::from_secs(60);
const RETENTION_BYTES_MIN: u64 = 1 << 20;

/// What is for files in folders alone.
pub(super) struct OfFolders {
    pub rotation: ArchiveRotation,
    /// As it is said; a single file may have it too.
    pub interval: Option<Duration>,
    pub row_group_rows: NonZeroU32,
    pub backlog_bytes_max: u64,
    pub retention: Option<ArchiveRetention>,
    pub bucket: Option<ArchiveBucket>,
}

impl OfFolders {
    pub fn read(reader: &Reader, rotation: Option<&Reader>, bytes_max: Option<u64>) -> OfFolders {
        let rows = |rows: &NonZeroU32| (ROW_GROUP_ROWS_MIN..=ROW_GROUP_ROWS_MAX).contains(&rows.get());
        let row_group_rows = reader.checked("row_group_rows", "a whole number, 1024 to 16777216", rows);
        let enough = |size: &Size| size.0 >= BACKLOG_BYTES_MIN;
        let backlog = reader.checked("max_backlog", "a size, at least `64MiB`", enough);
        let (retention, bucket) = (read_retention(reader), read_bucket(reader));
        if retention.is_some() && bucket.is_some() {
            refuse(
                reader,
                "retention",
                "is of folders: a bucket deletes by rules of its own, which are set where it is",
            );
        }
        let interval = rotation.and_then(read_interval);
        OfFolders {
            rotation: read_rotation(rotation, bytes_max, interval),
            interval,
            row_group_rows: row_group_rows.unwrap_or(ArchiveExporter::ROW_GROUP_ROWS),
            backlog_bytes_max: backlog.map_or(ArchiveExporter::BACKLOG_BYTES_MAX, |size| size.0),
            retention,
            bucket,
        }
    }

    /// What would have an effect is an error where it has none.
    pub fn refuse(&self, reader: &Reader, rotation: Option<&Reader>) {
        const WHY: &str = "is for files in folders: a `path` with `{signal}`, `{day}` or `{hour}`, or `format: parquet` or `arrow_ipc`";
        self.refuse_rows(reader);
        let said = [
            ("max_backlog", self.backlog_bytes_max != ArchiveExporter::BACKLOG_BYTES_MAX),
            ("retention", self.retention.is_some()),
            ("bucket", self.bucket.is_some()),
        ];
        for (key, _) in said.into_iter().filter(|(_, differs)| *differs) {
            refuse(reader, key, WHY);
        }
        if let Some(reader) = rotation.filter(|_| self.rotation.rows_max != ArchiveRotation::default().rows_max) {
            refuse(reader, "max_rows", WHY);
        }
    }

    /// What requests have not.
    pub fn refuse_rows(&self, reader: &Reader) {
        if self.row_group_rows != ArchiveExporter::ROW_GROUP_ROWS {
            refuse(reader, "row_group_rows", "is for `format: parquet`");
        }
    }
}

pub(super) fn compression(
    reader: &Reader,
    format: ArchiveFormat,
    said: Option<ArchiveCompression>,
) -> ArchiveCompression {
    match (format, said) {
        (ArchiveFormat::Parquet, said) => said.unwrap_or(ArchiveCompression::Zstd),
        (ArchiveFormat::ArrowIpc, Some(ArchiveCompression::Snappy)) => {
            refuse(reader, "compression", "Arrow has no `snappy`: expected `zstd` or `none`");
            ArchiveCompression::None
        }
        (ArchiveFormat::ArrowIpc, said) => said.unwrap_or(ArchiveCompression::None),
        (ArchiveFormat::Requests(_), said) if is_zstd(reader, said) => ArchiveCompression::Zstd,
        (ArchiveFormat::Requests(_), _) => ArchiveCompression::None,
    }
}

/// Of requests.
pub(super) fn is_zstd(reader: &Reader, said: Option<ArchiveCompression>) -> bool {
    if said == Some(ArchiveCompression::Snappy) {
        refuse(reader, "compression", "`snappy` is for `format: parquet`: expected `zstd` or `none`");
    }
    said == Some(ArchiveCompression::Zstd)
}

fn read_interval(reader: &Reader) -> Option<Duration> {
    reader.checked("interval", "a duration, `1s` to `24h`", |interval: &Duration| {
        (INTERVAL_MIN..=INTERVAL_MAX).contains(interval)
    })
}

fn read_rotation(reader: Option<&Reader>, bytes_max: Option<u64>, interval: Option<Duration>) -> ArchiveRotation {
    let mut rotation = ArchiveRotation::default();
    let Some(reader) = reader else { return rotation };
    rotation.bytes_max = bytes_max.unwrap_or(rotation.bytes_max);
    let rows = reader.checked("max_rows", "a whole number, at least 1024", |rows: &u64| *rows >= ROWS_MIN);
    rotation.rows_max = rows.unwrap_or(rotation.rows_max);
    rotation.interval = interval.unwrap_or(rotation.interval);
    rotation
}

fn read_retention(reader: &Reader) -> Option<ArchiveRetention> {
    let place = reader.place("retention");
    let reader = reader.section("retention", &RETENTION)?;
    let age = reader.checked("max_age", "a time, `1m` to `3660d`", |age: &Age| age.0 >= AGE_MIN);
    let size = reader.checked("max_total_size", "a size, at least `1MiB`", |size: &Size| size.0 >= RETENTION_BYTES_MIN);
    if reader.node("max_age").is_none() && reader.node("max_total_size").is_none() {
        let problem = "deletes nothing: expected `max_age`, `max_total_size`, or both".to_owned();
        reader.report.error(&place, Problem::Invalid(problem));
    }
    Some(ArchiveRetention { age_max: age.map(|age| age.0), bytes_max: size.map(|size| size.0) })
}

fn read_bucket(reader: &Reader) -> Option<ArchiveBucket> {
    let reader = reader.section("bucket", &BUCKET)?;
    const EXPECTED: &str = "`s3://BUCKET`, `gs://BUCKET` or `az://CONTAINER`, each with or without a path";
    let url = reader.required::<String>("url", EXPECTED);
    let is_one = |url: &str| {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        ["s3", "gs", "az"].contains(&scheme) && !rest.is_empty() && !rest.starts_with('/')
    };
    let url = url.filter(|url| {
        let valid = is_one(&url.value);
        if !valid {
            refuse(&reader, "url", &format!("expected {EXPECTED}"));
        }
        valid
    });
    let mut options: Vec<(Arc<str>, Secret)> = Vec::new();
    for (entry, place) in reader.named("options") {
        let name = entry.key.to_ascii_lowercase();
        if options.iter().any(|(other, _)| **other == *name) {
            reader.report.error(&place, Problem::Invalid(format!("`{}` is there twice", entry.key)));
            continue;
        }
        // Nothing, such as a variable that is not set, says nothing: the environment may.
        if entry.node.is_null() {
            continue;
        }
        match text(&entry.node, "a text") {
            Ok(value) => options.push((name.into(), Secret::new(value))),
            Err(problem) => reader.report.error(&place, problem),
        }
    }
    Some(ArchiveBucket { url: url?.value, options })
}

/// `30d`, or a duration.
struct Age(Duration);

impl FromNode for Age {
    fn from_node(node: &Node) -> Result<Age, Problem> {
        const EXPECTED: &str = "a time, such as `30d` or `36h`";
        const DAYS_MAX: u64 = 3_660;
        let written = text(node, EXPECTED)?;
        let Some(days) = written.strip_suffix('d') else { return Duration::from_node(node).map(Age) };
        let days = days.parse::<u64>().ok().filter(|days| *days <= DAYS_MAX).ok_or_else(|| expected(EXPECTED, node))?;
        Ok(Age(Duration::from_secs(days * 24 * 60 * 60)))
    }
}

/// Whether it is of folders.
pub(super) fn has_placeholders(path: &Path) -> bool {
    let written = path.to_string_lossy();
    PLACEHOLDERS.iter().any(|placeholder| written.contains(placeholder))
}

/// The root, and the names of the folders below it: from the first with a placeholder on.
pub(super) fn divide(reader: &Reader, path: &Located<PathBuf>) -> Option<(PathBuf, Vec<String>)> {
    let wrong = |problem: String| {
        reader.report.error(&path.place, Problem::Invalid(problem));
        None
    };
    let is_file = path.value.extension().is_some_and(|extension| {
        ["parquet", "arrow", "feather", "ipc", "json", "jsonl", "pb", "zst"]
            .iter()
            .any(|one| extension.eq_ignore_ascii_case(one))
    });
    if is_file {
        return wrong(
            "is the folder of the files, whose names the exporter makes: leave the file's name out".to_owned(),
        );
    }
    let mut root = PathBuf::new();
    let mut folders = Vec::new();
    for component in path.value.components() {
        let Component::Normal(name) = component else {
            if !folders.is_empty() {
                return wrong("expected no `..` behind a placeholder".to_owned());
            }
            root.push(component);
            continue;
        };
        let name = name.to_string_lossy();
        if name == STATE {
            return wrong(format!("`{STATE}` is the exporter's own folder: choose another name"));
        }
        if folders.is_empty() && !name.contains('{') {
            root.push(&*name);
            continue;
        }
        if let Some(unknown) = unknown_placeholder(&name) {
            let valid = PLACEHOLDERS.map(|placeholder| format!("`{placeholder}`")).join(", ");
            return wrong(format!("`{unknown}` is filled in with nothing: expected {valid}"));
        }
        folders.push(name.into_owned());
    }
    if root.file_name().is_none() {
        return wrong("expected a folder before the first placeholder, such as `/var/lib/telemetry`".to_owned());
    }
    Some((root, folders))
}

/// What stands in braces, or nearly, and is none of ours.
fn unknown_placeholder(name: &str) -> Option<String> {
    let rest = PLACEHOLDERS.iter().fold(name.to_owned(), |name, placeholder| name.replace(placeholder, ""));
    let at = rest.find(['{', '}'])?;
    let end = rest.find('}').filter(|end| *end > at).map_or(rest.len(), |end| end + 1);
    rest.get(at..end).map(str::to_owned)
}
