//! What a listener's connection does for as long as it lasts.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use wasmill_config::PipelineId;

use super::listener::{Held, Listener, Wish};
use super::{Line, Serves, Taps};

/// How often a listener is told of what it was not shown.
const SKIPPED_INTERVAL: Duration = Duration::from_secs(1);

/// Listens until it is dropped.
pub struct Tap {
    taps: Arc<Taps>,
    listener: Arc<Listener>,
    batches: mpsc::Receiver<Held>,
    published: watch::Receiver<u64>,
    _place: OwnedSemaphorePermit,
}

impl Taps {
    /// A place among the listeners, before anything is done for one. `None`: there are [`TAPS_MAX`](super::TAPS_MAX).
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Listens from now on.
    pub(crate) fn listen(self: &Arc<Self>, wish: Wish, place: OwnedSemaphorePermit) -> Tap {
        let (listener, batches) = Listener::new(wish);
        let listener = Arc::new(listener);
        self.add(&listener);
        let published = self.published.subscribe();
        Tap { taps: Arc::clone(self), listener, batches, published, _place: place }
    }
}

impl Tap {
    pub fn pipeline(&self) -> Option<&PipelineId> {
        self.listener.wish().pipeline.as_ref()
    }

    pub fn stage(&self) -> Option<&str> {
        self.listener.wish().stage.as_deref()
    }

    /// Writes lines until the listener goes, or it is over. `serves` says what serves now. Whatever comes on `reader`, its end included,
    /// is the listener's goodbye.
    pub async fn run(
        mut self,
        serves: impl Fn(&Tap) -> Serves,
        mut reader: impl AsyncRead + Unpin,
        mut writer: impl AsyncWrite + Unpin,
    ) {
        let listener = Arc::clone(&self.listener);
        let write = async {
            while let Some(lines) = listener.outbox.next().await {
                if writer.write_all(&lines).await.is_err() {
                    return;
                }
            }
            // Whoever listened may have gone.
            let _ = writer.shutdown().await;
        };
        let look = async {
            self.look(serves).await;
            // What is written is written to its end.
            std::future::pending::<()>().await;
        };
        let mut goodbye = [0];
        tokio::select! {
            () = write => {}
            () = look => {}
            _ = reader.read(&mut goodbye) => {}
        }
    }

    /// Looks at batches, and tells what is to be told beside them, until it is over.
    async fn look(&mut self, serves: impl Fn(&Tap) -> Serves) {
        let listener = Arc::clone(&self.listener);
        let mut tick = interval(SKIPPED_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let reason = loop {
            tokio::select! {
                reason = listener.ended() => break reason,
                // The sender is the listener's, which lives as long as this.
                Some(held) = self.batches.recv() => listener.look(held).await,
                // A listener that does not read is told once it does.
                Ok(()) = self.published.changed(), if listener.outbox.has_room() => {
                    listener.say(&Line::Generation(serves(self)));
                }
                _ = tick.tick() => self.tell_skipped(),
            }
        };
        if let Some(skipped) = listener.skipped() {
            listener.say(&Line::Skipped(skipped));
        }
        listener.say(&Line::End { reason });
        listener.outbox.close();
    }

    fn tell_skipped(&self) {
        if self.listener.outbox.has_room()
            && let Some(skipped) = self.listener.skipped()
        {
            self.listener.say(&Line::Skipped(skipped));
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.taps.remove(&self.listener);
    }
}
