//! `sending_queue::batch`: what waits in the queue, sent as one request.
//!
//! ```text
//!  queue ──lease──► by metadata: [ piece ][ piece ][ … ── min_size, flush_timeout ──► merge ──► deliver ──► each lease its ack
//! ```
//!
//! What is gathered stays leased: it counts in the queue until its batch is delivered, and a queue on disk forgets it only then. A
//! request that is larger than a batch may be goes in pieces, and its lease is acked when the last one is. At most `num_consumers`
//! batches are under way at one time; while there are so many, nothing more is leased, and the queue fills.
//!
//! Requests are sent together only where the configured metadata is the same, as in the `batch` processor.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use wasmill_batch::{Ack, MergeInput, Outcome, TelemetryBatch};
use wasmill_config::{BatchSizer, QueueBatch};
use wasmill_wire::{Projection, WireBatch, encoded_len};

use super::{Delivered, Delivery, consume_one, deadline};
use crate::batcher::Metadata;
use crate::queue::{Content, Lease, Queue};

/// A piece is sent at the latest when half of its client's time is over, where that waits: the backend needs the rest.
const DEADLINE_PARTS: u32 = 2;

/// Leases, gathers and delivers until the queue is closed and empty, or handed over. `closing`: nothing waits for more.
pub(super) async fn gather<Q: Queue>(
    delivery: Arc<Delivery>,
    queue: Q,
    settings: QueueBatch,
    consumers: usize,
    mut closing: watch::Receiver<bool>,
) {
    let mut groups: HashMap<Metadata, Group<Q::Lease>> = HashMap::new();
    // Dropped, these end, and what they had goes back.
    let mut flying = JoinSet::new();
    loop {
        while flying.try_join_next().is_some() {}
        let has_room = flying.len() < consumers;
        let is_closing = *closing.borrow();
        if has_room && let Some(group) = next_due(&mut groups, &settings, is_closing) {
            flying.spawn(send(Arc::clone(&delivery), group));
            continue;
        }
        let due = groups.values().map(|group| group.due).min();
        tokio::select! {
            biased;
            () = delivery.stopped() => break,
            _ = flying.join_next(), if !has_room => {}
            is_gone = async { closing.wait_for(|closing| *closing).await.is_err() }, if !is_closing => if is_gone { break },
            () = sleep_until(due.unwrap_or_else(Instant::now)), if has_room && due.is_some() => {}
            lease = queue.lease(), if has_room => match lease {
                None => break,
                Some(lease) => match Piece::of(lease, settings.sizer) {
                    Ok(piece) => {
                        let metadata = Metadata::of(piece.batch.context(), &settings.metadata_keys);
                        let now = Instant::now();
                        groups.entry(metadata.clone()).or_insert_with(|| Group::new(metadata, now, &settings)).push(piece);
                    }
                    // It is not to be understood, and somebody else's to refuse.
                    Err(lease) => {
                        let delivery = Arc::clone(&delivery);
                        flying.spawn(async move {
                            consume_one(&delivery, lease).await;
                        });
                    }
                },
            }
        }
    }
    // What was not sent goes back to the queue. What is being sent ends.
    drop(groups);
    while flying.join_next().await.is_some() {}
}

/// A group that is to be sent now, as much of it as one batch may have.
fn next_due<L: Lease>(
    groups: &mut HashMap<Metadata, Group<L>>,
    settings: &QueueBatch,
    is_closing: bool,
) -> Option<Group<L>> {
    let now = Instant::now();
    let due = |group: &Group<L>| is_closing || group.size >= settings.size_min || group.due <= now;
    let metadata = groups.iter().find(|(_, group)| due(group)).map(|(metadata, _)| metadata.clone())?;
    let mut group = groups.remove(&metadata)?;
    let sent = group.split_off(settings);
    if !group.pieces.is_empty() {
        groups.insert(metadata, group);
    }
    Some(sent)
}

/// What waits under one set of metadata.
struct Group<L: Lease> {
    metadata: Metadata,
    pieces: Vec<Piece<L>>,
    size: u64,
    due: Instant,
}

