//! A disk in memory that stops in the middle of a write, is full, and forgets what was not synchronised.

use std::collections::BTreeMap;
use std::io::{self, Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use wasmill_storage::{AppendFile, Disk};

#[derive(Clone, Default)]
pub struct FaultyDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    files: BTreeMap<PathBuf, Content>,
    /// What the folder holds for certain, and with which content: what is left of a removed file.
    kept: BTreeMap<PathBuf, Content>,
    /// Changes until everything stops; the one that stops is made in part.
    changes_left: Option<u32>,
    stopped: bool,
    /// Bytes that still fit.
    room: Option<usize>,
    random: u64,
}

#[derive(Clone, Default, Debug)]
struct Content {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

/// What a crash takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Crash {
    /// The process: what the system was given is there.
    Process,
    /// The machine: what was not synchronised may be there, or not, or in part.
    Machine,
}

impl FaultyDisk {
    /// Lets everything stop after so many more changes.
    pub fn stop_after(&self, changes: u32) {
        self.lock().changes_left = Some(changes);
    }

    pub fn set_room(&self, room: Option<usize>) {
        self.lock().room = room;
    }

    /// What a process finds that starts after a crash.
    pub fn crash(&self, crash: Crash, seed: u64) {
        let mut state = self.lock();
        state.stopped = false;
        state.changes_left = None;
        state.random = seed | 1;
        if crash == Crash::Machine {
            // Files whose creation, or removal, nobody made sure of.
            let kept = state.kept.clone();
            let uncertain: Vec<PathBuf> =
                state.files.keys().filter(|path| !kept.contains_key(*path)).cloned().collect();
            for path in uncertain {
                if state.draw(2) == 0 {
                    state.files.remove(&path);
                }
            }
            for (path, content) in kept {
                if !state.files.contains_key(&path) && state.draw(2) == 0 {
                    state.files.insert(path, content);
                }
            }
            let paths: Vec<PathBuf> = state.files.keys().cloned().collect();
            for path in paths {
                let Some(mut content) = state.files.remove(&path) else { continue };
                content.bytes = state.torn(&content);
                state.files.insert(path, content);
            }
        }
        for content in state.files.values_mut() {
            content.synced.clone_from(&content.bytes);
        }
        state.kept = state.files.clone();
    }

    /// Turns one bit of one file around.
    pub fn flip(&self, name: &str, offset: usize) {
        let mut state = self.lock();
        let file = state.files.iter_mut().find(|(path, _)| path.ends_with(name)).expect("a file of this name");
        file.1.bytes[offset] ^= 0x10;
    }

    /// Makes a file say that it is of another version.
    pub fn set_version(&self, name: &str, version: u32) {
        let mut state = self.lock();
        let file = state.files.iter_mut().find(|(path, _)| path.ends_with(name)).expect("a file of this name");
        let bytes = &mut file.1.bytes;
        bytes[8..12].copy_from_slice(&version.to_le_bytes());
        let at = if name.ends_with(".ack") { 12 } else { 24 };
        let checksum = crc32c::crc32c(&bytes[..at]);
        bytes[at..at + 4].copy_from_slice(&checksum.to_le_bytes());
    }

    pub fn put(&self, folder: &str, name: &str, bytes: &[u8]) {
        let content = Content { bytes: bytes.to_vec(), synced: bytes.to_vec() };
        self.lock().files.insert(Path::new(folder).join(name), content);
    }

    pub fn names(&self) -> Vec<String> {
        self.lock().files.keys().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }

    pub fn bytes(&self) -> usize {
        self.lock().files.values().map(|content| content.bytes.len()).sum()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn draw(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    /// What a machine's failure leaves of a file: what was synchronised, and of the rest a beginning, the end of which may be
    /// zeros.
    fn torn(&mut self, content: &Content) -> Vec<u8> {
        let same = content.bytes.iter().zip(&content.synced).take_while(|(a, b)| a == b).count();
        if same < content.synced.len() {
            // It was cut after it was synchronised: either the cut is there or it is not.
            return if self.draw(2) == 0 { content.synced.clone() } else { content.bytes.clone() };
        }
        let more = content.bytes.len() - same;
        let mut bytes = content.bytes[..same + self.draw(more as u64 + 1) as usize].to_vec();
        // Blocks that were not written are longer than this.
        const ZEROS_MIN: usize = 16;
        let (len, zeros) = (bytes.len(), self.draw((bytes.len() - same) as u64 + 1) as usize);
        if zeros >= ZEROS_MIN && self.draw(2) == 0 {
            bytes[len - zeros..].fill(0);
        }
        bytes
    }

    /// Whether a change may be made; `false`: this is the last one, made in part.
    fn change(&mut self) -> io::Result<bool> {
        if self.stopped {
            return Err(Error::other("stopped"));
        }
        match &mut self.changes_left {
            Some(0) => {
                self.stopped = true;
                Ok(false)
            }
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None => Ok(true),
        }
    }

    fn content(&self, path: &Path) -> io::Result<&Content> {
        self.files.get(path).ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl Disk for FaultyDisk {
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.lock();
        let files = state.files.keys().filter(|path| path.parent() == Some(folder));
        Ok(files.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        let mut state = self.lock();
        let made = state.change()?;
        if state.files.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        state.files.insert(path.to_owned(), Content::default());
        if !made {
            return Err(Error::other("stopped"));
        }
        Ok(Box::new(FaultyFile { disk: self.clone(), path: path.to_owned() }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        self.lock().content(path)?;
        Ok(Box::new(FaultyFile { disk: self.clone(), path: path.to_owned() }))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(self.lock().content(path)?.bytes.len() as u64)
    }

    fn read(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let state = self.lock();
        let bytes = &state.content(path)?.bytes;
        let range = offset as usize..offset as usize + buffer.len();
        buffer.copy_from_slice(bytes.get(range).ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.change()?;
        state.files.remove(path).map(drop).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if !state.change()? {
            return Err(Error::other("stopped"));
        }
        state.kept = state.files.clone();
        Ok(())
    }
}

struct FaultyFile {
    disk: FaultyDisk,
    path: PathBuf,
}

impl AppendFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.lock();
        let made = state.change()?;
        let mut fits = state.room.unwrap_or(usize::MAX).min(bytes.len());
        if !made {
            fits = fits.min(state.draw(bytes.len() as u64 + 1) as usize);
        }
        if let Some(room) = &mut state.room {
            *room -= fits;
        }
        let content = state.files.get_mut(&self.path).ok_or(ErrorKind::NotFound)?;
        content.bytes.extend_from_slice(&bytes[..fits]);
        match made && fits == bytes.len() {
            true => Ok(()),
            false if made => Err(ErrorKind::StorageFull.into()),
            false => Err(Error::other("stopped")),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.lock();
        if !state.change()? {
            return Err(Error::other("stopped"));
        }
        let content = state.files.get_mut(&self.path).ok_or(ErrorKind::NotFound)?;
        content.synced.clone_from(&content.bytes);
        let content = content.clone();
        // A file whose name is kept is kept with what is in it.
        if let Some(kept) = state.kept.get_mut(&self.path) {
            *kept = content;
        }
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.change()?;
        let content = state.files.get_mut(&self.path).ok_or(ErrorKind::NotFound)?;
        content.bytes.truncate(len as usize);
        Ok(())
    }
}
