//! Text to tokens, each with the place where it stands.
//!
//! The tokens are the Collector's, with one liberty: a word is one token (`IsMatch`), where the Collector's lexer gives
//! runs of upper and lower case and its grammar joins them again.

use std::iter::Peekable;
use std::str::CharIndices;

/// A token of a text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    /// `0x` and hexadecimal digits, decoded.
    Bytes(Vec<u8>),
    /// Digits with a point, and perhaps an exponent.
    Double(f64),
    /// Digits. Kept unsigned: the minus is a token of its own.
    Int(u64),
    /// A quoted text, unescaped.
    Text(String),
    /// A letter and what follows of letters, digits and underscores.
    Word(String),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// A token and the bytes of the text it was read from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spanned {
    pub token: Token,
    pub start: usize,
    pub end: usize,
}

/// Where and why a text has no more tokens, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LexError {
    pub start: usize,
    pub end: usize,
    pub reason: String,
}

/// Longer ones first, so that `>=` is not `>` and `=`.
const SIGNS: [&str; 20] =
    ["==", "!=", ">=", "<=", ">", "<", "=", "+", "-", "*", "/", "(", ")", "[", "]", "{", "}", ":", ",", "."];

/// All tokens of a text, the last of which is [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Spanned>, LexError> {
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else {
            out.push(Spanned { token: Token::End, start: at, end: at });
            return Ok(out);
        };
        if first.is_ascii_whitespace() || first == '\u{b}' {
            at += first.len_utf8();
            continue;
        }
        let (token, length) = token(rest).map_err(|error| LexError {
            start: at + error.start,
            end: at + error.end,
            reason: error.reason,
        })?;
        out.push(Spanned { token, start: at, end: at + length });
        at += length;
    }
}

/// The token that a text starts with, and its length in bytes.
fn token(rest: &str) -> Result<(Token, usize), LexError> {
    let first = rest.as_bytes()[0];
    if let Some(digits) = rest.strip_prefix("0x") {
        let length = run(digits, |b| b.is_ascii_hexdigit());
        if length > 0 {
            return bytes(&digits[..length], length + 2);
        }
    }
    if first.is_ascii_digit() || (first == b'.' && rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit)) {
        return number(rest);
    }
    if first == b'"' {
        return text(rest);
    }
    if first.is_ascii_alphabetic() {
        let length = run(rest, |b| b.is_ascii_alphanumeric() || b == b'_');
        return Ok((Token::Word(rest[..length].to_owned()), length));
    }
    match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        Some(sign) => Ok((Token::Sign(sign), sign.len())),
        None => {
            let end = rest.chars().next().map_or(0, char::len_utf8);
            Err(LexError { start: 0, end, reason: "unexpected character".to_owned() })
        }
    }
}

fn run(text: &str, accepts: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|b| accepts(*b)).count()
}

fn bytes(digits: &str, length: usize) -> Result<(Token, usize), LexError> {
    if digits.len() % 2 == 1 {
        let reason = "bytes have two hexadecimal digits each, this is an odd number of digits".to_owned();
        return Err(LexError { start: 0, end: length, reason });
    }
    let nibble = |b: u8| (b as char).to_digit(16).unwrap_or(0) as u8;
    let decoded = digits.as_bytes().chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect();
    Ok((Token::Bytes(decoded), length))
}

fn number(rest: &str) -> Result<(Token, usize), LexError> {
    let whole = run(rest, |b| b.is_ascii_digit());
    if rest.as_bytes().get(whole) != Some(&b'.') {
        let value = rest[..whole].parse::<u64>().ok().filter(|value| *value <= i64::MAX as u64);
        return match value {
            Some(value) => Ok((Token::Int(value), whole)),
            None => {
                let reason = format!("whole numbers go up to {}", i64::MAX);
                Err(LexError { start: 0, end: whole, reason })
            }
        };
    }
    let mut length = whole + 1 + run(&rest[whole + 1..], |b| b.is_ascii_digit());
    if let Some(b'e' | b'E') = rest.as_bytes().get(length) {
        let sign = usize::from(matches!(rest.as_bytes().get(length + 1), Some(b'+' | b'-')));
        let digits = run(&rest[length + 1 + sign..], |b| b.is_ascii_digit());
        if digits > 0 {
            length += 1 + sign + digits;
        }
    }
    match rest[..length].parse::<f64>() {
        Ok(value) if value.is_finite() => Ok((Token::Double(value), length)),
        _ => Err(LexError { start: 0, end: length, reason: "the number is out of range".to_owned() }),
    }
}

/// A quoted text, with the escapes of Go.
fn text(rest: &str) -> Result<(Token, usize), LexError> {
    // Escapes can name single bytes, so the text is UTF-8 only once it is whole.
    let mut out: Vec<u8> = Vec::new();
    let mut chars = rest.char_indices().peekable();
    chars.next();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                let length = at + 1;
                return match String::from_utf8(out) {
                    Ok(text) => Ok((Token::Text(text), length)),
                    Err(_) => {
                        let reason = "the escapes do not make UTF-8 text".to_owned();
                        Err(LexError { start: 0, end: length, reason })
                    }
                };
            }
            '\n' => {
                let reason = "a text cannot go over the end of a line, write \\n".to_owned();
                return Err(LexError { start: at, end: at + 1, reason });
            }
            '\\' => escape(at, &mut chars, &mut out)?,
            _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Err(LexError { start: 0, end: rest.len(), reason: "the text has no closing quote".to_owned() })
}

fn escape(at: usize, chars: &mut Peekable<CharIndices<'_>>, out: &mut Vec<u8>) -> Result<(), LexError> {
    let Some((_, c)) = chars.next() else {
        return Err(LexError { start: at, end: at + 1, reason: "the text has no closing quote".to_owned() });
    };
    let simple = match c {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '"' => b'"',
        'x' | 'u' | 'U' | '0'..='7' => return numbered(at, c, chars, out),
        other => {
            let reason = format!("unknown escape; a backslash before `{other}` is written `\\\\{other}`");
            return Err(LexError { start: at, end: at + 1 + other.len_utf8(), reason });
        }
    };
    out.push(simple);
    Ok(())
}

/// `\x41`, `\101`, `\u00e9`, `\U0001f600`.
fn numbered(at: usize, kind: char, chars: &mut Peekable<CharIndices<'_>>, out: &mut Vec<u8>) -> Result<(), LexError> {
    let (radix, digits, mut value) = match kind {
        'x' => (16, 2, 0),
        'u' => (16, 4, 0),
        'U' => (16, 8, 0),
        octal => (8, 2, octal.to_digit(8).unwrap_or(0)),
    };
    let bad = |end: usize| LexError { start: at, end, reason: "the escape is not complete or out of range".to_owned() };
    let mut end = at + 2;
    for _ in 0..digits {
        match chars.peek().and_then(|(_, c)| c.to_digit(radix)) {
            Some(digit) => {
                value = value.checked_mul(radix).and_then(|v| v.checked_add(digit)).ok_or_else(|| bad(end))?;
                chars.next();
                end += 1;
            }
            None => return Err(bad(end)),
        }
    }
    match kind {
        'u' | 'U' => {
            let c = char::from_u32(value).ok_or_else(|| bad(end))?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        _ => out.push(u8::try_from(value).map_err(|_| bad(end))?),
    }
    Ok(())
}
