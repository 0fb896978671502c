//! Edits of parents: of the rows' resources, scopes and metrics.
//!
//! An edit says what it does to rows, but what it changes is shared by many. So a parent is split: rows for which it comes
//! out the same share one, rows that the edit is not about keep the one that was. What lies between a split parent and
//! its rows is split with it.
//!
//! ```text
//!  resource 0 ── scope 0 ── rows 0 1 2        before; row 1 gets another resource
//!
//!  resource 0 ── scope 0 ── rows 0 2          after
//!  resource 1 ── scope 1 ── row 1             new, appended
//! ```
//!
//! A parent whose rows all change alike is changed where it stands; no parent loses all its rows, which would make it one
//! that came without.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::patch::Patch;
use super::prepare::Prepared;
use super::targets::Hit;
use super::tree::Tree;
use super::{EditError, change};
use crate::path::Level;
use crate::{Extent, Index, MetricKind, Parent, Selection, Signal};

/// The parent is as it was.
const AS_IT_WAS: u32 = 0;

/// Applies the edits of parents.
pub(super) fn apply(
    signal: Signal,
    index: &mut Index,
    selection: &Selection,
    edits: &mut [Prepared<'_>],
    patch: &mut Patch,
) -> Result<(), EditError> {
    if edits.iter().all(|edit| edit.entry.level == Level::Record) {
        return Ok(());
    }
    let levels: &[Level] = match signal {
        Signal::Metrics => &[Level::Resource, Level::Scope, Level::Metric],
        Signal::Traces | Signal::Logs => &[Level::Resource, Level::Scope],
    };
    // As it was: splitting one level must not be seen by the next.
    let mut rows_by_level: Vec<Vec<u32>> = levels.iter().map(|&level| parents_of_rows(signal, index, level)).collect();
    let mut above: Option<Vec<u32>> = None;
    for (&level, own) in levels.iter().zip(&mut rows_by_level) {
        let variants = match edits.iter().any(|edit| edit.entry.level == level) {
            true => Some(variants(index, level, own, selection, edits, patch)?),
            false => None,
        };
        if variants.is_some() || above.is_some() {
            above = Some(split(index, level, own, above.as_deref(), variants.as_ref()));
        }
    }
    for (record, leaf) in index.records.iter_mut().zip(above.into_iter().flatten()) {
        record.parent = leaf;
    }
    Ok(())
}

/// Of each row the number of its parent on a level.
fn parents_of_rows(signal: Signal, index: &Index, level: Level) -> Vec<u32> {
    let scope = |leaf: u32| match signal {
        Signal::Metrics => index.metrics[leaf as usize].parent,
        Signal::Traces | Signal::Logs => leaf,
    };
    let leaves = index.records.iter().map(|record| record.parent);
    match level {
        Level::Resource => leaves.map(|leaf| index.scopes[scope(leaf) as usize].parent).collect(),
        Level::Scope => leaves.map(scope).collect(),
        Level::Request | Level::Metric | Level::Record => leaves.collect(),
    }
}

/// The headers that edits make of a level's parents.
struct Variants {
    /// Of each row a number in `made` plus one, or [`AS_IT_WAS`].
    of_row: Vec<u32>,
    made: Vec<Variant>,
}

struct Variant {
    header: Extent,
    /// Another variant with the same hash, plus one.
    next: u32,
}

fn variants(
    index: &Index,
    level: Level,
    own: &[u32],
    selection: &Selection,
    edits: &mut [Prepared<'_>],
    patch: &mut Patch,
) -> Result<Variants, EditError> {
    let mut variants = Variants { of_row: Vec::with_capacity(own.len()), made: Vec::new() };
    let (hasher, mut by_hash) = (RandomState::new(), HashMap::new());
    let mut tree = Tree::new();
    let mut hits: Vec<Hit> = Vec::with_capacity(edits.len());
    // What was evaluated last, for the rows after it that have the same parent and the same edits.
    let mut last: (u32, u32, Vec<Hit>) = (u32::MAX, AS_IT_WAS, Vec::with_capacity(edits.len()));
    let interest = edits.iter().filter(|edit| edit.entry.level == level);
    let interest = interest.map(|edit| edit.interest(MetricKind::None)).fold(0, |all, one| all | one);
    for (row, &parent) in own.iter().enumerate() {
        hits.clear();
        let selected = selection.contains(row);
        for (number, edit) in edits.iter_mut().enumerate().filter(|(_, edit)| edit.entry.level == level) {
            edit.targets.of_row(row, selected, number as u32, &mut hits);
        }
        if hits.is_empty() {
            variants.of_row.push(AS_IT_WAS);
            continue;
        }
        if last.0 != parent || !same(edits, &last.2, &hits) {
            evaluate(index, level, parent, row, edits, &hits, &mut tree, interest, patch)?;
            let variant = match tree.changed() {
                true => variants.intern(&mut tree, parent, &hasher, &mut by_hash, patch)?,
                false => AS_IT_WAS,
            };
            (last.0, last.1) = (parent, variant);
            last.2.clone_from(&hits);
        }
        variants.of_row.push(last.1);
    }
    Ok(variants)
}

/// Whether two rows of one parent get the same.
fn same(edits: &[Prepared<'_>], one: &[Hit], other: &[Hit]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| one.edit == other.edit && edits[one.edit as usize].same(one, other))
}

#[expect(clippy::too_many_arguments, reason = "one step of `variants`, with all that it has at hand")]
fn evaluate<'a>(
    index: &'a Index,
    level: Level,
    parent: u32,
    row: usize,
    edits: &[Prepared<'_>],
    hits: &[Hit],
    tree: &mut Tree<'a>,
    interest: u64,
    patch: &Patch,
) -> Result<(), EditError> {
    let parent = match level {
        Level::Resource => &index.resources[parent as usize],
        Level::Scope => &index.scopes[parent as usize],
        Level::Request | Level::Metric | Level::Record => &index.metrics[parent as usize],
    };
    tree.load_parts(index.header(parent.header).iter().map(|&extent| index.bytes(extent)), interest);
    for hit in hits {
        let edit = &edits[hit.edit as usize];
        let Some(steps) = edit.entry.steps(MetricKind::None) else {
            continue;
        };
        let keys = &edit.edit.path.keys;
        change::apply(tree, edit.entry, steps, keys, edit.inner_place(hit), &edit.action(hit))
            .map_err(|absent| edit.no_entry(row, hit, absent))?;
        patch.check(tree.mark())?;
    }
    Ok(())
}

impl Variants {
    /// Writes the header in the tree, unless it was written for this parent before.
    fn intern(
        &mut self,
        tree: &mut Tree<'_>,
        parent: u32,
        hasher: &RandomState,
        by_hash: &mut HashMap<u64, u32>,
        patch: &mut Patch,
    ) -> Result<u32, EditError> {
        let len = tree.measure();
        let start = patch.len();
        tree.write(patch.reserve(len)?);
        let header = Extent { buffer: patch.number(), offset: start as u32, len: len as u32 };
        let first = by_hash.entry(hasher.hash_one((parent, patch.bytes(header)))).or_insert(AS_IT_WAS);
        let mut at = *first;
        while let Some(variant) = self.made.get((at as usize).wrapping_sub(1)) {
            if patch.bytes(variant.header) == patch.bytes(header) {
                patch.truncate(start);
                return Ok(at);
            }
            at = variant.next;
        }
        self.made.push(Variant { header, next: *first });
        *first = self.made.len() as u32;
        Ok(*first)
    }
}

/// Gives each row a parent with the header that it is to have, under the parent that it has above. Returns the numbers.
fn split(index: &mut Index, level: Level, own: &[u32], above: Option<&[u32]>, variants: Option<&Variants>) -> Vec<u32> {
    let Index { extents, resources, scopes, metrics, metric_data, .. } = index;
    let parents = match level {
        Level::Resource => resources,
        Level::Scope => scopes,
        Level::Request | Level::Metric | Level::Record => metrics,
    };
    let before = parents.clone();
    let key_of = |row: usize| {
        let above = above.map_or(before[own[row] as usize].parent, |above| above[row]);
        let variant = variants.map_or(AS_IT_WAS, |variants| variants.of_row[row]);
        (own[row], above, variant)
    };
    let stays = |(own, above, variant): (u32, u32, u32)| variant == AS_IT_WAS && above == before[own as usize].parent;
    // Parents that some row keeps as they were. Of the others, the first rows to change take the place.
    let mut taken = vec![false; before.len()];
    for row in 0..own.len() {
        taken[own[row] as usize] |= stays(key_of(row));
    }
    let mut numbers = HashMap::new();
    let mut last = ((u32::MAX, 0, 0), 0);
    let mut out = Vec::with_capacity(own.len());
    for row in 0..own.len() {
        let key @ (old, above, variant) = key_of(row);
        if stays(key) {
            out.push(old);
            continue;
        }
        if last.0 != key {
            let number = *numbers.entry(key).or_insert_with(|| {
                let mut parent = Parent { parent: above, ..before[old as usize] };
                if let Some(variants) = variants
                    && let Some(made) = variants.made.get((variant as usize).wrapping_sub(1))
                {
                    let at = extents.len() as u32;
                    extents.push(made.header);
                    (parent.header, parent.header_len) = ((at, at + 1), made.header.len);
                }
                if !std::mem::replace(&mut taken[old as usize], true) {
                    parents[old as usize] = parent;
                    return old;
                }
                parents.push(parent);
                if level == Level::Metric {
                    metric_data.push(metric_data[old as usize]);
                }
                parents.len() as u32 - 1
            });
            last = (key, number);
        }
        out.push(last.1);
    }
    out
}
