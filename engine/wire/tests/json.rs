//! OTLP/JSON: documents mean what the requests mean that they stand for. The Collector's opinion is asked in the
//! whole-engine tests (`tests/json.rs` at the top).

mod requests;

use proptest::prelude::*;
use requests::json::{self, BYTES_MAX, meaning, read, write};
use requests::{Choices, corpus, model, odd, plain};
use serde_json::Value;
use wasmill_wire::{JsonDocument, JsonError, Projection, Signal, WireBatch, from_json, to_json};

fn signal() -> impl Strategy<Value = Signal> {
    prop::sample::select(&Signal::ALL[..])
}

fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..3000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any request in any encoding, unknown fields and repeated singular messages included: to JSON and back.
    #[test]
    fn there_and_back(signal in signal(), bytes in choices()) {
        json::request(signal, &plain(signal, &mut Choices::new(&bytes)));
        json::request(signal, &odd(signal, &mut Choices::new(&bytes)));
    }

    /// The same document as another writer might have it means the same.
    #[test]
    fn disguised(signal in signal(), bytes in choices()) {
        let mut c = Choices::new(&bytes);
        let wire = plain(signal, &mut c);
        let value: Value = serde_json::from_slice(&write(signal, &wire)).expect("JSON");
        let mut other = String::new();
        json::disguised(&mut c, &value, "", &mut other);
        let back = read(signal, other.as_bytes());
        let back = back.unwrap_or_else(|error| panic!("{error}: {other}"));
        prop_assert_eq!(meaning(signal, &back), meaning(signal, &wire), "{}", other);
    }

    /// A document with some bytes changed: refused, or a request.
    #[test]
    fn damaged(
        signal in signal(),
        bytes in choices(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut document = write(signal, &plain(signal, &mut Choices::new(&bytes)));
        for (at, byte) in changes {
            let at = at.index(document.len());
            // A byte of the document's own as often as any.
            document[at] = if byte & 1 == 0 { document[usize::from(byte) % document.len()] } else { byte };
        }
        json::document(signal, &document);
    }

    /// Bytes that are no request do not bring the writer down; what prost takes, it takes.
    #[test]
    fn damaged_wire(
        signal in signal(),
        bytes in choices(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut request = odd(signal, &mut Choices::new(&bytes));
        for (at, byte) in changes.into_iter().filter(|_| !request.is_empty()).collect::<Vec<_>>() {
            let at = at.index(request.len());
            request[at] = if byte & 1 == 0 { byte >> 3 } else { byte };
        }
        match model::decode(signal, &request) {
            Ok(_) => json::request(signal, &request),
            Err(_) => drop(to_json(JsonDocument::Request(signal), &request, &mut Vec::new())),
        }
    }
}

/// A document that ends too early is refused, wherever that is, and whatever follows one is, too.
#[test]
fn cut_and_continued() {
    for (signal, seed) in Signal::ALL.into_iter().flat_map(|signal| (0..4).map(move |seed| (signal, seed))) {
        let document = write(signal, &plain(signal, &mut Choices::new(&corpus(seed))));
        for end in 0..document.len().min(3000) {
            assert!(read(signal, &document[..end]).is_err(), "{}", String::from_utf8_lossy(&document[..end]));
        }
        for garbage in ["x", "{}", ",", "\0", "]"] {
            let error = read(signal, &[&document, garbage.as_bytes()].concat()).expect_err("garbage behind it");
            assert!(error.to_string().contains("expected the end of the document"), "{error}");
        }
        assert!(read(signal, &[&document, " \r\n\t".as_bytes()].concat()).is_ok());
    }
}

/// A span's fields as JSON, read and written again.
fn span(fields: &str) -> Result<String, JsonError> {
    let around = |fields: &str| format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{fields}]}}]}}]}}"#);
    let wire = read(Signal::Traces, around(fields).as_bytes())?;
    let json = String::from_utf8(write(Signal::Traces, &wire)).expect("UTF-8");
    let [before, behind] = [0, 1].map(|part| around("|").split('|').nth(part).unwrap().to_owned());
    Ok(json.strip_prefix(&before).and_then(|json| json.strip_suffix(&behind)).expect("one span").to_owned())
}

