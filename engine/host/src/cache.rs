//! cache
#[allow(dead_code)]
pub(crate) struct Cache;
