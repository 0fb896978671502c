//! Sends requests to a server at a rate, and counts what became of them: what `wasmill replay` and `wasmill load` do.
//!
//! The server is reached by an exporter as a pipeline has it, with its TLS, authentication and compression; there is no queue, and
//! nothing is sent twice. At a rate, a request is late from when it was due, not from when there was room to send it: a server that
//! stalls is not hidden by a sender that waits with it.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use wasmill_batch::Refusal;

use crate::exporter::{Exporter, Request, Sent};

/// Kinds of refusal whose reasons are kept: a run meets few, and shows them all.
const REASONS_MAX: usize = 20;
/// Of a time: one part in a thousand.
const SIGNIFICANT_DIGITS: u8 = 3;

/// How requests are sent.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Requests a second, as long as there is room for them. `None`: as fast as answers come.
    pub rate: Option<f64>,
    /// Requests that are under way at one time, at most; at least 1.
    pub in_flight_max: usize,
    /// When no more are begun.
    pub until: Option<Duration>,
}

/// What became of them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    pub requests: u64,
    pub rows: u64,
    /// Bytes of the requests, before compression.
    pub bytes: u64,
    pub accepted_requests: u64,
    pub accepted_rows: u64,
    /// Of requests that were refused, and of partial successes.
    pub refused_rows: u64,
    pub refused_requests: u64,
    /// What servers said, and how often; what comes after the twentieth is only counted above.
    pub reasons: Vec<(String, u64)>,
    pub seconds: f64,
    /// From when a request was due, or else begun, to its answer or its failure. `None`: there were none.
    pub latency_ms: Option<LatencyMs>,
}

/// Percentiles in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LatencyMs {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// An answer.
struct Answer {
    rows: u64,
    took: Duration,
    result: Result<Sent, Refusal>,
}

/// Sends what `next` gives until that is nothing, the time is up, or `stop` resolves; then waits for the answers that are due, until `stop`
/// resolves again. `progress` is told each second. `Err`: `next` failed; what was sent until then is in the summary all the same.
pub async fn send<E>(
    exporter: Arc<dyn Exporter>,
    pace: Pace,
    mut next: impl FnMut() -> Result<Option<Request>, E>,
    mut stop: impl AsyncFnMut(),
    mut progress: impl FnMut(&Summary),
) -> (Summary, Result<(), E>) {
    let started = Instant::now();
    let until = pace.until.map(|until| started + until);
    let (mut summary, mut result) = (Summary::default(), Ok(()));
    let mut times = Histogram::<u64>::new(SIGNIFICANT_DIGITS).ok();
    let mut under_way: JoinSet<Answer> = JoinSet::new();
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.tick().await;
    let mut ended = false;
    while !ended || !under_way.is_empty() {
        let due = pace.rate.map(|rate| started + Duration::from_secs_f64(summary.requests as f64 / rate));
        let has_room = !ended && under_way.len() < pace.in_flight_max.max(1);
        tokio::select! {
            biased;
            () = stop() => {
                if ended {
                    break;
                }
                ended = true;
            }
            () = wait_until(until), if until.is_some() && !ended => ended = true,
            Some(answer) = under_way.join_next(), if !under_way.is_empty() => {
                if let Ok(answer) = answer {
                    summary.count(answer, times.as_mut());
                }
            }
            _ = seconds.tick() => {
                summary.seconds = started.elapsed().as_secs_f64();
                progress(&summary);
            }
            () = wait_until(due), if has_room => match next() {
                Ok(Some(request)) => {
                    summary.begin(&request);
                    under_way.spawn(one(Arc::clone(&exporter), request, due.unwrap_or_else(Instant::now)));
                }
                Ok(None) => ended = true,
                Err(error) => (ended, result) = (true, Err(error)),
            },
        }
    }
    summary.seconds = started.elapsed().as_secs_f64();
    summary.latency_ms = times.filter(|times| !times.is_empty()).map(|times| LatencyMs::of(&times));
    (summary, result)
}

async fn wait_until(moment: Option<Instant>) {
    if let Some(moment) = moment {
        sleep_until(moment).await;
    }
}

async fn one(exporter: Arc<dyn Exporter>, request: Request, since: Instant) -> Answer {
    let rows = request.rows;
    // As it comes from a queue on disk.
    let request = exporter.prepare_encoded(request);
    let result = exporter.send(&request).await;
    Answer { rows, took: since.elapsed(), result }
}

impl Summary {
    fn begin(&mut self, request: &Request) {
        self.requests += 1;
        self.rows += request.rows;
        self.bytes += request.body.len() as u64;
    }

    fn count(&mut self, answer: Answer, times: Option<&mut Histogram<u64>>) {
        if let Some(times) = times {
            // It grows as it needs to. What it refuses is longer than half a million years.
            let _ = times.record(u64::try_from(answer.took.as_micros()).unwrap_or(u64::MAX).max(1));
        }
        let (rejected, reason) = match answer.result {
            Ok(sent) => {
                self.accepted_requests += 1;
                (sent.rejected_rows.min(answer.rows), sent.message)
            }
            Err(refusal) => {
                self.refused_requests += 1;
                (answer.rows, refusal.reason.to_string())
            }
        };
        self.refused_rows += rejected;
        self.accepted_rows += answer.rows - rejected;
        if reason.is_empty() {
            return;
        }
        let has_room = self.reasons.len() < REASONS_MAX;
        match self.reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None if has_room => self.reasons.push((reason, 1)),
            None => {}
        }
    }

    /// Whether servers took every row of every request.
    pub fn all_accepted(&self) -> bool {
        self.accepted_rows == self.rows && self.accepted_requests == self.requests
    }
}

