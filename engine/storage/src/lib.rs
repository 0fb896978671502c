//! The durable log: what was taken from a sender, on disk until a backend has it.
//!
//! A [`Log`] is a folder of *segments*: files that records are only ever appended to, and that are deleted whole when everything
//! in them is acknowledged. There is no index on disk and nothing is rewritten in place, so that a crash at any moment leaves
//! what was there before it, and at most the beginning of what was being written.
//!
//! ```text
//!  append ─┐                    ┌─ one write, one fsync ─► 0000000000000007.log   [header][record][record]…
//!  append ─┼─► the log's thread ┤
//!  ack ────┘                    └─ a write, no fsync ────► 0000000000000007.ack   [header][sequence][sequence]…
//! ```
//!
//! **Group commit.** One thread for each log does all the writing. What is asked for while it writes is the next group: many
//! appends, one write, one `fsync`. Each append is answered when its group is on disk, or when it is known that it is not.
//!
//! **Acknowledgements** stand beside the segment that they are about, and are not waited for: one that a power failure takes back
//! is a record delivered twice, never one lost. Each has a checksum over its sequence number and its segment, so that no
//! garbage acknowledges a record.
//!
//! **Recovery** reads every segment from its beginning ([`scan`]). What follows the last whole record, and is the beginning of
//! one, is a torn tail, and is dropped: it was never answered for. Damage before that is reported with file and offset, and
//! reading goes on at the next record that is intact. A log never appends to a segment that it did not begin, and never uses a
//! sequence number twice.
//!
//! **What is refused.** Files of another version of the format; a folder that another process has; an append that would exceed
//! the folder's `bytes_max`. An append that the disk refuses leaves nothing behind that counts, and the next one tries again.
//!
//! Nothing here is asynchronous, and nothing here knows what a record holds.

mod disk;
mod error;
mod folder;
mod format;
mod journal;
mod log;
mod scan;

pub use disk::{AppendFile, Disk, SystemDisk};
pub use error::{AppendError, OpenError};
pub use folder::{Census, Folder, FolderOptions};
pub use format::{PAYLOAD_BYTES_MAX, RECORD_HEADER_LEN, VERSION};
pub use journal::{Journal, JournalOptions, NewRecord, Record, Recovered};
pub use log::{Done, Log};
pub use scan::{Damage, Found, Scan, scan};
