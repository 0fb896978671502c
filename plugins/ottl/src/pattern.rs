//! Regular expressions as Go reads them (RE2), on Rust's engine.
//!
//! The two read nearly the same. Where they differ, the pattern is translated: `\d`, `\s`, `\w` and `\b` mean ASCII, `\Q…\E`
//! quotes, `\123` is a number in base 8, a brace or a bracket in a class that starts nothing stands for itself, and any
//! escaped sign does. What Rust reads and Go does not (`(?x)`, `&&` in a class) is not offered or stands for itself.

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// Bytes of a compiled pattern at most, so that a nested repetition cannot fill a guest's memory.
const COMPILED_BYTES_MAX: usize = 4 << 20;

/// Compiles a pattern; the error is one line.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(&translate(pattern)).size_limit(COMPILED_BYTES_MAX).build().map_err(why)
}

/// Compiles patterns that a text is looked through for at once.
pub fn compile_set<P: AsRef<str>>(patterns: &[P]) -> Result<RegexSet, String> {
    let patterns = patterns.iter().map(|pattern| translate(pattern.as_ref()));
    RegexSetBuilder::new(patterns).size_limit(COMPILED_BYTES_MAX).build().map_err(why)
}

fn why(error: regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(max) => format!("the pattern needs more than {max} bytes once compiled"),
        // The engine draws the pattern over several lines; its last says what is wrong.
        error => {
            let text = error.to_string();
            text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    }
}

/// Patterns that rows bring, compiled once while they stay the same few.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    /// The latest first; `None`: not a valid pattern.
    patterns: Vec<(String, Option<Regex>)>,
}

/// Patterns kept: each may have memory of its own.
const PATTERNS_MAX: usize = 8;

impl Cache {
    pub(crate) fn get(&mut self, pattern: &str) -> Option<&Regex> {
        match self.patterns.iter().position(|(known, _)| known == pattern) {
            Some(place) => self.patterns.swap(0, place),
            None => {
                self.patterns.truncate(PATTERNS_MAX - 1);
                self.patterns.push((pattern.to_owned(), compile(pattern).ok()));
                let last = self.patterns.len() - 1;
                self.patterns.swap(0, last);
            }
        }
        self.patterns.first().and_then(|(_, regex)| regex.as_ref())
    }
}

/// What came of a text, by where the text lies: the same value of a dictionary is looked at once, however many rows have
/// it. Texts that share a place in the table displace each other, and are looked at again.
#[derive(Debug)]
pub(crate) struct Memo<T> {
    slots: Vec<Option<(*const u8, usize, T)>>,
}

/// Places in the table: keys of attributes are fewer, values with few distinct ones often.
const MEMO_SLOTS: usize = 256;

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Memo { slots: Vec::new() }
    }
}

impl<T: Copy> Memo<T> {
    /// What came of the text, by `look` if it is not known. The text's memory must stay as it is while the memo lives.
    pub(crate) fn get_or<E>(&mut self, text: &str, look: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        if self.slots.is_empty() {
            self.slots.resize_with(MEMO_SLOTS, || None);
        }
        let (start, length) = (text.as_ptr(), text.len());
        // Texts of a dictionary lie one behind the other: their starts differ in the low bits.
        let slot = &mut self.slots[(start.addr() ^ start.addr() >> 8) % MEMO_SLOTS];
        match slot {
            Some((known, known_length, found)) if *known == start && *known_length == length => Ok(*found),
            _ => {
                let found = look()?;
                *slot = Some((start, length, found));
                Ok(found)
            }
        }
    }
}

/// What a class of ASCII characters holds, and whether it is all others.
fn class(letter: char) -> Option<(&'static str, bool)> {
    Some(match letter {
        'd' => ("0-9", false),
        'D' => ("0-9", true),
        's' => ("\\t\\n\\x0c\\r\\x20", false),
        'S' => ("\\t\\n\\x0c\\r\\x20", true),
        'w' => ("0-9A-Za-z_", false),
        'W' => ("0-9A-Za-z_", true),
        _ => return None,
    })
}

fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = match c {
            '\\' => escape(after, in_class, &mut out),
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                let mut inner = after;
                if let Some(negated) = inner.strip_prefix('^') {
                    out.push('^');
                    inner = negated;
                }
                // A bracket that closes right away stands for itself.
                if let Some(literal) = inner.strip_prefix(']') {
                    out.push_str("\\]");
                    inner = literal;
                }
                inner
            }
            '[' => match after.strip_prefix(':').and_then(|name| name.find(":]")) {
                Some(end) => {
                    let (name, after) = after.split_at(end + 3);
                    out.push('[');
                    out.push_str(name);
                    after
                }
                None => {
                    out.push_str("\\[");
                    after
                }
            },
            ']' => {
                in_class = false;
                out.push(']');
                after
            }
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
                after
            }
            '-' if in_class && (after.starts_with('-') || out.ends_with("\\-")) && !after.starts_with(']') => {
                out.push_str("\\-");
                after
            }
            '{' if !in_class && !is_repetition(after) => {
                out.push_str("\\{");
                after
            }
            _ => {
                out.push(c);
                after
            }
        };
    }
    out
}

