//! Lines that wait for a listener to read them.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Some thousand records: what a terminal that was looked away from may be behind. For each listener.
pub const OUTBOX_BYTES_MAX: usize = 1 << 20;

/// In the order in which they were put in.
#[derive(Default)]
pub struct Outbox {
    lines: Mutex<Lines>,
    filled: Notify,
}

#[derive(Default)]
struct Lines {
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
    closed: bool,
}

impl Outbox {
    /// Whether there is room for another line. The line that is put in then may be of any length that a record has.
    pub fn has_room(&self) -> bool {
        self.lines.lock().bytes < OUTBOX_BYTES_MAX
    }

    /// Puts a line in, with its end. After [`close`](Outbox::close) it is forgotten.
    pub fn push(&self, line: Vec<u8>) {
        let mut lines = self.lines.lock();
        if !lines.closed {
            lines.bytes += line.len();
            lines.waiting.push_back(line);
            self.filled.notify_one();
        }
    }

    /// No more lines come.
    pub fn close(&self) {
        self.lines.lock().closed = true;
        self.filled.notify_one();
    }

    /// Waits for lines, and takes all that there are. `None`: it was closed, and is empty. One task may ask at a time.
    pub async fn next(&self) -> Option<Vec<u8>> {
        loop {
            {
                let mut lines = self.lines.lock();
                if !lines.waiting.is_empty() {
                    lines.bytes = 0;
                    return Some(lines.waiting.drain(..).flatten().collect());
                }
                if lines.closed {
                    return None;
                }
            }
            // Told once where nobody waits, and so not missed.
            self.filled.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listener does not read: there is no more room once the limit is reached, and again when it has read. Nothing comes after the end.
    #[tokio::test]
    async fn it_is_bounded_and_ends() {
        let outbox = Outbox::default();
        let line = vec![b'x'; OUTBOX_BYTES_MAX / 2];
        outbox.push(line.clone());
        assert!(outbox.has_room());
        outbox.push(line.clone());
        assert!(!outbox.has_room());
        assert_eq!(outbox.next().await.map(|lines| lines.len()), Some(OUTBOX_BYTES_MAX));
        assert!(outbox.has_room());
        outbox.push(b"last\n".to_vec());
        outbox.close();
        outbox.push(b"too late\n".to_vec());
        assert_eq!(outbox.next().await.as_deref(), Some(&b"last\n"[..]));
        assert_eq!(outbox.next().await, None);
    }
}
