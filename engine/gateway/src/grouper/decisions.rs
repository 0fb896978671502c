//! What was decided about groups, for rows that come late.

use std::collections::HashMap;

use wasmill_batch::{ROUTE_DEFAULT, Routes, TelemetryBatch};

/// What became of a group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Decision {
    Dropped,
    Kept {
        /// As in [`Routes`].
        route: u16,
    },
}

/// The newest decisions, at most so many: two halves, of which the older is forgotten when the newer is full. What is asked for stays.
#[derive(Default)]
pub(super) struct Decisions {
    half: usize,
    newer: HashMap<u128, Decision>,
    older: HashMap<u128, Decision>,
}

impl Decisions {
    pub fn new(decisions_max: usize) -> Decisions {
        Decisions { half: decisions_max.div_ceil(2), ..Decisions::default() }
    }

    /// Whether none is remembered.
    pub fn is_off(&self) -> bool {
        self.half == 0
    }

    pub fn insert(&mut self, key: u128, decision: Decision) {
        if self.is_off() {
            return;
        }
        if self.newer.len() >= self.half && !self.newer.contains_key(&key) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(key, decision);
    }

    pub fn get(&mut self, key: u128) -> Option<Decision> {
        if let Some(decision) = self.newer.get(&key) {
            return Some(*decision);
        }
        let decision = self.older.remove(&key)?;
        self.insert(key, decision);
        Some(decision)
    }
}

/// Sets the routes of rows that follow a decision. One that kept them where they were leaves theirs.
pub(super) fn route(batch: &mut TelemetryBatch, decided: impl Iterator<Item = (u32, u16)>) {
    let mut decided = decided.filter(|(_, route)| *route != ROUTE_DEFAULT).peekable();
    if decided.peek().is_none() {
        return;
    }
    let mut routes = batch.routes.to_rows(batch.base().rows());
    for (row, route) in decided {
        if let Some(place) = routes.get_mut(row as usize) {
            *place = route;
        }
    }
    batch.routes = Routes::Rows(routes.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The oldest go first, in halves, what is asked for is young again, and there are never more than allowed.
    #[test]
    fn the_oldest_decisions_are_forgotten() {
        let mut decisions = Decisions::new(8);
        for key in 0..100 {
            decisions.insert(key, Decision::Kept { route: key as u16 });
            assert!(decisions.newer.len() + decisions.older.len() <= 8);
            assert_eq!(decisions.get(0), Some(Decision::Kept { route: 0 }), "asked for each time, after {key}");
        }
        assert_eq!(decisions.get(99), Some(Decision::Kept { route: 99 }));
        assert_eq!(decisions.get(50), None);
        let mut none = Decisions::new(0);
        none.insert(1, Decision::Dropped);
        assert_eq!(none.get(1), None);
    }
}
