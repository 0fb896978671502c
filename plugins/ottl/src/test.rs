//! Conditions, over all rows at once.

use wasmill_columns::{Bitmap, Column};

use crate::cell::{Cell, Vector};
use crate::column::{Domain, Outcome, compare as compare_column};
use crate::machine::{Frame, Machine, Scratch};
use crate::plan::{Leaf, LeafKind, NodeKind, Test};
use crate::value::compare;
use crate::{Reason, ast::Comparison};

/// What a test says of the rows that it was asked about.
#[derive(Debug)]
pub(crate) struct Truth {
    pub yes: Bitmap,
    /// Rows that could not be evaluated. `None`: there are none.
    pub failed: Option<Bitmap>,
}

impl Truth {
    fn of(mut yes: Bitmap, failed: Option<Bitmap>, active: &Bitmap) -> Truth {
        yes.and(active);
        let failed = failed.and_then(|mut failed| {
            failed.and(active);
            (!failed.is_none()).then_some(failed)
        });
        Truth { yes, failed }
    }
}

/// Adds rows to those that failed.
fn also(failed: &mut Option<Bitmap>, more: Option<Bitmap>) {
    match (failed.as_mut(), more) {
        (_, None) => {}
        (None, more) => *failed = more,
        (Some(failed), Some(more)) => failed.or(&more),
    }
}

/// Values of a domain at most, for each row that is asked about: with more, the rows are fewer than the values.
const DOMAIN_FACTOR: usize = 2;

