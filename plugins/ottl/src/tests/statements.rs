//! Statements: what they change, and in which shape the changes are handed on.

use wasmill_columns::{Block, Column};

use super::model::{Row, V, block, lookup, map, row};
use super::telemetry::apply;
use crate::{Change, Edited, ErrorMode, Program, Signal, Target};

fn edit(signal: Signal, statements: &[&str], rows: &[Row]) -> (Edited, Vec<Row>) {
    let mut program =
        Program::statements(signal, statements, ErrorMode::Ignore).unwrap_or_else(|errors| panic!("{}", errors[0]));
    let bytes = block(program.columns(), rows, true);
    let block = Block::check(&bytes).expect("a sound block");
    let edited = program.edits(&block, rows.len()).expect("no failure that ends the call");
    let mut rows = rows.to_vec();
    apply(&mut rows, &edited.edits);
    (edited, rows)
}

/// The attributes of one span after statements.
fn attributes(statements: &[&str], before: V) -> V {
    let (_, rows) = edit(Signal::Traces, statements, &[row([("name", "a name".into()), ("attributes", before)])]);
    rows[0]["attributes"].clone()
}

/// The statement of the documentation: rows of one service get an attribute, in one edit with one value.
#[test]
fn a_constant_for_some_rows_is_one_edit_with_one_value() {
    let span = |service: &str| row([("resource.attributes", map([("service.name", service.into())]))]);
    let rows = [span("checkout"), span("shop"), span("checkout")];
    let statement = r#"set(attributes["team"], "payments") where resource.attributes["service.name"] == "checkout""#;
    let program = Program::statements(Signal::Traces, &[statement], ErrorMode::Propagate).expect("a statement");
    let paths: Vec<&str> = program.columns().iter().map(|wanted| wanted.path.as_str()).collect();
    assert_eq!(paths, [r#"resource.attributes["service.name"]"#], "what is only written is not asked for");
    let (edited, after) = edit(Signal::Traces, &[statement], &rows);
    let [edit] = edited.edits.as_slice() else { panic!("one edit: {edited:?}") };
    assert_eq!(edit.path, r#"attributes["team"]"#);
    assert!(matches!(&edit.target, Target::Rows(rows) if rows.ones().eq([0, 2])));
    let Change::Set(values) = &edit.change else { panic!("a value: {edit:?}") };
    let values = Block::check(values).expect("a sound block");
    match values.column(0) {
        Some(Column::Any(any)) => assert_eq!((any.len(), any.text().map(|text| text.len())), (2, Some(1))),
        other => panic!("an any column: {other:?}"),
    }
    let team = r#"attributes["team"]"#;
    assert_eq!(
        after.iter().map(|row| lookup(row, team)).collect::<Vec<_>>(),
        [Some(&V::from("payments")), None, Some(&V::from("payments"))]
    );
}

/// Conditions that are true for nothing leave no trace.
#[test]
fn nothing_changed_is_no_edit() {
    let rows = [row([("name", "a".into()), ("attributes", map([("k", "v".into())]))])];
    let statements = [
        r#"set(name, "b") where name == "c""#,
        r#"delete_matching_keys(attributes, "^x")"#,
        r#"keep_keys(attributes, ["k"])"#,
        r#"replace_pattern(name, "z", "y")"#,
        "truncate_all(attributes, 100)",
        r#"limit(attributes, 5, [])"#,
    ];
    let (edited, _) = edit(Signal::Traces, &statements, &rows);
    assert_eq!(edited, Edited { edits: vec![], failures: vec![] });
}

/// Each statement sees what those before it did: entries, whole maps, fields.
#[test]
fn later_statements_see_what_earlier_ones_changed() {
    let after = attributes(
        &[
            r#"set(attributes["a"], name)"#,
            r#"set(attributes["b"], Concat([attributes["a"], "!"], ""))"#,
            r#"set(attributes["c"], "yes") where attributes["b"] == "a name!""#,
            r#"delete_key(attributes, "a")"#,
            r#"set(attributes["d"], "gone") where attributes["a"] == nil"#,
        ],
        map([]),
    );
    assert_eq!(after, map([("b", "a name!".into()), ("c", "yes".into()), ("d", "gone".into())]));
    let after = attributes(
        &[
            r#"set(attributes["long"], "12345678")"#,
            "truncate_all(attributes, 4)",
            r#"set(attributes["seen"], attributes["long"])"#,
            r#"set(attributes["count"], Len(attributes))"#,
            r#"delete_matching_keys(attributes, "^o")"#,
        ],
        map([("old", "abcdefgh".into())]),
    );
    assert_eq!(after, map([("long", "1234".into()), ("seen", "1234".into()), ("count", 3.into())]));
    let (_, rows) = edit(
        Signal::Traces,
        &[r#"set(name, "x")"#, r#"set(status.message, name)"#, r#"set(kind, 3) where name == "x""#],
        &[row([("name", "a".into())])],
    );
    assert_eq!((&rows[0]["status.message"], &rows[0]["kind"]), (&V::from("x"), &V::from(3)));
}

#[test]
fn editors_edit() {
    let before = || {
        map([
            ("http.method", "GET".into()),
            ("http.url", "/a/1?x=2".into()),
            ("n", 7.into()),
            ("m", map([("a", 1.into()), ("b", "größe".into())])),
        ])
    };
    let entries = |keys: &[&str]| match before() {
        V::Map(entries) => V::Map(entries.into_iter().filter(|(key, _)| keys.contains(&key.as_str())).collect()),
        _ => V::Empty,
    };
    let one = |statement: &str| attributes(&[statement], before());
    let with = |key: &str, value: V| match before() {
        V::Map(mut entries) => {
            match entries.iter_mut().find(|(name, _)| name == key) {
                Some(entry) => entry.1 = value,
                None => entries.push((key.to_owned(), value)),
            }
            V::Map(entries)
        }
        _ => V::Empty,
    };
    assert_eq!(one(r#"delete_key(attributes, "n")"#), entries(&["http.method", "http.url", "m"]));
    assert_eq!(one(r#"delete_key(attributes, "none")"#), before());
    assert_eq!(one(r#"delete_matching_keys(attributes, "^http\\.")"#), entries(&["n", "m"]));
    assert_eq!(one(r#"keep_matching_keys(attributes, "^http\\.")"#), entries(&["http.method", "http.url"]));
    assert_eq!(one(r#"keep_keys(attributes, ["n", "none"])"#), entries(&["n"]));
    assert_eq!(one("keep_keys(attributes, [])"), map([]));
    assert_eq!(one(r#"limit(attributes, 2, ["m"])"#), entries(&["http.method", "m"]));
    assert_eq!(one("truncate_all(attributes, 2)"), {
        map([("http.method", "GE".into()), ("http.url", "/a".into()), ("n", 7.into()), ("m", entries_of_m())])
    });
    assert_eq!(one(r#"delete_key(attributes["m"], "a")"#), with("m", map([("b", "größe".into())])));
    assert_eq!(one(r#"truncate_all(attributes["m"], 3)"#), with("m", map([("a", 1.into()), ("b", "gr".into())])));
    assert_eq!(
        one(r#"truncate_all(attributes["m"], 4, truncation_marker="…")"#),
        with("m", map([("a", 1.into()), ("b", "g…".into())]))
    );
    assert_eq!(
        one(r#"replace_pattern(attributes["http.url"], "/(\\d+)\\?(?P<q>.*)$", "/{id}-${1}-$q-$$-$none")"#),
        with("http.url", "/a/{id}-1-x=2-$-".into())
    );
    assert_eq!(one(r#"replace_pattern(attributes["n"], "7", "8")"#), before(), "numbers are no text");
    assert_eq!(one(r#"replace_all_patterns(attributes, "value", "^G", "P")"#), with("http.method", "PET".into()));
    assert_eq!(
        one(r#"replace_all_patterns(attributes, "key", "^http\\.", "")"#).sorted(),
        map([("m", entries_of_m()), ("method", "GET".into()), ("n", 7.into()), ("url", "/a/1?x=2".into())])
    );
    assert_eq!(one(r#"set(attributes["m"]["c"]["d"], [1, 2.5])"#), {
        let list = V::List(vec![1.into(), 2.5.into()]);
        with("m", map([("a", 1.into()), ("b", "größe".into()), ("c", map([("d", list)]))]))
    });
    assert_eq!(one(r#"set(attributes["l"][1], true)"#), with("l", V::List(vec![V::Empty, true.into()])));
    assert_eq!(one(r#"set(attributes["z"], nil)"#), with("z", V::Empty));
    assert_eq!(one(r#"set(attributes, {"a": 1, "b": {"c": name}})"#), {
        map([("a", 1.into()), ("b", map([("c", "a name".into())]))])
    });
    let merge = |strategy: &str| one(&format!(r#"merge_maps(attributes, {{"n": 8, "new": 9}}, "{strategy}")"#));
    assert_eq!(merge("insert"), with("new", 9.into()));
    assert_eq!(merge("update"), with("n", 8.into()));
    assert_eq!(merge("upsert"), attributes(&[r#"set(attributes["new"], 9)"#], with("n", 8.into())));
}

fn entries_of_m() -> V {
    map([("a", 1.into()), ("b", "größe".into())])
}

/// A value of another type than the field, an index that is not there: the row is left as it was and told, others go on.
#[test]
fn rows_that_fail_are_left_alone() {
    let rows = [
        row([("name", "a".into()), ("attributes", map([("v", "text".into())]))]),
        row([("name", "b".into()), ("attributes", map([("v", 7.into())]))]),
        row([("name", "c".into())]),
    ];
    let (edited, after) =
        edit(Signal::Traces, &[r#"set(name, attributes["v"])"#, r#"set(kind, attributes["v"])"#], &rows);
    assert_eq!(
        edited.failures.iter().map(|failure| (failure.expression, failure.rows)).collect::<Vec<_>>(),
        [(0, 2), (1, 2)]
    );
    assert_eq!(after.iter().map(|row| &row["name"]).collect::<Vec<_>>(), [&"text".into(), &"b".into(), &"c".into()]);
    assert_eq!(after.iter().map(|row| row.get("kind")).collect::<Vec<_>>(), [None, Some(&7.into()), None]);
}

/// Entries that changed go back by their places, those that came by a merge, and nothing else is touched.
#[test]
fn only_entries_that_differ_are_handed_back() {
    let attributes = || map([("a", "1".into()), ("b", "22".into()), ("c", "333".into())]);
    let rows = [row([("attributes", attributes())]), row([("attributes", attributes())])];
    let statements =
        [r#"delete_matching_keys(attributes, "^a")"#, "truncate_all(attributes, 2)", r#"set(attributes["d"], 4)"#];
    let (edited, _) = edit(Signal::Traces, &statements, &rows);
    let shape: Vec<_> = edited
        .edits
        .iter()
        .map(|edit| match (&edit.target, &edit.change) {
            (Target::Entries(places), Change::Set(_)) => format!("set {places:?}"),
            (Target::Entries(places), Change::Remove) => format!("remove {places:?}"),
            (Target::All, Change::Merge(_)) => "merge all".to_owned(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(shape, ["set [2, 5]", "remove [0, 3]", "merge all"]);
    assert!(edited.edits.iter().all(|edit| edit.path == "attributes"));
}

/// Data points: a value of one type takes the other's place, and a point without the field is left alone.
#[test]
fn data_points_keep_their_kind() {
    let number = |name: &str, value: V| row([("metric.type", 1.into()), (name, value)]);
    let rows = [
        number("value_int", 5.into()),
        number("value_double", 2.5.into()),
        row([("metric.type", 3.into()), ("count", 1.into())]),
    ];
    let statements = ["set(value_double, 1.5)", "set(value_int, 9) where value_double == 1.5", "set(count, 3)"];
    let (edited, after) = edit(Signal::Metrics, &statements, &rows);
    let of = |name: &str| after.iter().map(|row| row.get(name).cloned()).collect::<Vec<_>>();
    assert_eq!(of("value_int"), [Some(9.into()), Some(9.into()), None]);
    assert_eq!(of("value_double"), [None, None, None]);
    assert_eq!(of("count"), [None, None, Some(3.into())]);
    assert_eq!(edited.failures.iter().map(|failure| failure.rows).collect::<Vec<_>>(), [1, 2]);
}
