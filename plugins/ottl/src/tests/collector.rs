//! The same as the Collector: what its own library made of generated texts and telemetry stands in a file, which is
//! compared here. With `COLLECTOR_OTTL` naming the program in `tests/collector`, the library is asked itself, about as many
//! cases as `COLLECTOR_CASES` says from the seed `COLLECTOR_SEED` on; with `COLLECTOR_WRITE`, the file is written anew.

use std::env;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use prost::Message;
use serde_json::{Value as Json, json};
use wasmill_columns::Block;

use super::cases::{self, Random, Texts};
use super::model::{Row, V, block};
use super::telemetry::{apply, points, records, spans};
use crate::convert::{bytes_of_hex, hex};
use crate::{ErrorMode, Program, Signal};

/// What the Collector's library made of the first cases.
const EXPECTED: &str = include_str!("../../tests/collector/expected.txt");

/// Cases in the file, and records of each.
const CASES: usize = 1_500;
const RECORDS: usize = 10;
const SEED: u64 = 1;

struct Case {
    signal: Signal,
    conditions: Vec<String>,
    statements: Vec<String>,
    request: Vec<u8>,
    rows: Vec<Row>,
}

/// A case of each signal in turn, conditions and statements alternating.
fn draw(random: &mut Random, number: usize) -> Case {
    let signals = [
        (cases::Signal::Traces, Signal::Traces),
        (cases::Signal::Logs, Signal::Logs),
        (cases::Signal::Metrics, Signal::Metrics),
    ];
    let (drawn, signal) = signals[number % signals.len()];
    let (request, rows) = match signal {
        Signal::Traces => {
            let request = cases::traces(random, RECORDS);
            (request.encode_to_vec(), spans(&request))
        }
        Signal::Logs => {
            let request = cases::logs(random, RECORDS);
            (request.encode_to_vec(), records(&request))
        }
        Signal::Metrics => {
            let request = cases::metrics(random, RECORDS);
            (request.encode_to_vec(), points(&request))
        }
    };
    let mut texts = Texts { random, signal: drawn };
    let (mut conditions, mut statements) = (Vec::new(), Vec::new());
    match number % 2 {
        0 => conditions.push(texts.condition(2)),
        _ => (0..1 + number % 3).for_each(|_| statements.push(texts.statement())),
    }
    Case { signal, conditions, statements, request, rows }
}

/// Rows as text that says whether they are the same: maps in order, and nothing that is not sent.
fn canonical(rows: &[Row]) -> String {
    let mut out = String::new();
    for row in rows {
        for (name, value) in row {
            let value = value.clone().sorted();
            let unsent = match &value {
                V::Id(id) => id.iter().all(|byte| *byte == 0),
                value => name == "body" && *value == V::Empty,
            };
            if !unsent {
                let _ = write!(out, "{name}={value:?} ");
            }
        }
        out.push('\n');
    }
    out
}

/// Fowler, Noll, Vo: FNV-1a.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

fn line(outcomes: &str, rows: &[Row]) -> String {
    format!("{outcomes} {:016x}", digest(&canonical(rows)))
}

/// What we make of a case: each row by itself, for its outcome; then all at once, which must come to the same.
fn ours(case: &Case) -> (String, Vec<Row>) {
    let Case { signal, conditions, statements, rows, .. } = case;
    let fail = |errors: Vec<crate::ParseError>| -> Program { panic!("refused: {}", errors[0]) };
    if statements.is_empty() {
        let mut program = Program::conditions(*signal, conditions, ErrorMode::Ignore).unwrap_or_else(fail);
        let mut run = |rows: &[Row], dictionaries: bool| {
            let bytes = block(program.columns(), rows, dictionaries);
            let block = Block::check(&bytes).expect("a sound block");
            program.matches(&block, rows.len()).expect("no failure that ends the call")
        };
        let outcomes: String = rows
            .chunks(1)
            .map(|row| {
                let matched = run(row, true);
                if !matched.failures.is_empty() {
                    'E'
                } else if matched.rows.get(0) {
                    'T'
                } else {
                    'F'
                }
            })
            .collect();
        // Repeated, the rows have few distinct values, and are evaluated by those.
        let repeated: Vec<Row> = rows.iter().cycle().take(rows.len() * 4).cloned().collect();
        for dictionaries in [false, true] {
            for rows in [rows, &repeated] {
                let matched = run(rows, dictionaries);
                let wanted = |letter: char| outcomes.chars().cycle().take(rows.len()).filter(|c| *c == letter).count();
                let failed = matched.failures.first().map_or(0, |failure| failure.rows);
                assert_eq!((matched.rows.count(), failed), (wanted('T'), wanted('E')), "{conditions:?}");
                assert!(matched.rows.ones().all(|row| outcomes.as_bytes()[row % outcomes.len()] == b'T'));
            }
        }
        return (outcomes, rows.clone());
    }
    let mut program = Program::statements(*signal, statements, ErrorMode::Ignore).unwrap_or_else(fail);
    let mut run = |rows: &[Row], dictionaries: bool| {
        let bytes = block(program.columns(), rows, dictionaries);
        let block = Block::check(&bytes).expect("a sound block");
        let edited = program.edits(&block, rows.len()).expect("no failure that ends the call");
        let mut rows = rows.to_vec();
        apply(&mut rows, &edited.edits);
        (edited, rows)
    };
    let (mut outcomes, mut alone) = (String::new(), Vec::new());
    for row in rows.chunks(1) {
        let (edited, row) = run(row, true);
        alone.extend(row);
        for number in 0..statements.len() {
            let failed = edited.failures.iter().any(|failure| failure.expression == number);
            outcomes.push(if failed { 'E' } else { '-' });
        }
    }
    for dictionaries in [false, true] {
        let (_, together) = run(rows, dictionaries);
        assert_eq!(canonical(&together), canonical(&alone), "{statements:?}");
    }
    (outcomes, alone)
}

