//! Every standard column of a signal, for exporters that want Arrow.

use arrow_array::RecordBatch;

use crate::{Index, Selection, Signal};

/// The selected rows with all standard columns, attributes as maps. The schema is the same for every batch of a signal.
pub fn record_batch(_signal: Signal, _index: &Index, _selection: &Selection) -> RecordBatch {
    todo!()
}
