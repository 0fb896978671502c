//! The acknowledgement that travels with a batch.
//!
//! An [`Ack`] is resolved once. A batch that splits splits its ack, and its sender hears when the last part is resolved;
//! batches that merge merge theirs, and every sender hears the same. An ack that is dropped unresolved, by an early return
//! or a panic, refuses: forgetting data is never taken for success.
//!
//! ```text
//!   Ack::new() ──► Acked (the sender waits)
//!     │ split(2)
//!     ├── Ack ──resolve──┐
//!     └── Ack ──resolve──┴─► combined outcome
//! ```

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::{Outcome, Refusal, RefusalKind};

/// The duty to say what became of a batch, or of a part of it.
#[derive(Debug)]
pub struct Ack {
    /// `None` once resolved.
    node: Option<Arc<Node>>,
}

/// The sender's side: a future of the combined outcome.
#[derive(Debug)]
pub struct Acked(oneshot::Receiver<Outcome>);

#[derive(Debug)]
struct Node {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Handles not yet resolved.
    pending: usize,
    /// Of everything that was said of the whole.
    outcome: Outcome,
    /// Of what was said of single sources, by their numbers; empty where nothing was.
    of_sources: Vec<Outcome>,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Sender(oneshot::Sender<Outcome>),
    Merged(Vec<Ack>),
    /// Nobody waits, or it was told.
    Nobody,
}

impl Ack {
    /// An ack and the future that resolves with it.
    pub fn new() -> (Ack, Acked) {
        let (sender, receiver) = oneshot::channel();
        (Ack::with(Sink::Sender(sender)), Acked(receiver))
    }

    /// An ack that nobody waits for: for batches that the gateway makes itself.
    pub fn unobserved() -> Ack {
        Ack::with(Sink::Nobody)
    }

    /// One ack for a batch that was merged from those of `acks`: each is resolved with its outcome, but for what is said of
    /// single ones by [`resolve_each`](Ack::resolve_each).
    pub fn merge(acks: Vec<Ack>) -> Ack {
        Ack::with(Sink::Merged(acks))
    }

    fn with(sink: Sink) -> Ack {
        let state = State { pending: 1, outcome: Outcome::Dropped, of_sources: Vec::new(), sink };
        Ack { node: Some(Arc::new(Node { state: Mutex::new(state) })) }
    }

    /// Whether somebody waits for it.
    pub fn is_observed(&self) -> bool {
        self.node.as_ref().is_some_and(|node| !matches!(node.lock().sink, Sink::Nobody))
    }

    /// Another part of the same batch: the whole is resolved when every part is.
    pub fn fork(&self) -> Ack {
        if let Some(node) = &self.node {
            node.lock().pending += 1;
        }
        Ack { node: self.node.clone() }
    }

    /// This ack as `parts` parts. With 0 parts it resolves as dropped: nothing is left to wait for.
    pub fn split(self, parts: usize) -> Vec<Ack> {
        if parts == 0 {
            self.resolve(Outcome::Dropped);
            return Vec::new();
        }
        let mut acks: Vec<Ack> = (1..parts).map(|_| self.fork()).collect();
        acks.push(self);
        acks
    }

    pub fn resolve(mut self, outcome: Outcome) {
        if let Some(node) = self.node.take() {
            node.resolve(outcome, Vec::new());
        }
    }

    /// Resolves with an outcome for each of the acks that were [merged](Ack::merge), in their order; those beyond the last one
    /// hear what became of the whole. An ack that was not merged is resolved with the outcome of all of them together.
    pub fn resolve_each(mut self, outcomes: Vec<Outcome>) {
        if let Some(node) = self.node.take() {
            node.resolve(Outcome::Dropped, outcomes);
        }
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        if let Some(node) = self.node.take() {
            let refusal = Refusal::new(RefusalKind::Unavailable, "the batch was given up before it was handled");
            node.resolve(Outcome::Refused(refusal), Vec::new());
        }
    }
}