impl<'a> Machine<'a, '_> {
    /// Evaluates a test for the active rows. What stands behind an `and` or `or` is asked only about rows still open.
    pub(crate) fn test(&mut self, test: &'a Test, active: &Bitmap) -> Truth {
        match test {
            Test::Constant(true) => Truth { yes: active.clone(), failed: None },
            Test::Constant(false) => Truth { yes: Bitmap::none(self.rows), failed: None },
            Test::Not(inner) => {
                let Truth { yes, failed } = self.test(inner, active);
                let mut no = active.clone();
                no.and_not(&yes);
                if let Some(failed) = &failed {
                    no.and_not(failed);
                }
                Truth { yes: no, failed }
            }
            Test::And(parts) => {
                let (mut open, mut failed) = (active.clone(), None);
                for part in parts {
                    if open.is_none() {
                        break;
                    }
                    let truth = self.test(part, &open);
                    also(&mut failed, truth.failed);
                    open = truth.yes;
                }
                Truth { yes: open, failed }
            }
            Test::Or(parts) => {
                let (mut open, mut yes, mut failed) = (active.clone(), Bitmap::none(self.rows), None);
                for part in parts {
                    if open.is_none() {
                        break;
                    }
                    let truth = self.test(part, &open);
                    open.and_not(&truth.yes);
                    if let Some(more) = &truth.failed {
                        open.and_not(more);
                    }
                    yes.or(&truth.yes);
                    also(&mut failed, truth.failed);
                }
                Truth { yes, failed }
            }
            Test::Leaf(leaf) => self.leaf(leaf, active),
        }
    }

    fn leaf(&mut self, leaf: &'a Leaf, active: &Bitmap) -> Truth {
        if let Some(slot) = leaf.only
            && let Some(column) = self.untouched(slot)
        {
            if let Some(truth) = self.by_column(leaf, slot, column, active) {
                return truth;
            }
            if let Some(domain) = Domain::of(column)
                && domain.len() <= active.count().saturating_mul(DOMAIN_FACTOR)
            {
                return self.by_domain(leaf, slot, domain, active);
            }
        }
        self.by_row(leaf, active)
    }

    /// A comparison of a column with a constant, without a cell for each value.
    fn by_column(&mut self, leaf: &'a Leaf, slot: usize, column: Column<'a>, active: &Bitmap) -> Option<Truth> {
        let LeafKind::Compare(comparison, left, right) = &leaf.kind else { return None };
        let (comparison, literal) = match (&left.kind, &right.kind) {
            (NodeKind::Slot(_), NodeKind::Literal(literal)) => (*comparison, literal),
            (NodeKind::Literal(literal), NodeKind::Slot(_)) => (comparison.flipped(), literal),
            _ => return None,
        };
        let yes = compare_column(column, self.missing(slot), comparison, literal.value())?;
        Some(Truth::of(yes, None, active))
    }

    /// Each distinct value once, then each row by its value.
    fn by_domain(&mut self, leaf: &'a Leaf, slot: usize, domain: Domain<'a>, active: &Bitmap) -> Truth {
        let mut cells = self.scratch.pool.take(domain.len());
        domain.cells(self.missing(slot), &mut cells);
        self.outcomes(leaf, Frame::Domain(&cells));
        self.scratch.pool.give_cells(cells);
        let outcomes = std::mem::take(&mut self.scratch.outcomes);
        let yes = domain.rows(&outcomes, |outcome| outcome == Outcome::Yes);
        let any_failed = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Failed(_)));
        let failed = any_failed.then(|| domain.rows(&outcomes, |outcome| matches!(outcome, Outcome::Failed(_))));
        let truth = Truth::of(yes, failed, active);
        if let Some(row) = truth.failed.as_ref().and_then(|failed| failed.ones().next())
            && let Outcome::Failed(reason) = domain.outcome(&outcomes, row)
        {
            self.fail(row, reason);
        }
        self.scratch.outcomes = outcomes;
        truth
    }

    /// Each active row by itself.
    fn by_row(&mut self, leaf: &'a Leaf, active: &Bitmap) -> Truth {
        let rows = numbers(active);
        self.outcomes(leaf, Frame::Rows(&rows));
        let outcomes = std::mem::take(&mut self.scratch.outcomes);
        let (mut yes, mut failed) = (Bitmap::none(self.rows), None);
        for (row, outcome) in rows.iter().zip(&outcomes) {
            let row = *row as usize;
            match outcome {
                Outcome::No => {}
                Outcome::Yes => yes.set(row, true),
                Outcome::Failed(reason) => {
                    failed.get_or_insert_with(|| Bitmap::none(self.rows)).set(row, true);
                    self.fail(row, *reason);
                }
            }
        }
        self.scratch.outcomes = outcomes;
        Truth { yes, failed }
    }

    /// What the leaf says for each element of a frame, left in the scratch memory.
    fn outcomes(&mut self, leaf: &'a Leaf, frame: Frame<'_, 'a>) {
        match &leaf.kind {
            LeafKind::Compare(comparison, left, right) => {
                let both = [self.evaluate(left, frame), self.evaluate(right, frame)];
                let Scratch { made, outcomes, .. } = &mut *self.scratch;
                outcomes.clear();
                outcomes.extend((0..frame.len()).map(|place| {
                    let (left, right) = (both[0].get(place), both[1].get(place));
                    compared(*comparison, left, right, made)
                }));
                self.give_all(both.into());
            }
            LeafKind::Call(node) => {
                let vector: Vector<'a> = self.evaluate(node, frame);
                let outcomes = &mut self.scratch.outcomes;
                outcomes.clear();
                outcomes.extend((0..frame.len()).map(|place| match vector.get(place) {
                    Cell::Bool(value) => Outcome::from(value),
                    Cell::Failed(reason) => Outcome::Failed(reason),
                    _ => Outcome::Failed(Reason::NotBool),
                }));
                self.scratch.pool.give(vector);
            }
        }
    }
}

/// The rows that are set.
pub(crate) fn numbers(rows: &Bitmap) -> Vec<u32> {
    // How many they are is not known to the iterator, and finding out while collecting is several allocations.
    let mut numbers = Vec::with_capacity(rows.count());
    numbers.extend(rows.ones().map(|row| row as u32));
    numbers
}

fn compared(comparison: Comparison, left: Cell<'_>, right: Cell<'_>, made: &crate::cell::Made) -> Outcome {
    match (left, right) {
        (Cell::Failed(reason), _) | (_, Cell::Failed(reason)) => Outcome::Failed(reason),
        (left, right) => compare(comparison, left.value(made), right.value(made)).into(),
    }
}