/// Whether `3}`, `3,}` or `3,5}` follows.
fn is_repetition(after: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let first = digits(after);
    if first == 0 {
        return false;
    }
    match after[first..].strip_prefix(',') {
        None => after[first..].starts_with('}'),
        Some(upper) => upper[digits(upper)..].starts_with('}'),
    }
}

/// Translates what follows a backslash, and gives what follows that.
fn escape<'a>(after: &'a str, in_class: bool, out: &mut String) -> &'a str {
    let Some(c) = after.chars().next() else {
        out.push('\\');
        return after;
    };
    let rest = &after[c.len_utf8()..];
    if let Some((members, negated)) = class(c) {
        match (in_class, negated) {
            (true, false) => out.push_str(members),
            (_, negated) => {
                out.push_str(if negated { "[^" } else { "[" });
                out.push_str(members);
                out.push(']');
            }
        }
        return rest;
    }
    match c {
        'b' | 'B' if !in_class => {
            out.push_str(if c == 'b' { "(?-u:\\b)" } else { "(?-u:\\B)" });
            rest
        }
        'Q' => {
            let (quoted, rest) = rest.split_once("\\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(quoted));
            rest
        }
        'p' | 'P' | 'x' if rest.starts_with('{') => {
            let end = rest.find('}').map_or(rest.len(), |end| end + 1);
            out.push('\\');
            out.push(c);
            out.push_str(&rest[..end]);
            &rest[end..]
        }
        // An end without a start is nothing.
        'E' => rest,
        '0'..='7' => octal(after, out),
        c if c.is_ascii_punctuation() => {
            if matches!(c, '<' | '>') {
                out.push(c);
            } else {
                out.push('\\');
                out.push(c);
            }
            rest
        }
        c => {
            out.push('\\');
            out.push(c);
            rest
        }
    }
}

/// `\0`, `\012`, and `\12`, but not `\1`, which other languages take for a group.
fn octal<'a>(after: &'a str, out: &mut String) -> &'a str {
    let length = after.bytes().take(3).take_while(|b| (b'0'..b'8').contains(b)).count();
    if length == 1 && !after.starts_with('0') {
        out.push('\\');
        out.push_str(&after[..1]);
    } else {
        let value = after[..length].bytes().fold(0, |value, b| value * 8 + u32::from(b - b'0'));
        out.push_str(&format!("\\x{{{value:x}}}"));
    }
    &after[length..]
}

/// Replaces every match by the template, in which `$1`, `$name`, `${name}` stand for groups and `$$` for a dollar sign, and
/// appends the result to `out`. Says whether anything matched; if not, nothing is appended.
pub(crate) fn replace_all(regex: &Regex, text: &str, template: &str, out: &mut String) -> bool {
    let mut copied = 0;
    let mut matched = false;
    if !template.contains('$') {
        // Finding the groups costs several times the match.
        for found in regex.find_iter(text) {
            matched = true;
            out.push_str(&text[copied..found.start()]);
            out.push_str(template);
            copied = found.end();
        }
    } else {
        for groups in regex.captures_iter(text) {
            let Some(found) = groups.get(0) else { continue };
            matched = true;
            out.push_str(&text[copied..found.start()]);
            expand(template, &groups, out);
            copied = found.end();
        }
    }
    if matched {
        out.push_str(&text[copied..]);
    }
    matched
}

fn expand(template: &str, groups: &regex::Captures<'_>, out: &mut String) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let Some((name, after)) = group(after) else {
            // A dollar sign that names nothing stands for itself.
            out.push('$');
            rest = after;
            continue;
        };
        let found = match name.parse::<usize>() {
            Ok(number) if !name.starts_with('+') => groups.get(number),
            _ => groups.name(name),
        };
        out.push_str(found.map_or("", |found| found.as_str()));
        rest = after;
    }
    out.push_str(rest);
}

/// The name that follows a dollar sign, with or without braces, and what follows it.
fn group(text: &str) -> Option<(&str, &str)> {
    let (inner, braced) = match text.strip_prefix('{') {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let end = inner.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(inner.len());
    let (name, after) = inner.split_at(end);
    if name.is_empty() {
        return None;
    }
    if braced { Some((name, after.strip_prefix('}')?)) } else { Some((name, after)) }
}
