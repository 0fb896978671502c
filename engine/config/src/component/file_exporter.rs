//! The `file` exporter.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::file_storage::Permissions;
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{Endpoint, Exporter, FileExporter, FileFormat, FileRotation};
use crate::schema::{Kind, Section, key, no_effect, not_yet, required};
use crate::values::words;

pub(super) static SECTION: Section = Section {
    keys: &[
        required("path", Kind::File, "The file. Another exporter needs another one."),
        key(
            "append",
            Kind::Bool,
            "false",
            "`true`: what is in the file stays, but for a last line that is no whole one. `false`: it is emptied at the first \
             request. With `rotation` it always stays.",
        ),
        key(
            "format",
            Kind::Word(FORMAT),
            "json",
            "A line of OTLP/JSON for each request, or protobuf, each request behind its length in four bytes, big-endian.",
        ),
        key(
            "rotation",
            Kind::Section(&ROTATION),
            "",
            "Without it the file grows without end. Empty: with its defaults.",
        ),
        key(
            "compression",
            Kind::Word(COMPRESSION),
            "",
            "Of each request by itself, which then stands behind its length, JSON too.",
        ),
        key(
            "flush_interval",
            Kind::Duration,
            "1s",
            "How long what was written may be without protection against a failure of the machine, 1ms to 1h. What a client was \
             answered for survives a failure of the process in any case.",
        ),
        key(
            "create_directory",
            Kind::Bool,
            "false",
            "Makes the file's folder, and those above it, where they are missing.",
        ),
        key(
            "directory_permissions",
            Kind::Text,
            "0755",
            "Of folders that are made, in octal, less the process's mask.",
        ),
        not_yet("encoding", "use `format`"),
        not_yet("group_by", "let a plugin route, and have an exporter for each file"),
        no_effect("compression_params", "zstd's level 3 is used"),
    ],
};

static ROTATION: Section = Section {
    keys: &[
        key(
            "max_megabytes",
            Kind::Integer,
            "100",
            "The file's size in MiB before it is renamed and begun anew; at least 1.",
        ),
        key("max_days", Kind::Integer, "0", "Renamed files that are older are deleted. `0`: none for its age."),
        key("max_backups", Kind::Integer, "100", "Of renamed files so many are kept, the newest. `0`: all."),
        key("localtime", Kind::Bool, "false", "Names have the time of the machine's zone; else UTC."),
    ],
};

words!(FileFormat, FORMAT: "json" => FileFormat::Json, "proto" => FileFormat::Proto);

#[derive(Clone, Copy)]
struct Zstd;
words!(Zstd, COMPRESSION: "zstd" => Zstd);

const FLUSH_INTERVAL_MIN: Duration = Duration::from_millis(1);
const FLUSH_INTERVAL_MAX: Duration = Duration::from_secs(60 * 60);

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<Exporter> {
    let path = reader.required::<PathBuf>("path", "the path of the file");
    let rotation = reader.section("rotation", &ROTATION).map(|reader| read_rotation(&reader));
    let append = reader.get_or("append", false);
    if append && rotation.is_some() {
        let problem = "with `rotation` what is in the file stays: leave this out".to_owned();
        reader.report.error(&reader.place("append"), Problem::Invalid(problem));
    }
    let interval = reader.checked("flush_interval", "a duration, `1ms` to `1h`", |interval: &Duration| {
        (FLUSH_INTERVAL_MIN..=FLUSH_INTERVAL_MAX).contains(interval)
    });
    let creates = reader.get_or("create_directory", false);
    let permissions = reader.get::<Permissions>("directory_permissions");
    if permissions.is_some() && !creates {
        let problem = "no folder is made: say `create_directory: true`, or leave this out".to_owned();
        reader.report.error(&reader.place("directory_permissions"), Problem::Invalid(problem));
    }
    let exporter = FileExporter {
        path: path?.value,
        append: append || rotation.is_some(),
        format: reader.get_or("format", FileFormat::default()),
        rotation,
        compress: reader.get::<Zstd>("compression").is_some(),
        flush_interval: interval.unwrap_or(FileExporter::FLUSH_INTERVAL),
        create_directory: creates.then(|| permissions.map_or(0o755, |permissions| permissions.0)),
    };
    Some(Exporter::File(exporter))
}

fn read_rotation(reader: &Reader) -> FileRotation {
    let default = FileRotation::default();
    let megabytes = reader.get::<NonZeroU32>("max_megabytes");
    let days = reader.get_or("max_days", 0u32);
    FileRotation {
        bytes_max: megabytes.map_or(default.bytes_max, |megabytes| u64::from(megabytes.get()) << 20),
        age_max: (days > 0).then(|| Duration::from_secs(u64::from(days) * 24 * 60 * 60)),
        backups_max: reader.get_or("max_backups", default.backups_max),
        local_time: reader.get_or("localtime", false),
    }
}
