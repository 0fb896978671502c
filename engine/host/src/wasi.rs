//! wasi
pub(crate) fn may_import(_import: &str) -> bool {
    false
}
