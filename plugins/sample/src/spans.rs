//! Spans: randomness and threshold are in `tracestate`, the randomness else in the trace's id.

use wasmill_sdk::columns::{Text, TextBuilder};
use wasmill_sdk::prelude::*;

use crate::config::Mode;
use crate::sampler::{Decision, Said, Sampler, Saying, Source};
use crate::threshold::{ALWAYS, NEVER, of_trace_id};
use crate::tracestate::TraceState;

const TRACE_STATE: &str = "trace_state";

pub struct Columns {
    id: Column<[u8; 16]>,
    state: Column<str>,
    priority: Column<Dynamic>,
}

impl Columns {
    pub fn new(needs: &mut Requirements) -> Columns {
        Columns {
            id: needs.column("trace_id"),
            state: needs.column(TRACE_STATE),
            priority: needs.column(r#"attributes["sampling.priority"]"#),
        }
    }

    pub fn sample(&self, sampler: &Sampler, slice: &Slice, verdict: &mut Verdict) {
        let (ids, priorities) = (slice.column(self.id), slice.column(self.priority));
        let states = States::new(slice.column(self.state));
        let (mut kept, mut changed) = (Bitmap::none(slice.rows()), Bitmap::none(slice.rows()));
        let (mut written, mut out) = (Written::default(), String::new());
        for row in 0..slice.rows() {
            let id = ids.get(row).filter(|id| *id != [0; 16]);
            let source = match id {
                None => Source::None,
                Some(id) if sampler.mode == Mode::HashSeed => Source::Hash(sampler.hash(&id)),
                Some(id) => Source::TraceId(of_trace_id(&id)),
            };
            let (text, state) = states.get(row);
            let said = match state {
                None => Said { broken: true, ..Said::default() },
                Some(state) => Said { broken: false, randomness: state.randomness, threshold: state.threshold },
            };
            let Decision { kept: is_kept, says } = sampler.decide(said, source, priority(priorities.get(row)), true);
            kept.set(row, is_kept);
            if let (Some(Saying { randomness, threshold }), Some(state)) = (says, state) {
                out.clear();
                state.write(randomness, threshold, &mut out);
                if out != text {
                    changed.set(row, true);
                    written.push(&out);
                }
            }
        }
        verdict.keep(&kept);
        written.set(&changed, verdict);
    }
}

/// The hint of OpenTracing: 0 is never, more is always.
fn priority(value: AnyValue<'_>) -> Option<u64> {
    let number = match value {
        AnyValue::Int(value) => value as f64,
        AnyValue::Double(value) => value,
        AnyValue::Text(text) => text.parse().ok()?,
        _ => return None,
    };
    match number {
        0.0 => Some(NEVER),
        more if more > 0.0 => Some(ALWAYS),
        _ => None,
    }
}

/// The states of a slice, each distinct one read once.
struct States<'a> {
    text: Text<'a>,
    /// By the number in the dictionary, or by row.
    read: Vec<Option<TraceState<'a>>>,
    empty: TraceState<'a>,
}

impl<'a> States<'a> {
    fn new(text: Text<'a>) -> States<'a> {
        let read = |text: Option<&'a str>| TraceState::read(text.unwrap_or_default());
        let states = match &text {
            Text::Plain(texts) => texts.iter().map(read).collect(),
            Text::Dictionary(texts) => texts.values().iter().map(read).collect(),
        };
        States { text, read: states, empty: TraceState::default() }
    }

    fn get(&self, row: usize) -> (&'a str, Option<&TraceState<'a>>) {
        let Some(text) = self.text.get(row).filter(|text| !text.is_empty()) else { return ("", Some(&self.empty)) };
        let number = match &self.text {
            Text::Plain(_) => row,
            Text::Dictionary(texts) => texts.keys().raw(row) as usize,
        };
        (text, self.read.get(number).and_then(Option::as_ref))
    }
}

/// New states, in the order of their rows. Most slices have one for all.
#[derive(Default)]
struct Written {
    first: Option<String>,
    /// Of all rows, once two differ.
    each: Option<TextBuilder>,
    count: usize,
}

impl Written {
    fn push(&mut self, text: &str) {
        match (&self.first, &mut self.each) {
            (None, _) => self.first = Some(text.to_owned()),
            (Some(first), None) if first == text => {}
            (_, Some(each)) => each.push(Some(text)),
            (Some(first), None) => {
                let mut each = TextBuilder::new();
                (0..self.count).for_each(|_| each.push(Some(first)));
                each.push(Some(text));
                self.each = Some(each);
            }
        }
        self.count += 1;
    }

    fn set(&self, rows: &Bitmap, verdict: &mut Verdict) {
        match (&self.each, &self.first) {
            (Some(each), _) => verdict.set_each(TRACE_STATE, rows, |block| {
                each.append(block);
            }),
            (None, Some(first)) => verdict.set(TRACE_STATE, rows, first),
            (None, None) => {}
        }
    }
}
