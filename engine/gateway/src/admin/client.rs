//! The command line's side of the admin socket.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Answer, Ask};

/// A status has some hundred bytes for each component.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// A gateway that runs says at once how it stands.
const STATUS_TIMEOUT: Duration = Duration::from_secs(15);
/// A change waits for those before it, and for a compiler, which has a limit of its own.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("no gateway answers at `{}`; `--admin-socket` or `--config` say where it listens", path.display())]
    Connect {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the gateway gave no answer")]
    Talk(#[source] io::Error),
    #[error("the gateway's answer is not understood: is it of another version?")]
    Answer(#[source] serde_json::Error),
}

/// Asks the gateway that listens at `path`, and waits for its answer.
pub fn ask(path: &Path, ask: &Ask) -> Result<Answer, AskError> {
    let mut stream = UnixStream::connect(path).map_err(|source| AskError::Connect { path: path.to_owned(), source })?;
    let patience = if *ask == Ask::Status { STATUS_TIMEOUT } else { CHANGE_TIMEOUT };
    let mut question = serde_json::to_vec(ask).map_err(AskError::Answer)?;
    question.push(b'\n');
    let mut answer = Vec::new();
    let mut talk = || {
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        // A gateway that refuses may have closed its end already; what it says is read all the same.
        let _ = stream.write_all(&question);
        (&stream).take(ANSWER_BYTES_MAX).read_to_end(&mut answer)
    };
    talk().map_err(AskError::Talk)?;
    serde_json::from_slice(&answer).map_err(AskError::Answer)
}
