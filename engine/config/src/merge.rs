//! Several `--config` files as one.

use std::collections::HashMap;

use crate::node::{Node, Value};

/// `over` on top of `base`, as the Collector has it: maps are joined key by key, anything else, lists and nothing (`key:`) too, is
/// replaced.
pub(crate) fn merge(base: Node, over: Node) -> Node {
    let Node { value: Value::Map(mut entries), span, shown } = base else { return over };
    let Value::Map(added) = over.value else { return over };
    let places: HashMap<String, usize> = entries.iter().enumerate().map(|(i, entry)| (entry.key.clone(), i)).collect();
    for entry in added {
        match places.get(&entry.key).and_then(|place| entries.get_mut(*place)) {
            Some(old) => {
                let before = std::mem::replace(&mut old.node, Node::new(entry.key_span, Value::Null));
                old.node = merge(before, entry.node);
                // What is said about the key is said where it was written last.
                old.key_span = entry.key_span;
            }
            None => entries.push(entry),
        }
    }
    Node { value: Value::Map(entries), span, shown }
}
