use wasmill_sdk::testing::{Answer, Cell, Harness};

use super::*;

const CARDS: &str = r#""blocked_values": ["4[0-9]{12}"]"#;
const CARD: &str = "4111111111111";

fn start(config: &str) -> Harness<Redact> {
    Harness::start(config).unwrap_or_else(|error| panic!("{config}: {}", error.message()))
}

fn refusal(config: &str) -> String {
    let Err(error) = Harness::<Redact>::start(config) else { panic!("`{config}` is refused") };
    error.message().to_owned()
}

/// One record with these attributes, through a plugin with this config.
fn attributes(config: &str, entries: &[(&str, Cell)]) -> Answer {
    let map = Cell::attributes(entries.iter().map(|(key, value)| (*key, value.clone())));
    start(config).slice(Signal::Traces, 1).with("attributes", [map]).process().unwrap()
}

/// Entries that were set, by place; then those that were removed; then what was added.
fn edits(answer: &Answer, path: &str) -> (Vec<(usize, Cell)>, Vec<usize>, Vec<Cell>) {
    let (mut set, mut removed, mut added) = (Vec::new(), Vec::new(), Vec::new());
    for edit in answer.edits().iter().filter(|edit| edit.path == path) {
        for (target, value) in edit.targets.iter().zip(&edit.values) {
            match (edit.entries, value) {
                (true, Cell::Absent) => removed.push(*target),
                (true, value) => set.push((*target, value.clone())),
                (false, value) => added.push(value.clone()),
            }
        }
    }
    (set, removed, added)
}

/// Rows with and without a find, in texts that repeat: only entries with one change, where it is and no further.
#[test]
fn what_is_blocked_is_masked_where_it_is() {
    let maps = [
        Cell::attributes([("note", "card 4111111111111, then 4222222222222."), ("name", "x")]),
        Cell::attributes([("note", "nothing")]),
        Cell::attributes([("note", CARD), ("count", "4")]),
        Cell::attributes(Vec::<(&str, Cell)>::new()),
        Cell::attributes([("note", CARD)]),
    ];
    let mut plugin = start(&format!("{{{CARDS}}}"));
    for signal in Signal::ALL {
        let answer = plugin.slice(signal, 5).with("attributes", maps.clone()).process().unwrap();
        let (set, removed, added) = edits(&answer, "attributes");
        let masked = |place, text: &str| (place, Cell::from(text));
        assert_eq!(set, [masked(0, "card ****, then ****."), masked(3, "****"), masked(5, "****")]);
        assert!(removed.is_empty() && added.is_empty());
        assert_eq!(answer.edits().len(), 1, "nothing else is touched");
    }
}

/// Resources and scopes are looked at as records are.
#[test]
fn parents_are_looked_at() {
    let mut plugin = start(&format!("{{{CARDS}}}"));
    let map = Cell::attributes([("owner", CARD)]);
    for path in ["resource.attributes", "scope.attributes"] {
        let slice = plugin.slice(Signal::Metrics, 2).with(path, [map.clone(), map.clone()]);
        let (set, ..) = edits(&slice.process().unwrap(), path);
        assert_eq!(set, [(0, Cell::from("****")), (1, Cell::from("****"))]);
    }
}

