//! A message taken apart as far as edits reach into it, and put together again.
//!
//! A message is a list of nodes: a node for each field that an edit may look at, and one for each run of others. A node
//! that holds a message can be opened, and is then such a list itself; one that nobody opened is a range of bytes. Edits
//! mark nodes as gone, replace them and append to them, one after the other; at the end everything is written once.
//! What stands as it was is copied from where it stands, neighbours with one copy.
//!
//! ```text
//!  record ─┬─ run (ids, times)          bytes of the record
//!          ├─ attribute                 bytes of the record
//!          ├─ attribute ─ gone
//!          ├─ status ─┬─ code           new bytes
//!          │          └─ run            bytes of the record
//!          └─ attribute                 new bytes
//! ```
//!
//! The nodes live in one vector that all records of an apply use in turn.

use crate::field::{self, WireType};
use crate::varint;

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// The message itself.
pub(super) const ROOT: u32 = 0;

/// All fields are of interest: for messages within, which are opened because an edit goes there.
const ALL_FIELDS: u64 = u64::MAX;

/// Which buffer a node's bytes lie in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The message as it came.
    Base,
    /// What was written for this record.
    Fresh,
}

#[derive(Clone, Copy)]
struct Node {
    /// 0 for a run of fields that no edit looks at.
    number: u32,
    source: Source,
    gone: bool,
    /// Taken apart: `first` to `last` are its fields.
    open: bool,
    /// Something within was changed.
    dirty: bool,
    /// It was there before the edits.
    original: bool,
    key: KeyState,
    /// The whole field, and where its payload starts.
    start: u32,
    body: u32,
    end: u32,
    /// Of an entry: its key, and where the message of its value starts.
    key_start: u32,
    key_end: u32,
    value: u32,
    parent: u32,
    next: u32,
    first: u32,
    last: u32,
    /// Bytes of an open node's message, once measured.
    len: usize,
}

/// What is known of an entry of a map.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyState {
    Unread,
    /// A key and then a value, and nothing else.
    Simple,
    /// Repeated or missing parts, unknown fields, another order.
    Odd,
}

/// See the module.
pub(super) struct Tree<'a> {
    base: &'a [u8],
    fresh: Vec<u8>,
    nodes: Vec<Node>,
    changed: bool,
}

impl<'a> Tree<'a> {
    pub fn new() -> Self {
        Tree { base: &[], fresh: Vec::new(), nodes: Vec::new(), changed: false }
    }

    /// Starts with a message. `interest` has a bit for each field number below 64 that edits will look at.
    pub fn load(&mut self, message: &'a [u8], interest: u64) {
        self.clear(message);
        self.take_apart(ROOT, Source::Base, 0, message.len(), interest);
    }

    /// As [`Tree::load`], with a message whose parts lie apart.
    pub fn load_parts(&mut self, parts: impl Iterator<Item = &'a [u8]>, interest: u64) {
        self.clear(&[]);
        for part in parts {
            self.fresh.extend_from_slice(part);
        }
        self.take_apart(ROOT, Source::Fresh, 0, self.fresh.len(), interest);
    }

    fn clear(&mut self, message: &'a [u8]) {
        self.base = message;
        self.fresh.clear();
        self.nodes.clear();
        self.changed = false;
        let mut root = Node::new(0, Source::Base, 0, 0, message.len());
        root.open = true;
        self.nodes.push(root);
    }

    /// Whether the message is another than the one that it was loaded with.
    pub fn changed(&self) -> bool {
        self.changed
    }

    pub fn bytes(&self, source: Source) -> &[u8] {
        match source {
            Source::Base => self.base,
            Source::Fresh => &self.fresh,
        }
    }

    /// A node's payload, which is what it was before it was opened.
    pub fn payload(&self, at: u32) -> &[u8] {
        let node = &self.nodes[at as usize];
        &self.bytes(node.source)[node.body as usize..node.end as usize]
    }

