//! Which keys there are.
//!
//! Each section of the configuration has one table of its keys. The reader takes what is valid from it, the reference in
//! `docs/configuration.md` is written from it, and nothing can be read that is not in it: the three cannot drift apart.

/// A map with known keys.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    pub keys: &'static [Key],
}

#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    /// As it would be written; empty where there is none.
    pub default: &'static str,
    pub doc: &'static str,
    pub state: State,
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Bool,
    Integer,
    Number,
    Text,
    /// `5s`, `1m30s`, as Go has them.
    Duration,
    /// `64MiB`, or bytes.
    Size,
    /// `host:port`.
    Address,
    Url,
    File,
    /// One of these words.
    Word(&'static [&'static str]),
    /// The name of a component.
    Id,
    /// A list of names of components.
    Ids,
    /// A list of paths with `*`.
    Patterns,
    /// A map of texts.
    Texts,
    /// A list of texts.
    TextList,
    /// A map from names to lists of component names.
    Routes,
    /// Anything.
    Any,
    Section(&'static Section),
    /// A list of such maps.
    Sections(&'static Section),
    /// A map from names to such maps.
    NamedSections(&'static Section),
    /// A list of texts, or of such maps.
    TextsOrSections(&'static Section),
}

#[derive(Clone, Copy, Debug)]
pub enum State {
    Served,
    /// Without it the section is incomplete.
    Required,
    /// Accepted with a warning, because nothing depends on it. The text says why.
    NoEffect(&'static str),
    /// The Collector has it, Wasmill will: an error unless the value switches it off. The text says what to do until then.
    NotYet(&'static str),
    /// The Collector has it, Wasmill will not: an error unless the value switches it off. The text names the alternative.
    Never(&'static str),
}

impl Section {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The keys that do something.
    pub(crate) fn served(&self) -> Vec<&'static str> {
        let served = |key: &&Key| matches!(key.state, State::Served | State::Required);
        self.keys.iter().filter(served).map(|key| key.name).collect()
    }
}

pub(crate) const fn key(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default, doc, state: State::Served }
}

pub(crate) const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, kind, default: "", doc, state: State::Required }
}

pub(crate) const fn no_effect(name: &'static str, why: &'static str) -> Key {
    Key { name, kind: Kind::Any, default: "", doc: "", state: State::NoEffect(why) }
}

pub(crate) const fn not_yet(name: &'static str, until_then: &'static str) -> Key {
    Key { name, kind: Kind::Any, default: "", doc: "", state: State::NotYet(until_then) }
}

pub(crate) const fn never(name: &'static str, instead: &'static str) -> Key {
    Key { name, kind: Kind::Any, default: "", doc: "", state: State::Never(instead) }
}
