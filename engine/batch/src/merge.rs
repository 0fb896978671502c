//! Several batches as one, which remembers where each came from.
//!
//! What a merged batch is made of are its *sources*: neighbouring rows of its base. Routes stay with their rows. A backend that
//! refuses the whole for the fault of one source is asked again source by source ([`TelemetryBatch::of_sources`]), and
//! [`Ack::resolve_each`](crate::Ack::resolve_each) tells each sender its own outcome.

use std::sync::Arc;

use wasmill_wire::{MergePart, Selection, merge};

use crate::{Ack, RequestContext, Routes, TelemetryBatch};

/// A batch whose selected rows go into a merged one.
#[derive(Clone, Copy)]
pub struct MergeInput<'a> {
    pub batch: &'a TelemetryBatch,
    /// As [`MergePart::with_rowless`] has it.
    pub with_rowless: bool,
}

impl TelemetryBatch {
    /// One batch of all inputs, each a source, in order; they are of one signal. Moves no record's bytes.
    ///
    /// What becomes of the inputs' acks is the caller's to say: with `ack`, which is best [merged](Ack::merge) from them.
    pub fn merge(inputs: &[MergeInput], context: Arc<RequestContext>, ack: Ack) -> Option<TelemetryBatch> {
        let signal = inputs.first()?.batch.signal();
        let parts: Vec<MergePart> = inputs
            .iter()
            .map(|input| MergePart {
                index: input.batch.index(),
                selection: input.batch.selection(),
                with_rowless: input.with_rowless,
            })
            .collect();
        let mut merged = TelemetryBatch::new(Arc::new(merge(signal, &parts)), context, ack);
        merged.routes = merged_routes(inputs);
        if inputs.len() > 1 {
            let ends = inputs.iter().scan(0, |end, input| {
                *end += input.batch.selection().count() as u32;
                Some(*end)
            });
            merged.sources = Some(ends.collect());
        }
        Some(merged)
    }

    /// What is left of each source, as a batch whose ack nobody waits for, in the order in which they were merged. Empty for a
    /// batch that was not merged.
    pub fn of_sources(&self) -> Vec<TelemetryBatch> {
        let Some(ends) = &self.sources else { return Vec::new() };
        let mut start = 0;
        let selections = ends.iter().map(|&end| {
            let rows: Vec<u32> = (start..end).filter(|&row| self.selection.contains(row as usize)).collect();
            start = end;
            Selection::from_rows(self.selection.len(), &rows)
        });
        let source = |(number, selection): (usize, Selection)| {
            let mut batch = self.fork_unobserved();
            batch.select(selection);
            let input = MergeInput { batch: &batch, with_rowless: number == 0 };
            TelemetryBatch::merge(&[input], Arc::clone(&self.context), Ack::unobserved())
        };
        selections.enumerate().filter_map(source).collect()
    }
}

/// Where sources end in a base of the selected rows alone.
pub(crate) fn compacted_ends(ends: &[u32], selection: &Selection) -> Arc<[u32]> {
    let mut kept = 0;
    let mut rows = selection.rows().peekable();
    let ends = ends.iter().map(|&end| {
        while rows.next_if(|&row| row < end as usize).is_some() {
            kept += 1;
        }
        kept
    });
    ends.collect()
}

fn merged_routes(inputs: &[MergeInput]) -> Routes {
    let Some(first) = inputs.first().map(|input| &input.batch.routes) else { return Routes::Default };
    if !matches!(first, Routes::Rows(_)) && inputs.iter().all(|input| input.batch.routes == *first) {
        return first.clone();
    }
    let mut routes = Vec::with_capacity(inputs.iter().map(|input| input.batch.selection().count()).sum());
    for MergeInput { batch, .. } in inputs {
        let of_rows = batch.routes.to_rows(batch.selection().len());
        routes.extend(batch.selection().rows().map(|row| of_rows[row]));
    }
    Routes::Rows(routes.into())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use wasmill_wire::{Projection, Signal, WireBatch};

    use super::*;
    use crate::{Outcome, ROUTE_DEFAULT};

    /// A traces request of spans with these names: one resource, one scope. Written by hand, since this crate knows no prost.
    fn spans(names: &[&str]) -> TelemetryBatch {
        let field = |tag: u8, message: &[u8]| [&[tag << 3 | 2, message.len() as u8], message].concat();
        let spans: Vec<u8> = names.iter().flat_map(|name| field(2, &field(5, name.as_bytes()))).collect();
        let request = field(1, &field(2, &spans));
        let nothing = Projection::new(Signal::Traces, Vec::new());
        let base = WireBatch::parse(Signal::Traces, Bytes::from(request), &nothing).unwrap();
        TelemetryBatch::new(Arc::new(base), Arc::default(), Ack::unobserved())
    }

    /// All of these, merged.
    fn merged(batches: &[TelemetryBatch]) -> TelemetryBatch {
        let input = |batch| MergeInput { batch, with_rowless: true };
        let inputs: Vec<MergeInput> = batches.iter().map(input).collect();
        TelemetryBatch::merge(&inputs, Arc::default(), Ack::unobserved()).unwrap()
    }

    fn only(batch: &mut TelemetryBatch, rows: &[u32]) {
        batch.select(Selection::from_rows(batch.base().rows(), rows));
    }

    /// Batches with routes for all rows, for single rows and for none become one.
    #[test]
    fn routes_stay_with_their_rows() {
        let (mut all, mut some, none) = (spans(&["a"]), spans(&["b", "c", "d"]), spans(&["e"]));
        all.routes = Routes::All(7);
        some.routes = Routes::Rows([1, 2, 3].into());
        only(&mut some, &[0, 2]);
        let together = merged(&[all, some, none]);
        assert_eq!(together.routes.to_rows(4), [7, 1, 3, ROUTE_DEFAULT]);
        assert_eq!(merged(&[spans(&["a"]), spans(&["b"])]).routes, Routes::Default);
    }

    /// Rows of a merged batch are dropped, and it is compacted: each source still has its own rows, and one has none.
    #[test]
    fn sources_are_known_after_rows_went_and_others_were_copied() {
        let long = "x".repeat(100);
        let mut batch = merged(&[spans(&["a", &long, "b"]), spans(&["c"]), spans(&["d", &long])]);
        only(&mut batch, &[0, 2, 4]);
        let expected = [spans(&["a", "b"]), spans(&[]), spans(&["d"])];
        let expected = expected.map(|batch| (batch.selection().count(), batch.encode()));
        let of_sources = |batch: &TelemetryBatch| {
            let sources = batch.of_sources();
            sources.iter().map(|source| (source.selection().count(), source.encode())).collect::<Vec<_>>()
        };
        let before = of_sources(&batch);
        assert_eq!(before.iter().map(|(rows, _)| *rows).collect::<Vec<_>>(), [2, 0, 1]);
        assert_eq!((&before[0].1, &before[2].1), (&expected[0].1, &expected[2].1));
        batch.park();
        assert_eq!(batch.base().rows(), 3, "it was compacted");
        assert_eq!(of_sources(&batch), before);
        batch.resolve(Outcome::Dropped);
    }
}
