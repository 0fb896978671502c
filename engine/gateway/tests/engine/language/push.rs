//! A backend that is pushed to over HTTP, of any protocol: records what it is sent, and misbehaves when told to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::patiently;

/// What a push is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A status, without a body.
    Status(u16),
    /// The same, with headers, each line ended by CRLF.
    StatusWith(u16, &'static str),
    /// 202, and a body that ends before its length.
    TakenCutOff,
    /// The beginning of a status line, and the end of the connection.
    HalfAnAnswer,
    /// Something that is not HTTP.
    NotHttp,
    /// Nothing; the connection stays.
    Nothing,
}

/// A push as it came.
#[derive(Clone, Debug)]
pub struct Push {
    /// The request line and the headers, in lower case.
    pub head: String,
    pub body: Vec<u8>,
    /// How it was answered.
    pub reply: Reply,
}

/// Serves until it is dropped.
pub struct PushBackend {
    state: Arc<State>,
    address: SocketAddr,
    _serving: JoinSet<()>,
}

struct State {
    pushes: Mutex<Vec<Push>>,
    /// For the next pushes; then `otherwise`.
    replies: Mutex<VecDeque<Reply>>,
    otherwise: Reply,
    changed: Notify,
}

impl PushBackend {
    /// One that takes everything, with 202.
    pub async fn start() -> PushBackend {
        PushBackend::answering([], Reply::Status(202)).await
    }

    pub async fn answering(replies: impl IntoIterator<Item = Reply>, otherwise: Reply) -> PushBackend {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has ports");
        let address = listener.local_addr().expect("bound");
        let replies = Mutex::new(replies.into_iter().collect());
        let state = Arc::new(State { pushes: Mutex::default(), replies, otherwise, changed: Notify::new() });
        let mut serving = JoinSet::new();
        let of_connections = Arc::clone(&state);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&of_connections);
                connections.spawn(async move { serve(stream, &state).await });
            }
        });
        PushBackend { state, address, _serving: serving }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything that came, in order.
    pub fn pushes(&self) -> Vec<Push> {
        self.state.pushes.lock().clone()
    }

    /// Waits until so many pushes came, whatever the answer, and returns all.
    pub async fn wait_for(&self, at_least: usize) -> Vec<Push> {
        patiently(&format!("{at_least} pushes"), async {
            loop {
                let changed = self.state.changed.notified();
                if self.state.pushes.lock().len() >= at_least {
                    return;
                }
                changed.await;
            }
        })
        .await;
        self.pushes()
    }
}

/// Requests of one connection, one after the other.
async fn serve(mut stream: TcpStream, state: &State) {
    let mut buffer = Vec::new();
    while let Some((head, body)) = read(&mut stream, &mut buffer).await {
        let reply = state.replies.lock().pop_front().unwrap_or(state.otherwise);
        state.pushes.lock().push(Push { head, body, reply });
        state.changed.notify_waiters();
        let answer = match reply {
            Reply::Status(status) => format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n"),
            Reply::StatusWith(status, headers) => format!("HTTP/1.1 {status} x\r\n{headers}content-length: 0\r\n\r\n"),
            Reply::TakenCutOff => "HTTP/1.1 202 x\r\ncontent-length: 10\r\n\r\n12345".to_owned(),
            Reply::HalfAnAnswer => "HTTP/1.1 20".to_owned(),
            Reply::NotHttp => "220 mail.example.com ESMTP\r\n\r\n".to_owned(),
            Reply::Nothing => std::future::pending().await,
        };
        let goes_on = matches!(reply, Reply::Status(_) | Reply::StatusWith(..));
        if stream.write_all(answer.as_bytes()).await.is_err() || !goes_on {
            return;
        }
    }
}

/// A request's head and its body, whose length it says.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
            let of_line = |line: &str| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok();
            let length = head.lines().find_map(of_line)?;
            let (start, whole) = (end + 4, end + 4 + length);
            while buffer.len() < whole {
                more(stream, buffer).await?;
            }
            let rest = buffer.split_off(whole);
            let body = std::mem::replace(buffer, rest).split_off(start);
            return Some((head, body));
        }
        more(stream, buffer).await?;
    }
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(buffer).await.ok()?;
    (read > 0).then_some(())
}
