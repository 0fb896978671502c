//! From a file to a table's content.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::content::Content;
use crate::error::{LoadError, Problem};
use crate::mmdb::Mmdb;
use crate::{Format, TableSpec, csv};

/// What a file is, as far as can be told without reading it: another one, or one that was written to, differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fingerprint {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Fingerprint {
    /// `None`: there is no such file, or none that can be looked at.
    pub fn of_path(path: &Path) -> Option<Fingerprint> {
        std::fs::metadata(path).ok().map(|metadata| Fingerprint::of(&metadata))
    }

    fn of(metadata: &Metadata) -> Fingerprint {
        Fingerprint {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Reads and checks all of a file: seconds, for a large one. `wanted` is asked now and then whether to go on.
pub(crate) fn load(spec: &TableSpec, wanted: &dyn Fn() -> bool) -> Result<(Content, Fingerprint), LoadError> {
    let wrong = |problem| LoadError::new(&spec.file, problem);
    let failed = |error| wrong(Problem::Unreadable(error));
    // Opening a pipe would wait for whoever writes it.
    if !std::fs::metadata(&spec.file).map_err(failed)?.is_file() {
        return Err(wrong(Problem::NotAFile));
    }
    let file = File::open(&spec.file).map_err(failed)?;
    let before = Fingerprint::of(&file.metadata().map_err(failed)?);
    if before.bytes > spec.bytes_max {
        return Err(wrong(Problem::TooLarge { found: before.bytes, max: spec.bytes_max }));
    }
    let loaded = read(&file, before.bytes, spec, wanted);
    // What was read of a file that changed meanwhile, mistakes included, is nobody's.
    if Fingerprint::of(&file.metadata().map_err(failed)?) != before {
        return Err(wrong(Problem::Unsettled));
    }
    Ok((loaded?, before))
}

fn read(file: &File, bytes: u64, spec: &TableSpec, wanted: &dyn Fn() -> bool) -> Result<Content, LoadError> {
    match &spec.format {
        Format::Csv(format) => {
            let (table, line_end) = csv::load(file, spec, format, wanted)?;
            Ok(Content::csv(table, line_end))
        }
        Format::Mmdb => {
            let wrong = |problem| LoadError::new(&spec.file, problem);
            if bytes == 0 {
                return Err(wrong(Problem::Empty { expected: "a MaxMind DB" }));
            }
            let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default());
            let mut whole = file.take(spec.bytes_max);
            whole.read_to_end(&mut content).map_err(|error| wrong(Problem::Unreadable(error)))?;
            Mmdb::load(content, wanted).map(Content::mmdb).map_err(wrong)
        }
    }
}
