//! Where the admin socket is, and who has it.
//!
//! A socket's file outlives a process that is killed. Whether one is stale is not asked by connecting, which would race with a
//! process that is about to listen, but by a lock on a file beside it (`admin.sock.lock`), which the kernel gives back with its process.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Another process may remove the lock's file between our opening and our locking it; each time it is looked for anew.
const LOCK_ATTEMPTS: usize = 10;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("another gateway has the admin socket `{}`; give this one its own with `service::admin::socket` or `--admin-socket`", path.display())]
    Taken { path: PathBuf },
    #[error("`{}` is no socket, and is left as it is", path.display())]
    NoSocket { path: PathBuf },
    #[error("the folder `{}` can be written by others: the admin socket is not put there", path.display())]
    Folder { path: PathBuf },
    #[error("cannot listen on the admin socket `{}`", path.display())]
    Listen {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A socket that nobody else has. Dropped, it is removed.
pub struct AdminSocket {
    path: PathBuf,
    listener: UnixListener,
    lock: File,
    lock_path: PathBuf,
}

/// Where the socket is if nobody says otherwise: `wasmill/admin.sock` in `$XDG_RUNTIME_DIR`, else in `/run` for root, and in a folder of
/// the user's in `/tmp` for others.
pub fn default_path() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = match (runtime, own_uid()) {
        (Some(runtime), _) => runtime.join("wasmill"),
        (None, 0) => PathBuf::from("/run/wasmill"),
        (None, uid) => PathBuf::from(format!("/tmp/wasmill-{uid}")),
    };
    folder.join("admin.sock")
}

/// Of this process; what it does is done as this user.
pub(super) fn own_uid() -> u32 {
    // SAFETY: it takes nothing, and cannot fail.
    unsafe { libc::geteuid() }
}

impl AdminSocket {
    /// Listens where everybody looks. The folder is made, for this user alone.
    pub fn open_default() -> Result<AdminSocket, SocketError> {
        let path = default_path();
        if let Some(folder) = path.parent() {
            own_folder(folder).map_err(|source| SocketError::Listen { path: path.clone(), source })?;
            let metadata = folder.symlink_metadata();
            let own = |metadata: std::fs::Metadata| {
                metadata.is_dir() && metadata.uid() == own_uid() && metadata.mode() & 0o022 == 0
            };
            if !metadata.is_ok_and(own) {
                return Err(SocketError::Folder { path: folder.to_owned() });
            }
        }
        AdminSocket::open(&path)
    }

    /// Listens at `path`. What a killed process left there is replaced.
    pub fn open(path: &Path) -> Result<AdminSocket, SocketError> {
        let failed = |source| SocketError::Listen { path: path.to_owned(), source };
        let lock_path = {
            let mut name = path.as_os_str().to_owned();
            name.push(".lock");
            PathBuf::from(name)
        };
        let lock = lock(&lock_path).map_err(failed)?.ok_or_else(|| SocketError::Taken { path: path.to_owned() })?;
        match path.symlink_metadata() {
            Ok(metadata) if !metadata.file_type().is_socket() => {
                let _ = std::fs::remove_file(&lock_path);
                return Err(SocketError::NoSocket { path: path.to_owned() });
            }
            // Nobody listens there: whoever did has given up the lock.
            Ok(_) => std::fs::remove_file(path).map_err(failed)?,
            Err(_) => {}
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        // Until here others could at most have connected, which their identity is checked for too.
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(AdminSocket { path: path.to_owned(), listener, lock, lock_path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn listener(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        // In this order, and the lock given up last: nobody else's socket is removed.
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_file(&self.lock_path);
        let _ = self.lock.unlock();
    }
}

fn own_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// `None`: another process has it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    for _ in 0..LOCK_ATTEMPTS {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever had it may have removed it meanwhile: then this is a lock on what nobody else will find.
        let (ours, there) = (file.metadata()?, path.symlink_metadata());
        if there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The socket is its owner's alone, one process has it, and it goes with whoever has it.
    #[test]
    fn one_process_has_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let socket = AdminSocket::open(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert!(matches!(AdminSocket::open(&path), Err(SocketError::Taken { .. })));
        drop(socket);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
        AdminSocket::open(&path).unwrap();
    }

    /// A process was killed: its socket is there, and nobody has its lock.
    #[test]
    fn a_stale_socket_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        drop(UnixListener::bind(&path).unwrap());
        std::fs::write(folder.path().join("admin.sock.lock"), "").unwrap();
        let socket = AdminSocket::open(&path).unwrap();
        std::os::unix::net::UnixStream::connect(socket.path()).unwrap();
    }

    /// What is no socket is nobody's to remove.
    #[test]
    fn a_file_in_its_place_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(AdminSocket::open(&path), Err(SocketError::NoSocket { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        let nowhere = folder.path().join("no/such/folder.sock");
        assert!(matches!(AdminSocket::open(&nowhere), Err(SocketError::Listen { .. })));
    }
}
