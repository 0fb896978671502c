//! Families: what is exposed under one name.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::RwLock;

use super::room::Room;
use super::series::{LabelBytes, Series, State, Value};
use crate::translate::{Family, MetricType};

/// A family and its series.
#[derive(Debug)]
pub(crate) struct Members {
    pub family: Family,
    list: RwLock<List>,
}

#[derive(Debug, Default)]
struct List {
    /// Ascending by number.
    series: Vec<Arc<Series>>,
    by_labels: HashSet<ByLabels, RandomState>,
    next_number: u64,
    /// It is out of the registry, and takes no more.
    is_closed: bool,
}

/// A series, found by the bytes of its labels.
#[derive(Debug)]
struct ByLabels(Arc<Series>);

/// What came of asking a family for a series.
pub(super) enum Found {
    Known(Arc<Series>),
    Made(Arc<Series>),
    /// There is room for no more.
    Full,
    /// The family is gone: ask for it anew.
    Closed,
}

/// Families by name, and whose the names of samples are.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    by_name: BTreeMap<Arc<str>, Arc<Members>>,
    /// `x_bucket` and the like, with the family that writes them.
    samples: HashMap<String, Arc<str>, RandomState>,
}

/// Why a family cannot be.
#[derive(Debug)]
pub(super) enum Refused {
    Conflict(Conflict),
    Full,
}

/// Because of one that is.
#[derive(Debug)]
pub(super) struct Conflict {
    pub name: String,
    pub kind: MetricType,
    pub other: String,
    pub other_kind: MetricType,
}

impl Members {
    /// The series with these labels, which is made where it is missing and `has_room` says so.
    pub(super) fn series(
        &self,
        labels: LabelBytes,
        value: impl FnOnce() -> Value,
        has_room: impl FnOnce() -> bool,
    ) -> Found {
        if let Some(known) = self.list.read().by_labels.get(&*labels.pairs) {
            return Found::Known(Arc::clone(&known.0));
        }
        let mut list = self.list.write();
        if list.is_closed {
            return Found::Closed;
        }
        if let Some(known) = list.by_labels.get(&*labels.pairs) {
            return Found::Known(Arc::clone(&known.0));
        }
        if !has_room() {
            return Found::Full;
        }
        let series = Arc::new(Series::new(list.next_number, labels, value()));
        list.next_number += 1;
        list.series.push(Arc::clone(&series));
        list.by_labels.insert(ByLabels(Arc::clone(&series)));
        Found::Made(series)
    }

    /// Looks at series in their order, those of a number at least `from`, until `look` is no longer interested. The family is locked
    /// meanwhile: it gets no new ones.
    pub fn visit(&self, from: u64, mut look: impl FnMut(&Series) -> bool) {
        let list = self.list.read();
        let start = list.series.partition_point(|series| series.number < from);
        for series in list.series.iter().skip(start) {
            if !look(series) {
                return;
            }
        }
    }

    /// Drops the series whose state `goes`, and tells `dropped` of each. Whether none is left.
    pub fn sweep(&self, goes: impl Fn(&State) -> bool, mut dropped: impl FnMut(&Series, &State)) -> bool {
        {
            // Mostly there is nothing to drop, and then nobody waits.
            let list = self.list.read();
            if !list.series.iter().any(|series| goes(&series.state.lock())) {
                return list.series.is_empty();
            }
        }
        let List { series, by_labels, .. } = &mut *self.list.write();
        series.retain(|series| {
            let mut state = series.state.lock();
            state.is_gone = goes(&state);
            if state.is_gone {
                by_labels.remove(&*series.labels.pairs);
                dropped(series, &state);
            }
            !state.is_gone
        });
        if series.capacity() > 4 * series.len() + 64 {
            series.shrink_to_fit();
            by_labels.shrink_to_fit();
        }
        series.is_empty()
    }

    /// Where nothing is left: takes no more.
    fn close(&self) -> bool {
        let mut list = self.list.write();
        list.is_closed = list.series.is_empty();
        list.is_closed
    }
}

impl Registry {
    /// The family of this name. The first that has a name keeps its type and its description.
    pub fn family(registry: &RwLock<Registry>, family: &Family, ways: &Room) -> Result<Arc<Members>, Refused> {
        if let Some(known) = registry.read().by_name.get(&*family.name) {
            return known.fits(family);
        }
        let registry = &mut *registry.write();
        if let Some(known) = registry.by_name.get(&*family.name) {
            return known.fits(family);
        }
        let samples = sample_names(family);
        let mut taken = samples.iter().filter_map(|name| registry.by_name.get(name.as_str()));
        let owner = registry.samples.get(&*family.name).and_then(|owner| registry.by_name.get(owner));
        if let Some(other) = taken.next().or(owner) {
            return Err(other.conflict(family));
        }
        let others = samples.iter().filter_map(|name| registry.samples.get(name.as_str()));
        if let Some(other) = others.filter_map(|owner| registry.by_name.get(owner)).next() {
            return Err(other.conflict(family));
        }
        if !ways.take(bytes(family)) {
            return Err(Refused::Full);
        }
        let name: Arc<str> = family.name.as_str().into();
        let members = Arc::new(Members { family: family.clone(), list: RwLock::default() });
        registry.by_name.insert(Arc::clone(&name), Arc::clone(&members));
        registry.samples.extend(samples.into_iter().map(|sample| (sample, Arc::clone(&name))));
        Ok(members)
    }

    /// The next family in the order of names.
    pub fn after(&self, name: Option<&str>) -> Option<Arc<Members>> {
        let start = name.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_name.range::<str, _>((start, Bound::Unbounded)).next().map(|(_, members)| Arc::clone(members))
    }

    /// Takes out what has no series.
    pub fn remove(&mut self, members: &Members, ways: &Room) {
        let name = &*members.family.name;
        let is_same = self.by_name.get(name).is_some_and(|known| std::ptr::eq(Arc::as_ptr(known), members));
        if is_same && members.close() {
            self.by_name.remove(name);
            ways.give(bytes(&members.family));
            for sample in sample_names(&members.family) {
                self.samples.remove(&sample);
            }
        }
    }
}

impl Members {
    fn fits(self: &Arc<Members>, family: &Family) -> Result<Arc<Members>, Refused> {
        if self.family.kind == family.kind { Ok(Arc::clone(self)) } else { Err(self.conflict(family)) }
    }

    fn conflict(&self, family: &Family) -> Refused {
        let (other, other_kind) = (self.family.name.clone(), self.family.kind);
        Refused::Conflict(Conflict { name: family.name.clone(), kind: family.kind, other, other_kind })
    }
}

fn bytes(family: &Family) -> usize {
    family.name.len() + family.help.len()
}

/// Names of samples beside the family's own.
fn sample_names(family: &Family) -> Vec<String> {
    let suffixes: &[&str] = match family.kind {
        MetricType::Histogram => &["_bucket", "_sum", "_count"],
        MetricType::Summary => &["_sum", "_count"],
        MetricType::Counter | MetricType::Gauge | MetricType::Unknown => &[],
    };
    suffixes.iter().map(|suffix| format!("{}{suffix}", family.name)).collect()
}

impl Borrow<[u8]> for ByLabels {
    fn borrow(&self) -> &[u8] {
        &self.0.labels.pairs
    }
}

impl Hash for ByLabels {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.labels.pairs.hash(hasher);
    }
}

impl PartialEq for ByLabels {
    fn eq(&self, other: &ByLabels) -> bool {
        self.0.labels.pairs == other.0.labels.pairs
    }
}

impl Eq for ByLabels {}
