//! What is refused when a text is read: where it points, and what it says.

use crate::{ErrorMode, LENGTH_MAX, NESTING_MAX, ParseError, Program, Signal};

fn condition(signal: Signal, text: &str) -> ParseError {
    match Program::conditions(signal, &[text], ErrorMode::Propagate) {
        Ok(_) => panic!("`{text}` was taken"),
        Err(errors) => errors.into_iter().next().expect("an error"),
    }
}

fn statement(signal: Signal, text: &str) -> ParseError {
    match Program::statements(signal, &[text], ErrorMode::Propagate) {
        Ok(_) => panic!("`{text}` was taken"),
        Err(errors) => errors.into_iter().next().expect("an error"),
    }
}

/// Each mistake that somebody makes in a condition: the character, the text there, and a part of what is said.
#[test]
fn a_refused_condition_says_where_and_what_was_expected() {
    let cases: &[(&str, usize, &str, &str)] = &[
        ("", 0, "", "expected a value"),
        ("name ==", 7, "", "expected a value"),
        ("name = \"x\"", 5, "=", "`==`"),
        ("name", 0, "name", "expected a comparison"),
        ("name == \"x", 8, "\"x", "no closing quote"),
        ("name == \"a\\d\"", 10, "\\d", "`\\\\d`"),
        ("name == 'x'", 8, "'", "unexpected character"),
        ("nam == \"x\"", 0, "nam", "did you mean `name`"),
        ("größe == 1", 2, "ö", "unexpected character"),
        ("\"größe\" == nme", 11, "nme", "did you mean `name`"),
        ("status == 2", 0, "status", "`status.code`"),
        ("resource.name == \"x\"", 0, "resource.name", "no such field"),
        ("log.body == \"x\"", 0, "log.body", "no such field of traces"),
        ("span.resource.attributes[\"a\"] == 1", 0, "span.resource.attributes", "did you mean `resource.attributes`"),
        ("name[\"a\"] == 1", 4, "[\"a\"]", "no keys"),
        ("attributes[0] == 1", 10, "[0]", "key in double quotes"),
        ("attributes[name] == 1", 11, "name", "a text or a whole number"),
        ("attributes.a == 1", 0, "attributes.a", "did you mean `attributes`"),
        ("attributes[\"a\"].b == 1", 15, ".", "nothing can follow"),
        ("IsMatsch(name, \"x\")", 0, "IsMatsch", "did you mean `IsMatch`"),
        ("IsMatch(name)", 0, "IsMatch(name)", "needs an argument `pattern`"),
        ("IsMatch(name, \"(\")", 14, "\"(\"", "not a valid regular expression: unclosed group"),
        ("IsMatch(name, \"a\", \"b\")", 19, "\"b\"", "has 2 arguments"),
        ("IsMatch(name, patern=\"a\")", 14, "patern=\"a\"", "did you mean `pattern`"),
        ("IsMatch(target=name, \"a\")", 21, "\"a\"", "come before"),
        ("IsMatch(name, target=\"a\")", 14, "target=\"a\"", "given twice"),
        ("HasPrefix(kind, \"a\")", 10, "kind", "a whole number, expected text"),
        ("HasPrefix(name, 1)", 16, "1", "a whole number, expected text"),
        ("Int(attributes)", 4, "attributes", "a map, expected a number"),
        ("Len(name)", 0, "Len(name)", "a whole number, expected true or false"),
        ("ConvertCase(name, \"title\") == \"x\"", 18, "\"title\"", "`lower`, `upper`, `snake`, `camel`"),
        ("Concat(name, \"-\") == \"x\"", 7, "name", "expected a list"),
        ("kind == SPAN_KIND_SEVER", 8, "SPAN_KIND_SEVER", "did you mean `SPAN_KIND_SERVER`"),
        ("kind == SHA256", 8, "SHA256", "is a converter"),
        ("name == \"a\" and", 15, "", "expected a value"),
        ("name == \"a\" und kind == 1", 12, "und", "`and`, `or`"),
        ("not not name == \"a\"", 4, "not", "keyword"),
        ("(name == \"a\"", 12, "", "`)`"),
        ("(name == \"a\") == true", 0, "(name == \"a\")", "this is a condition"),
        ("name == \"a\" == true", 12, "==", "`and`, `or`"),
        ("kind + \"a\" == 1", 7, "\"a\"", "arithmetic needs numbers"),
        ("kind == 0x123", 8, "0x123", "odd number"),
        ("kind == 99999999999999999999", 8, "99999999999999999999", "9223372036854775807"),
        ("set(name, \"x\") == 1", 0, "set", "editor"),
        ("trace_id[\"a\"] == 1", 8, "[\"a\"]", "no keys"),
        ("name == {\"a\": trace_id}", 14, "trace_id", "cannot be a trace id"),
    ];
    for (text, position, found, reason) in cases {
        let error = condition(Signal::Traces, text);
        assert_eq!((error.position, error.found.as_str()), (*position, *found), "{text}: {error}");
        assert!(error.reason.contains(reason), "{text}: {error}");
        assert!(error.to_string().starts_with('`'), "{error}");
    }
}

