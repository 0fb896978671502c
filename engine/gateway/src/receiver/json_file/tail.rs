//! The files of one receiver: which there are, how far each was read, and the next lines. Everything here blocks.
//!
//! A file is its device and inode, whatever it is called: one that is renamed is read on, and one that takes its name is another.
//! Open files stay open, so that what was written before a rename is read after it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use wasmill_config::OtlpJsonFileReceiver;
use wasmill_wire::Signal;

use super::known::{Known, KnownFile};
use super::lines::{self, Bad};

/// Lines that are under way at one time: as many as a sending queue has consumers by default, and some.
const WINDOW_LINES_MAX: usize = 16;
/// And their bytes, but for a single line that is longer.
const WINDOW_BYTES_MAX: usize = 4 << 20;

/// What is read at first; more where a line is longer.
const READ_BYTES: usize = 256 << 10;

/// Known to one receiver. More are a mistake in `include`.
const FILES_MAX: usize = 10_000;

/// Open at one time. Of the others, those that have grown last stay open.
const OPEN_MAX: usize = 256;

/// A file that is no longer found is given up when it has not grown for so many looks.
const LOOKS_MAX: u32 = 3;

/// By device and inode.
type FileId = (u64, u64);

pub struct Tail {
    settings: OtlpJsonFileReceiver,
    exclude: Vec<glob::Pattern>,
    files: BTreeMap<FileId, Tracked>,
    /// Of an earlier run, and not found yet.
    earlier: Vec<KnownFile>,
    /// The first look: files that are there may be old.
    is_first: bool,
    /// Where the next read goes on, so that no file waits for another's end.
    next: FileId,
    changed: bool,
    complained_of_many: bool,
}

struct Tracked {
    known: KnownFile,
    file: Option<File>,
    /// At the last look.
    len: u64,
    /// The length at which there was no whole line any more.
    waiting_at: Option<u64>,
    /// In the middle of a line that is left out.
    is_skipping: bool,
    /// Looks that did not find it.
    missed: u32,
    /// The number of the look at which it had grown last.
    complained: bool,
}

/// Lines of one file that were read together.
pub struct Window {
    id: FileId,
    pub path: PathBuf,
    pub lines: Vec<Line>,
}

pub struct Line {
    start: u64,
    end: u64,
    number: Option<u64>,
    pub content: Result<Vec<(Signal, Bytes)>, Bad>,
}

impl Window {
    /// For people: `/var/log/a.jsonl line 7`.
    pub fn place(&self, line: usize) -> Arc<str> {
        let path = self.path.display();
        match self.lines.get(line) {
            Some(Line { number: Some(number), .. }) => format!("{path} line {number}").into(),
            Some(Line { start, .. }) => format!("{path} byte {start}").into(),
            None => path.to_string().into(),
        }
    }
}

impl Tail {
    pub fn new(settings: OtlpJsonFileReceiver, known: Option<Known>) -> Tail {
        // They were patterns when the configuration was read.
        let exclude = settings.exclude.iter().filter_map(|pattern| glob::Pattern::new(pattern).ok()).collect();
        Tail {
            // Whoever was here before knows what was there then.
            is_first: known.is_none(),
            earlier: known.unwrap_or_default().files,
            settings,
            exclude,
            files: BTreeMap::new(),
            next: (0, 0),
            changed: false,
            complained_of_many: false,
        }
    }

    /// How far everything was read.
    pub fn known(&self) -> Known {
        Known {
            files: self.files.values().map(|file| file.known.clone()).chain(self.earlier.iter().cloned()).collect(),
        }
    }

    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub fn set_changed(&mut self) {
        self.changed = true;
    }

