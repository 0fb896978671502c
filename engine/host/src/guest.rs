//! guest
#[allow(dead_code)]
pub(crate) struct Guest;
