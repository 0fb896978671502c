//! What is being changed, and how the last change of each stage's plugin ended.
//!
//! Apart from the engine's state, which is locked for as long as a change takes: `wasmill status` does not wait for a compiler.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use wasmill_config::ComponentId;
use wasmill_host::ShadowReport;

use super::status::Pending;
use crate::telemetry::SwapResult;
use crate::timestamp::rfc3339;

/// What had a plugin exchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangedBy {
    /// Its file has another content.
    File,
    /// The configuration was read again.
    Reload,
    /// `wasmill swap`.
    Swap,
    /// `wasmill rollback`.
    Rollback,
    /// It failed too often after a swap.
    Probation,
}

/// How the last change of a stage's plugin ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LastSwap {
    /// RFC 3339.
    pub at: String,
    pub by: ChangedBy,
    pub result: SwapResult,
    /// SHA-256 of what served before.
    pub from: Option<String>,
    /// Of what serves since, or was refused; `None`: that it was no plugin.
    pub to: Option<String>,
    /// Why it was refused, or rolled back by itself.
    #[serde(default)]
    pub why: Vec<String>,
    /// What its shadow run has shown, if there was one and it serves.
    #[serde(default)]
    pub shadow: Option<ShadowReport>,
}

impl LastSwap {
    pub fn now(by: ChangedBy, result: SwapResult, from: Option<String>, to: Option<String>, why: Vec<String>) -> Self {
        LastSwap { at: rfc3339(SystemTime::now()), by, result, from, to, why, shadow: None }
    }
}

#[derive(Default)]
pub struct Ledger {
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    next: u64,
    /// By when they were asked for: the first is being made, the others wait for it.
    under_way: BTreeMap<u64, (String, Instant)>,
    last: BTreeMap<ComponentId, LastSwap>,
}

/// A change, from when it was asked for until it is made or refused.
pub struct UnderWay<'a> {
    ledger: &'a Ledger,
    number: u64,
}

impl Ledger {
    /// Notes a change until the result is dropped.
    pub fn begin(&self, what: impl Into<String>) -> UnderWay<'_> {
        let mut pages = self.pages.lock();
        let number = pages.next;
        pages.next += 1;
        pages.under_way.insert(number, (what.into(), Instant::now()));
        UnderWay { ledger: self, number }
    }

    pub fn note(&self, stage: &ComponentId, swap: LastSwap) {
        self.pages.lock().last.insert(stage.clone(), swap);
    }

    /// Adds a reason to the last change.
    pub fn explain(&self, stage: &ComponentId, why: String) {
        if let Some(last) = self.pages.lock().last.get_mut(stage) {
            last.why.push(why);
        }
    }

    pub fn last(&self, stage: &ComponentId) -> Option<LastSwap> {
        self.pages.lock().last.get(stage).cloned()
    }

    /// The change that is being made, if one is.
    pub fn pending(&self) -> Option<Pending> {
        let pages = self.pages.lock();
        let (what, since) = pages.under_way.values().next()?;
        let waiting = pages.under_way.values().skip(1).map(|(what, _)| what.clone()).collect();
        Some(Pending { change: what.clone(), seconds: since.elapsed().as_secs_f64(), waiting })
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.ledger.pages.lock().under_way.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two changes are asked for: the first is pending and the second waits, until each has ended.
    #[test]
    fn the_first_change_is_pending_and_the_others_wait() {
        let ledger = Ledger::default();
        assert_eq!(ledger.pending(), None);
        let first = ledger.begin("first");
        let second = ledger.begin("second");
        let pending = ledger.pending().unwrap();
        assert_eq!((pending.change.as_str(), pending.waiting), ("first", vec!["second".to_owned()]));
        drop(first);
        let pending = ledger.pending().unwrap();
        assert_eq!((pending.change.as_str(), pending.waiting), ("second", vec![]));
        drop(second);
        assert_eq!(ledger.pending(), None);
    }
}
