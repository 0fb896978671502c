//! The `file_storage` extension.

use std::path::PathBuf;
use std::time::Duration;

use crate::node::Node;
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{Endpoint, Extension, FileStorage};
use crate::schema::{Kind, Section, key, no_effect};
use crate::values::{FromNode, Size, expected, text};

pub(super) static SECTION: Section = Section {
    keys: &[
        key("directory", Kind::File, "/var/lib/otelcol/file_storage", "The folder. One process has it at a time."),
        key("create_directory", Kind::Bool, "true", "Makes it, and those above it, where they are missing."),
        key(
            "directory_permissions",
            Kind::Text,
            "0750",
            "Of folders that are made, in octal, less the process's mask.",
        ),
        key("timeout", Kind::Duration, "1s", "How long to wait for another process that has the folder, at most 1h."),
        key(
            "fsync",
            Kind::Bool,
            "true",
            "What is acknowledged survives a failure of the machine. `false`: one of the process, which is the Collector's \
             default.",
        ),
        key(
            "max_size",
            Kind::Size,
            "10GiB",
            "Of everything in the folder, at least 1MiB. Then clients are told to retry, as when the disk is full.",
        ),
        no_effect(
            "compaction",
            "files are deleted as soon as everything in them is delivered; nothing is left to compact",
        ),
        no_effect("recreate", "what is damaged is skipped and reported, and the rest is delivered"),
    ],
};

/// A lock that is not given up within this time is not given up.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);
/// Less holds hardly one request.
const BYTES_MIN: u64 = 1 << 20;

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<Extension> {
    let default = FileStorage::default();
    let size = reader.checked("max_size", "a size, at least `1MiB`", |size: &Size| size.0 >= BYTES_MIN);
    Some(Extension::FileStorage(FileStorage {
        directory: reader.get::<PathBuf>("directory").unwrap_or(default.directory),
        create: reader.get_or("create_directory", default.create),
        permissions: reader.get::<Permissions>("directory_permissions").map_or(default.permissions, |value| value.0),
        lock_timeout: reader.get_or("timeout", default.lock_timeout).min(TIMEOUT_MAX),
        fsync: reader.get_or("fsync", default.fsync),
        bytes_max: size.map_or(default.bytes_max, |size| size.0),
    }))
}

/// `0750`, with or without quotes.
pub(super) struct Permissions(pub u32);

impl FromNode for Permissions {
    fn from_node(node: &Node) -> Result<Permissions, Problem> {
        const EXPECTED: &str = "permissions in octal that let the owner in, such as `0750`";
        let text = text(node, EXPECTED)?;
        let digits = text.strip_prefix("0o").unwrap_or(&text);
        let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o777 && mode & 0o700 == 0o700);
        mode.map(Permissions).ok_or_else(|| expected(EXPECTED, node))
    }
}
