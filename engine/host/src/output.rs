//! What a guest prints: its standard output and error, as lines of the guest's log.
//!
//! Some runtimes write a line in one go, others word by word. A line is written when it ends, when it is as long as a line of
//! the log, and when its instance goes, so that the last words before a trap are not lost.

use std::mem;
use std::sync::Arc;

use crate::bindings::wasmill::plugin::host::Level;
use crate::log::{GuestLog, LINE_BYTES_MAX};

/// The numbers of the two streams, in all versions of WASI.
pub(crate) const STDOUT: u32 = 1;
pub(crate) const STDERR: u32 = 2;

/// Both streams of one instance.
pub(crate) struct Output {
    log: Arc<GuestLog>,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Output {
    pub fn new(log: Arc<GuestLog>) -> Self {
        Output { log, out: Vec::new(), err: Vec::new() }
    }

    /// Takes what was printed; `stream` is one of the numbers above, of which the second is for warnings.
    pub fn write(&mut self, stream: u32, bytes: &[u8]) {
        let (line, level) = match stream {
            STDERR => (&mut self.err, Level::Warn),
            _ => (&mut self.out, Level::Info),
        };
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let mut rest = piece;
            while let Some((now, later)) = rest.split_at_checked(LINE_BYTES_MAX.saturating_sub(line.len())) {
                line.extend_from_slice(now);
                end(&self.log, level, line);
                rest = later;
            }
            line.extend_from_slice(rest);
            if rest.ends_with(b"\n") {
                end(&self.log, level, line);
            }
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        end(&self.log, Level::Info, &mut self.out);
        end(&self.log, Level::Warn, &mut self.err);
    }
}

fn end(log: &GuestLog, level: Level, line: &mut Vec<u8>) {
    let line = mem::take(line);
    let text = String::from_utf8_lossy(&line);
    let text = text.trim_end();
    if !text.is_empty() {
        // Too many lines are counted by the log; a guest that prints need not hear of it.
        log.write(level, text);
    }
}
