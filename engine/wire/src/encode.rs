//! From an index and a selection back to a request.

use bytes::Bytes;

use crate::{Index, Selection, Signal};

/// Bytes that [`encode`] would write.
pub fn encoded_len(_signal: Signal, _index: &Index, _selection: &Selection) -> usize {
    todo!()
}

/// The request that holds the selected rows: unchanged ranges are copied, only lengths are written anew.
///
/// A parent that came without rows is kept; one that had rows, of which none is selected, is not.
pub fn encode(_signal: Signal, _index: &Index, _selection: &Selection) -> Bytes {
    todo!()
}
