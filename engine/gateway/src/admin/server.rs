//! The gateway's side of the admin socket.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use wasmill_transport::AcceptErrors;

use super::socket::own_uid;
use super::{ASK_BYTES_MAX, AdminSocket, Answer, Ask};
use crate::engine::{ByHandError, Engine, Reloaded, chain};
use crate::tap::{Tap, Taps};

/// Operators are few. What is more is told so.
const CONNECTIONS_MAX: usize = 16;
/// A question is written at once.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Whoever asked reads the answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers until it is stopped or dropped.
pub struct AdminServer {
    socket: AdminSocket,
    task: JoinHandle<()>,
    taps: Arc<Taps>,
}

impl AdminServer {
    /// To be called within a runtime. A change that was asked for is made even if whoever asked does not wait for it.
    pub fn serve(socket: AdminSocket, engine: Arc<Engine>) -> std::io::Result<AdminServer> {
        let listener = UnixListener::from_std(socket.listener()?)?;
        let taps = Arc::clone(engine.taps());
        Ok(AdminServer { task: tokio::spawn(accept(listener, engine)), socket, taps })
    }

    pub fn socket(&self) -> &AdminSocket {
        &self.socket
    }

    /// Ends, with what it was asked and has not done. Those who listen are told `why`.
    pub async fn stop(mut self, why: &str) {
        self.taps.end(why).await;
        self.task.abort();
        // It was aborted: that is its result.
        let _ = (&mut self.task).await;
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: UnixListener, engine: Arc<Engine>) {
    let mut connections = JoinSet::new();
    let mut errors = AcceptErrors::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) if connections.len() < CONNECTIONS_MAX => {
                connections.spawn(answer(stream, Arc::clone(&engine)));
            }
            Ok((mut stream, _)) => {
                let busy = line(&Answer::Refused(vec!["too many ask at one time: try again".to_owned()]));
                // There is room for it in an empty socket; if not, whoever asked sees a closed one.
                let _ = timeout(Duration::from_millis(10), stream.write_all(&busy)).await;
            }
            Err(error) => errors.pause(&error).await,
        }
    }
}

async fn answer(mut stream: UnixStream, engine: Arc<Engine>) {
    let uid = stream.peer_cred().map(|peer| peer.uid());
    let answer = match uid {
        Ok(uid) if may_ask(uid, own_uid()) => match read(&mut stream).await {
            Ok(ask) => match answer_to(&engine, ask).await {
                Reply::Line(answer) => answer,
                Reply::Tap(tap) => return show(stream, &engine, tap).await,
            },
            Err(reason) => Answer::Refused(vec![reason]),
        },
        Ok(uid) => {
            tracing::warn!(uid, "another user's process asked on the admin socket, and was refused");
            Answer::Refused(vec!["the gateway is another user's".to_owned()])
        }
        Err(_) => return,
    };
    // Whoever asked may have gone.
    let _ = timeout(WRITE_TIMEOUT, async {
        stream.write_all(&line(&answer)).await?;
        stream.shutdown().await
    })
    .await;
}

/// Goes on until either side ends it.
async fn show(mut stream: UnixStream, engine: &Engine, tap: Tap) {
    let answer = line(&Answer::Tapping(engine.serves_at(&tap)));
    if let Ok(Ok(())) = timeout(WRITE_TIMEOUT, stream.write_all(&answer)).await {
        let (reader, writer) = stream.split();
        tap.run(|tap| engine.serves_at(tap), reader, writer).await;
    }
}

/// The gateway's own user, and root, who may do anything.
fn may_ask(uid: u32, own: u32) -> bool {
    uid == own || uid == 0
}

async fn read(stream: &mut UnixStream) -> Result<Ask, String> {
    let mut question = Vec::new();
    let mut limited = BufReader::new(stream).take(ASK_BYTES_MAX as u64 + 1);
    match timeout(READ_TIMEOUT, limited.read_until(b'\n', &mut question)).await {
        Err(_) => return Err("the question did not come to its end in time".to_owned()),
        Ok(Err(error)) => return Err(error.to_string()),
        Ok(Ok(_)) if question.len() > ASK_BYTES_MAX => {
            return Err(format!("a question has at most {ASK_BYTES_MAX} bytes"));
        }
        Ok(Ok(_)) => {}
    }
    serde_json::from_slice(&question).map_err(|error| format!("not a question: {error}"))
}

fn line(answer: &Answer) -> Vec<u8> {
    // Plain data with names for keys: it can be written.
    let mut line = serde_json::to_vec(answer).unwrap_or_default();
    line.push(b'\n');
    line
}

enum Reply {
    Line(Answer),
    /// And what comes after it.
    Tap(Tap),
}

async fn answer_to(engine: &Engine, ask: Ask) -> Reply {
    Reply::Line(match ask {
        Ask::Tap(spec) => match engine.tap(&spec).await {
            Ok(tap) => return Reply::Tap(tap),
            Err(error) => Answer::Refused(vec![chain(&error)]),
        },
        Ask::Status => Answer::Status(Box::new(engine.status())),
        Ask::Swap { file, .. } if !file.is_absolute() => {
            Answer::Refused(vec![format!("`{}` is not an absolute path", file.display())])
        }
        Ask::Swap { stage, file } => {
            let result = engine.swap_by_hand(&stage, &file).await;
            changed("swapped", &stage, result)
        }
        Ask::Rollback { stage } => {
            let result = engine.roll_back(&stage).await;
            changed("rolled back", &stage, result)
        }
    })
}

fn changed(how: &str, stage: &str, result: Result<Reloaded, ByHandError>) -> Answer {
    match result {
        Ok(Reloaded { generation, swapped }) => {
            tracing::info!(stage, generation, "plugin {how} by hand");
            Answer::Changed { generation, stages: swapped.iter().map(ToString::to_string).collect() }
        }
        Err(error) => {
            let lines = error.lines();
            for reason in &lines {
                tracing::error!(stage, %reason, "plugin not {how} by hand, the old one serves on");
            }
            Answer::Refused(lines)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: processes of several users ask.
    /// Guarantee: the gateway's own user and root are answered, no other.
    #[test]
    fn only_the_owner_and_root_may_ask() {
        assert!(may_ask(1000, 1000) && may_ask(0, 1000) && may_ask(0, 0));
        assert!(!may_ask(1001, 1000) && !may_ask(65534, 0));
    }
}
