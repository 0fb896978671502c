//! Patterns of `replace_match`: globs, as the Collector's library reads them.
//!
//! `*` and `**` are any signs, `?` is one, `[abc]`, `[a-z]` and `[!abc]` are one of some, `{one,other}` is one of several, and `\\` takes
//! the meaning from the sign behind it. They match whole texts.

use regex::Regex;

use crate::pattern;

/// Compiles a glob; the error is one line.
pub(crate) fn compile(glob: &str) -> Result<Regex, String> {
    pattern::compile(&translate(glob)?)
}

fn translate(glob: &str) -> Result<String, String> {
    let mut out = String::from("(?s)^(?:");
    let mut signs = glob.chars().peekable();
    let mut open = 0_usize;
    while let Some(sign) = signs.next() {
        match sign {
            '*' => {
                while signs.next_if_eq(&'*').is_some() {}
                out.push_str(".*");
            }
            '?' => out.push('.'),
            '\\' => literal(signs.next().ok_or("a `\\` has nothing behind it")?, &mut out),
            '[' => {
                out.push('[');
                if signs.next_if_eq(&'!').is_some() {
                    out.push('^');
                }
                let mut any = false;
                loop {
                    match signs.next().ok_or("a `[` is not closed")? {
                        ']' if any => break,
                        '-' if any && signs.peek().is_some_and(|next| *next != ']') => out.push('-'),
                        '\\' => literal(signs.next().ok_or("a `\\` has nothing behind it")?, &mut out),
                        sign => literal(sign, &mut out),
                    }
                    any = true;
                }
                out.push(']');
            }
            '{' => {
                open += 1;
                out.push_str("(?:");
            }
            '}' if open > 0 => {
                open -= 1;
                out.push(')');
            }
            ',' if open > 0 => out.push('|'),
            sign => literal(sign, &mut out),
        }
    }
    if open > 0 {
        return Err("a `{` is not closed".to_owned());
    }
    out.push_str(")$");
    Ok(out)
}

fn literal(sign: char, out: &mut String) {
    if sign.is_ascii_punctuation() {
        out.push('\\');
    }
    out.push(sign);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_texts() {
        let cases = [
            ("*", "", true),
            ("/user/*/list/*", "/user/1/list/2", true),
            ("/user/*", "a/user/1", false),
            ("a?c", "a\nc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[a.]", "b", false),
            ("{GET,PO*} /", "POST /", true),
            ("{GET,PO*} /", "PUT /", false),
            ("a.b", "axb", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("(a)+$", "(a)+$", true),
            ("a,b", "a,b", true),
            ("Gr\u{f6}*", "Gr\u{f6}\u{df}e", true),
        ];
        for (glob, text, matches) in cases {
            assert_eq!(compile(glob).unwrap().is_match(text), matches, "{glob} {text}");
        }
        for bad in ["[a", "{a,b", "a\\"] {
            assert!(compile(bad).is_err(), "{bad}");
        }
    }
}