#[test]
fn a_refused_statement_says_where_and_what_was_expected() {
    let cases: &[(&str, usize, &str, &str)] = &[
        ("", 0, "", "the name of an editor"),
        ("Set(name, \"x\")", 0, "Set", "lower case"),
        ("sett(name, \"x\")", 0, "sett", "did you mean `set`"),
        ("set(name)", 0, "set(name)", "needs an argument `value`"),
        ("set(\"name\", \"x\")", 4, "\"name\"", "expected a path"),
        ("set(name, 1)", 10, "1", "`name` is text"),
        ("set(name, nil)", 10, "nil", "`name` is text"),
        ("set(duration, 1)", 4, "duration", "cannot be changed"),
        ("set(trace_id.string, \"x\")", 4, "trace_id.string", "`trace_id` can"),
        ("set(attributes, \"x\")", 16, "\"x\"", "`attributes` is a map"),
        ("set(attributes[\"a\"], span_id)", 21, "span_id", "cannot be a span id"),
        ("set(name, \"x\") where", 20, "", "expected a value"),
        ("set(name, \"x\") when true", 15, "when", "`where`"),
        ("set(name, \"x\")[0]", 14, "[0]", "no value that could be indexed"),
        ("delete_key(name, \"x\")", 11, "name", "expected a map"),
        ("delete_key(attributes, 1)", 23, "1", "expected text"),
        ("delete_matching_keys(attributes, \"[\")", 33, "\"[\"", "not a valid regular expression"),
        ("keep_keys(attributes, \"a\")", 22, "\"a\"", "expected a list"),
        ("truncate_all(attributes, -1)", 25, "-1", "cannot be negative"),
        ("truncate_all(attributes, \"a\")", 25, "\"a\"", "expected a whole number"),
        ("limit(attributes, 1, [\"a\", \"b\"])", 21, "[\"a\", \"b\"]", "2 keys"),
        ("merge_maps(attributes, resource.attributes, \"both\")", 44, "\"both\"", "`\"upsert\"`"),
        ("replace_all_patterns(attributes, \"keys\", \"a\", \"b\")", 33, "\"keys\"", "`\"key\"`"),
        ("replace_pattern(kind, \"a\", \"b\")", 16, "kind", "expected text"),
    ];
    for (text, position, found, reason) in cases {
        let error = statement(Signal::Traces, text);
        assert_eq!((error.position, error.found.as_str()), (*position, *found), "{text}: {error}");
        assert!(error.reason.contains(reason), "{text}: {error}");
    }
}

/// One mistake in each of two texts, one text without: both are told.
#[test]
fn every_wrong_text_is_reported() {
    let texts = ["nam == \"x\"", "name == \"x\"", "kind == "];
    let errors = Program::conditions(Signal::Traces, &texts, ErrorMode::Propagate).expect_err("two mistakes");
    assert_eq!(errors.iter().map(|error| error.text.as_str()).collect::<Vec<_>>(), [texts[0], texts[2]]);
}

/// Brackets, lists, calls, keys and operators beyond the limit are refused; up to it they are taken, and walked without
/// running out of stack.
#[test]
fn nesting_and_length_are_bounded() {
    let deep = |open: &str, inner: &str, close: &str, levels: usize| {
        format!("{}{inner}{}", open.repeat(levels), close.repeat(levels))
    };
    let take = |text: &str| Program::conditions(Signal::Traces, &[text], ErrorMode::Propagate).map(drop);
    let brackets = |levels| deep("(", "name == \"x\"", ")", levels);
    assert_eq!(take(&brackets(NESTING_MAX)), Ok(()));
    assert!(condition(Signal::Traces, &brackets(NESTING_MAX + 1)).reason.contains("deep"));
    assert!(condition(Signal::Traces, &deep("(", "", "", 10_000)).reason.contains("deep"));
    assert!(condition(Signal::Traces, &format!("name == {}", deep("[", "", "", 10_000))).reason.contains("deep"));
    assert!(condition(Signal::Traces, &format!("name == {}", deep("Len(", "", "", 3_000))).reason.contains("deep"));
    assert!(condition(Signal::Traces, &format!("kind == 1{}", " + 1".repeat(3_000))).reason.contains("in a row"));
    assert!(condition(Signal::Traces, &format!("body{} == 1", "[0]".repeat(3_000))).reason.contains("keys"));
    let long = format!("name == \"{}\"", "x".repeat(LENGTH_MAX));
    let error = condition(Signal::Traces, &long);
    assert!(error.reason.contains("longer"));
    assert!(error.to_string().len() < 400, "a message stays readable: {} bytes", error.to_string().len());
}

/// Many alternatives are not nested: a list of conditions in one is as good as several.
#[test]
fn a_long_or_is_flat() {
    let text = vec!["name == \"x\""; 500].join(" or ");
    assert!(Program::conditions(Signal::Traces, &[&text], ErrorMode::Propagate).is_ok());
}