    /// Appends the fields of a message to a node.
    fn take_apart(&mut self, parent: u32, source: Source, start: usize, end: usize, interest: u64) {
        let bytes = match source {
            Source::Base => self.base,
            Source::Fresh => &self.fresh,
        };
        let mut last = NONE;
        for field in field::fields(&bytes[start..end]) {
            let of_interest = field.number < u64::BITS && interest >> field.number & 1 == 1;
            let (from, to) = (start + field.start, start + field.end);
            if !of_interest
                && let Some(run) = self.nodes.get_mut(last as usize)
                && run.number == 0
            {
                run.end = to as u32;
                continue;
            }
            let number = if of_interest { field.number } else { 0 };
            let mut node = Node::new(number, source, from, start + field.value, to);
            (node.parent, node.original) = (parent, true);
            let at = self.nodes.len() as u32;
            self.nodes.push(node);
            match self.nodes.get_mut(last as usize) {
                Some(before) => before.next = at,
                None => self.nodes[parent as usize].first = at,
            }
            last = at;
        }
        self.nodes[parent as usize].last = last;
    }

    /// Takes a node's message apart, so that its fields can be looked at.
    pub fn open(&mut self, at: u32) {
        let node = &mut self.nodes[at as usize];
        if !node.open {
            node.open = true;
            let (source, body, end) = (node.source, node.body as usize, node.end as usize);
            self.take_apart(at, source, body, end, ALL_FIELDS);
        }
    }

    pub fn number(&self, at: u32) -> u32 {
        self.nodes[at as usize].number
    }

    /// The first field of an open message, of whatever number, gone or not.
    pub fn child(&self, message: u32) -> u32 {
        self.nodes[message as usize].first
    }

    /// The field behind this one.
    pub fn sibling(&self, at: u32) -> u32 {
        self.nodes[at as usize].next
    }

    pub fn is_open(&self, at: u32) -> bool {
        self.nodes[at as usize].open
    }

    /// The first field of a message with this number, of those that are not gone.
    pub fn first(&self, message: u32, number: u32) -> u32 {
        self.seek(self.nodes[message as usize].first, number)
    }

    /// The next one of the same number.
    pub fn next(&self, at: u32) -> u32 {
        let node = &self.nodes[at as usize];
        self.seek(node.next, node.number)
    }

    #[inline]
    fn seek(&self, mut at: u32, number: u32) -> u32 {
        while let Some(node) = self.nodes.get(at as usize) {
            if node.number == number && !node.gone {
                break;
            }
            at = node.next;
        }
        at
    }

    /// The field of a message with this number that was the `place`-th before the edits, gone or not; or how many there
    /// were.
    pub fn original(&self, message: u32, number: u32, place: usize) -> Result<u32, usize> {
        let mut seen = 0;
        let mut at = self.nodes[message as usize].first;
        while let Some(node) = self.nodes.get(at as usize) {
            if node.number == number && node.original {
                if seen == place {
                    return Ok(at);
                }
                seen += 1;
            }
            at = node.next;
        }
        Err(seen)
    }

    pub fn is_gone(&self, at: u32) -> bool {
        self.nodes[at as usize].gone
    }

    pub fn remove(&mut self, at: u32) {
        if !self.nodes[at as usize].gone {
            self.nodes[at as usize].gone = true;
            self.touch(self.nodes[at as usize].parent);
        }
    }

    /// Takes back a removal.
    pub fn restore(&mut self, at: u32) {
        self.nodes[at as usize].gone = false;
        self.touch(self.nodes[at as usize].parent);
    }

    /// Notes that a message is no longer what it was.
    fn touch(&mut self, mut at: u32) {
        self.changed = true;
        while let Some(node) = self.nodes.get_mut(at as usize) {
            if node.dirty {
                break;
            }
            node.dirty = true;
            at = node.parent;
        }
    }

    /// Where the next fresh bytes will lie.
    pub fn mark(&self) -> usize {
        self.fresh.len()
    }

    pub fn fresh(&mut self) -> &mut Vec<u8> {
        &mut self.fresh
    }

    /// Appends a field to a message: the fresh bytes from `start`, whose payload begins at `body`. Returns its node.
    pub fn append(&mut self, message: u32, number: u32, start: usize, body: usize) -> u32 {
        let last = self.nodes[message as usize].last;
        self.insert(message, last, number, start, body)
    }

