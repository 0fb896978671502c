//! What a listener does when the system gives it no connection.
//!
//! A system without file descriptors answers each attempt at once: whoever tries again at once spins, and whoever gives up never
//! serves again. So there is a pause; and as nothing else may help for hours, it is not said each time.

use std::error::Error;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::warn;

/// What the system has to find a descriptor in.
const PAUSE: Duration = Duration::from_millis(50);

/// Between two lines of the log that say the same.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// The errors of one listener.
#[derive(Debug, Default)]
pub struct AcceptErrors {
    said: Option<Instant>,
}

impl AcceptErrors {
    /// To be awaited between an error and the next attempt. A peer that went before it was accepted is no reason to wait.
    pub async fn pause(&mut self, error: &io::Error) {
        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
            return;
        }
        if self.said.is_none_or(|said| said.elapsed() >= SAID_EVERY) {
            self.said = Some(Instant::now());
            warn!(error = error as &dyn Error, "cannot accept connections for the moment");
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without descriptors there is a pause after each error, and a line a minute; a peer that went costs no time.
    #[tokio::test(start_paused = true)]
    async fn pauses() {
        let mut errors = AcceptErrors::default();
        let start = Instant::now();
        errors.pause(&io::ErrorKind::ConnectionAborted.into()).await;
        assert_eq!((start.elapsed(), errors.said), (Duration::ZERO, None));
        let none_left = io::Error::other("too many open files");
        for _ in 0..1000 {
            errors.pause(&none_left).await;
        }
        assert!((1000 * PAUSE..SAID_EVERY).contains(&start.elapsed()));
        assert_eq!(errors.said, Some(start), "50 s later it has not been said again");
        for _ in 0..201 {
            errors.pause(&none_left).await;
        }
        assert!(errors.said > Some(start), "after a minute it has");
    }
}
