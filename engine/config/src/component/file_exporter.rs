//! The `file` exporter. With a format of columns, or a path of folders, most of its keys mean the same for another kind of file: see
//! [`super::archive`].

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::archive::{self, OfFolders};
use super::file_storage::Permissions;
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{
    ArchiveCompression, ArchiveExporter, ArchiveFormat, Endpoint, Exporter, FileExporter, FileFormat, FileRotation,
};
use crate::schema::{Kind, Section, key, no_effect, not_yet, required};
use crate::values::words;

pub(super) static SECTION: Section = Section {
    keys: &[
        required(
            "path",
            Kind::File,
            "The file. Another exporter needs another one. With `{signal}`, `{day}` or `{hour}` in names of folders, and with \
             `parquet` and `arrow_ipc` in any case, the folder in which whole files are made (see [archive](archive.md)).",
        ),
        key(
            "append",
            Kind::Bool,
            "false",
            "`true`: what is in the file stays, but for a last line that is no whole one. `false`: it is emptied at the first \
             request. With `rotation` it always stays. Means nothing in folders.",
        ),
        key(
            "format",
            Kind::Word(FORMAT),
            "json",
            "A line of OTLP/JSON for each request, or protobuf, each request behind its length in four bytes, big-endian; or rows, in \
             files of Parquet or Arrow (see [archive](archive.md)).",
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
            "`json`, `proto`: `zstd`, of each request by itself, which then stands behind its length, JSON too; in folders of the \
             whole file; without it none. \
             `parquet`: `zstd`, which is the default, `snappy` or `none`. `arrow_ipc`: `zstd` or `none`, which is the default.",
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
        key(
            "row_group_rows",
            Kind::Integer,
            "131072",
            "`parquet`: rows of a row group, 1024 to 16777216. What readers share out among their threads.",
        ),
        key(
            "max_backlog",
            Kind::Size,
            "4GiB",
            "Folders: what waits on disk to be made files, at least 64MiB; then clients are told to retry.",
        ),
        key(
            "retention",
            Kind::Section(&RETENTION),
            "",
            "Folders: which files are deleted. Without it none. Only what this exporter has written, ever.",
        ),
        key(
            "bucket",
            Kind::Section(&BUCKET),
            "",
            "Folders: where files go instead of folders below `path`, which then has what waits alone. Not with `retention`: \
             buckets have rules of their own.",
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
            "The file's size in MiB before it is renamed and begun anew; at least 1. Folders: before it is ended, about.",
        ),
        key(
            "interval",
            Kind::Duration,
            "",
            "How long after its first request a file is renamed and begun anew, 1s to 24h; without it, only when it is full. Folders: \
             how long after it a file is there; without it `5m`. The hour and the day end it too, where `path` has them.",
        ),
        key("max_rows", Kind::Integer, "10000000", "Folders: rows of a file, at least 1024; of requests about."),
        key(
            "max_days",
            Kind::Integer,
            "0",
            "A single file: renamed files that are older are deleted. `0`: none for its age.",
        ),
        key(
            "max_backups",
            Kind::Integer,
            "100",
            "A single file: of renamed files so many are kept, the newest. `0`: all.",
        ),
        key("localtime", Kind::Bool, "false", "A single file: names have the time of the machine's zone; else UTC."),
    ],
};

pub(super) static RETENTION: Section = Section {
    keys: &[
        key(
            "max_age",
            Kind::Text,
            "",
            "Since a file was put in place, such as `30d` or `36h`; 1m to 3660d. Without it files stay for their age.",
        ),
        key(
            "max_total_size",
            Kind::Size,
            "",
            "Of all files together, at least 1MiB; the oldest go first. Without it they may have any size.",
        ),
    ],
};

pub(super) static BUCKET: Section = Section {
    keys: &[
        required(
            "url",
            Kind::Text,
            "`s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`; the prefix may be left out.",
        ),
        key(
            "options",
            Kind::Texts,
            "",
            "Credentials and the like, by the names of the crate `object_store`: `region`, `endpoint`, `access_key_id`, \
             `secret_access_key`, `allow_http`, `service_account`, `account_name`, `account_key`, … They come over those of the \
             environment (`AWS_…`, `GOOGLE_…`, `AZURE_…`), and are shown nowhere.",
        ),
    ],
};

/// The two kinds of files.
#[derive(Clone, Copy)]
enum Format {
    Requests(FileFormat),
    Columns(ArchiveFormat),
}

words!(Format, FORMAT:
    "json" => Format::Requests(FileFormat::Json),
    "proto" => Format::Requests(FileFormat::Proto),
    "parquet" => Format::Columns(ArchiveFormat::Parquet),
    "arrow_ipc" => Format::Columns(ArchiveFormat::ArrowIpc),
);
words!(ArchiveCompression, COMPRESSION:
    "zstd" => ArchiveCompression::Zstd,
    "snappy" => ArchiveCompression::Snappy,
    "none" => ArchiveCompression::None,
);

const FLUSH_INTERVAL_MIN: Duration = Duration::from_millis(1);
const FLUSH_INTERVAL_MAX: Duration = Duration::from_secs(60 * 60);

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<Exporter> {
    let path = reader.required::<PathBuf>("path", "the path of the file, or of the folder");
    // Every key is read, whatever it is for: what is wrong with it is said in any case.
    let rotation = reader.section("rotation", &ROTATION);
    let bytes_max = rotation.as_ref().and_then(|rotation| rotation.get::<NonZeroU32>("max_megabytes"));
    let bytes_max = bytes_max.map(|megabytes| u64::from(megabytes.get()) << 20);
    let requests = OfRequests::read(reader, rotation.as_ref(), bytes_max);
    let folders = OfFolders::read(reader, rotation.as_ref(), bytes_max);
    let compression = reader.get::<ArchiveCompression>("compression");
    let interval = reader.checked("flush_interval", "a duration, `1ms` to `1h`", |interval: &Duration| {
        (FLUSH_INTERVAL_MIN..=FLUSH_INTERVAL_MAX).contains(interval)
    });
    let flush_interval = interval.unwrap_or(FileExporter::FLUSH_INTERVAL);
    let create_directory = read_create_directory(reader);
    let format = reader.get_or("format", Format::Requests(FileFormat::default()));
    let path = path?;
    let format = match format {
        Format::Requests(format) if !archive::has_placeholders(&path.value) => {
            folders.refuse(reader, rotation.as_ref());
            return Some(Exporter::File(FileExporter {
                path: path.value,
                append: requests.append || requests.rotation.is_some(),
                format,
                rotation: requests.rotation.map(|rotation| FileRotation { interval: folders.interval, ..rotation }),
                compress: archive::is_zstd(reader, compression),
                flush_interval,
                create_directory,
            }));
        }
        Format::Requests(format) => {
            folders.refuse_rows(reader);
            ArchiveFormat::Requests(format)
        }
        Format::Columns(format) => format,
    };
    requests.refuse(reader, rotation.as_ref());
    let (root, below) = archive::divide(reader, &path)?;
    Some(Exporter::Archive(ArchiveExporter {
        root,
        folders: below,
        format,
        compression: archive::compression(reader, format, compression),
        rotation: folders.rotation,
        row_group_rows: folders.row_group_rows,
        flush_interval,
        backlog_bytes_max: folders.backlog_bytes_max,
        create_directory,
        retention: folders.retention,
        bucket: folders.bucket,
    }))
}

/// What is for a single file alone.
struct OfRequests {
    append: bool,
    rotation: Option<FileRotation>,
}

impl OfRequests {
    fn read(reader: &Reader, rotation: Option<&Reader>, bytes_max: Option<u64>) -> OfRequests {
        let rotation = rotation.map(|reader| read_rotation(reader, bytes_max));
        let append = reader.get_or("append", false);
        if append && rotation.is_some() {
            let problem = "with `rotation` what is in the file stays: leave this out".to_owned();
            reader.report.error(&reader.place("append"), Problem::Invalid(problem));
        }
        OfRequests { append, rotation }
    }

    /// What would have an effect is an error where it has none.
    fn refuse(&self, reader: &Reader, rotation: Option<&Reader>) {
        let why = "means nothing in folders";
        if self.append {
            refuse(reader, "append", &format!("{why}: files are made whole, and stay"));
        }
        let (Some(rotation), Some(reader)) = (&self.rotation, rotation) else { return };
        let default = FileRotation::default();
        let said = [
            ("max_days", rotation.age_max != default.age_max),
            ("max_backups", rotation.backups_max != default.backups_max),
            ("localtime", rotation.local_time != default.local_time),
        ];
        for (key, _) in said.into_iter().filter(|(_, differs)| *differs) {
            refuse(reader, key, &format!("{why}: see `retention`; names are in UTC"));
        }
    }
}

fn read_create_directory(reader: &Reader) -> Option<u32> {
    let creates = reader.get_or("create_directory", false);
    let permissions = reader.get::<Permissions>("directory_permissions");
    if permissions.is_some() && !creates {
        let problem = "no folder is made: say `create_directory: true`, or leave this out";
        refuse(reader, "directory_permissions", problem);
    }
    creates.then(|| permissions.map_or(0o755, |permissions| permissions.0))
}

pub(super) fn refuse(reader: &Reader, key: &'static str, why: &str) {
    reader.report.error(&reader.place(key), Problem::Invalid(why.to_owned()));
}

fn read_rotation(reader: &Reader, bytes_max: Option<u64>) -> FileRotation {
    let default = FileRotation::default();
    let days = reader.get_or("max_days", 0u32);
    FileRotation {
        bytes_max: bytes_max.unwrap_or(default.bytes_max),
        age_max: (days > 0).then(|| Duration::from_secs(u64::from(days) * 24 * 60 * 60)),
        backups_max: reader.get_or("max_backups", default.backups_max),
        local_time: reader.get_or("localtime", false),
        interval: default.interval,
    }
}
