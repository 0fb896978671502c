//! Finds e-mail addresses and card numbers in text.
//!
//! By hand instead of by regular expressions: with the crate `regex` the plugin is five times as large, and with `regex-lite` a
//! text takes a hundred times as long.

use std::ops::Range;

/// Digits of a card number.
const DIGITS_MIN: usize = 13;
const DIGITS_MAX: usize = 19;

/// The text with its e-mail addresses and then its card numbers masked; `None`: it stays as it is.
pub fn masked(text: &str, mask: &str) -> Option<String> {
    let without_mails = if text.contains('@') { replaced(text, mask, mail) } else { None };
    let rest = without_mails.as_deref().unwrap_or(text);
    replaced(rest, mask, card).or(without_mails).filter(|masked| masked != text)
}

/// The text with all that `find` finds replaced; `None`: it found nothing. It is asked for what comes first from a place on.
fn replaced(text: &str, mask: &str, find: fn(&[u8], usize) -> Option<Range<usize>>) -> Option<String> {
    let mut out = String::new();
    let mut from = 0;
    // What is found begins and ends with ASCII, so text can be cut there.
    while let Some(found) = find(text.as_bytes(), from) {
        out.push_str(&text[from..found.start]);
        out.push_str(mask);
        from = found.end;
    }
    if from == 0 {
        return None;
    }
    out.push_str(&text[from..]);
    Some(out)
}

/// `[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`
fn mail(text: &[u8], from: usize) -> Option<Range<usize>> {
    let is_local = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-');
    let is_domain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let letters = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let mut next = from;
    loop {
        let at = next + text[next..].iter().position(|&byte| byte == b'@')?;
        let local = text[next..at].iter().rev().take_while(|byte| is_local(byte)).count();
        next = at + 1;
        let domain = &text[next..];
        let domain = &domain[..domain.iter().take_while(|byte| is_domain(byte)).count()];
        // The last dot that has something before it and two letters behind it.
        let dot = (1..domain.len()).rev().find(|&dot| domain[dot] == b'.' && letters(&domain[dot + 1..]) >= 2);
        if let (1.., Some(dot)) = (local, dot) {
            return Some(at - local..next + dot + 1 + letters(&domain[dot + 1..]));
        }
    }
}

/// `[0-9](?:[ -]?[0-9])*`, with as many digits as a card has, and the right last one.
fn card(text: &[u8], from: usize) -> Option<Range<usize>> {
    let is_digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b' ' | b'-');
    let mut next = from;
    loop {
        // Most texts have none. A card is at least so many bytes in a row: a look at one in so many does not miss it.
        let hit = (next + DIGITS_MIN - 1..text.len()).step_by(DIGITS_MIN).find(|&at| is_part(&text[at]))?;
        let parts = hit - text[next..hit].iter().rev().take_while(|byte| is_part(byte)).count();
        let start = parts + text[parts..].iter().position(u8::is_ascii_digit)?;
        next = start + 1;
        while is_digit(next) || (matches!(text.get(next), Some(b' ' | b'-')) && is_digit(next + 1)) {
            next += 1;
        }
        if next - start >= DIGITS_MIN && is_card(&text[start..next]) {
            return Some(start..next);
        }
    }
}

/// The check of Luhn: from the right, every second digit counts twice, with its own digits added up.
fn is_card(number: &[u8]) -> bool {
    let digits = number.iter().filter(|byte| byte.is_ascii_digit()).map(|digit| u32::from(digit - b'0'));
    let count = digits.clone().count();
    let sum: u32 =
        digits.rev().enumerate().map(|(at, digit)| if at % 2 == 0 { digit } else { digit * 2 % 10 + digit / 5 }).sum();
    (DIGITS_MIN..=DIGITS_MAX).contains(&count) && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(masked(text, "#").as_deref().unwrap_or(text), expected);
    }

    #[test]
    fn mails() {
        check("to ada@example.com, bob+x@mail.example.co.uk.", "to #, #.");
        check("x@y@example.com a@b.com-x a@b.com.1", "x@# #-x #.1");
        check("a@b.c @example.com ada@ a@.com a@b.c1om", "a@b.c @example.com ada@ a@.com a@b.c1om");
        check("jörg@example.com 日本@example.com", "jö# 日本@example.com");
        check("a@b.com@c.de", "#@c.de");
    }

    #[test]
    fn cards() {
        check("4111111111111111,4111-1111 1111-1111-", "#,#-");
        check(
            "4111111111111112 411111111111 4111  1111 1111 1111",
            "4111111111111112 411111111111 4111  1111 1111 1111",
        );
        check("6304900017630490001 4111111111111111", "6304900017630490001 4111111111111111");
    }
}