/// What the Collector's library makes of cases.
fn theirs(program: &str, cases: &[Case]) -> Vec<(String, Vec<Row>)> {
    let mut jobs = String::new();
    for case in cases {
        let signal = case.signal.name();
        let mut data = String::new();
        hex(&case.request, &mut data);
        let Case { conditions, statements, .. } = case;
        let job = json!({"signal": signal, "conditions": conditions, "statements": statements, "data": data});
        let _ = writeln!(jobs, "{job}");
    }
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("COLLECTOR_OTTL names a program");
    let mut stdin = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || stdin.write_all(jobs.as_bytes()));
    let output = child.wait_with_output().expect("its output");
    writer.join().expect("no panic").expect("all jobs taken");
    let output = String::from_utf8(output.stdout).expect("JSON");
    let answer = |(case, line): (&Case, &str)| {
        let answer: Json = serde_json::from_str(line).expect("an answer for each job");
        let text = |name: &str| answer[name].as_str().expect("a text").to_owned();
        assert_eq!(text("error"), "", "refused: {:?} {:?}", case.conditions, case.statements);
        let digits = text("data");
        let mut data = vec![0; digits.len() / 2];
        bytes_of_hex(digits.as_bytes(), &mut data).expect("hexadecimal digits");
        let rows = match case.signal {
            Signal::Traces => spans(&Message::decode(data.as_slice()).expect("a request")),
            Signal::Logs => records(&Message::decode(data.as_slice()).expect("a request")),
            Signal::Metrics => points(&Message::decode(data.as_slice()).expect("a request")),
        };
        let outcomes = text("outcomes");
        let hide = |c: char| if c == 'E' { 'E' } else { '-' };
        match case.statements.is_empty() {
            true => (outcomes, rows),
            // Whether a statement's condition was true shows in the rows.
            false => (outcomes.chars().map(hide).collect(), rows),
        }
    };
    cases.iter().zip(output.lines()).map(answer).collect()
}

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

/// Generated conditions and statements over generated telemetry, all signals: outcomes, failures and the telemetry
/// afterwards are the Collector's.
#[test]
fn conditions_and_statements_do_what_the_collector_does() {
    let live = env::var("COLLECTOR_OTTL").ok();
    let (seed, count) = match live {
        Some(_) => (number("COLLECTOR_SEED", SEED), number("COLLECTOR_CASES", CASES as u64) as usize),
        None => (SEED, CASES),
    };
    let mut random = Random::new(seed);
    let cases: Vec<Case> = (0..count).map(|number| draw(&mut random, number)).collect();
    let expected: Vec<String> = match &live {
        None => EXPECTED.lines().map(str::to_owned).collect(),
        Some(program) => theirs(program, &cases).iter().map(|(outcomes, rows)| line(outcomes, rows)).collect(),
    };
    assert_eq!(expected.len(), cases.len());
    if env::var("COLLECTOR_WRITE").is_ok() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/collector/expected.txt");
        std::fs::write(path, expected.join("\n") + "\n").expect("the file of this crate");
    }
    let mut wrong = Vec::new();
    for (case, expected) in cases.iter().zip(&expected) {
        let (outcomes, rows) = ours(case);
        if line(&outcomes, &rows) != *expected {
            wrong.push((case, outcomes, rows, expected));
        }
    }
    if let Some((case, outcomes, rows, expected)) = wrong.first() {
        panic!(
            "{} of {count} differ, the first:\n{:?} {:?}\nexpected {expected}\nfound    {outcomes}\nbefore\n{}after\n{}",
            wrong.len(),
            case.conditions,
            case.statements,
            canonical(&case.rows),
            canonical(rows)
        );
    }
}
