use std::collections::BTreeSet;

use wasmill_sdk::testing::{Answer, Cell, Harness};

use super::*;

const TRACES: usize = 20_000;
const STATE: &str = "trace_state";
const PRIORITY: &str = r#"attributes["sampling.priority"]"#;
const THRESHOLD: &str = r#"attributes["sampling.threshold"]"#;
const RANDOMNESS: &str = r#"attributes["sampling.randomness"]"#;

fn start(config: &str) -> Harness<Sample> {
    Harness::start(config).unwrap_or_else(|error| panic!("{config}: {}", error.message()))
}

fn refusal(config: &str) -> String {
    let Err(error) = Harness::<Sample>::start(config) else { panic!("`{config}` is refused") };
    error.message().to_owned()
}

/// Trace ids, the same in every run (SplitMix64).
fn ids(count: usize) -> Vec<[u8; 16]> {
    let mut state = 0x5eed_u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    };
    (0..count).map(|_| (u128::from(next()) << 64 | u128::from(next())).to_be_bytes()).collect()
}

/// The last byte of an id, and so of its randomness, is this; all before are zeros but the first of the seven.
fn id(first: u8) -> [u8; 16] {
    let mut id = [0; 16];
    (id[0], id[9]) = (1, first);
    id
}

fn spans(plugin: &mut Harness<Sample>, ids: &[[u8; 16]], states: &[&str]) -> Answer {
    let slice = plugin.slice(Signal::Traces, ids.len()).with("trace_id", ids.to_vec());
    let slice = if states.is_empty() { slice } else { slice.with(STATE, states.to_vec()) };
    slice.process().unwrap()
}

fn kept(config: &str, ids: &[[u8; 16]]) -> BTreeSet<usize> {
    spans(&mut start(config), ids, &[]).kept().iter().copied().collect()
}

