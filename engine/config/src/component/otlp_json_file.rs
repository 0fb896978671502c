//! The `otlpjsonfile` receiver.

use std::sync::Arc;
use std::time::Duration;

use crate::node::Node;
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{Endpoint, OtlpJsonFileReceiver, Receiver};
use crate::schema::{Kind, Section, key, never, no_effect, not_yet, required};
use crate::values::{FromNode, Size, expected, text, words};

pub(super) static SECTION: Section = Section {
    keys: &[
        required(
            "include",
            Kind::Patterns,
            "The files: paths with `*`, `?`, `[a-z]` within a name, and `**` for any folders. Relative ones start at the working directory.",
        ),
        key("exclude", Kind::Patterns, "[]", "Of these, the ones not to read."),
        key(
            "start_at",
            Kind::Word(START_AT),
            "end",
            "Where to begin in files that are there when the gateway starts and were not read before. Files that come later are \
             read from their beginning.",
        ),
        key(
            "poll_interval",
            Kind::Duration,
            "200ms",
            "How often to look for files and for what was added; 10ms to 1h.",
        ),
        key("replay_file", Kind::Bool, "false", "`true`: all files are read again from their beginning, each time."),
        key(
            "max_log_size",
            Kind::Size,
            "64MiB",
            "Of one line, 1KiB to 1GiB. A longer one is left out, counted and reported. The Collector's default is 1MiB.",
        ),
        key(
            "storage",
            Kind::Id,
            "",
            "A `file_storage` extension that keeps how far each file was read. Without one that is forgotten when the gateway ends.",
        ),
        not_yet("compression", "decompress the files"),
        not_yet("encoding", "files are read as UTF-8"),
        not_yet("delete_after_read", "delete files that are read by other means"),
        not_yet("ordering_criteria", "name the newest files in `include`"),
        not_yet("exclude_older_than", "name the files in `include`"),
        not_yet("header", "files have no headers"),
        never("multiline", "a request is one line"),
        no_effect(
            "fingerprint_size",
            "files are told apart by device and inode, and after a restart by their first 1000 bytes",
        ),
        no_effect("max_concurrent_files", "files are read one after the other, their lines side by side"),
        no_effect("max_batches", "files are read one after the other"),
        no_effect("polls_to_archive", "what is known of a file is kept as long as the file is there"),
        no_effect("force_flush_period", "a last line is read when it is whole"),
        no_effect("preserve_leading_whitespaces", "space around a document means nothing"),
        no_effect("preserve_trailing_whitespaces", "space around a document means nothing"),
        no_effect("include_file_name", "records are passed on as they were written"),
        no_effect("include_file_path", "records are passed on as they were written"),
        no_effect("include_file_name_resolved", "records are passed on as they were written"),
        no_effect("include_file_path_resolved", "records are passed on as they were written"),
        no_effect("include_file_owner_name", "records are passed on as they were written"),
        no_effect("include_file_owner_group_name", "records are passed on as they were written"),
        no_effect("include_file_record_number", "records are passed on as they were written"),
        no_effect("include_file_record_offset", "records are passed on as they were written"),
        no_effect("acquire_fs_lock", "files are only read"),
    ],
};

#[derive(Clone, Copy, PartialEq)]
enum StartAt {
    Beginning,
    End,
}

words!(StartAt, START_AT: "beginning" => StartAt::Beginning, "end" => StartAt::End);

const POLL_INTERVAL_MIN: Duration = Duration::from_millis(10);
const POLL_INTERVAL_MAX: Duration = Duration::from_secs(60 * 60);
const LINE_BYTES_MIN: u64 = 1 << 10;
const LINE_BYTES_MAX: u64 = 1 << 30;

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<Receiver> {
    let interval = reader.checked("poll_interval", "a duration, `10ms` to `1h`", |interval: &Duration| {
        (POLL_INTERVAL_MIN..=POLL_INTERVAL_MAX).contains(interval)
    });
    let line = reader.checked("max_log_size", "a size, `1KiB` to `1GiB`", |size: &Size| {
        (LINE_BYTES_MIN..=LINE_BYTES_MAX).contains(&size.0)
    });
    let include = patterns(reader, "include");
    // Patterns that are none were reported.
    let is_missing = reader.list::<String>("include").is_empty();
    if is_missing {
        let known = reader.node("include").is_some();
        let place = if known { reader.place("include") } else { reader.own_place().clone() };
        let expected = "at least one path of files, such as `/var/log/otel/*.jsonl`".to_owned();
        reader.report.error(&place, Problem::MissingKey { key: "include", expected });
    }
    let storage = reader.located("storage");
    if let Some(Located { value, place }) = &storage {
        reader.report.refer(place, value);
    }
    let replay = reader.get_or("replay_file", false);
    if replay && storage.is_some() {
        let problem = "with `replay_file` everything is read again: leave this out".to_owned();
        reader.report.error(&reader.place("storage"), Problem::Invalid(problem));
    }
    Some(Receiver::OtlpJsonFile(OtlpJsonFileReceiver {
        include,
        exclude: patterns(reader, "exclude"),
        start_at_end: reader.get_or("start_at", StartAt::End) == StartAt::End,
        poll_interval: interval.unwrap_or(OtlpJsonFileReceiver::POLL_INTERVAL),
        replay,
        line_bytes_max: line.map_or(OtlpJsonFileReceiver::LINE_BYTES_MAX, |size| {
            usize::try_from(size.0).unwrap_or(OtlpJsonFileReceiver::LINE_BYTES_MAX)
        }),
        storage: storage.map(|storage| storage.value),
    }))
}

fn patterns(reader: &Reader, key: &str) -> Vec<Arc<str>> {
    reader.list::<Pattern>(key).into_iter().map(|pattern| pattern.value.0).collect()
}

/// Of paths.
struct Pattern(Arc<str>);

impl FromNode for Pattern {
    fn from_node(node: &Node) -> Result<Pattern, Problem> {
        const EXPECTED: &str = "a path, in which `*`, `?` and `[…]` stand for parts of a name and `**` for folders";
        let text = text(node, EXPECTED)?;
        if text.trim().is_empty() || text.contains('\0') {
            return Err(expected(EXPECTED, node));
        }
        if text.contains('{') {
            return Err(expected("a path without `{…}`: list a pattern for each alternative", node));
        }
        if !text.split('/').all(is_name) {
            return Err(expected(EXPECTED, node));
        }
        Ok(Pattern(text.into()))
    }
}

/// Whether this may stand between two `/`: `**` alone, and brackets that are closed and not empty.
fn is_name(name: &str) -> bool {
    let mut rest = name;
    while let Some((_, after)) = rest.split_once('[') {
        let after = after.strip_prefix('!').unwrap_or(after);
        // The first character within is one to be matched, `]` too.
        let Some(first) = after.chars().next() else { return false };
        let Some((_, behind)) = after[first.len_utf8()..].split_once(']') else { return false };
        rest = behind;
    }
    name == "**" || !name.contains("**")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_patterns_are_whole() {
        for good in ["", "a", "*.jsonl", "**", "[a-z]?", "[!a]*", "[]]", "[*]x[[]"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["**a", "a**", "***", "[", "[]", "[!", "[!a", "[a]["] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
