//! What Loki would not take.

use super::*;
use crate::{Altered, Limits};

/// A line, a label and a value of 1 MB each: all of them are cut to what Loki takes, and counted; the label's value is in the metadata, too.
#[test]
fn what_is_too_long_is_cut() {
    let long = "é".repeat(500_000);
    let translation = translate(
        Options::default(),
        vec![logs(texts(&[("service.name", &long)]), vec![record(1, &long, texts(&[("k", &long)]))])],
    );
    let limits = Limits::default();
    let read = all(&translation);
    let (labels, _, line, metadata) = &read[0];
    assert_eq!(line.len(), limits.max_line_size);
    let label = "é".repeat(limits.max_label_value_length / 2);
    assert_eq!(*labels, format!("{{exporter=\"OTLP\", job=\"{label}\", service_name=\"{label}\"}}"));
    let size: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(size <= limits.max_structured_metadata_size && size > limits.max_structured_metadata_size - 8, "{size}");
    assert_eq!(metadata.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["service_name", "k"]);
    assert_eq!(translation.altered, Altered { rows: 1, lines: 1, labels: 2, values: 2, left_out: 0 });
}

/// More attributes than an entry may have, and more labels than a stream: what is too many is left out, a label is metadata then.
#[test]
fn what_is_too_many_is_left_out() {
    let many: Vec<(String, String)> = (0..200).map(|n| (format!("k{n}"), "v".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(key, value)| (&**key, &**value)).collect();
    let keys: Vec<String> = many.iter().map(|(key, _)| (*key).to_owned()).collect();
    let options = Options { resource_labels: keys, ..Options::default() };
    let translation = translate(options, vec![logs(texts(&many), vec![record(1, "a", texts(&many))])]);
    let read = all(&translation);
    assert_eq!(read[0].0.matches('=').count(), 15);
    assert_eq!(read[0].3.len(), 128);
    // 14 beside `exporter`; of the resource's others 64 are metadata, and of the record's as many.
    assert_eq!(translation.altered, Altered { rows: 1, lines: 0, labels: 186, values: 0, left_out: 122 + 136 });
}

/// Names that come to be the same, and values that are none: every value is there once, under a name that Loki takes.
#[test]
fn names_that_meet_are_told_apart() {
    let attributes = texts(&[
        ("", "empty"),
        ("...", "dots"),
        ("a.b", "1"),
        ("a_b", "2"),
        ("a/b", "3"),
        ("trace_id", "mine"),
        ("nothing", ""),
        ("os", "of the record"),
    ]);
    let record = LogRecord { trace_id: vec![1; 16], ..record(1, "a", attributes) };
    let read = all(&translate(Options::default(), vec![logs(texts(&[("os", "linux")]), vec![record])]));
    let expected = pairs(&[
        ("trace_id", "01010101010101010101010101010101"),
        ("os", "linux"),
        ("key_", "empty"),
        ("key_2", "dots"),
        ("a_b", "1"),
        ("a_b_2", "2"),
        ("a_b_3", "3"),
        ("trace_id_2", "mine"),
        ("os_2", "of the record"),
    ]);
    assert_eq!(read[0].3, expected);
}

/// Many values of one name: nine are kept, the others counted.
#[test]
fn one_name_has_nine_values() {
    let attributes = texts(&[("a", "v"); 12]);
    let translation = translate(Options::default(), vec![logs(vec![], vec![record(1, "a", attributes)])]);
    assert_eq!(all(&translation)[0].3.len(), 9);
    assert_eq!(translation.altered.left_out, 3);
}

/// A request of many tenants, streams and sizes is cut into pushes: none larger than the limit, unless it is one entry, and every row once.
#[test]
fn pushes_are_bounded() {
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let limits = Limits { push_bytes_max: 4_000, ..Limits::default() };
        let options = Options { encoding, limits, tenant_attribute: Some("t".to_owned()), ..Options::default() };
        let resource = |service: u64| {
            let records = (0..200).map(|n| {
                let body = format!(
                    "{service}-{n}-{}",
                    "x".repeat(((n * 37 + service) % 700) as usize * (1 + n / 190 * 9) as usize)
                );
                record(n + 1, &body, texts(&[("t", ["a", "b", "c"][(n % 3) as usize])]))
            });
            logs(texts(&[("service.name", &service.to_string())]), records.collect())
        };
        let translation = translate(options, (0..3).map(resource).collect());
        let mut seen = std::collections::BTreeSet::new();
        for push in &translation.pushes {
            let size = match encoding {
                Encoding::Protobuf => snap::raw::decompress_len(&push.body).expect("snappy"),
                Encoding::Json => push.body.len(),
            };
            assert!(size <= 4_000 || push.rows == 1, "{size} bytes of {} rows", push.rows);
            let read = if encoding == Encoding::Protobuf { decode(push) } else { decode_json(push) };
            assert_eq!(read.len() as u64, push.rows);
            for (_, _, line, _) in read {
                let mut parts = line.split('-').map(str::to_owned);
                assert!(seen.insert((parts.next(), parts.next())), "{line} twice");
            }
        }
        assert_eq!(seen.len(), 600);
        assert!(translation.pushes.len() > 30, "{}", translation.pushes.len());
    }
}

/// A body in two parts on the wire is one; ids of any length, and a severity that is none, are written as they are or left out.
#[test]
fn odd_wire_is_read() {
    let mut record = LogRecord { time_unix_nano: 1, body: any(list(&["a"])), ..LogRecord::default() }.encode_to_vec();
    record.extend(
        LogRecord {
            body: any(list(&["b"])),
            trace_id: vec![0; 16],
            span_id: vec![1],
            severity_number: -3,
            ..LogRecord::default()
        }
        .encode_to_vec(),
    );
    let field = |contents: &[u8], number: u8| [&[number << 3 | 2, contents.len() as u8], contents].concat();
    let request = field(&field(&field(&record, 2), 2), 1);
    let batch = WireBatch::parse(Signal::Logs, request.into(), &Projection::new(Signal::Logs, Vec::new()));
    let batch = batch.expect("a request");
    let translation = Translator::new(Options::default()).translate(batch.index(), &Selection::all(batch.rows()), NOW);
    let expected = (r#"{exporter="OTLP"}"#.to_owned(), 1, r#"["a","b"]"#.to_owned(), pairs(&[("span_id", "01")]));
    assert_eq!(all(&translation), [expected]);
}
