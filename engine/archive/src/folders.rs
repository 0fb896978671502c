//! Where files go, and what they are called.
//!
//! ```text
//!  /var/lib/telemetry / {signal} / date={day} / hour={hour} / traces-2022-09-14T05-02-14.173Z-1f2e3d4c5b6a7988-0.parquet
//!  └───── root ─────┘   └──── folders, by the time at which a file was begun ┘ └ signal, that time, a random number, part ┘
//! ```
//!
//! Folders are of the time of writing, not of the records' own: clocks of devices are wrong by years, and a request of a thousand records
//! would open a thousand folders; a folder whose hour is over gets no more files (but for those begun in it), so that a job may take it. A
//! query by the records' time looks an hour around, and at the column.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use wasmill_wire::Signal;

use crate::stamp::Stamp;

/// Of files, by their format and compression.
pub const EXTENSIONS: [&str; 6] = ["parquet", "arrow", "jsonl", "jsonl.zst", "pb", "pb.zst"];

/// The folder of a file's partition, below the root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Folders {
    pub root: PathBuf,
    /// Each a name of one folder, with `{signal}`, `{day}` and `{hour}` in it.
    pub below: Vec<String>,
}

/// What the files of one journal have in common.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunName {
    pub signal: Signal,
    pub begun: Stamp,
    pub random: u64,
}

impl Folders {
    /// Relative to the root, with `/` between; empty where files lie in the root.
    pub fn of(&self, signal: Signal, begun: Stamp) -> String {
        let name = |folder: &String| {
            let name = folder.replace("{signal}", &signal.to_string());
            name.replace("{day}", &begun.day()).replace("{hour}", &begun.hour())
        };
        self.below.iter().map(name).collect::<Vec<_>>().join("/")
    }
}

impl RunName {
    /// A name that no other has, of this process or of another.
    pub fn new(signal: Signal, now: SystemTime) -> RunName {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // The hasher is seeded by the system.
        let random = RandomState::new().hash_one((COUNT.fetch_add(1, Ordering::Relaxed), std::process::id(), now));
        RunName { signal, begun: Stamp::of(now), random }
    }

    pub fn stem(&self) -> String {
        format!("{}-{}-{:016x}", self.signal, self.begun.in_name(), self.random)
    }

    /// Reads [`stem`](RunName::stem).
    pub fn parse(stem: &str) -> Option<RunName> {
        let (signal, rest) = stem.split_once('-')?;
        let signal = Signal::ALL.into_iter().find(|one| one.to_string() == signal)?;
        let (stamp, random) = rest.rsplit_once('-')?;
        let is_hex = random.len() == 16 && random.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let random = u64::from_str_radix(random, 16).ok().filter(|_| is_hex)?;
        Some(RunName { signal, begun: Stamp::parse(stamp)?, random })
    }

    /// A file's name; a journal that is too much for one file becomes several parts.
    pub fn file(&self, part: u32, extension: &str) -> String {
        format!("{}-{part}.{extension}", self.stem())
    }
}

/// Whether a file of ours could have this name.
pub fn is_file_name(name: &str) -> bool {
    let is_ours = |rest: &str| {
        let Some((stem, part)) = rest.rsplit_once('-') else { return false };
        part.parse::<u32>().is_ok_and(|number| number.to_string() == part) && RunName::parse(stem).is_some()
    };
    EXTENSIONS.iter().any(|one| name.strip_suffix(one).and_then(|rest| rest.strip_suffix('.')).is_some_and(is_ours))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// Names are read as they are written, folders are of the signal and of the time, and what nearly has a name of ours has none.
    #[test]
    fn names_are_ours_alone() {
        let now = UNIX_EPOCH + Duration::from_millis(1_663_131_734_173);
        let run = RunName { random: 0x1f2e_3d4c_5b6a_7988, ..RunName::new(Signal::Logs, now) };
        assert_eq!(run.stem(), "logs-2022-09-14T05-02-14.173Z-1f2e3d4c5b6a7988");
        assert_eq!(RunName::parse(&run.stem()), Some(run.clone()));
        assert_ne!(RunName::new(Signal::Logs, now), RunName::new(Signal::Logs, now));
        let below = vec!["{signal}".to_owned(), "date={day}".to_owned(), "hour={hour}".to_owned()];
        let folders = Folders { root: "/t".into(), below };
        assert_eq!(folders.of(run.signal, run.begun), "logs/date=2022-09-14/hour=05");

        assert!(EXTENSIONS.iter().all(|extension| is_file_name(&run.file(17, extension))));
        let name = run.file(0, "parquet");
        for other in [
            "logs.parquet".to_owned(),
            name.replace("logs", "Logs"),
            name.replace("logs", "trace"),
            name.replace("-0.parquet", ".parquet"),
            name.replace("-0.parquet", "-00.parquet"),
            name.replace("-0.parquet", "-+0.parquet"),
            name.replace("-0.parquet", "-0 (copy).parquet"),
            name.replace(".parquet", ".parquet.bak"),
            name.replace(".parquet", ".zst"),
            name.replace(".parquet", ".parquet.zst"),
            name.replace("1f2e", "1F2E"),
            format!("a/{name}"),
            format!(".{name}"),
        ] {
            assert!(!is_file_name(&other), "{other}");
        }
    }
}
