//! Where the keys of a configuration stand, for what is found after it was read: a plugin that refuses its `config`, a port that
//! is taken.

use std::collections::HashMap;
use std::fmt;

use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::node::{Node, Value};
use crate::problem::Problem;
use crate::source::{Sources, Span};

/// Levels whose keys are remembered: `processors::wasm/a::config::rules[0]::when` has six, and so has
/// `processors::transform::trace_statements[0]::statements[1]`.
const LEVELS_MAX: usize = 7;

/// The texts, and the place of each key. Holds what the files hold, secrets too, and shows none of it in `Debug`.
#[derive(Default)]
pub(crate) struct Origins {
    sources: Sources,
    places: HashMap<String, Span>,
}

impl Origins {
    pub fn new(sources: Sources, root: &Node) -> Origins {
        let mut origins = Origins { sources, places: HashMap::new() };
        origins.remember(root, "", 0);
        origins
    }

    fn remember(&mut self, node: &Node, path: &str, level: usize) {
        if level == LEVELS_MAX {
            return;
        }
        if let Value::List(items) = &node.value {
            for (number, item) in items.iter().enumerate() {
                let key = format!("{path}[{number}]");
                self.remember(item, &key, level + 1);
                self.places.insert(key, item.span);
            }
        }
        let Value::Map(entries) = &node.value else { return };
        for entry in entries {
            let key = if path.is_empty() { entry.key.clone() } else { format!("{path}::{}", entry.key) };
            self.remember(&entry.node, &key, level + 1);
            self.places.insert(key, entry.key_span);
        }
    }

    /// An error at a key, or at the nearest one above it that was written.
    pub fn explain(&self, key: &str, problem: Problem) -> Diagnostic {
        let mut written = key;
        let span = loop {
            match (self.places.get(written), written.rsplit_once("::")) {
                (Some(span), _) => break *span,
                (None, Some((above, last))) => {
                    // Of an entry of a list, the list is above.
                    written = match last.rfind('[') {
                        Some(at) => &written[..above.len() + 2 + at],
                        None => above,
                    };
                }
                (None, None) => break Span::start_of(0),
            }
        };
        Diagnostic::new(Severity::Error, Place::new(span, key), problem, &self.sources)
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origins").field("keys", &self.places.len()).finish_non_exhaustive()
    }
}
