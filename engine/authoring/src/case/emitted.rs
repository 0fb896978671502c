//! New records that a plugin made in a case: collected, and compared with files of what is expected.
//!
//! One file for each signal, `emitted.metrics.json` beside `expected.json`, with everything that came of the call, of the case's `ticks:` and
//! of the end. A time that lies in the run itself is the clock's, and is left out: a case means the same whenever it runs.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;
use wasmill_batch::TelemetryBatch;
use wasmill_host::{EmissionSink, Emitted};
use wasmill_wire::Signal;

use super::run::{Failure, Mode};
use super::{Case, EXPECTED, compare, request};

/// Times that are the clock's where nobody gave others.
const TIMES: [&str; 3] = ["timeUnixNano", "startTimeUnixNano", "observedTimeUnixNano"];

/// Takes the new records of a case's stage.
#[derive(Default)]
pub(super) struct Collected(Mutex<Vec<TelemetryBatch>>);

impl EmissionSink for Collected {
    fn emit(&self, emitted: Emitted) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(emitted.batch);
    }
}

impl Collected {
    /// All records of each signal as one request, as people read it; `None`: there are none. `began`: when the case's run began.
    pub fn requests(&self, began: SystemTime) -> Result<[Option<String>; 3], String> {
        let batches = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut requests = [None, None, None];
        for (signal, request) in Signal::ALL.into_iter().zip(&mut requests) {
            let of_signal: Vec<&TelemetryBatch> = batches.iter().filter(|batch| batch.signal() == signal).collect();
            if !of_signal.is_empty() {
                // Requests one behind another are one with all their resources.
                let wire: Vec<u8> = of_signal.iter().flat_map(|batch| batch.encode()).collect();
                let (mut json, _) = request::pretty(signal, &wire)?;
                leave_out_times(&mut json, nanos(began), nanos(SystemTime::now()));
                *request = Some(request::text(&json)?);
            }
        }
        Ok(requests)
    }
}

fn nanos(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

fn leave_out_times(json: &mut Json, from: u128, to: u128) {
    match json {
        Json::Object(fields) => {
            fields.retain(|key, value| {
                let time = value.as_str().and_then(|text| text.parse::<u128>().ok());
                !(TIMES.contains(&key.as_str()) && time.is_some_and(|time| (from..=to).contains(&time)))
            });
            fields.values_mut().for_each(|value| leave_out_times(value, from, to));
        }
        Json::Array(items) => items.iter_mut().for_each(|item| leave_out_times(item, from, to)),
        _ => {}
    }
}

/// Where the expected records of a signal are.
fn file(case: &Case, signal: Signal) -> PathBuf {
    let name = case.expected.file_name().unwrap_or_default().to_string_lossy();
    case.expected.with_file_name(name.replace(EXPECTED, &format!("emitted.{}.json", signal.name())))
}

/// Whether the case says what is to be emitted.
pub(super) fn is_expected(case: &Case) -> bool {
    Signal::ALL.into_iter().any(|signal| file(case, signal).is_file())
}

/// Compares, or writes what is to be expected from now on: then whether a file was written.
pub(super) fn judge(
    case: &Case,
    found: &[Option<String>; 3],
    mode: Mode,
    failures: &mut Vec<Failure>,
) -> Result<bool, String> {
    let mut updated = false;
    for (signal, found) in Signal::ALL.into_iter().zip(found) {
        let path = file(case, signal);
        let expected = match path.is_file() {
            true => match request::read(&path, Some(signal)).and_then(|(_, wire)| request::pretty(signal, &wire)) {
                Ok((_, text)) => Some(text),
                // It is replaced.
                Err(_) if mode == Mode::Update => Some(String::new()),
                Err(reason) => return Err(reason),
            },
            false => None,
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match (mode, found, expected) {
            (Mode::Update, Some(found), expected) if expected.as_ref() != Some(found) => {
                fs::write(&path, found).map_err(|error| format!("`{}` cannot be written: {error}", path.display()))?;
                updated = true;
            }
            (Mode::Update, None, Some(_)) => {
                fs::remove_file(&path).map_err(|error| format!("`{}` cannot be removed: {error}", path.display()))?;
                updated = true;
            }
            (Mode::Check, None, Some(_)) => {
                failures.push(Failure::new(format!("no {signal} were emitted; `{name}` expects some")));
            }
            (_, Some(found), Some(expected)) => {
                failures.extend(compare::difference(
                    &expected,
                    found,
                    &format!("the new records differ from `{name}`"),
                ));
            }
            _ => {}
        }
    }
    Ok(updated)
}

/// A sink for the stage, and the same to be asked later.
pub(super) fn collected() -> (Arc<Collected>, Arc<dyn EmissionSink>) {
    let collected = Arc::<Collected>::default();
    (Arc::clone(&collected), collected)
}