impl LatencyMs {
    fn of(times: &Histogram<u64>) -> LatencyMs {
        let at = |share| times.value_at_quantile(share) as f64 / 1_000.0;
        LatencyMs { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: times.max() as f64 / 1_000.0 }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use bytes::Bytes;
    use wasmill_batch::{RefusalKind, RequestContext};
    use wasmill_wire::Signal;

    use super::*;
    use crate::exporter::Sending;

    /// Takes 10 ms each, refuses every fourth, takes all but one row of every fifth.
    #[derive(Default)]
    struct Server {
        seen: AtomicUsize,
        at_once: AtomicUsize,
        at_once_max: AtomicUsize,
    }

    impl Exporter for Server {
        fn send<'a>(&'a self, _: &'a Request) -> Sending<'a> {
            Box::pin(async move {
                let number = self.seen.fetch_add(1, Relaxed) + 1;
                self.at_once_max.fetch_max(self.at_once.fetch_add(1, Relaxed) + 1, Relaxed);
                tokio::time::sleep(Duration::from_millis(10)).await;
                self.at_once.fetch_sub(1, Relaxed);
                match number {
                    _ if number.is_multiple_of(4) => Err(Refusal::new(RefusalKind::Unavailable, "full")),
                    _ if number.is_multiple_of(5) => Ok(Sent { rejected_rows: 1, message: "one is old".to_owned() }),
                    _ => Ok(Sent::default()),
                }
            })
        }
    }

    fn requests(count: u64) -> impl FnMut() -> Result<Option<Request>, String> {
        let mut left = count;
        move || {
            left = left.saturating_sub(1);
            let context = Arc::new(RequestContext::default());
            Ok((left > 0).then(|| Request::new(Signal::Logs, 3, Bytes::from_static(b"1234"), context)))
        }
    }

    /// Every answer is counted once, by what it was, and no more are under way than asked for.
    #[tokio::test(start_paused = true)]
    async fn answers_are_counted() {
        let server = Arc::new(Server::default());
        let pace = Pace { rate: None, in_flight_max: 3, until: None };
        let exporter = Arc::clone(&server) as Arc<dyn Exporter>;
        let (summary, ended) = send(exporter, pace, requests(21), std::future::pending, |_| {}).await;
        assert_eq!(ended, Ok(()));
        assert_eq!((summary.requests, summary.rows, summary.bytes), (20, 60, 80));
        assert_eq!((summary.accepted_requests, summary.refused_requests), (15, 5));
        // Five requests of three rows, and one row of each of the fifth, tenth and fifteenth.
        assert_eq!((summary.accepted_rows, summary.refused_rows), (42, 18));
        assert_eq!(summary.reasons, [("full".to_owned(), 5), ("one is old".to_owned(), 3)]);
        assert_eq!(server.at_once_max.load(Relaxed), 3);
        assert!(!summary.all_accepted());
    }

    /// A rate far above what answers allow: requests are late from when they were due, and none is begun when the time is up.
    #[tokio::test(start_paused = true)]
    async fn late_is_counted_from_when_it_was_due() {
        let pace = Pace { rate: Some(1_000.0), in_flight_max: 1, until: Some(Duration::from_millis(500)) };
        let exporter = Arc::new(Server::default());
        let (summary, _) = send(exporter, pace, requests(u64::MAX), std::future::pending, |_| {}).await;
        // One every ten milliseconds; the last was due at 49 and is answered at 500.
        assert!((49..=50).contains(&summary.requests), "{summary:?}");
        assert_eq!(summary.accepted_requests + summary.refused_requests, summary.requests);
        let latency = summary.latency_ms.expect("times");
        assert!((220.0..240.0).contains(&latency.p50), "{latency:?}");
        assert!((440.0..460.0).contains(&latency.max), "{latency:?}");
    }

    /// Stopped once, what is under way is waited for; twice, it is not.
    #[tokio::test(start_paused = true)]
    async fn it_can_be_stopped_twice() {
        let pace = Pace { rate: None, in_flight_max: 2, until: None };
        for (stops_ms, answered) in [(&[1][..], 2), (&[1, 2], 0)] {
            let (sender, mut stops) = tokio::sync::mpsc::unbounded_channel();
            tokio::spawn(async move {
                for ms in stops_ms {
                    tokio::time::sleep(Duration::from_millis(*ms)).await;
                    let _ = sender.send(());
                }
                std::future::pending::<()>().await;
            });
            let stop = async || {
                stops.recv().await;
            };
            let (summary, _) = send(Arc::new(Server::default()), pace, requests(100), stop, |_| {}).await;
            assert_eq!((summary.requests, summary.accepted_requests), (2, answered), "{stops_ms:?}");
            assert_eq!(summary.all_accepted(), answered == 2);
        }
    }

    /// What cannot be read ends the run, and what was under way is still waited for.
    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_ends_it() {
        let mut good = requests(4);
        let next = move || good().and_then(|request| request.map(Some).ok_or_else(|| "line 4".to_owned()));
        let pace = Pace { rate: None, in_flight_max: 8, until: None };
        let (summary, ended) = send(Arc::new(Server::default()), pace, next, std::future::pending, |_| {}).await;
        assert_eq!(ended, Err("line 4".to_owned()));
        assert_eq!((summary.requests, summary.accepted_requests), (3, 3));
    }
}
