//! The command line's side of the admin socket.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::{Answer, Ask};
use crate::tap::{Serves, TapSpec};

/// A status has some hundred bytes for each component.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// A gateway that runs says at once how it stands.
const STATUS_TIMEOUT: Duration = Duration::from_secs(15);
/// A change waits for those before it, and for a compiler, which has a limit of its own.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// A record of the largest size that is shown, of characters that JSON has to spell out, with what changed of it.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("no gateway answers at `{}`; `--admin-socket` or `--config` say where it listens", path.display())]
    Connect {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The gateway's reasons.
    #[error("{}", .0.join("; "))]
    Refused(Vec<String>),
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

/// Records of a running gateway, as they pass.
pub struct Tapping {
    /// What served when it began.
    pub serves: Serves,
    stream: BufReader<tokio::net::UnixStream>,
}

/// Listens to the gateway at `path`. To be called within a runtime.
pub async fn tap(path: &Path, spec: TapSpec) -> Result<Tapping, AskError> {
    let stream = tokio::net::UnixStream::connect(path).await;
    let stream = stream.map_err(|source| AskError::Connect { path: path.to_owned(), source })?;
    let mut question = serde_json::to_vec(&Ask::Tap(spec)).map_err(AskError::Answer)?;
    question.push(b'\n');
    let mut stream = BufReader::new(stream);
    // As in `ask`: a refusal is read, whatever became of the question.
    let _ = stream.write_all(&question).await;
    // A condition may have to wait for a compiler.
    let answer = tokio::time::timeout(CHANGE_TIMEOUT, line(&mut stream)).await;
    let answer = answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(AskError::Talk)?;
    match serde_json::from_slice::<Answer>(&answer).map_err(AskError::Answer)? {
        Answer::Tapping(serves) => Ok(Tapping { serves, stream }),
        Answer::Refused(reasons) => Err(AskError::Refused(reasons)),
        _ => Err(AskError::Talk(io::ErrorKind::InvalidData.into())),
    }
}

impl Tapping {
    /// Waits for a [`Line`](crate::tap::Line), as JSON with its end. `None`: the gateway closed the connection.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, AskError> {
        let line = line(&mut self.stream).await.map_err(AskError::Talk)?;
        Ok(line.ends_with(b"\n").then_some(line))
    }
}

/// What comes until the end of the line, or of everything.
async fn line(stream: &mut BufReader<tokio::net::UnixStream>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    match stream.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
        _ => Ok(line),
    }
}
