//! How long a connection lives, where nobody ends it.

use std::collections::hash_map::RandomState;
use std::future::{Future, pending};
use std::hash::BuildHasher;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::settings::KeepaliveServerSettings;

/// Why a connection is told to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Shutdown,
    Idle,
    Age,
}

/// Whether a connection has requests under way, and since when it has none.
pub(super) struct Busy {
    begin: Instant,
    requests: AtomicUsize,
    /// Milliseconds after `begin`.
    idle_since: AtomicU64,
}

/// A request under way.
pub(super) struct UnderWay(Arc<Busy>);

impl Busy {
    pub fn new() -> Busy {
        Busy { begin: Instant::now(), requests: AtomicUsize::new(0), idle_since: AtomicU64::new(0) }
    }

    pub fn begin(self: &Arc<Busy>) -> UnderWay {
        // Relaxed, here and below: nothing but timers reads them.
        self.requests.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// Since when there is no request; `None`: there is one.
    fn idle_since(&self) -> Option<Instant> {
        if self.requests.load(Ordering::Relaxed) > 0 {
            return None;
        }
        Some(self.begin + Duration::from_millis(self.idle_since.load(Ordering::Relaxed)))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let since = u64::try_from(self.0.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.idle_since.store(since, Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Resolves when a connection is to go: never, where the settings have no limit.
pub(super) async fn end(settings: &KeepaliveServerSettings, busy: &Busy) -> End {
    let idle = async {
        let Some(idle_max) = settings.idle_max else { return pending().await };
        loop {
            let until = match busy.idle_since() {
                Some(since) => since + idle_max,
                None => Instant::now() + idle_max,
            };
            sleep_until(until).await;
            if busy.idle_since().is_some_and(|since| since.elapsed() >= idle_max) {
                return;
            }
        }
    };
    let age = async {
        match settings.age_max {
            Some(age_max) => sleep(spread(age_max)).await,
            None => pending().await,
        }
    };
    tokio::select! {
        () = idle => End::Idle,
        () = age => End::Age,
    }
}

/// Waits for the end of a connection that was told to go. One that is old is cut when its grace is over; one that was idle, still is
/// and does not go, as a peer does that is gone or does not mean well, is cut after the time that it has for the answer to a ping.
pub(super) async fn in_grace<E>(
    mut connection: Pin<&mut impl Future<Output = Result<(), E>>>,
    end: End,
    settings: &KeepaliveServerSettings,
    busy: &Busy,
) -> Result<(), E> {
    match (end, settings.age_grace) {
        (End::Age, Some(grace)) => timeout(grace, connection).await.unwrap_or(Ok(())),
        (End::Idle, _) => loop {
            match timeout(settings.timeout, connection.as_mut()).await {
                Ok(ended) => return ended,
                Err(_) if busy.idle_since().is_some() => return Ok(()),
                Err(_) => {}
            }
        },
        _ => connection.await,
    }
}

/// Give or take a tenth, so that connections that were made together do not go together. As gRPC's proposal A9 has it.
fn spread(age: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) % 2001;
    age.mul_f64(0.9 + f64::from(u32::try_from(random).unwrap_or(1000)) / 10_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Between 0.9 and 1.1 of it, and not always the same.
    #[test]
    fn ages_spread() {
        let ages: Vec<_> = (0..100).map(|_| spread(Duration::from_secs(100))).collect();
        assert!(ages.iter().all(|age| (90..=110).contains(&age.as_secs())));
        assert!(ages.iter().any(|age| *age != ages[0]));
    }

    /// A connection is idle from its beginning, and from the end of its last request.
    #[tokio::test(start_paused = true)]
    async fn idle() {
        let settings =
            KeepaliveServerSettings { idle_max: Some(Duration::from_secs(10)), ..KeepaliveServerSettings::default() };
        let busy = Arc::new(Busy::new());
        let request = busy.begin();
        let start = Instant::now();
        let ended = end(&settings, &busy);
        let under_way = async {
            sleep(Duration::from_secs(25)).await;
            drop(request);
        };
        let (ended, ()) = tokio::join!(ended, under_way);
        assert_eq!(ended, End::Idle);
        assert!((35..=45).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    }
}
