//! Which files the gateway has written: what retention may delete, and nothing else.
//!
//! A name can be copied, and so can what is in a file. This is a list of our own, with the size of each file as it was when it was put in
//! place: a file that is not in it, or has another size since, is somebody else's. It is a text file that only grows, a line for each file,
//! and is written anew where files went. Whoever deletes it keeps all files that were in it.
//!
//! ```text
//!  1f2e3d4c 1048576 1663131734173 logs/date=2022-09-14/hour=05/logs-2022-09-14T05-02-14.173Z-1f2e3d4c5b6a7988-0.parquet
//!  checksum bytes   put in place, Unix milliseconds
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::folders::is_file_name;

/// More files than any reader would open, and 100 MB of text: what is behind is nobody's to delete.
const FILES_MAX: usize = 1 << 20;

const MODE: u32 = 0o600;

/// A file that was put in place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub bytes: u64,
    pub unix_ms: u64,
    /// From the root, with `/` between.
    pub path: String,
}

pub struct Manifest {
    path: PathBuf,
    file: File,
    entries: Vec<Entry>,
}

impl Manifest {
    /// Reads it, or begins one. Lines that are none are left out, and said.
    pub fn open(path: PathBuf) -> io::Result<Manifest> {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(MODE).open(&path)?;
        let text = fs::read(&path)?;
        let mut entries = Vec::new();
        let mut wrong = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            match Entry::parse(line) {
                Some(entry) if entries.len() < FILES_MAX => entries.push(entry),
                _ => wrong += 1,
            }
        }
        let mut manifest = Manifest { path, file, entries };
        if wrong > 0 {
            let path = manifest.path.display();
            tracing::warn!(%path, lines = wrong, "lines of the list of written files cannot be used: the files stay until somebody deletes them");
            manifest.rewrite()?;
        }
        Ok(manifest)
    }

    /// In the order in which they were put in place.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds a file, so that it stays in the list whatever happens. A file that is written again takes its place.
    pub fn add(&mut self, entry: Entry) -> io::Result<()> {
        let before = self.file.metadata()?.len();
        let added = self.file.write_all(&entry.line()).and_then(|()| self.file.sync_data());
        if added.is_err() {
            // Half a line is none; the next one is not to stand behind it.
            let _ = self.file.set_len(before);
        }
        added?;
        self.entries.retain(|other| other.path != entry.path);
        if self.entries.len() < FILES_MAX {
            self.entries.push(entry);
        }
        Ok(())
    }

    /// Takes files from the list.
    pub fn forget(&mut self, gone: impl Fn(&Entry) -> bool) -> io::Result<()> {
        self.entries.retain(|entry| !gone(entry));
        self.rewrite()
    }

    /// Beside its place first, so that there is a whole one at any moment.
    fn rewrite(&mut self) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let text: Vec<u8> = self.entries.iter().flat_map(Entry::line).collect();
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&beside)?;
        file.write_all(&text)?;
        file.sync_data()?;
        fs::rename(&beside, &self.path)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        Ok(())
    }
}

impl Entry {
    fn line(&self) -> Vec<u8> {
        let content = format!("{} {} {}", self.bytes, self.unix_ms, self.path);
        format!("{:08x} {content}\n", crc32c::crc32c(content.as_bytes())).into_bytes()
    }

    /// `None` for anything that we would not have written: half a line, a path that leads out of the root, a name that is none of ours.
    fn parse(line: &[u8]) -> Option<Entry> {
        let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
        let (checksum, content) = line.split_once(' ')?;
        let expected = u32::from_str_radix(checksum, 16).ok().filter(|_| checksum.len() == 8)?;
        if crc32c::crc32c(content.as_bytes()) != expected {
            return None;
        }
        let mut parts = content.splitn(3, ' ');
        let (bytes, unix_ms, path) = (parts.next()?, parts.next()?, parts.next()?);
        let (folders, name) = path.rsplit_once('/').map_or((None, path), |(folders, name)| (Some(folders), name));
        let mut names = folders.into_iter().flat_map(|folders| folders.split('/'));
        let is_below = names.all(|name| !matches!(name, "" | "." | ".."));
        let entry = Entry { bytes: bytes.parse().ok()?, unix_ms: unix_ms.parse().ok()?, path: path.to_owned() };
        (is_below && is_file_name(name)).then_some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64) -> Entry {
        let name = format!("logs-2022-09-14T05-02-14.173Z-{number:016x}-0.parquet");
        Entry { bytes: number, unix_ms: 1_663_131_734_173, path: format!("logs/hour=05/{name}") }
    }

    /// Scenario: a list that is cut off at every byte; lines that somebody wrote into it, with a path out of the folder among them.
    /// Guarantee: whole lines of ours are read, and nothing else; what is added then is there at the next start.
    #[test]
    fn the_list_is_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest");
        let mut manifest = Manifest::open(path.clone()).unwrap();
        (1..4).for_each(|number| manifest.add(entry(number)).unwrap());
        manifest.add(Entry { bytes: 20, ..entry(2) }).unwrap();
        manifest.forget(|entry| entry.bytes == 1).unwrap();
        let expected = [entry(3), Entry { bytes: 20, ..entry(2) }];
        assert_eq!(Manifest::open(path.clone()).unwrap().entries(), expected);

        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let mut manifest = Manifest::open(path.clone()).unwrap();
            let count = manifest.entries().len();
            manifest.add(entry(9)).unwrap();
            assert_eq!(Manifest::open(path.clone()).unwrap().entries().len(), count + 1, "{cut}");
        }
        for other in ["../x/", "/etc/", "logs/../", "logs//", "./"] {
            let name = entry(1).path.rsplit_once('/').unwrap().1.to_owned();
            fs::write(&path, Entry { path: format!("{other}{name}"), ..entry(1) }.line()).unwrap();
            assert!(Manifest::open(path.clone()).unwrap().entries().is_empty(), "{other}");
        }
        let passwords = Entry { path: "logs/passwords.parquet".to_owned(), ..entry(1) };
        fs::write(&path, passwords.line()).unwrap();
        assert!(Manifest::open(path).unwrap().entries().is_empty());
    }
}
