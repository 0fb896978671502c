//! `tracestate`: what earlier samplers wrote into it, and how ours is written. Others' members are kept as they are.
//!
//! The list is W3C's, the member `ot` OpenTelemetry's: `ot=rv:…;th:…`. One that breaks their rules says nothing: the limits and
//! characters are theirs, and as the Collector applies them.

use crate::threshold::{read_randomness, read_threshold, write_randomness, write_threshold};

/// Bytes of a list, members in it, bytes of a key, and of its two parts where it has them.
const LIST_BYTES_MAX: usize = 1024;
const MEMBERS_MAX: usize = 31;
const KEY_BYTES_MAX: usize = 256;
const TENANT_BYTES_MAX: usize = 241;
const SYSTEM_BYTES_MAX: usize = 14;
const VALUE_BYTES_MAX: usize = 256;

/// A list that keeps the rules.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TraceState<'a> {
    pub randomness: Option<u64>,
    pub threshold: Option<u64>,
    /// Other fields of `ot`.
    fields: Vec<&'a str>,
    /// Others' members.
    members: Vec<&'a str>,
}

impl<'a> TraceState<'a> {
    /// `None`: it breaks the rules.
    pub fn read(text: &'a str) -> Option<TraceState<'a>> {
        let mut state = TraceState::default();
        if text.len() > LIST_BYTES_MAX {
            return None;
        }
        if text.is_empty() {
            return Some(state);
        }
        let mut count = 0;
        for member in text.split(',') {
            count += 1;
            let member = member.trim_matches([' ', '\t']);
            if count > MEMBERS_MAX {
                return None;
            }
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            if !is_key(key) || !is_value(value) {
                return None;
            }
            if key == "ot" { state.read_ot(value)? } else { state.members.push(member) }
        }
        Some(state)
    }

    fn read_ot(&mut self, value: &'a str) -> Option<()> {
        (self.randomness, self.threshold) = (None, None);
        self.fields.clear();
        for field in value.split(';') {
            let (key, value) = field.split_once(':')?;
            let mut letters = key.bytes();
            let is_key = letters.next().is_some_and(|first| first.is_ascii_lowercase())
                && letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit());
            let is_value = value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
            if !is_key || !is_value {
                return None;
            }
            match key {
                "rv" => self.randomness = Some(read_randomness(value)?),
                "th" => self.threshold = Some(read_threshold(value)?),
                _ => self.fields.push(field),
            }
        }
        Some(())
    }

    /// Appends the list with this randomness and threshold in place of what it had.
    pub fn write(&self, randomness: Option<u64>, threshold: Option<u64>, out: &mut String) {
        let start = out.len();
        let mut separator = "ot=";
        if let Some(randomness) = randomness {
            out.push_str(std::mem::replace(&mut separator, ";"));
            out.push_str("rv:");
            write_randomness(randomness, out);
        }
        if let Some(threshold) = threshold {
            out.push_str(std::mem::replace(&mut separator, ";"));
            out.push_str("th:");
            write_threshold(threshold, out);
        }
        for field in &self.fields {
            out.push_str(std::mem::replace(&mut separator, ";"));
            out.push_str(field);
        }
        for member in &self.members {
            if out.len() > start {
                out.push(',');
            }
            out.push_str(member);
        }
    }
}

fn is_key(key: &str) -> bool {
    let rest = |part: &str| {
        part.bytes()
            .skip(1)
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'*' | b'/'))
    };
    let letter = |part: &str| part.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    let letter_or_digit =
        |part: &str| part.bytes().next().is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit());
    if key.len() > KEY_BYTES_MAX {
        return false;
    }
    match key.split_once('@') {
        Some((tenant, system)) => {
            tenant.len() <= TENANT_BYTES_MAX
                && system.len() <= SYSTEM_BYTES_MAX
                && letter_or_digit(tenant)
                && letter(system)
                && rest(tenant)
                && rest(system)
        }
        None => letter(key) && rest(key),
    }
}

fn is_value(value: &str) -> bool {
    let visible = |b: u8| (0x21..=0x7e).contains(&b) && b != b',' && b != b'=';
    match value.as_bytes() {
        [] => false,
        [before @ .., last] => {
            value.len() <= VALUE_BYTES_MAX && visible(*last) && before.iter().all(|&b| b == b' ' || visible(b))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Others' members and fields stay, in their order, behind ours.
    #[test]
    fn what_is_read_is_written_again() {
        let state = TraceState::read("vendor=1 2, ot=th:8;p:8;rv:0123456789abcd ,,t@sys=x").unwrap();
        assert_eq!((state.randomness, state.threshold), (Some(0x01_2345_6789_abcd), Some(8 << 52)));
        let mut out = String::new();
        state.write(state.randomness, Some(0xc << 52), &mut out);
        assert_eq!(out, "ot=rv:0123456789abcd;th:c;p:8,vendor=1 2,t@sys=x");
        out.clear();
        TraceState::default().write(None, Some(0xe666 << 40), &mut out);
        assert_eq!(out, "ot=th:e666");
        out.clear();
        TraceState::read("a=1").unwrap().write(None, None, &mut out);
        assert_eq!(out, "a=1");
    }

    #[test]
    fn what_breaks_the_rules_is_not_read() {
        let many = vec!["a=1"; 32].join(",");
        let long = format!("a={}", "x".repeat(300));
        for bad in [
            "ot",
            "ot=",
            "=1",
            "A=1",
            "a=",
            "a=\u{e4}",
            "a=b=c",
            "ot=th",
            "ot=th:",
            "ot=th:g",
            "ot=rv:1",
            "ot=;th:8",
            "ot=th:8;",
            "ot=TH:8",
            "ot=th:123456789abcdef",
            "@s=1",
            "t@=1",
            "t@0=1",
            &many,
            &long,
        ] {
            assert_eq!(TraceState::read(bad), None, "`{bad}`");
        }
    }
}
