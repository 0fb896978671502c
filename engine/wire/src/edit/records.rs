//! Edits of records: each row that changes is written once, into the patch.

use super::patch::Patch;
use super::prepare::Prepared;
use super::quick::Quick;
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
    let quick = Quick::new(edits);
    let mut tree = Tree::new();
    let mut hits: Vec<Hit> = Vec::with_capacity(edits.len());
    // Field numbers of edited paths, by kind of metric.
    let mut interests = [None; KINDS];
    for (row, record) in records.iter_mut().enumerate() {
        hits.clear();
        let selected = selection.contains(row);
        for (number, edit) in edits.iter_mut().enumerate().filter(|(_, edit)| edit.entry.level == Level::Record) {
            edit.targets.of_row(row, selected, number as u32, &mut hits);
        }
        if hits.is_empty() {
            continue;
        }
        let kind = match signal {
            Signal::Metrics => metric_data[record.parent as usize].kind,
            Signal::Traces | Signal::Logs => MetricKind::None,
        };
        let buffer = &buffers[record.buffer as usize];
        let message = &buffer[(record.offset + record.head) as usize..(record.offset + record.len) as usize];
        if let Some(quick) = &quick
            && let Some(changed) = rewrite(signal, quick, edits, &hits, kind, message, record.parent, patch)?
        {
            *record = changed.unwrap_or(*record);
            continue;
        }
        let interest = *interests[kind as usize].get_or_insert_with(|| interest(edits, kind));
        tree.load(message, interest);
        for hit in &hits {
            let edit = &edits[hit.edit as usize];
            let Some(steps) = edit.entry.steps(kind) else {
                // Points of this kind do not have the field.
                continue;
            };
            let (keys, place) = (&edit.edit.path.keys, edit.inner_place(hit));
            change::apply(&mut tree, edit.entry, steps, keys, place, &edit.action(hit))
                .map_err(|absent| edit.no_entry(row, hit, absent))?;
            patch.check(tree.mark())?;
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

/// The number of the field that a record is.
fn number_of(signal: Signal) -> u32 {
    if signal == Signal::Metrics { 1 } else { 2 }
}

/// Makes the usual edits of a record in the usual form. `None`: it is not; `Some(None)`: nothing changes.
#[expect(clippy::too_many_arguments, reason = "one step of `apply`, with all that it has at hand")]
fn rewrite(
    signal: Signal,
    quick: &Quick<'_>,
    edits: &[Prepared<'_>],
    hits: &[Hit],
    kind: MetricKind,
    message: &[u8],
    parent: u32,
    patch: &mut Patch,
) -> Result<Option<Option<Record>>, EditError> {
    // All hits are of attributes, which every kind of record has in one field.
    let steps = hits.first().and_then(|hit| edits[hit.edit as usize].entry.steps(kind));
    let Some(&[attributes]) = steps else {
        return Ok(None);
    };
    let buffer = patch.number();
    let out = patch.reserve(message.len())?;
    let offset = out.len();
    let Some(head) = quick.rewrite(message, (number_of(signal), attributes), edits, hits, out) else {
        return Ok(None);
    };
    let len = out.len() - offset;
    patch.check(offset + len)?;
    let (offset, len, head) = (offset as u32, len as u32, head as u32);
    Ok(Some((head > 0).then_some(Record { buffer, offset, len, head, parent })))
}

fn write(signal: Signal, tree: &mut Tree<'_>, parent: u32, patch: &mut Patch) -> Result<Record, EditError> {
    let number = number_of(signal);
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