/// What each form of a value means. Left as it is taken, right as it is written.
#[test]
fn forms_of_values() {
    for (taken, written) in [
        (r#"{"traceId":"5B8EFFF798038103d269b633813fc60c"}"#, r#"{"traceId":"5b8efff798038103d269b633813fc60c"}"#),
        (r#"{"traceId":"\u0030\u0061"}"#, r#"{"traceId":"0a"}"#),
        (r#"{"traceId":""}"#, "{}"),
        (r#"{"tr\u0061ceId":"0a"}"#, r#"{"traceId":"0a"}"#),
        (r#"{"startTimeUnixNano":18446744073709551615}"#, r#"{"startTimeUnixNano":"18446744073709551615"}"#),
        (r#"{"start_time_unix_nano":"1"}"#, r#"{"startTimeUnixNano":"1"}"#),
        (r#"{"startTimeUnixNano":1.5447126603e18}"#, r#"{"startTimeUnixNano":"1544712660300000000"}"#),
        (r#"{"kind":"SPAN_KIND_CLIENT"}"#, r#"{"kind":3}"#),
        (r#"{"kind":77}"#, r#"{"kind":77}"#),
        (r#"{"kind":-1}"#, r#"{"kind":-1}"#),
        (r#"{"kind":3,"kind":0}"#, "{}"),
        (r#"{"kind":null,"name":null,"status":null,"events":null,"traceId":null}"#, "{}"),
        (r#"{"events":[null,{}],"name":"a"}"#, r#"{"name":"a","events":[{},{}]}"#),
        (r#"{"status":{},"events":[]}"#, r#"{"status":{}}"#),
        (
            r#"{"status":{"code":"STATUS_CODE_ERROR"},"status":{"message":"m"}}"#,
            r#"{"status":{"message":"m","code":2}}"#,
        ),
        (
            r#"{"events":[{"name":"a"}],"name":"s","events":[{"name":"b"}]}"#,
            r#"{"name":"s","events":[{"name":"a"},{"name":"b"}]}"#,
        ),
        (r#"{"name":"\ud83d\ude00\ud800 \"\\\/\n\u0001é"}"#, "{\"name\":\"😀\u{fffd} \\\"\\\\/\\n\\u0001é\"}"),
        (r#"{"flags":256,"droppedEventsCount":4294967295}"#, r#"{"flags":256,"droppedEventsCount":4294967295}"#),
    ] {
        assert_eq!(span(taken).unwrap_or_else(|error| panic!("{taken}: {error}")), written, "{taken}");
    }
    for (taken, written) in [
        (r#"{"intValue":"-9223372036854775808"}"#, r#"{"intValue":"-9223372036854775808"}"#),
        (r#"{"intValue":0}"#, r#"{"intValue":"0"}"#),
        (r#"{"doubleValue":"NaN"}"#, r#"{"doubleValue":"NaN"}"#),
        (r#"{"doubleValue":"-Infinity"}"#, r#"{"doubleValue":"-Infinity"}"#),
        (r#"{"doubleValue":"1.5"}"#, r#"{"doubleValue":1.5}"#),
        (r#"{"doubleValue":-0.0}"#, r#"{"doubleValue":-0}"#),
        (r#"{"doubleValue":1E+300}"#, r#"{"doubleValue":1e300}"#),
        (r#"{"doubleValue":5e-324}"#, r#"{"doubleValue":5e-324}"#),
        (r#"{"boolValue":false}"#, r#"{"boolValue":false}"#),
        (r#"{"stringValue":""}"#, r#"{"stringValue":""}"#),
        (r#"{"bytesValue":"-_8"}"#, r#"{"bytesValue":"+/8="}"#),
        (r#"{"bytesValue":""}"#, r#"{"bytesValue":""}"#),
        (r#"{"bytes_value":"AA=\u003d"}"#, r#"{"bytesValue":"AA=="}"#),
        (r#"{"stringValue":"a","intValue":1}"#, r#"{"intValue":"1"}"#),
        (
            r#"{"intValue":1,"arrayValue":{"values":[{"intValue":2},null]}}"#,
            r#"{"arrayValue":{"values":[{"intValue":"2"},{}]}}"#,
        ),
        (r#"{"kvlistValue":{"values":[{"key":"k"}]}}"#, r#"{"kvlistValue":{"values":[{"key":"k"}]}}"#),
        (r#"{"stringValue":null}"#, "{}"),
    ] {
        let attribute = |value: &str| format!(r#"{{"attributes":[{{"key":"a","value":{value}}}]}}"#);
        let found = span(&attribute(taken)).unwrap_or_else(|error| panic!("{taken}: {error}"));
        assert_eq!(found, attribute(written), "{taken}");
    }
}

/// What is refused: where, and with what text.
#[test]
fn refusals_say_where_and_why() {
    for (json, offset, reason) in [
        ("", 0, "expected an object, found the end"),
        ("null", 0, "expected an object, found null"),
        ("[]", 0, "expected an object, found a list"),
        ("\u{feff}{}", 0, "expected an object, found something else"),
        ("{} {}", 3, "expected the end of the document, found an object"),
        (r#"{"resourceSpans""#, 16, "expected a colon, found the end"),
        (r#"{"resourceSpans":[],}"#, 20, "expected a name in quotes, found the end of an object"),
        (r#"{resourceSpans:[]}"#, 1, "expected a name in quotes, found something else"),
        (r#"{"resourceSpans":[{},]}"#, 21, "`resourceSpans` is an object, found the end of a list"),
        (r#"{"resourceSpans":[{} {}]}"#, 21, "expected a comma or the end of the list, found an object"),
        (r#"{"resourceSpans":{}}"#, 17, "`resourceSpans` is a list, found an object"),
        (r#"{"resourceSpans":[1]}"#, 18, "`resourceSpans` is an object, found a number"),
        (r#"{"x":[1,2"#, 9, "expected a comma or the end of the list, found the end"),
        (r#"{"x":tru}"#, 5, "expected a value, found something else"),
        (r#"{"x":01}"#, 6, "expected a comma or the end of the object, found a number"),
        (r#"{"x":1.}"#, 7, "expected a digit, found the end of an object"),
        (r#"{"x":-}"#, 5, "expected a number, found a number"),
        (r#"{"x":'a'}"#, 5, "expected a value, found something else"),
        (r#"{"x":"a"#, 7, "expected the end of a text, found the end"),
        ("{\"x\":\"a\nb\"}", 7, "a control character within a text must be escaped"),
        (r#"{"x":1}//"#, 7, "expected the end of the document, found something else"),
    ] {
        let expected = JsonError::Invalid { offset, reason: reason.to_owned() };
        assert_eq!(read(Signal::Traces, json.as_bytes()), Err(expected), "{json}");
    }
    for (fields, reason) in [
        (r#"{"name":1}"#, "`name` is a text, found a number"),
        (r#"{"name":"\x"}"#, "a backslash is followed by one of \" \\ / b f n r t u"),
        (r#"{"name":"\u12"}"#, "`\\u` needs four hexadecimal digits"),
        (r#"{"traceId":"0"}"#, "`traceId` is an id, a text of pairs of hexadecimal digits, found a text"),
        (r#"{"spanId":"0g"}"#, "`spanId` is an id, a text of pairs of hexadecimal digits, found a text"),
        (r#"{"traceId":5}"#, "`traceId` is an id, a text of pairs of hexadecimal digits, found a number"),
        (r#"{"kind":"SERVER"}"#, "`kind` is the number or the name of one of its values, found a text"),
        (r#"{"kind":2147483648}"#, "`kind` is the number or the name of one of its values, found a number"),
        (r#"{"startTimeUnixNano":-1}"#, "`startTimeUnixNano` is a whole number of 64 bits, 0 or more, found a number"),
        (r#"{"startTimeUnixNano":1.5}"#, "`startTimeUnixNano` is a whole number of 64 bits, 0 or more, found a number"),
        (
            r#"{"endTimeUnixNano":"18446744073709551616"}"#,
            "`endTimeUnixNano` is a whole number of 64 bits, 0 or more, found a text",
        ),
        (r#"{"endTimeUnixNano":" 1"}"#, "`endTimeUnixNano` is a whole number of 64 bits, 0 or more, found a text"),
        (r#"{"endTimeUnixNano":true}"#, "`endTimeUnixNano` is a whole number of 64 bits, 0 or more, found a boolean"),
        (r#"{"flags":4294967296}"#, "`flags` is a whole number of 32 bits, 0 or more, found a number"),
        (r#"{"attributes":[{"value":{"boolValue":"true"}}]}"#, "`boolValue` is `true` or `false`, found a text"),
        (r#"{"attributes":[{"value":{"bytesValue":"A"}}]}"#, "`bytesValue` is a text in base64, found a text"),
        (r#"{"attributes":[{"value":{"bytesValue":"A?=="}}]}"#, "`bytesValue` is a text in base64, found a text"),
        (
            r#"{"attributes":[{"value":{"intValue":9223372036854775808}}]}"#,
            "`intValue` is a whole number of 64 bits, found a number",
        ),
        (
            r#"{"attributes":[{"value":{"doubleValue":1e309}}]}"#,
            "`doubleValue` is a number of at most 1.8e308, or one of the texts `NaN`, `Infinity`, `-Infinity`, found a number",
        ),
    ] {
        match span(fields) {
            Err(JsonError::Invalid { reason: found, .. }) => assert_eq!(found, reason, "{fields}"),
            other => panic!("{fields}: {other:?}"),
        }
    }
    let metrics = |value: &str| {
        let json = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"explicitBounds":[|]}]}}]}]}]}"#;
        read(Signal::Metrics, json.replace('|', value).as_bytes())
    };
    assert!(metrics(r#"1,"Infinity",2e0"#).is_ok());
    for wrong in ["null", "1,", "[1]", "\"inf\"", "\" 1\"", "\"01\""] {
        assert!(metrics(wrong).is_err(), "{wrong}");
    }
    let error = read(Signal::Traces, b"{\"x\":\"\xff\"}").expect_err("not UTF-8");
    assert_eq!(error, JsonError::Invalid { offset: 6, reason: "the document is not UTF-8".into() });
}

/// Values within values, as deep as the parser and prost take them and one deeper; unknown ones likewise.
#[test]
fn nesting_is_bounded() {
    // The log's body is at the fifth level, each list in it adds two.
    let body = |lists: usize| {
        let (open, close) = (r#"{"arrayValue":{"values":["#.repeat(lists), "]}}".repeat(lists));
        format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{open}{{"intValue":1}}{close}}}]}}]}}]}}"#)
    };
    let deepest = (0..100).take_while(|lists| read(Signal::Logs, body(*lists).as_bytes()).is_ok()).last().unwrap();
    let wire = read(Signal::Logs, body(deepest).as_bytes()).unwrap();
    json::document(Signal::Logs, body(deepest).as_bytes());
    assert_eq!(deepest, 48, "prost takes 100 levels");
    assert!(model::decode(Signal::Logs, &wire).is_ok());
    let error = read(Signal::Logs, body(deepest + 1).as_bytes()).expect_err("one deeper").to_string();
    assert!(error.contains("nested more than 100 deep"), "{error}");

    let unknown =
        |open: &str, close: &str, depth: usize| format!(r#"{{"x":{}1{}}}"#, open.repeat(depth), close.repeat(depth));
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"a":"#, "}]")] {
        let each = 1 + usize::from(open.len() == 6);
        assert!(read(Signal::Logs, unknown(open, close, 100 / each).as_bytes()).is_ok());
        assert!(read(Signal::Logs, unknown(open, close, 100 / each + 1).as_bytes()).is_err());
        assert!(read(Signal::Logs, unknown(open, close, 1_000_000).as_bytes()).is_err());
    }
    // Closed by the other kind, at every level.
    assert!(read(Signal::Logs, br#"{"x":[[}]}"#).is_err());
    assert!(read(Signal::Logs, br#"{"x":[{"a":1]]}"#).is_err());
}

/// More wire bytes than are allowed: refused, with the limit; as many as are allowed are not.
#[test]
fn output_is_bounded() {
    let json = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"histogram":{{"dataPoints":[{{"explicitBounds":[{}1]}}]}}}}]}}]}}]}}"#,
        "1,".repeat(10_000)
    );
    let document = JsonDocument::Request(Signal::Metrics);
    let wire = from_json(document, json.as_bytes(), BYTES_MAX).expect("valid");
    assert!(wire.len() > 80_000);
    assert!(from_json(document, json.as_bytes(), wire.len()).is_ok());
    let limit = wire.len() - 1;
    assert_eq!(from_json(document, json.as_bytes(), limit), Err(JsonError::TooLarge { limit }));
}

/// Messages of each width of length, each behind a shorter and a longer one, so that each is moved both ways.
#[test]
fn lengths_of_every_width() {
    let lens = [3, 1, 100, 127, 128, 129, 200, 16_000, 16_383, 16_384, 17_000, 3_000_000, 5, 200, 1];
    let spans: Vec<String> = lens.iter().map(|len| format!(r#"{{"name":"{}"}}"#, "n".repeat(*len))).collect();
    let json = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}},{{}}]}}"#, spans.join(","));
    let wire = read(Signal::Traces, json.as_bytes()).expect("valid");
    let batch = WireBatch::parse(Signal::Traces, wire.clone().into(), &Projection::new(Signal::Traces, Vec::new()));
    assert_eq!(batch.expect("valid").rows(), lens.len());
    let model::Request::Traces(request) = model::decode(Signal::Traces, &wire).expect("valid") else { unreachable!() };
    let names = request.resource_spans[0].scope_spans[0].spans.iter().map(|span| span.name.len());
    assert!(names.eq(lens));
    // As short as prost writes it.
    assert!(wire == prost::Message::encode_to_vec(&request));
}

/// Answers: what a client reads of a server's.
#[test]
fn answers_are_read() {
    let read = |document, json: &str| from_json(document, json.as_bytes(), BYTES_MAX);
    let rejected = [
        (Signal::Traces, "rejectedSpans"),
        (Signal::Metrics, "rejectedDataPoints"),
        (Signal::Logs, "rejectedLogRecords"),
    ];
    for (signal, name) in rejected {
        let json = format!(r#"{{"partialSuccess":{{"{name}":"3","errorMessage":"no"}}}}"#);
        assert_eq!(read(JsonDocument::Response(signal), &json), Ok(b"\x0a\x06\x08\x03\x12\x02no".to_vec()));
        assert_eq!(read(JsonDocument::Response(signal), "{}"), Ok(Vec::new()));
    }
    let status = r#"{"code":14,"message":"later","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo"}]}"#;
    assert_eq!(read(JsonDocument::Status, status), Ok(b"\x08\x0e\x12\x05later".to_vec()));
}

/// The fuzz target's corpus, as the target runs it.
#[test]
fn the_fuzzers_corpus() {
    let corpus_dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/json");
    let mut taken = 0;
    for file in std::fs::read_dir(corpus_dir).expect("the corpus") {
        let input = std::fs::read(file.expect("an entry").path()).expect("a file");
        let Some((&first, rest)) = input.split_first() else { continue };
        let signal = Signal::ALL[usize::from(first) % 3];
        taken += usize::from(read(signal, rest).is_ok());
        json::document(signal, rest);
        if model::decode(signal, rest).is_ok() {
            json::request(signal, rest);
        }
    }
    assert!(taken >= 10, "{taken} documents in the corpus are valid");
}

/// The generator reaches what the tests above are for: every field of the messages is in some document.
#[test]
fn the_generated_documents_are_not_hollow() {
    let mut all = String::new();
    for (signal, seed) in Signal::ALL.into_iter().flat_map(|signal| (0..200).map(move |seed| (signal, seed))) {
        let json = write(signal, &plain(signal, &mut Choices::new(&corpus(seed))));
        all.push_str(std::str::from_utf8(&json).expect("UTF-8"));
    }
    let schema = include_str!("../src/json/schema.rs");
    let (_, table) = schema.split_once("    TRACES {").expect("the table");
    let (table, _) = table.split_once("TRACES_RESPONSE").expect("the answers");
    let names = table.split(|c: char| !c.is_ascii_alphanumeric() && c != ':').filter_map(|word| word.strip_suffix(':'));
    let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    assert!(names.len() > 100);
    let missing: Vec<&str> = names.into_iter().filter(|name| !all.contains(&format!("\"{name}\":"))).collect();
    // Only profiles have tables of texts to point into.
    assert_eq!(missing, ["keyStrindex", "stringValueStrindex"]);
}
