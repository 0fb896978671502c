//! Clients that send spans over HTTP as fast as they are answered, whatever happens to the gateway, and note what was acknowledged.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

/// A gateway that is down is tried again after this.
const PAUSE: Duration = Duration::from_millis(2);
/// An answer that does not come within this time does not come.
const ANSWER_MAX: Duration = Duration::from_secs(10);

pub struct Answer {
    pub status: u16,
    pub text: String,
}

pub struct Load {
    stopped: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<u64>>>,
}

impl Load {
    /// Each request has ids of its own, and is sent once: what has no answer is not sent again.
    pub fn start(port: u16, clients: usize, spans: u64) -> Load {
        let (stopped, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(1)));
        let client = |_| {
            let (stopped, next) = (Arc::clone(&stopped), Arc::clone(&next));
            thread::spawn(move || {
                let mut acknowledged = Vec::new();
                while !stopped.load(Ordering::Relaxed) {
                    let first = next.fetch_add(spans, Ordering::Relaxed);
                    match send(port, first, spans) {
                        Ok(answer) if answer.status == 200 => acknowledged.extend(first..first + spans),
                        Ok(_) | Err(_) => thread::sleep(PAUSE),
                    }
                }
                acknowledged
            })
        };
        let clients = (0..clients).map(client).collect();
        Load { stopped, clients }
    }

    /// The ids of all spans that were acknowledged.
    pub fn stop(self) -> Vec<u64> {
        self.stopped.store(true, Ordering::Relaxed);
        let clients = self.clients.into_iter().map(|client| client.join().expect("a client does not panic"));
        clients.flatten().collect()
    }
}

/// Sends one request with spans whose ids count from `first`, on a connection of its own.
pub fn send(port: u16, first: u64, spans: u64) -> Result<Answer> {
    let spans = (first..first + spans).map(|id| Span {
        trace_id: u128::from(id).to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        name: "work".to_owned(),
        ..Span::default()
    });
    let scope = ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    let body = ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec();
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no answer")?;
    Ok(Answer { status, text })
}