/// The share that is kept is the one asked for: within four standard deviations, over ids that are always the same.
#[test]
fn the_share_is_the_one_asked_for() {
    let ids = ids(TRACES);
    for mode in ["equalizing", "proportional", "hash_seed"] {
        for ratio in [0.01, 0.1, 0.5, 0.9] {
            let kept = kept(&format!(r#"{{"ratio": {ratio}, "mode": "{mode}"}}"#), &ids).len() as f64;
            let (mean, deviation) = (TRACES as f64 * ratio, (TRACES as f64 * ratio * (1.0 - ratio)).sqrt());
            assert!((kept - mean).abs() < 4.0 * deviation, "{mode} {ratio}: {kept} of {TRACES}");
        }
        assert_eq!(kept(&format!(r#"{{"ratio": 1, "mode": "{mode}"}}"#), &ids).len(), TRACES);
        assert_eq!(kept(&format!(r#"{{"ratio": 0, "mode": "{mode}"}}"#), &ids).len(), 0);
    }
}

/// What a smaller share keeps, a larger one keeps: traces stay whole where services sample at different rates.
#[test]
fn smaller_shares_are_subsets() {
    let ids = ids(TRACES);
    for mode in ["equalizing", "proportional", "hash_seed"] {
        let of = |ratio: f64| kept(&format!(r#"{{"ratio": {ratio}, "mode": "{mode}"}}"#), &ids);
        let nested = [0.01, 0.05, 0.1, 0.3, 0.7].map(of);
        for pair in nested.windows(2) {
            assert!(pair[0].is_subset(&pair[1]) && pair[0].len() < pair[1].len(), "{mode}");
        }
    }
}

/// Two gateways in a row with the same share: the second drops nothing more. In proportion, it takes its share again.
#[test]
fn a_second_stage_keeps_what_the_first_kept() {
    let ids = ids(TRACES);
    for (mode, expected) in [("equalizing", 1.0), ("proportional", 0.5)] {
        let config = format!(r#"{{"ratio": 0.5, "mode": "{mode}"}}"#);
        let first = spans(&mut start(&config), &ids, &[]);
        let states = first.column(STATE);
        let left: Vec<[u8; 16]> = first.kept().iter().map(|row| ids[*row]).collect();
        let states: Vec<String> = first.kept().iter().map(|row| text(states[*row].as_ref())).collect();
        assert!(states.iter().all(|state| state == "ot=th:8"));
        let second = spans(&mut start(&config), &left, &states.iter().map(String::as_str).collect::<Vec<_>>());
        let share = second.kept().len() as f64 / left.len() as f64;
        assert!((share - expected).abs() < 0.02, "{mode}: {share}");
        let changed = second.column(STATE);
        let new = changed[second.kept()[0]].as_ref();
        assert_eq!(new.map(|new| text(Some(new))), (mode == "proportional").then(|| "ot=th:c".to_owned()));
    }
}

fn text(cell: Option<&Cell>) -> String {
    match cell {
        Some(Cell::Text(text)) => text.clone(),
        other => panic!("a text: {other:?}"),
    }
}

/// What `tracestate` says is honoured: its randomness instead of the id's, a higher threshold is kept, others' members stay; a
/// threshold that cannot be right, or a list that breaks the rules, is an error, dropped or kept by `fail_closed`.
#[test]
fn trace_states_are_honoured_and_written() {
    let states = [
        "",
        "ot=rv:00000000000000",
        "ot=rv:ff000000000000;x:1,vendor=a",
        "ot=th:c",
        "ot=th:4",
        "ot=th:f8",
        "vendor=broken=",
        "vendor=a",
    ];
    let ids = [id(0xf0), id(0xf0), id(0), id(0xf0), id(0xf0), id(0xf0), id(0xf0), id(0x10)];
    let mut closed = start(r#"{"ratio": 0.5}"#);
    let answer = spans(&mut closed, &ids, &states);
    assert_eq!(answer.kept(), [0, 2, 3, 4]);
    let written = answer.column(STATE);
    assert_eq!(text(written[0].as_ref()), "ot=th:8");
    assert_eq!(text(written[2].as_ref()), "ot=rv:ff000000000000;th:8;x:1,vendor=a");
    assert_eq!(written[3], None, "a smaller share stays one");
    assert_eq!(text(written[4].as_ref()), "ot=th:8");
    let answer = spans(&mut start(r#"{"ratio": 0.5, "fail_closed": false}"#), &ids, &states);
    assert_eq!(answer.kept(), [0, 2, 3, 4, 5, 6]);
    let written = answer.column(STATE);
    assert_eq!((text(written[5].as_ref()), written[6].clone()), ("ot=th:0".to_owned(), None));
}

/// An id of zeros is none.
#[test]
fn spans_without_a_trace_have_no_randomness() {
    let ids = [[0; 16], id(0xff)];
    assert_eq!(kept(r#"{"ratio": 0.9}"#, &ids), [1].into());
    assert_eq!(kept(r#"{"ratio": 0.9, "fail_closed": false}"#, &ids), [0, 1].into());
}

/// `sampling.priority`: 0 is never, more is always, in whatever type.
#[test]
fn priority_overrules() {
    let mut plugin = start(r#"{"ratio": 0.5}"#);
    let ids = vec![id(0), id(0xff), id(0), id(0xff), id(0), id(0)];
    let priorities =
        [Cell::Int(1), Cell::Int(0), Cell::Double(0.5), Cell::from("0"), Cell::from("1"), Cell::from("high")];
    let answer = plugin.slice(Signal::Traces, 6).with("trace_id", ids).with(PRIORITY, priorities).process().unwrap();
    assert_eq!(answer.kept(), [0, 2, 4]);
    assert_eq!(text(answer.column(STATE)[0].as_ref()), "ot=th:0", "it stands for itself alone");
}

/// Log records carry the same in two attributes.
#[test]
fn log_records_say_it_in_attributes() {
    let mut plugin = start(r#"{"ratio": 0.5}"#);
    let ids = vec![id(0xf0), id(0x10), id(0x10), id(0xf0), id(0xf0)];
    let slice = plugin.slice(Signal::Logs, 5).with("trace_id", ids);
    let slice = slice.with(RANDOMNESS, [None, None, Some("c0000000000000"), None, None]);
    let answer = slice.with(THRESHOLD, [None, None, None, Some("e"), Some("g")]).process().unwrap();
    assert_eq!(answer.kept(), [0, 2, 3]);
    let written = answer.column(THRESHOLD);
    assert_eq!((text(written[0].as_ref()), text(written[2].as_ref())), ("8".to_owned(), "8".to_owned()));
    assert_eq!((written[3].clone(), answer.column(RANDOMNESS)), (None, vec![None; 5]));
}

/// Records without a trace: a hash of the attribute that is named decides, the same for the same value, and is written, because
/// others could not find it.
#[test]
fn an_attribute_stands_in_for_the_trace() {
    let user = r#"attributes["user"]"#;
    let users: Vec<String> = (0..4_000).map(|number| format!("user-{}", number / 2)).collect();
    for config in [
        r#"{"ratio": 0.25, "from_attribute": "user"}"#,
        r#"{"ratio": 0.25, "from_attribute": "user", "attribute_source": "record", "mode": "hash_seed"}"#,
        r#"{"ratio": 0.25, "from_attribute": "user", "hash_seed": 7}"#,
    ] {
        let mut plugin = start(config);
        let answer = plugin.slice(Signal::Logs, users.len()).with(user, users.clone()).process().unwrap();
        let kept: BTreeSet<usize> = answer.kept().iter().copied().collect();
        assert!((800..1_200).contains(&kept.len()), "{config}: {}", kept.len());
        assert!(kept.iter().all(|row| kept.contains(&(row ^ 1))), "{config}: both records of a user or none");
        let first = *kept.first().unwrap();
        assert_eq!(text(answer.column(THRESHOLD)[first].as_ref()), "c");
        assert_eq!(text(answer.column(RANDOMNESS)[first].as_ref()).len(), 14);
    }
    let mut plugin = start(r#"{"ratio": 0.25, "from_attribute": "user"}"#);
    assert!(plugin.slice(Signal::Logs, 2).process().unwrap().kept().is_empty(), "neither trace nor user");
}

/// `sampling_priority` of log records is a share of its own.
#[test]
fn a_record_asks_for_a_share() {
    let mut plugin = start(r#"{"ratio": 0.01, "sampling_priority": "priority"}"#);
    let ids = vec![id(0x90), id(0x90), id(0x90), id(0x90)];
    let slice = plugin.slice(Signal::Logs, 4).with("trace_id", ids);
    let wishes = [Cell::Int(50), Cell::Double(10.0), Cell::Int(100), Cell::from("100")];
    let answer = slice.with(r#"attributes["priority"]"#, wishes).process().unwrap();
    assert_eq!(answer.kept(), [0, 2]);
}

/// The older way writes randomness and threshold too, and keeps away from what samples consistently.
#[test]
fn the_older_way_does_not_mix_with_the_newer() {
    let ids = ids(64);
    let config = r#"{"sampling_percentage": 50, "mode": "hash_seed"}"#;
    let answer = spans(&mut start(config), &ids, &[]);
    let written = answer.column(STATE);
    for row in answer.kept() {
        let state = text(written[*row].as_ref());
        assert!(state.starts_with("ot=rv:") && state.ends_with(";th:8"), "{state}");
    }
    let answer = spans(&mut start(config), &ids, &["ot=th:8"; 64]);
    assert!(answer.kept().is_empty(), "a threshold is in use: an error, and closed");
}

#[test]
fn mistakes_are_refused() {
    assert!(refusal("{}").starts_with("`ratio` is missing"));
    assert_eq!(refusal(r#"{"ratio": 1.5}"#), "`ratio` is 1.5, expected 0 to 1");
    assert!(refusal(r#"{"ratio": 0.5, "sampling_percentage": 50}"#).starts_with("both"));
    assert!(refusal(r#"{"sampling_percentage": -1}"#).contains("expected 0 to 100"));
    assert!(refusal(r#"{"ratio": 1e-30}"#).contains("too small"));
    assert!(refusal(r#"{"ratio": 0.5, "sampling_precision": 15}"#).contains("expected 1 to 14"));
    assert!(refusal(r#"{"ratio": 0.5, "attribute_source": "record"}"#).contains("needs `from_attribute`"));
    assert!(refusal(r#"{"ratio": 0.5, "mode": "random"}"#).contains("`random`"));
    assert!(refusal(r#"{"ratios": 0.5}"#).contains("unknown field `ratios`"));
}

/// Metrics are not among its signals, so a pipeline of metrics refuses it when it starts.
#[test]
fn it_is_for_traces_and_logs() {
    let plugin = start(r#"{"ratio": 0.5}"#);
    assert_eq!(plugin.signals(), [Signal::Traces, Signal::Logs]);
    assert_eq!(plugin.uses(), [Use::Keep, Use::Edits]);
}
