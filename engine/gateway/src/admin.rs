//! The admin socket: how the gateway's operator asks a running gateway for its state, and changes its plugins.
//!
//! ```text
//!  wasmill status ──one line of JSON──► socket (mode 0600) ──► engine
//!                 ◄─one line of JSON──   only its owner's, and root's, processes
//! ```
//!
//! A Unix socket and not a port: who may connect is settled by the file's mode and checked by what the kernel says of the peer, and
//! there is no secret to keep. A question is one line of at most [`ASK_BYTES_MAX`] bytes, the answer is one line, and then the
//! connection is closed; that of a tap goes on, with a [`Line`](crate::tap::Line) for each record, until either side closes it. Files are named, not sent: the gateway reads them as it reads its configuration's.

mod client;
mod server;
mod socket;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::engine::Status;
use crate::tap::{Serves, TapSpec};

pub use client::{AskError, Tapping, ask, tap};
pub use server::AdminServer;
pub use socket::{AdminSocket, SocketError, default_path};

/// A path and a stage's name, with room for what JSON escapes.
pub const ASK_BYTES_MAX: usize = 64 << 10;

/// What a gateway can be asked.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    Status,
    /// Puts the plugin of a file into a stage.
    Swap {
        stage: String,
        /// Absolute: the gateway has a working directory of its own.
        file: PathBuf,
    },
    /// Puts the plugin back that a stage ran before.
    Rollback {
        stage: String,
    },
    /// Shows records as they pass.
    Tap(TapSpec),
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Status(Box<Status>),
    /// A change was made. Without stages it had been made before.
    Changed {
        generation: u64,
        stages: Vec<String>,
    },
    /// Records follow, a line for each. What serves now.
    Tapping(Serves),
    /// It was not, and everything serves as before: why, a line for each mistake.
    Refused(Vec<String>),
}
