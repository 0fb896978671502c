//! Several batches to one, and few rows out of large buffers.

use crate::{Index, Selection, Signal, WireBatch};

/// One batch of all the selected rows, in order; parents with equal headers are joined. Buffers are shared, not copied.
pub fn merge(_signal: Signal, _parts: &[(&Index, &Selection)]) -> WireBatch {
    todo!()
}

/// The selected rows alone in one buffer of their own.
pub fn compact(_signal: Signal, _index: &Index, _selection: &Selection) -> WireBatch {
    todo!()
}
