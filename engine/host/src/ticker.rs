//! ticker
#[allow(dead_code)]
pub(crate) struct Ticker;