    /// Looks which files there are, and how long they are.
    pub fn look(&mut self) {
        self.files.values_mut().for_each(|file| file.missed += 1);
        for path in self.found() {
            // Gone since: the next look will not find it.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if metadata.is_file() {
                self.see(path, (metadata.dev(), metadata.ino()), metadata.len());
            }
        }
        self.forget();
        self.is_first = false;
        // What an earlier run knew and is not there now does not come back.
        self.changed |= !self.earlier.is_empty();
        self.earlier.clear();
    }

    fn found(&self) -> Vec<PathBuf> {
        let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::default() };
        let mut paths: Vec<PathBuf> = Vec::new();
        for pattern in &self.settings.include {
            let Ok(found) = glob::glob_with(pattern, options) else { continue };
            // A folder that cannot be read has no files for us.
            let found = found.filter_map(Result::ok);
            let wanted = found.filter(|path| !self.exclude.iter().any(|not| not.matches_path_with(path, options)));
            paths.extend(wanted.take(FILES_MAX + 1 - paths.len().min(FILES_MAX)));
        }
        paths
    }

    fn see(&mut self, path: PathBuf, id: FileId, len: u64) {
        if let Some(file) = self.files.get_mut(&id) {
            // It may have several names, and may have got another.
            file.missed = 0;
            file.known.path = path;
            if len < file.known.offset || (self.settings.replay && file.known.offset > 0) {
                file.known.rewind();
                (file.is_skipping, file.waiting_at) = (false, None);
                self.changed = true;
            }
            file.len = len;
            return;
        }
        if self.files.len() >= FILES_MAX {
            if !std::mem::replace(&mut self.complained_of_many, true) {
                tracing::error!(path = %path.display(), "more than {FILES_MAX} files: this one and more are not read");
            }
            return;
        }
        let mut tracked = Tracked {
            known: KnownFile::new(path, id.0, id.1),
            file: None,
            len,
            waiting_at: None,
            is_skipping: false,
            missed: 0,
            complained: false,
        };
        if let Err(error) = self.begin(&mut tracked) {
            return self.complain(tracked, id, &error);
        }
        self.changed = true;
        self.files.insert(id, tracked);
    }

    /// Decides where to begin in a file that was not seen before.
    fn begin(&mut self, tracked: &mut Tracked) -> io::Result<()> {
        let path = tracked.known.path.clone();
        let file = File::open(&path)?;
        for place in 0..self.earlier.len() {
            if self.earlier[place].is(&path, &file)? {
                let earlier = self.earlier.swap_remove(place);
                let (device, inode) = (tracked.known.device, tracked.known.inode);
                tracked.known = KnownFile { path, device, inode, ..earlier };
                tracked.file = Some(file);
                return Ok(());
            }
        }
        if self.is_first && self.settings.start_at_end && !self.settings.replay && tracked.len > 0 {
            let mut last = [0];
            file.read_exact_at(&mut last, tracked.len - 1)?;
            // What follows a line that has begun is no line.
            tracked.is_skipping = last != *b"\n";
            tracked.known.offset = tracked.len;
            tracked.known.line = None;
            tracked.known.note_head(&file)?;
        }
        tracked.file = Some(file);
        Ok(())
    }

    /// Says once that a file cannot be read; it is tried again at each look.
    fn complain(&mut self, tracked: Tracked, id: FileId, error: &io::Error) {
        let path = tracked.known.path.display();
        tracing::warn!(%path, %error, "a file cannot be opened");
        // Known, with nothing to read: what is written to it later is tried.
        let len = tracked.len;
        self.files.insert(id, Tracked { waiting_at: Some(len), complained: true, ..tracked });
    }

    /// Lets go of files that are gone and read, and closes some of those that do not grow.
    fn forget(&mut self) {
        let before = self.files.len();
        self.files.retain(|_, file| {
            if file.missed == 0 {
                return true;
            }
            let Some(open) = &file.file else { return false };
            // It may still be written to by whoever has it open.
            let len = open.metadata().map_or(0, |metadata| metadata.len());
            if len > file.len {
                (file.len, file.missed) = (len, 1);
            }
            file.missed <= LOOKS_MAX || file.has_more()
        });
        self.changed |= self.files.len() != before;
        let mut open = self.files.values().filter(|file| file.file.is_some()).count();
        for file in self.files.values_mut().filter(|file| file.missed == 0 && !file.has_more()) {
            if open <= OPEN_MAX {
                break;
            }
            open -= usize::from(file.file.take().is_some());
        }
    }

    /// The next lines of some file. `None`: there are none at the moment.
    pub fn read(&mut self) -> Option<Window> {
        loop {
            let more = |(id, file): (&FileId, &Tracked)| file.has_more().then_some(*id);
            let id = self.files.range(self.next..).find_map(more).or_else(|| self.files.iter().find_map(more))?;
            self.next = (id.0, id.1.saturating_add(1));
            let file = self.files.get_mut(&id)?;
            match file.lines(self.settings.line_bytes_max) {
                Ok(lines) if lines.is_empty() => self.changed = true,
                Ok(lines) => return Some(Window { id, path: file.known.path.clone(), lines }),
                Err(error) => {
                    file.waiting_at = Some(file.len);
                    if !std::mem::replace(&mut file.complained, true) {
                        tracing::warn!(path = %file.known.path.display(), %error, "a file cannot be read");
                    }
                }
            }
        }
    }

    /// The first `done` lines have ended.
    pub fn advance(&mut self, window: &Window, done: usize) {
        let Some(last) = done.checked_sub(1).and_then(|last| window.lines.get(last)) else { return };
        let Some(file) = self.files.get_mut(&window.id) else { return };
        file.known.offset = last.end;
        file.known.line = last.number.map(|number| number + 1);
        self.changed = true;
        if let Some(open) = &file.file
            && let Err(error) = file.known.note_head(open)
        {
            tracing::warn!(path = %file.known.path.display(), %error, "a file's beginning cannot be read");
        }
    }
}

