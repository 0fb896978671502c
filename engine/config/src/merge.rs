//! Several `--config` files as one.
//!
//! A key of the outermost map may be a path, `exporters::debug::verbosity: detailed`, as in the Collector.

use std::collections::HashMap;

use crate::node::{Entry, Node, Value};
use crate::yaml::DEPTH_MAX;

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

/// Paths in place of keys become the maps that they go through, in their order, each on top of what is there.
pub(crate) fn unflatten(node: Node) -> Node {
    let Node { value: Value::Map(entries), span, shown } = node else { return node };
    if entries.iter().all(|entry| !entry.key.contains(PATH)) {
        return Node { value: Value::Map(entries), span, shown };
    }
    let mut whole = Node { value: Value::Map(Vec::new()), span, shown };
    for Entry { key, key_span, node } in entries {
        let mut keys: Vec<&str> = key.split(PATH).collect();
        keys.truncate(DEPTH_MAX);
        let nested = keys.into_iter().rev().fold(node, |node, key| {
            let entry = Entry { key: key.to_owned(), key_span, node };
            Node::new(key_span, Value::Map(vec![entry]))
        });
        whole = merge(whole, nested);
    }
    whole
}

/// What stands between the keys of a path.
const PATH: &str = "::";
