//! Conditions: which rows they are true for.

use wasmill_columns::Block;

use super::model::{Row, V, block, map, row};
use crate::{ErrorMode, EvalError, Matched, Program, Reason, Signal};

fn run(signal: Signal, conditions: &[&str], rows: &[Row]) -> Matched {
    let mut program =
        Program::conditions(signal, conditions, ErrorMode::Ignore).unwrap_or_else(|errors| panic!("{}", errors[0]));
    let [plain, dictionaries] = [false, true].map(|dictionaries| {
        let block = block(program.columns(), rows, dictionaries);
        let block = Block::check(&block).expect("a sound block");
        program.matches(&block, rows.len()).expect("no failure that ends the call")
    });
    assert_eq!(plain, dictionaries, "the form of text makes no difference: {conditions:?}");
    plain
}

/// Whether a condition is true for one span with these attributes, or why it is neither.
fn verdict(condition: &str, attributes: V) -> Result<bool, Reason> {
    let rows = [row([("name", "A name".into()), ("kind", 2.into()), ("attributes", attributes)])];
    let matched = run(Signal::Traces, &[condition], &rows);
    match matched.failures.first() {
        Some(failure) => Err(failure.reason),
        None => Ok(matched.rows.get(0)),
    }
}

/// Spans with and without attributes, of two resources: the conditions that everybody writes.
#[test]
fn common_conditions_are_true_for_the_right_rows() {
    let span = |name: &str, status: i64, service: &str, attributes: V| {
        row([
            ("name", name.into()),
            ("status.code", status.into()),
            ("resource.attributes", map([("service.name", service.into())])),
            ("attributes", attributes),
        ])
    };
    let rows = [
        span("GET /", 0, "shop", map([("http.route", "/".into()), ("code", 200.into())])),
        span("GET /health", 0, "shop", map([("http.route", "/health".into()), ("code", 500.into())])),
        span("POST /pay", 2, "pay", map([("code", "500".into())])),
        row([]),
    ];
    let ones = |condition: &str| run(Signal::Traces, &[condition], &rows).rows.ones().collect::<Vec<_>>();
    assert_eq!(ones(r#"attributes["http.route"] == "/health""#), [1]);
    assert_eq!(ones(r#"attributes["http.route"] != "/health""#), [0, 2, 3]);
    assert_eq!(ones(r#"attributes["http.route"] == nil"#), [2, 3]);
    assert_eq!(ones(r#"span.attributes["code"] >= 500"#), [1]);
    assert_eq!(ones("status.code == STATUS_CODE_ERROR"), [2]);
    assert_eq!(ones(r#"resource.attributes["service.name"] == "shop" and not name == "GET /""#), [1]);
    assert_eq!(ones(r#"IsMatch(name, "^GET") or status.code == 2"#), [0, 1, 2]);
    assert_eq!(ones(r#"name == """#), [3]);
    assert_eq!(ones("IsRootSpan()"), [0, 1, 2, 3]);
}

/// One value of each type, compared with one literal of each: the table of the Collector's language, row by row. `=` equal,
/// `<` and `>` in that order, `!` neither.
#[test]
fn values_compare_by_their_run_time_types() {
    let literals = ["nil", "true", "2", "2.5", "\"b\"", "0x0102", "[1, \"x\"]", "{\"k\": 1}"];
    let list = V::List(vec![1.into(), "x".into()]);
    let values: Vec<(Option<V>, &str)> = vec![
        (None, "=!!!!!!!"),
        (Some(V::Empty), "=!!!!!!!"),
        (Some(V::Bytes(vec![])), "=!!!!!!!"),
        (Some(true.into()), "!=!!!!!!"),
        (Some(false.into()), "!<!!!!!!"),
        (Some(1.into()), "!!<<!!!!"),
        (Some(2.into()), "!!=<!!!!"),
        (Some(2.5.into()), "!!>=!!!!"),
        (Some(3.into()), "!!>>!!!!"),
        (Some(f64::NAN.into()), "!!!!!!!!"),
        (Some("a".into()), "!!!!<!!!"),
        (Some("b".into()), "!!!!=!!!"),
        (Some("bb".into()), "!!!!>!!!"),
        (Some(V::Bytes(vec![1, 1, 1])), "!!!!!<!!"),
        (Some(V::Bytes(vec![1, 2])), "!!!!!=!!"),
        (Some(V::Bytes(vec![2])), "!!!!!>!!"),
        (Some(list), "!!!!!!=!"),
        (Some(V::List(vec![1.0.into(), "x".into()])), "!!!!!!!!"),
        (Some(map([("k", 1.into())])), "!!!!!!!="),
        (Some(map([("k", 1.into()), ("l", 1.into())])), "!!!!!!!!"),
    ];
    for (value, expected) in values {
        let attributes = V::Map(value.clone().into_iter().map(|value| ("a".to_owned(), value)).collect());
        for (literal, expected) in literals.into_iter().zip(expected.chars()) {
            let is = |operator: &str| verdict(&format!("attributes[\"a\"] {operator} {literal}"), attributes.clone());
            let flipped =
                |operator: &str| verdict(&format!("{literal} {operator} attributes[\"a\"]"), attributes.clone());
            let holds = |operator: &str| match operator {
                "==" => expected == '=',
                "!=" => expected != '=',
                // Nil is equal to nil, so neither is less; lists and maps are equal and in no order.
                "<=" | ">=" if expected == '=' => !matches!(literal.chars().next(), Some('[' | '{')),
                "<" | "<=" => expected == '<',
                _ => expected == '>',
            };
            let exchanged = [("==", "=="), ("!=", "!="), ("<", ">"), ("<=", ">="), (">", "<"), (">=", "<=")];
            for (operator, other) in exchanged {
                assert_eq!(is(operator), Ok(holds(operator)), "{value:?} {operator} {literal}");
                assert_eq!(flipped(other), Ok(holds(operator)), "{literal} {other} {value:?}");
            }
        }
    }
}

/// Two attributes of each pair of types: compared with each other as with literals.
#[test]
fn numbers_compare_across_types_and_huge_ones_exactly() {
    let both = |left: V, right: V, condition: &str| verdict(condition, map([("a", left), ("b", right)]));
    let equal = r#"attributes["a"] == attributes["b"]"#;
    assert_eq!(both(2.into(), 2.0.into(), equal), Ok(true));
    assert_eq!(
        both((i64::MAX - 1).into(), i64::MAX.into(), equal),
        Ok(false),
        "whole numbers never go through doubles"
    );
    assert_eq!(both((i64::MAX - 1).into(), (i64::MAX as f64).into(), equal), Ok(true), "mixed ones do");
    assert_eq!(both(true.into(), 1.into(), equal), Ok(false));
    assert_eq!(both("1".into(), 1.into(), equal), Ok(false));
    assert_eq!(verdict(r#"attributes["x"] == attributes["y"]"#, map([])), Ok(true), "nothing is nothing");
}

#[test]
fn ids_compare_with_ids_alone() {
    let id = (1..=8).collect::<Vec<u8>>();
    let rows = [row([("span_id", V::Id(id.clone())), ("parent_span_id", V::Id(id))]), row([])];
    let ones = |condition: &str| run(Signal::Traces, &[condition], &rows).rows.ones().collect::<Vec<_>>();
    assert_eq!(ones("span_id == SpanID(0x0102030405060708)"), [0]);
    assert_eq!(ones(r#"span_id == SpanID("0102030405060708")"#), [0]);
    assert_eq!(ones("span_id == parent_span_id"), [0, 1]);
    assert_eq!(ones("span_id == 0x0102030405060708"), [] as [usize; 0], "bytes are no id");
    assert_eq!(ones(r#"span_id.string == "0102030405060708""#), [0]);
    assert_eq!(ones("span_id != nil"), [0, 1], "an id that is not there is all zeros");
    assert_eq!(ones("IsRootSpan()"), [1]);
}

/// A failure is neither true nor false, and `not` of it is one.
#[test]
fn failures_stay_failures_until_they_are_not_asked_for() {
    let bad = r#"HasPrefix(attributes["a"], "x")"#;
    let verdict = |condition: &str| verdict(condition, map([("a", 1.into())]));
    assert_eq!(verdict(bad), Err(Reason::NotText));
    assert_eq!(verdict(&format!("not {bad}")), Err(Reason::NotText));
    assert_eq!(verdict(&format!("kind == 2 or {bad}")), Ok(true));
    assert_eq!(verdict(&format!("kind == 3 and {bad}")), Ok(false));
    assert_eq!(verdict(&format!("{bad} or kind == 2")), Err(Reason::NotText));
    assert_eq!(verdict(&format!("{bad} and kind == 3")), Err(Reason::NotText));
    assert_eq!(verdict(&format!("{bad} and 1 == 2")), Ok(false), "constants decide when the text is read");
}

/// Each converter, with what it gives and where it fails.
#[test]
fn converters_convert() {
    let attributes = || {
        map([
            ("text", "Some HTTPName2".into()),
            ("int", 12.into()),
            ("double", 2.5.into()),
            ("bool", true.into()),
            ("digits", "-42".into()),
            ("bytes", V::Bytes(vec![0xab, 1])),
            ("list", V::List(vec![1.into(), "x".into()])),
            ("map", map([("k", "<v>".into()), ("a", V::Bytes(vec![1]))])),
            ("empty", V::Empty),
        ])
    };
    let truths = [
        r#"IsMatch(attributes["text"], "^Some\\s\\w+$")"#,
        r#"IsMatch(attributes["int"], "^1.$")"#,
        r#"IsMatch(attributes["map"], "\"k\"")"#,
        r#"not IsMatch(attributes["none"], ".*")"#,
        r#"IsMatch(name, Concat(["^A", "name$"], " "))"#,
        r#"HasPrefix(name, "A ") and HasSuffix(name, "name") and not HasSuffix(name, "A")"#,
        r#"Concat([attributes["int"], attributes["none"], true, 2.5], "-") == "12-<nil>-true-2.5""#,
        r#"Concat([], "-") == """#,
        r#"Int(attributes["digits"]) == -42 and Int(attributes["double"]) == 2 and Int(attributes["bool"]) == 1"#,
        r#"Int(attributes["none"]) == nil and Int(1.9) == 1 and Int(attributes["empty"]) == nil"#,
        r#"Double("1.5") == 1.5 and Double(attributes["int"]) == 12.0"#,
        r#"Bool("T") == true and Bool(attributes["int"]) == true and Bool(0.0) == false"#,
        r#"String(attributes["int"]) == "12" and String(attributes["bytes"]) == "ab01""#,
        r#"String(attributes["map"]) == "{\"a\":\"AQ==\",\"k\":\"\\u003cv\\u003e\"}""#,
        r#"String(attributes["list"]) == "[1,\"x\"]" and String(attributes["none"]) == nil"#,
        r#"String(100000000000000000000.0) == "100000000000000000000" and String(-0.0000001) == "-1e-07""#,
        r#"ConvertCase(attributes["text"], "lower") == "some httpname2""#,
        r#"ConvertCase(attributes["text"], "upper") == "SOME HTTPNAME2""#,
        r#"ConvertCase(attributes["text"], "snake") == "some_http_name_2""#,
        r#"ConvertCase("some_name-2", "camel") == "SomeName2""#,
        r#"ConvertCase("ẞßÄé", "lower") == "ßßäé" and ConvertCase("ßäΐᾳ", "upper") == "ßÄΐᾼ""#,
        r#"SHA256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad""#,
        r#"Len(name) == 6 and Len(attributes["list"]) == 2 and Len(attributes) == 9 and Len("ä") == 2"#,
        r#"IsString(name) and IsInt(kind) and IsDouble(attributes["double"]) and IsBool(attributes["bool"])"#,
        r#"IsMap(attributes["map"]) and IsMap(attributes) and IsList(attributes["list"]) and not IsString(nil)"#,
        r#"Substring("héllo", 1, 2) == "é" and Substring("héllo", 2, 2, utf8_safe=true) == "l""#,
        r#"Split("a,b,c", ",")[1] == "b" and Len(Split("aé", "")) == 2 and Split("", ",")[0] == """#,
        r#"attributes["list"][1] == "x" and attributes["map"]["k"] == "<v>" and attributes["map"]["z"] == nil"#,
        r#"attributes["int"] * 2 - 4 == 20 and -attributes["int"] == -12 and attributes["int"] / 5 == 2"#,
        r#"attributes["int"] / 5.0 == 2.4 and 2 + 3 * 2 == 8 and (2 + 3) * 2 == 10"#,
        r#"kind.string == "Server" and kind.deprecated_string == "SPAN_KIND_SERVER""#,
    ];
    for condition in truths {
        assert_eq!(verdict(condition, attributes()), Ok(true), "{condition}");
    }
    let failures = [
        (r#"HasPrefix(attributes["none"], "a")"#, Reason::NotText),
        (r#"Int(attributes["text"]) == 1"#, Reason::NotANumber),
        (r#"Int(attributes["list"]) == 1"#, Reason::Unconvertible),
        (r#"Double("1e999") == 1.5"#, Reason::NotANumber),
        (r#"Bool("yes") == true"#, Reason::NotABool),
        (r#"IsMatch(name, attributes["int"])"#, Reason::NotText),
        (r#"IsMatch(name, Concat(["("], ""))"#, Reason::BadPattern),
        (r#"attributes["list"][2] == 1"#, Reason::OutOfBounds),
        (r#"attributes["list"]["k"] == 1"#, Reason::NotIndexable),
        (r#"attributes["empty"]["k"] == 1"#, Reason::NotIndexable),
        (r#"Split("a", ",")[1] == "b""#, Reason::OutOfBounds),
        (r#"Substring(name, 0, 7) == "a""#, Reason::BadRange),
        (r#"Substring("é", 0, 1) == "a""#, Reason::BadRange),
        (r#"attributes["int"] / 0 == 1"#, Reason::DivisionByZero),
        (r#"attributes["text"] + 1 == 1"#, Reason::NotNumbers),
        (r#"Len(kind) == 1"#, Reason::NoLength),
        (r#"SpanID("12") == span_id"#, Reason::BadId),
        (r#"String(attributes["int"])["k"] == 1"#, Reason::NotIndexable),
    ];
    for (condition, reason) in failures {
        assert_eq!(verdict(condition, attributes()), Err(reason), "{condition}");
    }
}

/// Go's flavour of regular expressions, where it differs from that of the engine.
#[test]
fn patterns_mean_what_they_mean_in_go() {
    let cases = [
        (r"^\d$", "5", true),
        (r"^\d$", "٣", false),
        (r"^\w$", "é", false),
        (r"^\W$", "é", true),
        (r"\bcaf\b", "café", true),
        (r"^[\w-]+$", "a-b", true),
        (r"^[\D]$", "5", false),
        (r"^[^\d\s]$", "é", true),
        (r"^\Qa.b\E$", "a.b", true),
        (r"^\Qa.b\E$", "axb", false),
        (r"^\101$", "A", true),
        (r"^\<\>\_\-$", "<>_-", true),
        (r"^{a}$", "{a}", true),
        (r"^a{,2}$", "a{,2}", true),
        (r"^a{1,2}$", "aa", true),
        (r"^[[]$", "[", true),
        (r"^[]]$", "]", true),
        (r"^[^]]$", "]", false),
        (r"^[a&&b]$", "&", true),
        (r"^[[:alpha:]&]+$", "a&", true),
        (r"^[a-c--z]$", "-", true),
        (r"(?i)^ÄB$", "äb", true),
        (r"(?s)^.$", "\n", true),
        (r"^.$", "\n", false),
        (r"^\pL\p{Greek}$", "aα", true),
        (r"^a$", "a\n", false),
    ];
    for (pattern, text, expected) in cases {
        let regex = crate::pattern::compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        assert_eq!(regex.is_match(text), expected, "{pattern} on {text:?}");
    }
    for pattern in [r"\1", r"(?=a)", r"a**b(", r"[z-a]", r"\8", r"(?P<n", "a{1,1000000}{1000}{1000}"] {
        assert!(crate::pattern::compile(pattern).is_err(), "{pattern}");
    }
}

/// Three conditions over rows that fail one of them: the next are asked, and each failure is told once.
#[test]
fn error_modes_do_what_their_names_say() {
    let rows = [
        row([("attributes", map([("a", 1.into())]))]),
        row([("attributes", map([("a", "x".into())]))]),
        row([("attributes", map([("a", 2.into())])), ("kind", 2.into())]),
    ];
    let conditions = [r#"HasPrefix(attributes["a"], "x")"#, "kind == 2"];
    let run = |mode: ErrorMode| {
        let mut program = Program::conditions(Signal::Traces, &conditions, mode).expect("conditions");
        let bytes = block(program.columns(), &rows, false);
        let block = Block::check(&bytes).expect("a sound block");
        program.matches(&block, rows.len())
    };
    let ignored = run(ErrorMode::Ignore).expect("goes on");
    assert_eq!(ignored.rows.ones().collect::<Vec<_>>(), [1, 2]);
    let [failure] = ignored.failures.as_slice() else { panic!("one failure: {:?}", ignored.failures) };
    assert_eq!((failure.expression, failure.rows, failure.first_row), (0, 2, 0));
    let silent = run(ErrorMode::Silent).expect("goes on");
    assert_eq!((silent.rows, silent.failures.len()), (ignored.rows, 0));
    match run(ErrorMode::Propagate) {
        Err(EvalError::Row { row: 0, reason: Reason::NotText, expression }) => assert_eq!(expression, conditions[0]),
        other => panic!("the first failing row ends the call: {other:?}"),
    }
}

/// Columns that are not those that were asked for: missing, of another kind, of another length.
#[test]
fn other_columns_than_asked_for_are_refused() {
    let rows = [row([("name", "a".into())])];
    let mut program =
        Program::conditions(Signal::Traces, &["name == \"a\" and kind == 1"], ErrorMode::Ignore).expect("a condition");
    let mut wanted = program.columns().to_vec();
    wanted.swap(0, 1);
    for (wanted, count) in [(&wanted[..], 1), (&wanted[1..], 1), (&program.columns().to_vec()[..], 2)] {
        let bytes = block(wanted, &rows, false);
        let block = Block::check(&bytes).expect("a sound block");
        assert!(matches!(program.matches(&block, count), Err(EvalError::Column { .. })));
    }
}

/// No rows at all, and no conditions at all.
#[test]
fn nothing_to_do_is_done() {
    let matched = run(Signal::Logs, &["body == \"a\"", "IsMatch(body, \"a\")"], &[]);
    assert_eq!((matched.rows.len(), matched.failures.len()), (0, 0));
    let matched = run(Signal::Logs, &[], &[row([])]);
    assert!(matched.rows.is_none());
}