impl Tracked {
    fn has_more(&self) -> bool {
        self.len > self.known.offset && self.waiting_at != Some(self.len)
    }

    /// Lines from the offset on. Empty: there is no whole one, or a part of one was skipped.
    fn lines(&mut self, line_bytes_max: usize) -> io::Result<Vec<Line>> {
        let mut buffer = Vec::new();
        let mut wanted = READ_BYTES;
        loop {
            self.fill(&mut buffer, wanted)?;
            let is_all = buffer.len() < wanted;
            match buffer.iter().position(|byte| *byte == b'\n') {
                Some(end) if self.is_skipping => {
                    self.is_skipping = false;
                    self.skip(end + 1);
                    return Ok(Vec::new());
                }
                Some(_) => return Ok(self.split(&buffer, line_bytes_max)),
                None if self.is_skipping && !buffer.is_empty() => {
                    self.skip(buffer.len());
                    return Ok(Vec::new());
                }
                None if buffer.len() > line_bytes_max => {
                    self.is_skipping = true;
                    return Ok(vec![self.too_long(buffer.len() as u64, line_bytes_max)]);
                }
                None if is_all => {
                    // The rest of the last line is to come.
                    self.waiting_at = Some(self.len);
                    return Ok(Vec::new());
                }
                None => wanted = (wanted * 4).min(line_bytes_max + 1),
            }
        }
    }

    fn split(&mut self, buffer: &[u8], line_bytes_max: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        let (mut start, mut number) = (self.known.offset, self.known.line);
        let mut bytes = 0;
        for line in buffer.split_inclusive(|byte| *byte == b'\n') {
            let Some((_, content)) = line.split_last().filter(|(last, _)| **last == b'\n') else { break };
            if lines.len() == WINDOW_LINES_MAX || (bytes > 0 && bytes + line.len() > WINDOW_BYTES_MAX) {
                break;
            }
            bytes += line.len();
            let end = start + line.len() as u64;
            let content = if content.len() > line_bytes_max {
                Err(too_long(start, line_bytes_max))
            } else {
                lines::requests(content, start)
            };
            lines.push(Line { start, end, number, content });
            (start, number) = (end, number.map(|number| number + 1));
        }
        lines
    }

    /// The offset moves over what belongs to no line.
    fn skip(&mut self, bytes: usize) {
        self.known.offset += bytes as u64;
    }

    fn too_long(&self, bytes: u64, line_bytes_max: usize) -> Line {
        let start = self.known.offset;
        Line { start, end: start + bytes, number: self.known.line, content: Err(too_long(start, line_bytes_max)) }
    }

    /// Reads from the offset on until there are `wanted` bytes, or the file ends.
    fn fill(&mut self, buffer: &mut Vec<u8>, wanted: usize) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(reopen(&self.known)?),
        };
        let mut filled = buffer.len();
        buffer.resize(wanted, 0);
        while filled < wanted {
            match file.read_at(&mut buffer[filled..], self.known.offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    buffer.truncate(filled);
                    return Err(error);
                }
            }
        }
        buffer.truncate(filled);
        self.complained = false;
        Ok(())
    }
}

fn too_long(start: u64, line_bytes_max: usize) -> Bad {
    Bad { byte: start, reason: format!("longer than `max_log_size`, which is {line_bytes_max} bytes") }
}

/// A file that was closed in between, if it is still the same.
fn reopen(known: &KnownFile) -> io::Result<File> {
    let file = File::open(&known.path)?;
    let metadata = file.metadata()?;
    if (metadata.dev(), metadata.ino()) != (known.device, known.inode) {
        return Err(io::Error::new(io::ErrorKind::NotFound, "another file has its name now"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests;
