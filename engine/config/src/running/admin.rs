//! Who may ask a running gateway for its state, and change its plugins.

use std::path::PathBuf;

/// What credentials are called. `*token` is not `*token*`: counts of tokens are no secrets.
const MASK_DEFAULT: [&str; 6] = ["*authorization*", "*cookie*", "*passw*", "*secret*", "*api*key*", "*token"];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admin {
    /// `false`: nobody.
    pub enabled: bool,
    /// `None`: where the system puts such sockets.
    pub socket: Option<PathBuf>,
    /// Keys of attributes, and fields, whose values a tap does not show. `*` stands for any characters.
    pub mask: Vec<String>,
}

impl Default for Admin {
    fn default() -> Self {
        Admin { enabled: true, socket: None, mask: MASK_DEFAULT.map(str::to_owned).to_vec() }
    }
}
