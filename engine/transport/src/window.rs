//! What a connection may hold before its requests are asked for it: HTTP/2's windows, granted against the byte budget.
//!
//! A window is a promise. What a peer sends within it is in our memory whether a request's handler has asked for it or not, and so
//! is a frame of which the last byte is still to come. Handlers ask for everything as it comes, and take it from the budget; but a
//! peer may stall within a frame, and an authenticator may keep a handler waiting. So each connection's worst is
//!
//! ```text
//!  65,535 + 16,384 bytes, the least that HTTP/2 allows        what every connection may hold, beside the budget
//!  + a sixteenth of what is left of the budget's quarter      taken from the budget while the connection is open
//!    for connections, at most what the largest window needs
//! ```
//!
//! The first connections of a machine with memory have 2 MiB and frames of 1 MiB, which is fast; the thousandth of a small one has
//! the least, which is not slow on a short line. Windows are chosen once, when a connection begins: to take back what was promised
//! HTTP/2 has no way.
//!
//! HTTP/1 has no window: the system's buffers, and one of ours of at most [`HTTP1_BUFFER_BYTES_MAX`].

use std::sync::Arc;

use crate::Budget;
use crate::budget::Grant;

/// HTTP/2's window of a stream: what a sender may have on its way before we read it. A megabyte fills a line of 1 Gbit/s
/// at 8 ms.
const STREAM_BYTES_MAX: u32 = 1 << 20;

/// The same for all streams of a connection.
const CONNECTION_BYTES_MAX: u32 = 2 << 20;

/// The largest frame that we ever offer to take. A larger frame is fewer reads, and a request that lies in one is not copied.
const FRAME_BYTES_MAX: u32 = 1 << 20;

/// What a connection's window is when it begins (RFC 9113, 6.9.2). It can only be made larger.
const CONNECTION_BYTES_MIN: u32 = 65_535;

/// What every peer may send (RFC 9113, 6.5.2).
const FRAME_BYTES_MIN: u32 = 16_384;

/// What the largest frame and window need above the least.
const GRANT_BYTES_MAX: u32 = FRAME_BYTES_MAX - FRAME_BYTES_MIN + CONNECTION_BYTES_MAX - CONNECTION_BYTES_MIN;

/// HTTP/1's buffer for reading, which also bounds a request's head. As much as HTTP/2's least.
pub(crate) const HTTP1_BUFFER_BYTES_MAX: usize = 64 << 10;

const _: () = assert!(FRAME_BYTES_MAX <= STREAM_BYTES_MAX, "a frame beyond the window could never be sent");
const _: () = assert!(STREAM_BYTES_MAX <= CONNECTION_BYTES_MAX);
const _: () = assert!(HTTP1_BUFFER_BYTES_MAX <= (CONNECTION_BYTES_MIN + FRAME_BYTES_MIN) as usize);

/// What a peer is promised, for as long as its connection is open.
#[derive(Debug)]
pub(crate) struct Window {
    pub stream_bytes: u32,
    pub connection_bytes: u32,
    pub frame_bytes: u32,
    _grant: Grant,
}

impl Window {
    pub fn grant(budget: &Arc<Budget>) -> Window {
        let grant = budget.grant(GRANT_BYTES_MAX as usize);
        // No more than was asked for.
        let granted = u32::try_from(grant.bytes()).unwrap_or(GRANT_BYTES_MAX);
        let of_frame = u64::from(granted) * u64::from(FRAME_BYTES_MAX - FRAME_BYTES_MIN) / u64::from(GRANT_BYTES_MAX);
        let of_frame = u32::try_from(of_frame).unwrap_or(granted);
        let connection_bytes = CONNECTION_BYTES_MIN + (granted - of_frame);
        Window {
            // Two streams fill a connection, so that one that is not read does not stop the others.
            stream_bytes: connection_bytes.div_ceil(2).max(CONNECTION_BYTES_MIN),
            connection_bytes,
            frame_bytes: FRAME_BYTES_MIN + of_frame,
            _grant: grant,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: usize = (CONNECTION_BYTES_MIN + FRAME_BYTES_MIN) as usize;

    /// With memory, the first connections have the largest windows.
    #[test]
    fn the_largest() {
        let budget = Budget::unlimited();
        let window = Window::grant(&budget);
        let sizes = (window.stream_bytes, window.connection_bytes, window.frame_bytes);
        assert_eq!(sizes, (STREAM_BYTES_MAX, CONNECTION_BYTES_MAX, FRAME_BYTES_MAX));
    }

    /// However many connections there are, what they may hold is the least for each and a quarter of the budget for all; each
    /// window is one that HTTP/2 allows; and what a connection had, the next may have when it is gone.
    #[test]
    fn all_connections_fit_a_quarter() {
        for bytes_max in [0, 100_000, 64 << 20, 512 << 20, 6 << 30] {
            let budget = Budget::new(bytes_max);
            let windows: Vec<Window> = (0..5_000).map(|_| Window::grant(&budget)).collect();
            let mut promised = 0;
            for window in &windows {
                let Window { stream_bytes, connection_bytes, frame_bytes, .. } = *window;
                assert!((FRAME_BYTES_MIN..=FRAME_BYTES_MAX).contains(&frame_bytes));
                assert!((frame_bytes..=connection_bytes).contains(&stream_bytes), "{window:?}");
                assert!((CONNECTION_BYTES_MIN..=CONNECTION_BYTES_MAX).contains(&connection_bytes));
                promised += (connection_bytes + frame_bytes) as usize;
            }
            assert!(promised <= windows.len() * LEAST + bytes_max / 4, "{promised} of {bytes_max}");
            assert_eq!(budget.taken(), promised - windows.len() * LEAST);
            let (first, last) = (windows[0].connection_bytes, windows[4_999].connection_bytes);
            assert!(first >= last && last < CONNECTION_BYTES_MIN + (64 << 10), "{first}, {last}");
            drop(windows);
            assert_eq!(budget.taken(), 0);
            assert_eq!(Window::grant(&budget).connection_bytes, first);
        }
    }

    /// Connections take nothing that requests have.
    #[test]
    fn requests_come_first() {
        let budget = Budget::new(1 << 20);
        let mut requests = budget.permit();
        requests.grow(1 << 20).unwrap();
        assert_eq!(Window::grant(&budget).connection_bytes, CONNECTION_BYTES_MIN);
        drop(requests);
        assert!(Window::grant(&budget).connection_bytes > CONNECTION_BYTES_MIN);
    }
}
