//! A request in pieces: for backends that take less at once than a request holds, or one process', one tenant's.
//!
//! Each piece is a request of its own to the backend, and they go in order, one at a time. What an attempt has settled stays settled:
//! the next one goes on where it ended, so that nothing is sent twice that the backend has, and nothing passes what waits before it.
//!
//! ```text
//!  attempt 1:  [ taken ][ refused for good ][ not now ]            ──► to be tried again
//!  attempt 2:                               [ taken   ][ taken ]   ──► sent, with the refused rows counted
//! ```
//!
//! Progress is kept with the request, in memory. A request that goes back to a queue on disk, because the process ends or an exporter is
//! replaced while it waits to send again, begins anew.

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;
use wasmill_batch::Refusal;

use super::Sent;

/// A part of a request that the backend takes or refuses as a whole.
#[derive(Debug, Default)]
pub struct Piece {
    pub body: Bytes,
    pub rows: u64,
    /// That go with this one alone, such as a tenant's. They replace the client's own.
    pub headers: HeaderMap,
}

#[derive(Debug, Default)]
pub struct Pieces {
    /// In the order in which they are sent.
    pieces: Vec<Piece>,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    /// Pieces that are settled: the first so many.
    settled: usize,
    taken_rows: u64,
    /// What the backend did not take and will not take, and what was said about it.
    rejected: Sent,
    /// Why it refused a piece for good, the first of them.
    refusal: Option<Refusal>,
}

impl Pieces {
    /// `left_out`: rows that are in no piece, because the backend's form does not have them, and why.
    pub fn new(pieces: Vec<Piece>, left_out: Sent) -> Pieces {
        Pieces { pieces, progress: Mutex::new(Progress { rejected: left_out, ..Progress::default() }) }
    }

    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Rows that the backend has, of all attempts so far.
    pub fn taken_rows(&self) -> u64 {
        self.progress.lock().taken_rows
    }

    /// The first piece that is not settled: what an attempt sends next. `None`: it is done, with [`answer`](Pieces::answer).
    pub fn next(&self) -> Option<&Piece> {
        self.pieces.get(self.progress.lock().settled)
    }

    /// Notes what the backend said to [`next`](Pieces::next). `Err`: it may be sent again, and this attempt ends.
    ///
    /// A piece that is refused for good does not keep the others from being sent. To be called by one task at a time.
    pub fn settle(&self, answer: Result<Sent, Refusal>) -> Result<(), Refusal> {
        let mut progress = self.progress.lock();
        match self.pieces.get(progress.settled) {
            Some(piece) => progress.settle(piece, answer),
            None => Ok(()),
        }
    }

    /// Of all pieces. Where the backend took none at all, its first refusal is the answer; where it took some, the others' rows are rejected
    /// ones.
    pub fn answer(&self) -> Result<Sent, Refusal> {
        let progress = self.progress.lock();
        match &progress.refusal {
            Some(refusal) if progress.taken_rows == 0 => Err(refusal.clone()),
            _ => Ok(progress.rejected.clone()),
        }
    }
}

impl Progress {
    fn settle(&mut self, piece: &Piece, answer: Result<Sent, Refusal>) -> Result<(), Refusal> {
        match answer {
            Err(refusal) if refusal.is_retryable() => return Err(refusal),
            Err(refusal) => {
                self.reject(piece.rows, &refusal.reason);
                self.refusal.get_or_insert(refusal);
            }
            Ok(sent) => {
                let rejected = sent.rejected_rows.min(piece.rows);
                self.taken_rows += piece.rows - rejected;
                self.reject(rejected, &sent.message);
            }
        }
        self.settled += 1;
        Ok(())
    }

    /// The first thing that the backend says is kept: the others mostly say the same.
    fn reject(&mut self, rows: u64, message: &str) {
        self.rejected.rejected_rows += rows;
        if self.rejected.message.is_empty() {
            message.clone_into(&mut self.rejected.message);
        }
    }
}

#[cfg(test)]
mod tests {
    use wasmill_batch::RefusalKind;

    use super::*;

    fn pieces(count: u64, left_out: Sent) -> Pieces {
        let piece = |number: u64| Piece { body: Bytes::from(vec![number as u8]), rows: number, ..Piece::default() };
        Pieces::new((1..=count).map(piece).collect(), left_out)
    }

    /// What a backend answers to the piece of a number, and what it was sent in one attempt.
    fn attempt(pieces: &Pieces, answer: impl Fn(u8) -> Result<Sent, Refusal>) -> (Vec<u8>, Result<Sent, Refusal>) {
        let mut seen = Vec::new();
        while let Some(piece) = pieces.next() {
            seen.push(piece.body[0]);
            if let Err(refusal) = pieces.settle(answer(piece.body[0])) {
                return (seen, Err(refusal));
            }
        }
        (seen, pieces.answer())
    }

    fn refused(kind: RefusalKind) -> Result<Sent, Refusal> {
        Err(Refusal::new(kind, "no"))
    }

    /// Scenario: the first of three pieces is taken, the second is refused for good, the third for now, and taken in the next attempt.
    /// Guarantee: the next attempt sends the third alone; the second's rows are counted as rejected, and so are those left out.
    #[test]
    fn an_attempt_goes_on_where_the_last_ended() {
        let pieces = pieces(3, Sent { rejected_rows: 10, message: String::new() });
        let (seen, result) = attempt(&pieces, |number| match number {
            1 => Ok(Sent::default()),
            2 => refused(RefusalKind::Invalid),
            _ => refused(RefusalKind::Unavailable),
        });
        assert_eq!((seen, result.map_err(|refusal| refusal.kind)), (vec![1, 2, 3], Err(RefusalKind::Unavailable)));
        assert_eq!(pieces.taken_rows(), 1);
        let (seen, result) = attempt(&pieces, |_| Ok(Sent::default()));
        let sent = Sent { rejected_rows: 12, message: "no".to_owned() };
        assert_eq!((seen, result.ok(), pieces.taken_rows()), (vec![3], Some(sent), 4));
    }

    /// Scenario: a backend that takes no piece.
    /// Guarantee: its first refusal is the answer, also when some were refused in an earlier attempt.
    #[test]
    fn what_is_refused_whole_is_refused() {
        let pieces = pieces(2, Sent::default());
        let (_, result) = attempt(&pieces, |number| match number {
            1 => refused(RefusalKind::TooLarge),
            _ => refused(RefusalKind::Unavailable),
        });
        assert_eq!(result.map_err(|refusal| refusal.kind), Err(RefusalKind::Unavailable));
        let (seen, result) = attempt(&pieces, |_| refused(RefusalKind::Invalid));
        assert_eq!((seen, result.map_err(|refusal| refusal.kind)), (vec![2], Err(RefusalKind::TooLarge)));
    }

    /// Scenario: a piece that is taken in part, and one whose backend says that it rejected more rows than there are.
    /// Guarantee: no row is counted twice.
    #[test]
    fn a_piece_may_be_taken_in_part() {
        let pieces = pieces(2, Sent::default());
        let (_, result) =
            attempt(&pieces, |number| Ok(Sent { rejected_rows: u64::from(number - 1) * 9, message: "old".into() }));
        assert_eq!(result.ok(), Some(Sent { rejected_rows: 2, message: "old".into() }));
        assert_eq!(pieces.taken_rows(), 1);
    }
}
