//! Who may ask a running gateway for its state, and change its plugins.

use std::path::PathBuf;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admin {
    /// `false`: nobody.
    pub enabled: bool,
    /// `None`: where the system puts such sockets.
    pub socket: Option<PathBuf>,
}

impl Default for Admin {
    fn default() -> Self {
        Admin { enabled: true, socket: None }
    }
}
