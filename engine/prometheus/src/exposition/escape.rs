//! Names for scrapers that do not take every character.

use crate::number::put_unsigned;

/// What becomes of characters beyond ASCII's letters, digits and `_`, as the scraper asked in `escaping=`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Escaping {
    /// They stay, and the name is put in quotes.
    AllowUtf8,
    /// Each becomes a `_`.
    #[default]
    Underscores,
    /// A dot becomes `_dot_`, a `_` two of them, and others too.
    Dots,
    /// `U__`, and each as its number.
    Values,
}

impl Escaping {
    pub fn name(self) -> &'static str {
        match self {
            Escaping::AllowUtf8 => "allow-utf-8",
            Escaping::Underscores => "underscores",
            Escaping::Dots => "dots",
            Escaping::Values => "values",
        }
    }

    pub(super) fn named(name: &str) -> Option<Escaping> {
        let all = [Escaping::AllowUtf8, Escaping::Underscores, Escaping::Dots, Escaping::Values];
        all.into_iter().find(|escaping| escaping.name() == name)
    }

    /// Whether plain names change too.
    pub(super) fn touches_plain(self) -> bool {
        self == Escaping::Dots
    }

    /// Appends a name as the scraper takes it. Without quotes: see [`needs_quotes`].
    pub(super) fn put(self, out: &mut Vec<u8>, name: &str) {
        let is_plain = is_plain(name);
        match self {
            Escaping::AllowUtf8 => out.extend_from_slice(name.as_bytes()),
            Escaping::Underscores | Escaping::Values if is_plain => out.extend_from_slice(name.as_bytes()),
            Escaping::Underscores => {
                for (place, c) in name.chars().enumerate() {
                    out.push(if is_plain_char(c, place) { c as u8 } else { b'_' });
                }
            }
            Escaping::Dots => {
                for (place, c) in name.chars().enumerate() {
                    match c {
                        '_' => out.extend_from_slice(b"__"),
                        '.' => out.extend_from_slice(b"_dot_"),
                        c if is_plain_char(c, place) => out.push(c as u8),
                        _ => out.extend_from_slice(b"__"),
                    }
                }
            }
            Escaping::Values => {
                out.extend_from_slice(b"U__");
                for (place, c) in name.chars().enumerate() {
                    match c {
                        '_' => out.extend_from_slice(b"__"),
                        c if is_plain_char(c, place) => out.push(c as u8),
                        c => {
                            out.push(b'_');
                            put_hex(out, c.into());
                            out.push(b'_');
                        }
                    }
                }
            }
        }
    }
}

/// Whether a name stands in text without quotes: ASCII's letters, digits, `_` and `:`, no digit in front.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().enumerate().all(|(place, c)| is_plain_char(c, place))
}

fn is_plain_char(c: char, place: usize) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == ':' || c.is_ascii_digit() && place > 0
}

fn put_hex(out: &mut Vec<u8>, value: u32) {
    let digits = (u32::BITS - value.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = value >> (4 * place) & 15;
        match digit {
            0..=9 => put_unsigned(out, digit.into()),
            _ => out.push(b'a' + digit as u8 - 10),
        }
    }
}
