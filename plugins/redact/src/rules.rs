//! What is to be done with a key, and with a text.

use std::collections::HashSet;

use wasmill_ottl::pattern::{compile, compile_set};
use wasmill_sdk::{Error, Result};

use crate::config::{Config, Summary};
use crate::mask::Mask;
use crate::summary;

/// What an attribute's key says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyRule {
    /// The value decides.
    Look,
    /// The value is not looked at.
    Ignore,
    /// The attribute goes.
    Remove,
    /// The value is masked whole, unless it is allowed.
    Mask,
}

/// What a text says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TextRule {
    /// Nothing in it is blocked.
    Clean,
    /// It stays, whatever its key says.
    Allowed,
    /// Something in it may be blocked.
    Blocked,
}

/// The configuration, compiled.
pub struct Rules {
    /// `None`: all.
    allowed_keys: Option<HashSet<String>>,
    ignored_keys: HashSet<String>,
    ignored_key_patterns: Patterns,
    blocked_keys: HashSet<String>,
    blocked_key_patterns: Patterns,
    allowed_values: Patterns,
    blocked_values: Patterns,
    /// What a value that is masked whole is: each of its lines.
    line: regex::Regex,
    mask: Mask,
    pub summary: Summary,
    pub all_types: bool,
}

/// Patterns that a text is looked through for in one pass.
struct Patterns {
    each: Vec<regex::Regex>,
    /// `None`: there is one pattern or none, or they are too large together.
    all: Option<regex::RegexSet>,
}

impl Patterns {
    fn new(key: &str, patterns: &[String]) -> Result<Patterns> {
        let each = patterns.iter().enumerate().map(|(number, pattern)| {
            compile(pattern).map_err(|why| {
                Error::new(format!("`{key}[{number}]`: `{pattern}` is not a valid regular expression: {why}"))
            })
        });
        let each = each.collect::<Result<Vec<_>>>()?;
        let all = if patterns.len() > 1 { compile_set(patterns).ok() } else { None };
        Ok(Patterns { each, all })
    }

    fn match_any(&self, text: &str) -> bool {
        match &self.all {
            Some(all) => all.is_match(text),
            None => self.each.iter().any(|pattern| pattern.is_match(text)),
        }
    }
}

impl Rules {
    pub fn new(config: &Config) -> Result<Rules> {
        let set = |keys: &[String]| keys.iter().cloned().collect::<HashSet<_>>();
        let allow_all_keys = config.allow_all_keys.unwrap_or(config.allowed_keys.is_empty());
        let allowed_keys = (!allow_all_keys).then(|| {
            let mut keys = set(&config.allowed_keys);
            keys.extend(summary::KEPT_KEYS.map(str::to_owned));
            keys
        });
        let line = compile(".*").map_err(Error::new)?;
        Ok(Rules {
            allowed_keys,
            ignored_keys: set(&config.ignored_keys),
            ignored_key_patterns: Patterns::new("ignored_key_patterns", &config.ignored_key_patterns)?,
            blocked_keys: set(&config.blocked_keys),
            blocked_key_patterns: Patterns::new("blocked_key_patterns", &config.blocked_key_patterns)?,
            allowed_values: Patterns::new("allowed_values", &config.allowed_values)?,
            blocked_values: Patterns::new("blocked_values", &config.blocked_values)?,
            line,
            mask: Mask::new(config.hash_function, &config.hmac_key)?,
            summary: config.summary,
            all_types: config.redact_all_types,
        })
    }

    pub fn key(&self, key: &str) -> KeyRule {
        if self.ignored_keys.contains(key) || self.ignored_key_patterns.match_any(key) {
            KeyRule::Ignore
        } else if self.allowed_keys.as_ref().is_some_and(|allowed| !allowed.contains(key)) {
            KeyRule::Remove
        } else if self.blocked_keys.contains(key) || self.blocked_key_patterns.match_any(key) {
            KeyRule::Mask
        } else {
            KeyRule::Look
        }
    }

    pub fn text(&self, text: &str) -> TextRule {
        if self.allowed_values.match_any(text) {
            TextRule::Allowed
        } else if self.blocked_values.match_any(text) {
            TextRule::Blocked
        } else {
            TextRule::Clean
        }
    }

    /// Appends the text with what is blocked in it masked, pattern after pattern. Says whether that is another text.
    pub fn write_blocked(&self, text: &str, out: &mut String) -> bool {
        let start = out.len();
        out.push_str(text);
        for pattern in &self.blocked_values.each {
            let masked = self.masked(pattern, &out[start..]);
            if let Some(masked) = masked {
                out.truncate(start);
                out.push_str(&masked);
            }
        }
        out[start..] != *text
    }

    /// Appends what stands for a value that is masked whole.
    pub fn write_masked(&self, text: &str, out: &mut String) {
        match self.masked(&self.line, text) {
            Some(masked) => out.push_str(&masked),
            None => out.push_str(text),
        }
    }

    /// Each match masked; `None`: there is none.
    fn masked(&self, pattern: &regex::Regex, text: &str) -> Option<String> {
        let (mut out, mut copied) = (String::new(), 0);
        let mut found = pattern.find_iter(text).peekable();
        found.peek()?;
        for found in found {
            out.push_str(&text[copied..found.start()]);
            self.mask.write(found.as_str(), &mut out);
            copied = found.end();
        }
        out.push_str(&text[copied..]);
        Some(out)
    }
}
