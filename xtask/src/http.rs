//! What servers of ours answer on loopback, asked by HTTP/1.0: they answer in one piece, and close.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// An answer that is larger is none that anybody here asks for.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// The status, and the body.
pub fn get(port: u16, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: */*\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).context("an answer over HTTP")?;
    Ok((status, answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned())))
}

/// The body of a 200, as JSON.
pub fn json(port: u16, path: &str) -> Result<Value> {
    let (status, body) = get(port, path)?;
    ensure!(status == 200, "{path}: {status} {}", body.trim_end());
    serde_json::from_str(&body).with_context(|| format!("{path}: {body}"))
}

/// Whether a server answers 200. `false` where nobody listens, too.
pub fn is_ready(port: u16, path: &str) -> bool {
    get(port, path).is_ok_and(|(status, _)| status == 200)
}

/// A text as a value in a query.
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte.into()),
            // Writing to a string does not fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Queries have braces, quotes and pluses in them.
    #[test]
    fn what_has_a_meaning_in_a_query_is_encoded() {
        assert_eq!(encoded("{a=~\".+\"}[5m] & ü"), "%7Ba%3D~%22.%2B%22%7D%5B5m%5D%20%26%20%C3%BC");
    }
}