    /// As [`Tree::append`], behind the field `after`; [`NONE`]: as the first.
    pub fn insert(&mut self, message: u32, after: u32, number: u32, start: usize, body: usize) -> u32 {
        let at = self.nodes.len() as u32;
        let mut node = Node::new(number, Source::Fresh, start, body, self.fresh.len());
        node.parent = message;
        let parent = &mut self.nodes[message as usize];
        if parent.last == after {
            parent.last = at;
        }
        node.next = match self.nodes.get_mut(after as usize) {
            Some(before) => std::mem::replace(&mut before.next, at),
            None => std::mem::replace(&mut self.nodes[message as usize].first, at),
        };
        self.nodes.push(node);
        self.touch(message);
        at
    }

    /// Puts the fresh bytes from `start` in the place of a field.
    pub fn replace(&mut self, at: u32, start: usize, body: usize) {
        let end = self.fresh.len();
        let node = &mut self.nodes[at as usize];
        let fresh = Node::new(node.number, Source::Fresh, start, body, end);
        *node = Node { parent: node.parent, next: node.next, original: node.original, ..fresh };
        let parent = node.parent;
        self.touch(parent);
    }

    /// Makes the fresh bytes from `start` the only field of a message with this number, in the place of the first.
    pub fn put_sole(&mut self, message: u32, number: u32, start: usize, body: usize) {
        let first = self.first(message, number);
        if first == NONE {
            self.append(message, number, start, body);
            return;
        }
        self.replace(first, start, body);
        let mut at = self.next(first);
        while at != NONE {
            self.remove(at);
            at = self.next(at);
        }
    }

    /// Appends an entry of a map that has a key and no value yet.
    pub fn append_entry(&mut self, list: u32, number: u32, key: &[u8]) -> u32 {
        let entry = self.append_message(list, number);
        let start = self.fresh.len();
        field::put_len(&mut self.fresh, 1, key);
        let (body, end) = (self.fresh.len() - key.len(), self.fresh.len());
        self.append(entry, 1, start, body);
        let node = &mut self.nodes[entry as usize];
        (node.key, node.key_start, node.key_end) = (KeyState::Odd, body as u32, end as u32);
        entry
    }

    /// Appends an empty message, open.
    pub fn append_message(&mut self, message: u32, number: u32) -> u32 {
        let start = self.fresh.len();
        let at = self.append(message, number, start, start);
        let node = &mut self.nodes[at as usize];
        (node.open, node.dirty) = (true, true);
        at
    }

    /// The one field of a message with this number that holds all that its repetitions hold: protobuf merges singular
    /// messages, which is what putting their bytes one behind the other does. [`NONE`] where there is none.
    pub fn sole(&mut self, message: u32, number: u32) -> u32 {
        let first = self.first(message, number);
        if first == NONE || self.next(first) == NONE {
            return first;
        }
        self.join(first)
    }

    /// Puts the payloads of a field and of its repetitions behind it into the last of them, and opens that.
    pub fn join(&mut self, first: u32) -> u32 {
        let start = self.fresh.len();
        let number = self.nodes[first as usize].number;
        // Without tag and length: those of an open node are written with it.
        let (mut at, mut last) = (first, first);
        while at != NONE {
            let node = self.nodes[at as usize];
            match node.source {
                Source::Base => self.fresh.extend_from_slice(&self.base[node.body as usize..node.end as usize]),
                Source::Fresh => self.fresh.extend_from_within(node.body as usize..node.end as usize),
            }
            last = at;
            at = self.seek(node.next, number);
            if at != NONE {
                self.remove(last);
            }
        }
        self.replace(last, start, start);
        self.open(last);
        self.nodes[last as usize].dirty = true;
        last
    }

    /// Whether an entry of a map has this key.
    #[inline]
    pub fn key_is(&mut self, at: u32, key: &[u8]) -> bool {
        if self.nodes[at as usize].key == KeyState::Unread {
            self.read_key(at);
        }
        self.key(at) == key
    }

    fn key(&self, at: u32) -> &[u8] {
        let node = &self.nodes[at as usize];
        &self.bytes(node.source)[node.key_start as usize..node.key_end as usize]
    }

    /// The message of an entry's value, where the entry is a key, then a value, and nothing else.
    pub fn simple_value(&mut self, at: u32) -> Option<&[u8]> {
        if self.nodes[at as usize].key == KeyState::Unread {
            self.read_key(at);
        }
        let node = &self.nodes[at as usize];
        (node.key == KeyState::Simple && !node.open)
            .then(|| &self.bytes(node.source)[node.value as usize..node.end as usize])
    }

