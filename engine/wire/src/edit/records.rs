//! Edits of records: each row that changes is written once, into the patch.

use super::patch::Patch;
use super::prepare::Prepared;
use super::targets::Hit;
use super::tree::Tree;
use super::{EditError, change};
use crate::field::{self, WireType};
use crate::path::Level;
use crate::{Index, MetricKind, Record, Selection, Signal, varint};

/// Kinds of metrics, none included.
const KINDS: usize = MetricKind::Summary as usize + 1;

/// Applies the edits of records. Rows that come out as they were go on pointing where they do.
pub(super) fn apply(
    signal: Signal,
    index: &mut Index,
    selection: &Selection,
    edits: &mut [Prepared<'_>],
    patch: &mut Patch,
) -> Result<(), EditError> {
    let Index { buffers, records, metric_data, .. } = index;
    let mut tree = Tree::new();
    let mut hits: Vec<Hit> = Vec::with_capacity(edits.len());
    // Field numbers of edited paths, by kind of metric.
    let mut interests = [None; KINDS];
    for row in 0..records.len() {
        hits.clear();
        let selected = selection.contains(row);
        for (number, edit) in edits.iter_mut().enumerate().filter(|(_, edit)| edit.entry.level == Level::Record) {
            edit.targets.of_row(row, selected, number as u32, &mut hits);
        }
        if hits.is_empty() {
            continue;
        }
        let record = &mut records[row];
        let kind = match signal {
            Signal::Metrics => metric_data[record.parent as usize].kind,
            Signal::Traces | Signal::Logs => MetricKind::None,
        };
        let interest = *interests[kind as usize].get_or_insert_with(|| interest(edits, kind));
        let buffer = &buffers[record.buffer as usize];
        tree.load(&buffer[(record.offset + record.head) as usize..(record.offset + record.len) as usize], interest);
        for hit in &hits {
            let edit = &edits[hit.edit as usize];
            let Some(steps) = edit.entry.steps(kind) else {
                // Points of this kind do not have the field.
                continue;
            };
            let (keys, place) = (&edit.edit.path.keys, edit.inner_place(hit));
            change::apply(&mut tree, edit.entry, steps, keys, place, &edit.action(hit))
                .map_err(|absent| edit.no_entry(row, hit, absent))?;
            Patch::check(tree.mark())?;
        }
        if tree.changed() {
            *record = write(signal, &mut tree, record.parent, patch)?;
        }
    }
    Ok(())
}

/// A bit for each field that an edit of a record looks at.
fn interest(edits: &[Prepared<'_>], kind: MetricKind) -> u64 {
    let of_records = edits.iter().filter(|edit| edit.entry.level == Level::Record);
    of_records.map(|edit| edit.interest(kind)).fold(0, |all, one| all | one)
}

fn write(signal: Signal, tree: &mut Tree<'_>, parent: u32, patch: &mut Patch) -> Result<Record, EditError> {
    let number = if signal == Signal::Metrics { 1 } else { 2 };
    let len = tree.measure();
    let out = patch.reserve(field::len_of(number, len))?;
    let offset = out.len();
    field::put_tag(out, number, WireType::Len);
    varint::put(out, len as u64);
    let head = out.len() - offset;
    tree.write(out);
    let len = out.len() - offset;
    Ok(Record { buffer: patch.number(), offset: offset as u32, len: len as u32, head: head as u32, parent })
}
