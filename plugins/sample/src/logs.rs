//! Log records: randomness and threshold are in two attributes, the randomness else in the trace's id, or in a hash of an attribute.

use wasmill_ottl::value::Value;
use wasmill_sdk::columns::{Any, AnyBuilder};
use wasmill_sdk::prelude::*;

use crate::config::{AttributeSource, Config, Mode};
use crate::sampler::{Decision, Said, Sampler, Saying, Source};
use crate::threshold::{
    of_probability, of_trace_id, read_randomness, read_threshold, write_randomness, write_threshold,
};

const THRESHOLD: &str = r#"attributes["sampling.threshold"]"#;
const RANDOMNESS: &str = r#"attributes["sampling.randomness"]"#;

pub struct Columns {
    id: Column<[u8; 16]>,
    threshold: Column<Dynamic>,
    randomness: Column<Dynamic>,
    /// What is hashed where there is no trace, or always.
    source: Option<Column<Dynamic>>,
    /// Whether the trace's id counts.
    by_trace: bool,
    priority: Option<Column<Dynamic>>,
}

impl Columns {
    pub fn new(config: &Config, needs: &mut Requirements) -> Result<Columns> {
        let by_trace = config.attribute_source == AttributeSource::TraceId;
        if !by_trace && config.from_attribute.is_empty() {
            return Err(Error::new("`attribute_source: record` needs `from_attribute`, the attribute to hash"));
        }
        let mut named = |name: &str| {
            // A path's key is written in double quotes.
            let key = name.replace('\\', "\\\\").replace('"', "\\\"");
            (!name.is_empty()).then(|| needs.column(&format!("attributes[\"{key}\"]")))
        };
        let (source, priority) = (named(&config.from_attribute), named(&config.sampling_priority));
        Ok(Columns {
            id: needs.column("trace_id"),
            threshold: needs.column(THRESHOLD),
            randomness: needs.column(RANDOMNESS),
            source,
            by_trace,
            priority,
        })
    }

    pub fn sample(&self, sampler: &Sampler, slice: &Slice, verdict: &mut Verdict) {
        let ids = slice.column(self.id);
        let (thresholds, randomness) = (slice.column(self.threshold), slice.column(self.randomness));
        let hashed = self.source.map(|column| slice.column(column));
        let priorities = self.priority.map(|column| slice.column(column));
        let mut kept = Bitmap::none(slice.rows());
        let (mut new_thresholds, mut new_randomness) = (Texts::new(slice.rows()), Texts::new(slice.rows()));
        let mut out = String::new();
        for row in 0..slice.rows() {
            let said = said(&thresholds, &randomness, row);
            let id = ids.get(row).filter(|id| self.by_trace && *id != [0; 16]);
            let source = match (id, &hashed) {
                (Some(id), _) if sampler.mode == Mode::HashSeed => Source::Hash(sampler.hash(&id)),
                (Some(id), _) => Source::TraceId(of_trace_id(&id)),
                (None, Some(hashed)) => hash(sampler, hashed.get(row), &mut out),
                (None, None) => Source::None,
            };
            let priority = priorities.and_then(|column| priority(column.get(row), sampler.precision));
            let Decision { kept: is_kept, says } = sampler.decide(said, source, priority, false);
            kept.set(row, is_kept);
            let Some(Saying { randomness, threshold }) = says else { continue };
            if let Some(threshold) = threshold.filter(|threshold| said.threshold != Some(*threshold)) {
                out.clear();
                write_threshold(threshold, &mut out);
                new_thresholds.push(row, &out);
            }
            if let Some(randomness) = randomness.filter(|number| said.randomness != Some(*number)) {
                out.clear();
                write_randomness(randomness, &mut out);
                new_randomness.push(row, &out);
            }
        }
        verdict.keep(&kept);
        new_randomness.set(RANDOMNESS, verdict);
        new_thresholds.set(THRESHOLD, verdict);
    }
}

/// What the two attributes say. Other than text, and empty, they say nothing.
fn said(thresholds: &Any<'_>, randomness: &Any<'_>, row: usize) -> Said {
    let mut said = Said::default();
    if let Some(text) = thresholds.text_at(row).filter(|text| !text.is_empty()) {
        said.threshold = read_threshold(text);
        said.broken |= said.threshold.is_none();
    }
    if let Some(text) = randomness.text_at(row).filter(|text| !text.is_empty()) {
        said.randomness = read_randomness(text);
        said.broken |= said.randomness.is_none();
    }
    said
}

fn hash(sampler: &Sampler, value: AnyValue<'_>, text: &mut String) -> Source {
    if let AnyValue::Binary(bytes) = value {
        return if bytes.is_empty() { Source::None } else { Source::Hash(sampler.hash(bytes)) };
    }
    text.clear();
    Value::from(value).write_text(text);
    if text.is_empty() { Source::None } else { Source::Hash(sampler.hash(text.as_bytes())) }
}

/// How many hundredths of its like a record wants to be kept.
fn priority(value: AnyValue<'_>, precision: u32) -> Option<u64> {
    let share = match value {
        AnyValue::Int(value) => value as f64 / 100.0,
        AnyValue::Double(value) => value / 100.0,
        _ => return None,
    };
    of_probability(share, precision)
}

/// New texts of an attribute. One that several rows on end have lies in the block once.
struct Texts {
    rows: Bitmap,
    values: AnyBuilder,
    last: Option<(String, wasmill_sdk::columns::AnyPlace)>,
}

impl Texts {
    fn new(rows: usize) -> Texts {
        Texts { rows: Bitmap::none(rows), values: AnyBuilder::new(), last: None }
    }

    fn push(&mut self, row: usize, text: &str) {
        self.rows.set(row, true);
        let place = match &self.last {
            Some((last, place)) if last == text => *place,
            _ => {
                let place = self.values.hold(AnyValue::Text(text));
                self.last = Some((text.to_owned(), place));
                place
            }
        };
        self.values.push_place(place);
    }

    fn set(&self, path: &str, verdict: &mut Verdict) {
        verdict.set_each(path, &self.rows, |block| {
            self.values.append(block);
        });
    }
}