impl Node {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resolve(&self, outcome: Outcome, of_sources: Vec<Outcome>) {
        let (sink, outcome, of_sources) = {
            let mut state = self.lock();
            state.pending -= 1;
            state.add(outcome, of_sources);
            if state.pending > 0 {
                return;
            }
            let sink = mem::replace(&mut state.sink, Sink::Nobody);
            (sink, state.outcome.clone(), mem::take(&mut state.of_sources))
        };
        let of_all = || of_sources.iter().cloned().fold(outcome.clone(), Outcome::and);
        match sink {
            Sink::Nobody => {}
            // A sender that no longer waits has been answered by its own deadline.
            Sink::Sender(sender) => drop(sender.send(of_all())),
            Sink::Merged(acks) => {
                for (number, ack) in acks.into_iter().enumerate() {
                    match of_sources.get(number) {
                        Some(of_source) => ack.resolve(outcome.clone().and(of_source.clone())),
                        None => ack.resolve(of_all()),
                    }
                }
            }
        }
    }
}

impl State {
    fn add(&mut self, outcome: Outcome, of_sources: Vec<Outcome>) {
        self.outcome = mem::replace(&mut self.outcome, Outcome::Dropped).and(outcome);
        for (number, outcome) in of_sources.into_iter().enumerate() {
            match self.of_sources.get_mut(number) {
                Some(before) => *before = mem::replace(before, Outcome::Dropped).and(outcome),
                None => self.of_sources.push(outcome),
            }
        }
    }
}

impl Future for Acked {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        // The sending side always sends before it goes: `Ack` resolves when it is dropped.
        Pin::new(&mut self.0).poll(cx).map(|received| {
            received.unwrap_or_else(|_| {
                Outcome::Refused(Refusal::new(RefusalKind::Unavailable, "the batch was given up before it was handled"))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: RefusalKind) -> Outcome {
        Outcome::Refused(Refusal::new(kind, "why"))
    }

    /// A batch fans out: the sender hears once, when every branch has ended.
    #[tokio::test]
    async fn split_resolves_with_the_last_part() {
        let (ack, mut acked) = Ack::new();
        let mut parts = ack.split(3);
        parts.pop().unwrap().resolve(Outcome::Delivered);
        parts.pop().unwrap().resolve(refused(RefusalKind::Invalid));
        assert!(futures_poll(&mut acked).is_none(), "one part is open");
        parts.pop().unwrap().resolve(Outcome::HeldInMemory);
        assert_eq!(acked.await, refused(RefusalKind::Invalid));
    }

    /// A stage returns early without a word: its sender is told to try again.
    #[tokio::test]
    async fn dropped_unresolved_is_a_retryable_refusal() {
        let (ack, acked) = Ack::new();
        drop(ack.fork());
        ack.resolve(Outcome::Delivered);
        let Outcome::Refused(refusal) = acked.await else { panic!("a refusal") };
        assert!(refusal.is_retryable());
    }

    /// Two requests become one: both senders hear what became of it.
    #[tokio::test]
    async fn merged_acks_hear_the_same() {
        let ((a, a_acked), (b, b_acked)) = (Ack::new(), Ack::new());
        Ack::merge(vec![a, b]).resolve(Outcome::DurablyQueued);
        assert_eq!((a_acked.await, b_acked.await), (Outcome::DurablyQueued, Outcome::DurablyQueued));
    }

    /// A merged batch goes two ways; on one of them a single source is refused: that sender alone hears it, and who waits for the
    /// whole.
    #[tokio::test]
    async fn a_source_of_a_merged_batch_has_its_own_outcome() {
        let ((good, good_acked), (bad, bad_acked), (whole, whole_acked)) = (Ack::new(), Ack::new(), Ack::new());
        let merged = Ack::merge(vec![good, bad, whole]);
        let other = merged.fork();
        merged.resolve_each(vec![Outcome::Delivered, refused(RefusalKind::Invalid)]);
        other.resolve(Outcome::HeldInMemory);
        assert_eq!(good_acked.await, Outcome::HeldInMemory, "the lesser promise of the two ways");
        assert_eq!(bad_acked.await, refused(RefusalKind::Invalid));
        assert_eq!(whole_acked.await, refused(RefusalKind::Invalid));

        let (single, acked) = Ack::new();
        single.resolve_each(vec![Outcome::Delivered, refused(RefusalKind::Invalid)]);
        assert_eq!(acked.await, refused(RefusalKind::Invalid));
    }

    /// Everything of a batch was filtered: there is no part to wait for, and the sender is acked.
    #[tokio::test]
    async fn no_parts_resolve_as_dropped() {
        let (ack, acked) = Ack::new();
        assert!(ack.split(0).is_empty());
        assert_eq!(acked.await, Outcome::Dropped);
    }

    fn futures_poll(acked: &mut Acked) -> Option<Outcome> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match Pin::new(acked).poll(&mut cx) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }
}