/// Keys: those that are not allowed go, blocked ones are masked whole and by line, ignored ones stay whatever they hold, an allowed
/// value stays under a blocked key.
#[test]
fn keys_decide() {
    let entries = [
        ("id", Cell::Int(7)),
        ("password", Cell::from("a\nb")),
        ("token", Cell::Int(9)),
        ("secret", Cell::from("public")),
        ("raw", Cell::from(CARD)),
        ("other", Cell::from("x")),
        ("redaction.masked.count", Cell::Int(1)),
    ];
    let config = r#"{"blocked_values": ["4[0-9]{12}"], "allowed_keys": ["id", "password", "token", "secret"],
        "blocked_keys": ["token"], "blocked_key_patterns": ["^pass", "secret"], "ignored_keys": ["raw"],
        "allowed_values": ["^public$"]}"#;
    let (set, removed, added) = edits(&attributes(config, &entries), "attributes");
    assert_eq!(set, [(1, Cell::from("****\n****")), (2, Cell::from("****"))]);
    assert_eq!((removed, added), (vec![5], vec![]));
    let (_, removed, _) = edits(&attributes(r#"{"allow_all_keys": false}"#, &entries), "attributes");
    assert_eq!(removed, [0, 1, 2, 3, 4, 5], "nothing is allowed, nothing stays");
    assert!(attributes(r#"{"allow_all_keys": true, "allowed_keys": ["id"]}"#, &entries).edits().is_empty());
}

/// Values of other types are looked at only where that is asked for, and become text where something is masked.
#[test]
fn other_types_are_looked_at_if_asked() {
    let entries = [("card", Cell::Int(4_111_111_111_111)), ("ok", Cell::Boolean(true))];
    assert!(attributes(&format!("{{{CARDS}}}"), &entries).edits().is_empty());
    let (set, ..) = edits(&attributes(&format!(r#"{{{CARDS}, "redact_all_types": true}}"#), &entries), "attributes");
    assert_eq!(set, [(0, Cell::from("****"))]);
}

/// A hash in place of the stars: the same for the same text, another for another key. The values are those of the usual tools.
#[test]
fn hashes_stand_for_what_is_masked() {
    let key = "0123456789abcdef0123456789abcdef";
    let masked = |function: &str, key: &str| {
        let config = format!(r#"{{"blocked_values": ["secret"], "hash_function": "{function}", "hmac_key": "{key}"}}"#);
        edits(&attributes(&config, &[("a", Cell::from("my secret"))]), "attributes").0[0].1.clone()
    };
    assert_eq!(masked("md5", ""), Cell::from("my 5ebe2294ecd0e0f08eab7690d2a6ee69"));
    assert_eq!(masked("sha1", ""), Cell::from("my e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"));
    let (one, two) = (masked("hmac-sha256", key), masked("hmac-sha256", &key.replace('0', "1")));
    assert_eq!(one, masked("hmac-sha256", key));
    assert_ne!(one, two);
    assert!(matches!(one, Cell::Text(text) if text.len() == 3 + 64));
    assert!(matches!(masked("hmac-sha512", &key.repeat(2)), Cell::Text(text) if text.len() == 3 + 128));
    assert!(matches!(masked("sha3", ""), Cell::Text(text) if text.len() == 3 + 64));
}

/// What was done is said in attributes, added to what an earlier processor said.
#[test]
fn summaries_tell_what_was_done() {
    let entries = [
        ("b", Cell::from(CARD)),
        ("a", Cell::from(CARD)),
        ("gone", Cell::from("x")),
        ("ignored", Cell::from(CARD)),
        ("redaction.masked.keys", Cell::from("z")),
        ("redaction.masked.count", Cell::Int(1)),
    ];
    let config = |summary: &str| {
        format!(r#"{{{CARDS}, "allowed_keys": ["a", "b"], "ignored_keys": ["ignored"], "summary": "{summary}"}}"#)
    };
    let (.., added) = edits(&attributes(&config("debug"), &entries), "attributes");
    let expected = Cell::attributes([
        ("redaction.redacted.keys", Cell::from("gone")),
        ("redaction.redacted.count", Cell::Int(1)),
        ("redaction.masked.keys", Cell::from("a,b,z")),
        ("redaction.masked.count", Cell::Int(3)),
        ("redaction.ignored.count", Cell::Int(1)),
    ]);
    assert_eq!(added, [expected]);
    let (.., added) = edits(&attributes(&config("info"), &entries), "attributes");
    assert_eq!(
        added,
        [Cell::attributes([
            ("redaction.redacted.count", 1_i64),
            ("redaction.masked.count", 3),
            ("redaction.ignored.count", 1),
        ])]
    );
    let (.., added) = edits(&attributes(&config("silent"), &entries), "attributes");
    assert!(added.is_empty());
}

/// Events of spans: one that changes gets its attributes anew, the others stay.
#[test]
fn events_are_looked_at() {
    let event = |text: &str| Cell::attributes([("user", Cell::from("u")), ("note", Cell::from(text))]);
    let events = [Cell::list([event("fine"), event(CARD)]), Cell::list(Vec::<Cell>::new()), Cell::list([event(CARD)])];
    let config = format!(r#"{{{CARDS}, "summary": "info"}}"#);
    let answer = start(&config).slice(Signal::Traces, 3).with(EVENTS, events).process().unwrap();
    let [edit] = answer.edits() else { panic!("one edit: {:?}", answer.edits()) };
    assert_eq!((edit.path.as_str(), edit.entries, edit.targets.as_slice()), (EVENTS, true, &[1, 2][..]));
    let changed = Cell::attributes([
        ("user", Cell::from("u")),
        ("note", Cell::from("****")),
        ("redaction.masked.count", Cell::Int(1)),
    ]);
    assert_eq!(edit.values, [changed.clone(), changed]);
}

/// Bodies: texts are masked; the summary stands among the record's attributes.
#[test]
fn bodies_are_looked_at() {
    let bodies = [Cell::from("paid with 4111111111111"), Cell::from("ok"), Cell::Int(4_111_111_111_111), Cell::Absent];
    let config = format!(r#"{{{CARDS}, "summary": "debug"}}"#);
    let answer = start(&config).slice(Signal::Logs, 4).with(BODY, bodies).process().unwrap();
    let body = answer.column(BODY);
    assert_eq!(body[0], Some(Cell::from("paid with ****")));
    assert_eq!((body[1].clone(), body[2].clone(), body[3].clone()), (None, Some(Cell::from("****")), None));
    let told = Cell::attributes([
        ("redaction.body.masked.keys", Cell::from("body")),
        ("redaction.body.masked.count", Cell::Int(1)),
    ]);
    assert_eq!(answer.column("attributes"), [Some(told.clone()), None, Some(told), None]);
}

/// Names of spans, if asked.
#[test]
fn names_are_masked_if_asked() {
    let names = ["GET /pay/4111111111111", "GET /", "GET /pay/4111111111111"];
    let config = format!(r#"{{{CARDS}, "span_names": true}}"#);
    let answer = start(&config).slice(Signal::Traces, 3).with(NAME, names).process().unwrap();
    assert_eq!(answer.column(NAME), [Some(Cell::from("GET /pay/****")), None, Some(Cell::from("GET /pay/****"))]);
    assert!(!start(&format!("{{{CARDS}}}")).paths(Signal::Traces).contains(&NAME));
}

#[test]
fn mistakes_are_refused() {
    let message = refusal(r#"{"blocked_values": ["ok", "("]}"#);
    assert!(message.starts_with("`blocked_values[1]`: `(` is not a valid regular expression"), "{message}");
    assert!(refusal(r#"{"hash_function": "hmac-sha256"}"#).starts_with("`hmac_key` is missing"));
    let short = refusal(r#"{"hash_function": "hmac-sha512", "hmac_key": "0123456789abcdef0123456789abcdef"}"#);
    assert_eq!(short, "`hmac_key` has 32 bytes, `hmac-sha512` needs at least 64");
    assert!(refusal(r#"{"hash_function": "rot13"}"#).contains("`rot13`"));
    assert!(refusal(r#"{"summary": "loud"}"#).contains("`loud`"));
    assert!(refusal(r#"{"blocked_value": []}"#).contains("unknown field `blocked_value`"));
}

/// It edits and nothing else.
#[test]
fn it_declares_what_it_does() {
    let plugin = start("{}");
    assert_eq!(plugin.uses(), [Use::Edits]);
    assert_eq!(plugin.signals().len(), 3);
}
