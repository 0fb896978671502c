//! From decisions about slices to what a batch is then: its selection and its routes.

use arrow_buffer::BooleanBufferBuilder;
use wasmill_batch::{Routes, TelemetryBatch};
use wasmill_wire::Selection;

use crate::slice::Runs;
use crate::state::Cut;
use crate::verdict::{Decision, Keep, Route};

/// The selected rows that are kept.
pub fn selection<'k>(selected: &Selection, cut: &Cut, kept: impl Iterator<Item = &'k Keep>) -> Selection {
    let of = cut.slices.iter().zip(kept);
    if cut.in_order() {
        let mut bits = BooleanBufferBuilder::new(selected.count());
        for (rows, keep) in of {
            match keep {
                Keep::All => bits.append_n(rows.count(), true),
                Keep::None => bits.append_n(rows.count(), false),
                Keep::Rows(kept) => bits.append_buffer(kept),
            }
        }
        return selected.narrow(&bits.finish());
    }
    let mut bits = BooleanBufferBuilder::new(selected.len());
    bits.append_n(selected.len(), false);
    for (rows, keep) in of {
        for (number, row) in rows.rows().enumerate() {
            let is_kept = match keep {
                Keep::All => true,
                Keep::None => false,
                Keep::Rows(kept) => kept.value(number),
            };
            bits.set_bit(row as usize, is_kept);
        }
    }
    Selection::from_bits(bits.finish())
}

/// Sets the routes of the rows of which the plugin said something.
pub fn set_routes(batch: &mut TelemetryBatch, slices: &[Runs], decisions: &[Decision], route_base: u16) {
    let numbered = |set: u16| route_base.saturating_add(set);
    match decisions {
        _ if decisions.iter().all(|decision| decision.route == Route::Unchanged) => {}
        [Decision { route: Route::All(set), .. }] => batch.routes = Routes::All(numbered(*set)),
        _ => {
            let mut routes = batch.routes.to_rows(batch.base().rows());
            for (rows, decision) in slices.iter().zip(decisions) {
                for (number, row) in rows.rows().enumerate() {
                    let set = match &decision.route {
                        Route::Unchanged => None,
                        Route::All(set) => Some(*set),
                        Route::Rows(sets) => sets.get(number).copied().flatten(),
                    };
                    if let (Some(set), Some(route)) = (set, routes.get_mut(row as usize)) {
                        *route = numbered(set);
                    }
                }
            }
            batch.routes = Routes::Rows(routes.into());
        }
    }
}