/// A request, or a part of one.
struct Piece<L: Lease> {
    batch: TelemetryBatch,
    /// In the unit of the sizer.
    size: u64,
    /// Whether parents without rows go along: with the first part of what is cut.
    with_rowless: bool,
    /// When its sender stops waiting, if it does wait.
    deadline: Option<Instant>,
    loan: Arc<Mutex<Loan<L>>>,
    /// `None`: it goes back.
    outcome: Option<Outcome>,
}

/// A lease that is acked when its last piece is.
struct Loan<L: Lease> {
    /// `None` once it is acked, or has gone back because a piece of it was not sent.
    lease: Option<L>,
    pieces: usize,
    outcome: Outcome,
}

impl<L: Lease> Group<L> {
    fn new(metadata: Metadata, now: Instant, settings: &QueueBatch) -> Group<L> {
        Group { metadata, pieces: Vec::new(), size: 0, due: now + settings.flush_timeout }
    }

    fn push(&mut self, piece: Piece<L>) {
        self.size += piece.size;
        let now = Instant::now();
        let left = piece.deadline.map(|deadline| deadline.saturating_duration_since(now));
        self.due = left.map_or(self.due, |left| self.due.min(now + left / DEADLINE_PARTS));
        self.pieces.push(piece);
    }

    /// The oldest pieces, as many as one batch may have; at least a row. What is left waits anew.
    fn split_off(&mut self, settings: &QueueBatch) -> Group<L> {
        let mut room = settings.size_max.map_or(u64::MAX, NonZeroU64::get);
        let mut sent = Group { metadata: self.metadata.clone(), pieces: Vec::new(), size: 0, due: self.due };
        let mut pieces = std::mem::take(&mut self.pieces).into_iter();
        for mut piece in pieces.by_ref() {
            if piece.size <= room {
                room -= piece.size;
                sent.pieces.push(piece);
                continue;
            }
            let rows = piece.rows_within(room, settings.sizer, sent.pieces.is_empty());
            if rows > 0 && rows < piece.batch.selection().count() {
                sent.pieces.push(piece.cut(rows, settings.sizer));
            } else if rows > 0 {
                // A single row that is too large: nothing makes it smaller.
                sent.pieces.push(piece);
                break;
            }
            self.pieces.push(piece);
            break;
        }
        self.pieces.extend(pieces);
        self.size = self.pieces.iter().map(|piece| piece.size).sum();
        self.due = Instant::now() + settings.flush_timeout;
        for left in self.pieces.iter().filter_map(|piece| piece.deadline) {
            let now = Instant::now();
            self.due = self.due.min(now + left.saturating_duration_since(now) / DEADLINE_PARTS);
        }
        sent
    }

    /// One batch of all pieces, each a source.
    fn merge(&self) -> Option<TelemetryBatch> {
        let deadline = self.pieces.iter().filter_map(|piece| piece.deadline).min();
        let context = self.metadata.context(deadline);
        match self.pieces.as_slice() {
            // Nothing to merge: the request goes on as it came, and is not encoded anew.
            [only] if only.with_rowless && only.batch.selection().is_all() => {
                let mut batch = only.batch.fork_unobserved();
                batch.replace_context(context);
                Some(batch)
            }
            pieces => {
                let inputs: Vec<MergeInput<'_>> = pieces
                    .iter()
                    .map(|piece| MergeInput { batch: &piece.batch, with_rowless: piece.with_rowless })
                    .collect();
                TelemetryBatch::merge(&inputs, context, Ack::unobserved())
            }
        }
    }
}

impl<L: Lease> Piece<L> {
    /// All of a request. `Err`: what came from the disk is none.
    fn of(lease: L, sizer: BatchSizer) -> Result<Piece<L>, L> {
        let content = lease.content();
        let deadline = deadline(&content);
        let batch = match content {
            Content::Batch(batch) => batch.fork_unobserved(),
            Content::Encoded(request) => {
                let nothing = Projection::new(request.signal, Vec::new());
                match WireBatch::parse(request.signal, request.body.clone().into_bytes(), &nothing) {
                    Ok(base) => TelemetryBatch::new(Arc::new(base), Arc::clone(&request.context), Ack::unobserved()),
                    Err(_) => return Err(lease),
                }
            }
        };
        let loan = Loan { lease: Some(lease), pieces: 1, outcome: Outcome::Dropped };
        let size = size(&batch, sizer);
        Ok(Piece { batch, size, with_rowless: true, deadline, loan: Arc::new(Mutex::new(loan)), outcome: None })
    }

