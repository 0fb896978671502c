//! Rows that belong together, in a stage with `group_by:`.
//!
//! ```
//! # use wasmill_sdk::prelude::*;
//! # struct Failed(Column<i32>);
//! # impl Plugin for Failed {
//! #     type Config = ();
//! #     fn init(_: (), needs: &mut Requirements) -> Result<Self> {
//! #         needs.signals([Signal::Traces]);
//! #         needs.uses([Use::Keep, Use::Groups]);
//! #         Ok(Failed(needs.column("status.code")))
//! #     }
//! fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
//!     let failed = slice.column(self.0).matches(|code| code == 2);
//!     verdict.keep_groups(&slice.groups().any(&failed));
//!     Ok(())
//! }
//! # }
//! # let mut plugin = wasmill_sdk::testing::Harness::<Failed>::start("null").unwrap();
//! # let slice = plugin.slice(Signal::Traces, 3).groups([1, 2]);
//! # assert_eq!(slice.with("status.code", [0, 0, 2]).process().unwrap().kept(), [1, 2]);
//! ```
//!
//! Facts about a group are columns with a value for each group instead of each row: `group.waited_ms`, a `u32`, is how long it was waited
//! for; `group.reason`, a `str`, why it is decided now: `wait`, `full`, `rows` or `closed`.

use std::ops::Range;

use wasmill_columns::Bitmap;

use crate::verdict::ROUTE_UNCHANGED;
use crate::{RouteSet, Verdict};

/// Which rows of a slice belong together. A group's rows follow each other; where the stage has no groups, there are none.
#[derive(Clone, Copy, Debug)]
pub struct Groups<'a> {
    /// Where each starts, and the end; empty: there are none.
    starts: &'a [u32],
}

/// What a verdict says of groups.
#[derive(Debug, Default)]
pub(crate) struct OfGroups {
    /// As those of the slice.
    pub starts: Vec<u32>,
    /// `None`: all. Not beside what is kept of rows once the verdict is [settled](Verdict::settle).
    pub keep: Option<Bitmap>,
    /// Empty: unchanged. Else one for each group, and nothing is said of routes of rows.
    pub routes: Vec<u16>,
}

impl<'a> Groups<'a> {
    pub(crate) fn new(starts: &'a [u32]) -> Groups<'a> {
        Groups { starts }
    }

    pub fn len(self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The rows of a group; none behind the last one.
    pub fn rows(self, group: usize) -> Range<usize> {
        match (self.starts.get(group), self.starts.get(group + 1)) {
            (Some(&start), Some(&end)) => start as usize..end as usize,
            _ => 0..0,
        }
    }

    /// The rows of each group.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Range<usize>> + use<'a> {
        self.starts.array_windows().map(|&[start, end]| start as usize..end as usize)
    }

    /// The groups that have one of these rows.
    pub fn any(self, rows: &Bitmap) -> Bitmap {
        let mut found = Bitmap::none(self.len());
        let mut group = 0;
        for row in rows.ones() {
            while group < self.len() && row >= self.rows(group).end {
                group += 1;
            }
            found.set(group, true);
        }
        found
    }

    /// The rows of these groups.
    pub fn expand(self, groups: &Bitmap) -> Bitmap {
        let mut rows = Bitmap::none(self.starts.last().map_or(0, |&end| end as usize));
        groups.ones().flat_map(|group| self.rows(group)).for_each(|row| rows.set(row, true));
        rows
    }
}

impl Verdict {
    /// Keeps these groups alone, whole. Said twice, the groups that are in both stay; rows that [`keep`](Verdict::keep) or
    /// [`drop`](Verdict::drop) take away are gone nonetheless.
    ///
    /// # Panics
    /// Where there is not a bit for each group of the slice, here and below.
    pub fn keep_groups(&mut self, groups: &Bitmap) {
        self.check_groups(groups);
        match &mut self.of_groups.keep {
            Some(keep) => keep.and(groups),
            None => self.of_groups.keep = Some(groups.clone()),
        }
    }

    /// Drops these groups, whole.
    pub fn drop_groups(&mut self, groups: &Bitmap) {
        self.check_groups(groups);
        self.of_groups.keep.get_or_insert_with(|| Bitmap::all(groups.len())).and_not(groups);
    }

    /// Sends all rows of these groups to the routes of the set. Said twice of a row, by groups or by rows, the later one counts.
    pub fn route_groups(&mut self, groups: &Bitmap, set: RouteSet) {
        self.check_groups(groups);
        if !self.routes.is_empty() {
            let rows = Groups::new(&self.of_groups.starts).expand(groups);
            return self.route(&rows, set);
        }
        self.of_groups.routes.resize(groups.len(), ROUTE_UNCHANGED);
        for group in groups.ones() {
            if let Some(route) = self.of_groups.routes.get_mut(group) {
                *route = set.0;
            }
        }
    }

    fn check_groups(&self, groups: &Bitmap) {
        let count = Groups::new(&self.of_groups.starts).len();
        assert_eq!(groups.len(), count, "a bit for each group");
    }

    pub(crate) fn begin_groups(&mut self, groups: Groups<'_>) {
        self.of_groups.starts.clear();
        self.of_groups.starts.extend_from_slice(groups.starts);
        self.of_groups.keep = None;
        self.of_groups.routes.clear();
    }

    /// Makes routes of rows out of those of groups.
    pub(crate) fn routes_by_row(&mut self) {
        let OfGroups { starts, routes, .. } = &mut self.of_groups;
        for (rows, &route) in Groups::new(starts).iter().zip(routes.iter()) {
            self.routes.extend(rows.map(|_| route));
        }
        routes.clear();
    }

    /// Makes of what is kept of groups something kept of rows, where both are said.
    pub(crate) fn settle(&mut self) {
        if let Some(keep) = &mut self.keep
            && let Some(groups) = self.of_groups.keep.take()
        {
            keep.and(&Groups::new(&self.of_groups.starts).expand(&groups));
        }
    }
}
