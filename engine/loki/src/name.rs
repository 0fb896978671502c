//! Names of attributes as Loki has names.
//!
//! Loki normalises the names of structured metadata itself, and where nothing remains of one it refuses the whole push as a failure of its
//! own, again at each attempt. So names come to it as it would write them, and it has nothing to do.

/// Appends `key` with letters and digits of ASCII only, one `_` for what is between them, and `key_` in front of a digit. What has
/// nothing of that, such as an empty key, is `key_`.
pub(crate) fn put_name(key: &str, out: &mut Vec<u8>) {
    let start = out.len();
    if key.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        out.extend_from_slice(b"key_");
    }
    let mut has_letter = false;
    let mut was_underscore = false;
    for &byte in key.as_bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(byte);
            (has_letter, was_underscore) = (true, false);
        } else if !was_underscore {
            out.push(b'_');
            was_underscore = true;
        }
    }
    if !has_letter {
        out.truncate(start);
        out.extend_from_slice(b"key_");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names that Loki has, those that it would change, and those of which it would leave nothing.
    #[test]
    fn names_are_lokis() {
        let cases = [
            ("level", "level"),
            ("http.route", "http_route"),
            ("a..b__c", "a_b_c"),
            ("_x", "_x"),
            ("__reserved__", "_reserved_"),
            ("9lives", "key_9lives"),
            ("größe", "gr_e"),
            ("", "key_"),
            ("...", "key_"),
            ("日本", "key_"),
            ("a\"b\n", "a_b_"),
        ];
        for (key, expected) in cases {
            let mut out = b"before".to_vec();
            put_name(key, &mut out);
            assert_eq!(std::str::from_utf8(&out[6..]), Ok(expected), "{key:?}");
        }
    }
}