    /// How many of the first rows fit into `room`; where it `must` have one, at least that.
    fn rows_within(&self, room: u64, sizer: BatchSizer, must: bool) -> usize {
        let rows = self.batch.selection().count();
        let fitting = match sizer {
            BatchSizer::Items => usize::try_from(room).unwrap_or(usize::MAX).min(rows),
            BatchSizer::Bytes => {
                // Bytes grow with rows: halve until the border is found.
                let (mut fits, mut too_many) = (0, rows + 1);
                while too_many - fits > 1 {
                    let middle = fits + (too_many - fits) / 2;
                    let mut first = self.batch.fork_unobserved();
                    first.select(self.batch.selection().split_at(middle).0);
                    if size(&first, sizer) <= room { fits = middle } else { too_many = middle }
                }
                fits
            }
        };
        if must { fitting.max(1) } else { fitting }
    }

    /// The first `rows` rows. There are more.
    fn cut(&mut self, rows: usize, sizer: BatchSizer) -> Piece<L> {
        let (first, rest) = self.batch.selection().split_at(rows);
        let mut batch = self.batch.fork_unobserved();
        batch.select(first);
        self.batch.select(rest);
        self.loan.lock().pieces += 1;
        let with_rowless = std::mem::replace(&mut self.with_rowless, false);
        self.size = size(&self.batch, sizer);
        let size = size(&batch, sizer);
        Piece { batch, size, with_rowless, deadline: self.deadline, loan: Arc::clone(&self.loan), outcome: None }
    }
}

fn size(batch: &TelemetryBatch, sizer: BatchSizer) -> u64 {
    let size = match sizer {
        BatchSizer::Items => batch.selection().count(),
        BatchSizer::Bytes => encoded_len(batch.signal(), batch.index(), batch.selection()),
    };
    size as u64
}

impl<L: Lease> Drop for Piece<L> {
    fn drop(&mut self) {
        let mut loan = self.loan.lock();
        loan.pieces -= 1;
        match self.outcome.take() {
            Some(outcome) => loan.outcome = std::mem::replace(&mut loan.outcome, Outcome::Dropped).and(outcome),
            None => drop(loan.lease.take()),
        }
        if loan.pieces == 0
            && let Some(lease) = loan.lease.take()
        {
            let outcome = loan.outcome.clone();
            drop(loan);
            lease.ack(outcome);
        }
    }
}

/// Delivers a batch, and says to each piece what became of it.
async fn send<L: Lease>(delivery: Arc<Delivery>, mut group: Group<L>) {
    // What an exporter cannot even write must not come back to the next one.
    let prepared = catch_unwind(AssertUnwindSafe(|| {
        let batch = group.merge()?;
        let request = delivery.prepare(&Content::Batch(&batch));
        Some((batch, request))
    }));
    let rows = || group.pieces.iter().map(|piece| piece.batch.selection().count() as u64).sum();
    let delivered = match prepared {
        Ok(Some((batch, request))) => {
            let deadline = batch.context().deadline.map(Instant::from_std);
            delivery.deliver(Some(&batch), &request, deadline).await
        }
        Ok(None) => Some(Outcome::Dropped.into()),
        Err(_) => Some(delivery.given_up(rows()).into()),
    };
    // Without one it goes back, and is somebody else's.
    let Some(delivered) = delivered else { return };
    let outcomes = match delivered {
        Delivered::Whole(outcome) => vec![outcome; group.pieces.len()],
        // A single request may have sources of its own.
        Delivered::BySource(outcomes) if outcomes.len() != group.pieces.len() => {
            vec![outcomes.into_iter().fold(Outcome::Dropped, Outcome::and); group.pieces.len()]
        }
        Delivered::BySource(outcomes) => outcomes,
    };
    for (piece, outcome) in group.pieces.iter_mut().zip(outcomes) {
        piece.outcome = Some(outcome);
    }
}
