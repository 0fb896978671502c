//! The attributes that say what was done, as the Collector's processor writes them.

use wasmill_sdk::columns::{AnyValue, AttributesBuilder};

use crate::config::Summary;

/// Keys that stay where only some are allowed: what an earlier processor of the kind has said.
pub const KEPT_KEYS: [&str; 5] = [
    "redaction.redacted.keys",
    "redaction.redacted.count",
    "redaction.masked.keys",
    "redaction.masked.count",
    "redaction.ignored.count",
];

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    Removed,
    Masked,
    Allowed,
    Ignored,
}

/// What was done to one set of attributes, or to one body.
#[derive(Default, Debug)]
pub struct Deeds {
    counts: [i64; Deed::ALL.len()],
    keys: [Vec<String>; Deed::ALL.len()],
}

/// Whose names the attributes have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Of {
    Attributes,
    Body,
}

impl Deed {
    const ALL: [Deed; 4] = [Deed::Removed, Deed::Masked, Deed::Allowed, Deed::Ignored];

    /// The attributes with the keys and with their number. Keys that are ignored are not told.
    fn names(self, of: Of) -> (Option<&'static str>, &'static str) {
        match (of, self) {
            (Of::Attributes, Deed::Removed) => (Some("redaction.redacted.keys"), "redaction.redacted.count"),
            (Of::Attributes, Deed::Masked) => (Some("redaction.masked.keys"), "redaction.masked.count"),
            (Of::Attributes, Deed::Allowed) => (Some("redaction.allowed.keys"), "redaction.allowed.count"),
            (Of::Attributes, Deed::Ignored) => (None, "redaction.ignored.count"),
            (Of::Body, Deed::Removed) => (Some("redaction.body.redacted.keys"), "redaction.body.redacted.count"),
            (Of::Body, Deed::Masked) => (Some("redaction.body.masked.keys"), "redaction.body.masked.count"),
            (Of::Body, Deed::Allowed) => (Some("redaction.body.allowed.keys"), "redaction.body.allowed.count"),
            (Of::Body, Deed::Ignored) => (None, "redaction.body.ignored.count"),
        }
    }
}

impl Deeds {
    pub fn clear(&mut self) {
        self.counts = Default::default();
        self.keys.iter_mut().for_each(Vec::clear);
    }

    /// Notes it, if somebody is told.
    pub fn note(&mut self, summary: Summary, deed: Deed, key: &str) {
        if summary == Summary::Silent {
            return;
        }
        self.counts[deed as usize] += 1;
        if summary == Summary::Debug && deed != Deed::Ignored {
            self.keys[deed as usize].push(key.to_owned());
        }
    }

    /// Whether there is something to tell.
    pub fn tell(&self, summary: Summary) -> bool {
        summary != Summary::Silent && self.counts.iter().any(|count| *count > 0)
    }

    /// Whether [`write`](Deeds::write) sets this key.
    pub fn write_key(&self, summary: Summary, of: Of, key: &str) -> bool {
        Deed::ALL.iter().filter(|deed| self.counts[**deed as usize] > 0).any(|deed| {
            let (keys_name, count_name) = deed.names(of);
            key == count_name || summary == Summary::Debug && keys_name == Some(key)
        })
    }

    /// Adds the attributes, to what `before` has of them. Says whether there are any.
    pub fn write<'a>(
        &mut self,
        summary: Summary,
        of: Of,
        before: impl Fn(&str) -> Option<AnyValue<'a>>,
        out: &mut AttributesBuilder,
    ) -> bool {
        if !self.tell(summary) {
            return false;
        }
        for deed in Deed::ALL {
            let (keys, mut count) = (&mut self.keys[deed as usize], self.counts[deed as usize]);
            if count == 0 {
                continue;
            }
            let (keys_name, count_name) = deed.names(of);
            if let (Summary::Debug, Some(name)) = (summary, keys_name) {
                if let Some(AnyValue::Text(earlier)) = before(name)
                    && !earlier.is_empty()
                {
                    keys.extend(earlier.split(',').map(str::to_owned));
                }
                keys.sort();
                out.entry(name, AnyValue::Text(&keys.join(",")));
            }
            if let Some(AnyValue::Int(earlier)) = before(count_name) {
                count = count.wrapping_add(earlier);
            }
            out.entry(count_name, AnyValue::Int(count));
        }
        true
    }
}
