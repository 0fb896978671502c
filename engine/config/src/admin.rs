//! `service::admin`: the socket that `wasmill status`, `wasmill swap` and `wasmill rollback` talk to.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::reader::Reader;
use crate::running::Admin;
use crate::schema::{Kind, Section, key};

pub(crate) static SECTION: Section = Section {
    keys: &[
        key("enabled", Kind::Bool, "true", "`false`: there is no socket."),
        key(
            "socket",
            Kind::File,
            "",
            "Where it is, in at most 100 bytes. Without it: `wasmill/admin.sock` in `$XDG_RUNTIME_DIR`, or else in `/run` for root and \
             in `/tmp/wasmill-UID` for others.",
        ),
    ],
};

/// Linux takes 107 for a socket's path, and the lock beside it has some more.
const SOCKET_BYTES_MAX: usize = 100;

pub(crate) fn read(reader: &Reader) -> Admin {
    let fits = |path: &PathBuf| path.as_os_str().as_bytes().len() <= SOCKET_BYTES_MAX;
    Admin {
        enabled: reader.get_or("enabled", true),
        socket: reader.checked("socket", "the path of a file, at most 100 bytes", fits),
    }
}