    #[inline]
    fn read_key(&mut self, at: u32) {
        const KEY_TAG: u8 = 1 << 3 | WireType::Len as u8;
        const VALUE_TAG: u8 = 2 << 3 | WireType::Len as u8;
        let node = self.nodes[at as usize];
        let entry = &self.bytes(node.source)[node.body as usize..node.end as usize];
        if let [KEY_TAG, len @ 0..0x80, ..] = *entry {
            let key_end = 2 + len as usize;
            if entry.get(key_end) == Some(&VALUE_TAG)
                && let Ok((value, end)) = field::read_len(entry, key_end + 1)
                && end == entry.len()
            {
                let node = &mut self.nodes[at as usize];
                (node.key_start, node.key_end) = (node.body + 2, node.body + key_end as u32);
                (node.value, node.key) = (node.body + value as u32, KeyState::Simple);
                return;
            }
        }
        self.read_odd_key(at);
    }

    #[cold]
    fn read_odd_key(&mut self, at: u32) {
        let node = self.nodes[at as usize];
        let entry = &self.bytes(node.source)[node.body as usize..node.end as usize];
        let (start, end) = field::fields(entry)
            .filter(|field| field.number == 1 && field.wire == WireType::Len)
            .last()
            .map_or((0, 0), |field| (field.value as u32, field.end as u32));
        let node = &mut self.nodes[at as usize];
        (node.key_start, node.key_end) = (node.body + start, node.body + end);
        node.key = KeyState::Odd;
    }

    /// Copies an entry's key behind the fresh bytes.
    pub fn copy_key(&mut self, at: u32) {
        let node = self.nodes[at as usize];
        let (start, end) = (node.key_start as usize, node.key_end as usize);
        match node.source {
            Source::Base => self.fresh.extend_from_slice(&self.base[start..end]),
            Source::Fresh => self.fresh.extend_from_within(start..end),
        }
    }

    /// Bytes of an entry's key.
    pub fn key_len(&self, at: u32) -> usize {
        self.key(at).len()
    }

    /// Bytes of the message with all its changes.
    pub fn measure(&mut self) -> usize {
        self.measure_node(ROOT)
    }

    fn measure_node(&mut self, at: u32) -> usize {
        let mut len = 0;
        let mut child = self.nodes[at as usize].first;
        while child != NONE {
            let node = self.nodes[child as usize];
            if !node.gone {
                len += match node.open && node.dirty {
                    true => field::len_of(node.number, self.measure_node(child)),
                    false => (node.end - node.start) as usize,
                };
            }
            child = node.next;
        }
        self.nodes[at as usize].len = len;
        len
    }

    /// Appends the message to `out`, after [`Tree::measure`].
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut run = Run { source: Source::Base, start: 0, end: 0 };
        self.write_node(ROOT, &mut run, out);
        self.flush(run, out);
    }

    fn write_node(&self, at: u32, run: &mut Run, out: &mut Vec<u8>) {
        let mut child = self.nodes[at as usize].first;
        while child != NONE {
            let node = &self.nodes[child as usize];
            if node.gone {
            } else if node.open && node.dirty {
                self.flush(*run, out);
                (run.start, run.end) = (0, 0);
                field::put_tag(out, node.number, WireType::Len);
                varint::put(out, node.len as u64);
                self.write_node(child, run, out);
            } else if run.source == node.source && run.end == node.start {
                run.end = node.end;
            } else {
                self.flush(*run, out);
                *run = Run { source: node.source, start: node.start, end: node.end };
            }
            child = node.next;
        }
    }

    fn flush(&self, run: Run, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes(run.source)[run.start as usize..run.end as usize]);
    }
}

/// Bytes that wait for what may follow them without a gap.
#[derive(Clone, Copy)]
struct Run {
    source: Source,
    start: u32,
    end: u32,
}

impl Node {
    fn new(number: u32, source: Source, start: usize, body: usize, end: usize) -> Node {
        Node {
            number,
            source,
            gone: false,
            open: false,
            dirty: false,
            original: false,
            key: KeyState::Unread,
            start: start as u32,
            body: body as u32,
            end: end as u32,
            key_start: 0,
            key_end: 0,
            value: 0,
            parent: NONE,
            next: NONE,
            first: NONE,
            last: NONE,
            len: 0,
        }
    }
}
