//! From rows to pushes, in two walks: which stream each row belongs to, and then stream by stream.
//!
//! ```text
//!  records ──► (stream, time) of each ──► by stream, by time ──► entries ──► pushes
//! ```
//!
//! Loki takes entries of a stream in any order within an hour, and stores those best that come in theirs.

use wasmill_wire::{Any, Index, Message, Selection};

use crate::altered::Altered;
use crate::form::{put_hex, put_number};
use crate::hint::{self, is_hint, key_of};
use crate::label::cut;
use crate::line::{Source, put_line};
use crate::metadata::{Common, Pairs};
use crate::options::{LineFormat, Options};
use crate::push::{Push, Pushes};
use crate::record::Record;
use crate::stream::{Resource, Special, Streams, level};

/// Turns log records into what Loki takes. Holds nothing of them.
#[derive(Debug)]
pub struct Translator {
    options: Options,
    /// The first bytes of keys that make a record special.
    special_bytes: [bool; 256],
}

/// What a request became.
#[derive(Debug, Default)]
pub struct Translation {
    pub pushes: Vec<Push>,
    pub altered: Altered,
    /// Rows that are in no push, because what they name as their tenant is no name of one.
    pub of_no_tenant: u64,
    /// Rows that no push can hold.
    pub too_large: u64,
}

struct Row {
    stream: u32,
    /// Number in the index.
    record: u32,
    time: u64,
    /// Number of a [`Special`]; the greatest: it is none.
    special: u32,
}

const USUAL: u32 = u32::MAX;

/// What a look at a record says.
#[derive(Default)]
struct Glance {
    time: u64,
    observed_time: u64,
    severity: u64,
    is_special: bool,
}

/// What records of one scope have in common.
struct Scope<'a> {
    message: Option<Message<'a>>,
    common: Common,
}

impl Translator {
    pub fn new(options: Options) -> Translator {
        let mut special_bytes = [false; 256];
        let own = options.attribute_labels.iter().chain(&options.tenant_attribute).map(String::as_str);
        for key in own.chain([hint::LEVEL, "loki."]) {
            if let Some(&first) = key.as_bytes().first() {
                special_bytes[usize::from(first)] = true;
            }
        }
        Translator { options, special_bytes }
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Translates the selected log records. `now`: nanoseconds since 1970, for records without any time.
    pub fn translate(&self, index: &Index, selection: &Selection, now: u64) -> Translation {
        let mut walk = Walk {
            translator: self,
            index,
            streams: Streams::new(),
            resources: index.resources.iter().map(|_| None).collect(),
            specials: Vec::new(),
            altered: Altered::default(),
        };
        let mut rows = Vec::with_capacity(selection.count());
        let mut of_no_tenant = 0;
        for row in selection.rows() {
            match walk.place(row, now) {
                Some(row) => rows.push(row),
                None => of_no_tenant += 1,
            }
        }
        let mut pushes = Pushes::new(self.options.encoding, &self.options.limits);
        walk.write(&by_stream(rows, &walk.streams), &mut pushes);
        pushes.finish();
        Translation { pushes: pushes.done, altered: walk.altered, of_no_tenant, too_large: pushes.lost }
    }

    fn glance(&self, record: &Message<'_>) -> Glance {
        let mut glance = Glance::default();
        for field in record.fields() {
            match field.number {
                1 => glance.time = field.fixed64(),
                2 => glance.severity = field.varint(),
                6 if !glance.is_special => glance.is_special = self.is_special(field.payload()),
                11 => glance.observed_time = field.fixed64(),
                _ => {}
            }
        }
        glance
    }

    /// Whether an attribute changes more than its record's metadata.
    fn is_special(&self, entry: &[u8]) -> bool {
        let key = key_of(entry);
        if !key.first().is_some_and(|first| self.special_bytes[usize::from(*first)]) {
            return false;
        }
        let Ok(key) = std::str::from_utf8(key) else { return false };
        let options = &self.options;
        let wanted = || options.attribute_labels.iter().chain(&options.tenant_attribute).any(|wanted| *wanted == *key);
        key == hint::LEVEL || is_hint(key) || wanted()
    }
}

/// Tenant by tenant, stream by stream, in the order in which they were met; within a stream by time, and what is of one time as it came.
fn by_stream(mut rows: Vec<Row>, streams: &Streams) -> Vec<Row> {
    let tenant = |row: &Row| streams.list.get(row.stream as usize).map_or(0, |stream| stream.tenant);
    let key = |row: &Row| (tenant(row), row.stream, row.time);
    if !rows.is_sorted_by_key(key) {
        rows.sort_by_key(key);
    }
    rows
}

struct Walk<'t, 'a> {
    translator: &'t Translator,
    index: &'a Index,
    streams: Streams,
    resources: Vec<Option<Resource<'a>>>,
    specials: Vec<Special<'a>>,
    altered: Altered,
}

impl<'a> Walk<'_, 'a> {
    /// Where a row belongs; `None`: nowhere, as its tenant is none.
    fn place(&mut self, row: usize, now: u64) -> Option<Row> {
        let (index, options) = (self.index, &self.translator.options);
        let record = index.records.get(row)?;
        let scope = index.scopes.get(record.parent as usize)?;
        let place = self.resources.get_mut(scope.parent as usize)?;
        let (streams, altered) = (&mut self.streams, &mut self.altered);
        let resource = place.get_or_insert_with(|| streams.resource(index, scope.parent as usize, options, altered));
        let message = index.record(record);
        let glance = self.translator.glance(&message);
        let time = [glance.time, glance.observed_time, now].into_iter().find(|time| *time > 0).unwrap_or(now);
        let level = level(glance.severity);
        let (stream, special) = if glance.is_special {
            let (stream, special) = streams.special(resource, &message, level, options, altered);
            self.specials.push(special);
            (stream, self.specials.len() as u32 - 1)
        } else {
            (streams.usual(resource, level, options, altered), USUAL)
        };
        Some(Row { stream: stream?, record: row as u32, time, special })
    }

    fn write(&mut self, rows: &[Row], pushes: &mut Pushes) {
        let options = &self.translator.options;
        let mut scopes: Vec<Option<Scope<'a>>> = self.index.scopes.iter().map(|_| None).collect();
        let mut entry = Entry { options, pairs: Pairs::new(options.encoding, &options.limits), line: Vec::new() };
        let mut last = USUAL;
        for row in rows {
            let Some(stream) = self.streams.list.get(row.stream as usize) else { continue };
            if row.stream != last {
                pushes.end_stream();
                pushes.set_tenant(self.streams.tenants.get(stream.tenant as usize).map_or("", String::as_str));
                last = row.stream;
            }
            let Some(record) = self.index.records.get(row.record as usize) else { continue };
            let Some(parent) = self.index.scopes.get(record.parent as usize) else { continue };
            let Some(Some(resource)) = self.resources.get(parent.parent as usize) else { continue };
            let special = self.specials.get(row.special as usize);
            let Some(place) = scopes.get_mut(record.parent as usize) else { continue };
            let scope = place.get_or_insert_with(|| {
                let message = self.index.parent(parent).message(1);
                let common = entry.common(message.as_ref(), resource, resource.format, &[]);
                Scope { message, common }
            });
            let own = special
                .filter(|special| special.format != resource.format || !special.resource_labelled.is_empty())
                .map(|s| entry.common(scope.message.as_ref(), resource, s.format, &s.resource_labelled));
            let common = own.as_ref().unwrap_or(&scope.common);
            let record = Record::read(self.index.record(record));
            let mut altered = Altered::default();
            pushes.add(&stream.labels, |out| {
                altered = entry.put(row.time, &record, resource, special, scope.message.as_ref(), common, out);
            });
            let is_altered = stream.altered || !altered.is_empty();
            self.altered.rows += u64::from(is_altered);
            self.altered.lines += altered.lines;
            self.altered.values += altered.values;
            self.altered.left_out += altered.left_out;
        }
    }
}

/// Writes entries, one after the other, with room that is used again.
struct Entry<'o> {
    options: &'o Options,
    pairs: Pairs,
    line: Vec<u8>,
}

impl Entry<'_> {
    /// What entries of a scope have in common. Lines of another format than raw have it in them.
    fn common(
        &self,
        scope: Option<&Message<'_>>,
        resource: &Resource<'_>,
        format: LineFormat,
        labelled: &[&str],
    ) -> Common {
        let (options, none) = (self.options, Common::default());
        if !options.structured_metadata || format != LineFormat::Raw {
            return none;
        }
        let mut pairs = Pairs::of_common(options.encoding, &options.limits);
        let mut out = Vec::new();
        if let Some(scope) = scope {
            pairs.put_own("scope_name", scope.text(1).as_bytes(), &none, &mut out);
            pairs.put_own("scope_version", scope.text(2).as_bytes(), &none, &mut out);
            let dropped = scope.fields().filter(|field| field.number == 4).last().map_or(0, |field| field.varint());
            if dropped != 0 {
                let write = |value: &mut Vec<u8>| put_number(dropped, value);
                pairs.put_own_by("scope_dropped_attributes_count", write, &none, &mut out);
            }
            scope.attributes(3).for_each(|(key, value)| pairs.put_attribute(key, &value, &none, &mut out));
        }
        for (key, value) in resource.message.iter().flat_map(|message| message.attributes(1)) {
            if !is_hint(key) && !resource.labelled.contains(&key) && !labelled.contains(&key) {
                pairs.put_attribute(key, &value, &none, &mut out);
            }
        }
        pairs.into_common(out)
    }

    #[allow(clippy::too_many_arguments, reason = "an entry is made of as many things")]
    fn put(
        &mut self,
        time: u64,
        record: &Record<'_>,
        resource: &Resource<'_>,
        special: Option<&Special<'_>>,
        scope: Option<&Message<'_>>,
        common: &Common,
        out: &mut Vec<u8>,
    ) -> Altered {
        let options = self.options;
        let format = special.map_or(resource.format, |special| special.format);
        let is_left_out = |key: &str| special.is_some_and(|s| is_hint(key) || s.labelled.contains(&key));
        let open = options.encoding.begin_entry(time, out);
        let body = record.body();
        let line = match (&body, format) {
            (Any::Text(text), LineFormat::Raw) => text.as_bytes(),
            _ => {
                self.line.clear();
                let of_special = |key: &str| special.is_some_and(|s| s.resource_labelled.contains(&key));
                let source = Source {
                    record,
                    is_left_out: &is_left_out,
                    resource: resource.message.as_ref(),
                    is_left_out_of_resource: &|key| is_hint(key) || resource.labelled.contains(&key) || of_special(key),
                    scope: scope.map_or(("", ""), |scope| (scope.text(1), scope.text(2))),
                };
                put_line(format, &source, &mut self.line);
                &self.line
            }
        };
        let kept = cut(line, options.limits.max_line_size);
        let is_cut = kept.len() < line.len();
        options.encoding.put_line(kept, out);
        let mut altered = Altered::default();
        if options.structured_metadata {
            self.pairs.begin(common);
            self.put_metadata(record, format, &is_left_out, common, out);
            altered = self.pairs.altered;
        }
        altered.lines = u64::from(is_cut);
        options.encoding.end_entry(open, out);
        altered
    }

    fn put_metadata(
        &mut self,
        record: &Record<'_>,
        format: LineFormat,
        is_left_out: &impl Fn(&str) -> bool,
        common: &Common,
        out: &mut Vec<u8>,
    ) {
        let pairs = &mut self.pairs;
        for (name, id) in [("trace_id", record.trace_id), ("span_id", record.span_id)] {
            if id.iter().any(|byte| *byte != 0) {
                pairs.put_own_by(name, |value| put_hex(id, value), common, out);
            }
        }
        pairs.put_own("severity_text", record.severity_text.as_bytes(), common, out);
        let numbers = [
            ("severity_number", record.severity_number),
            ("flags", record.flags.into()),
            ("observed_timestamp", record.observed_time),
            ("dropped_attributes_count", record.dropped_attributes),
        ];
        // What a line of another format has not in it is the severity's number alone.
        let numbers = &numbers[..if format == LineFormat::Raw { numbers.len() } else { 1 }];
        for (name, number) in numbers.iter().filter(|(_, number)| *number != 0) {
            pairs.put_own_by(name, |value| put_number(*number, value), common, out);
        }
        pairs.put_own("event_name", record.event_name.as_bytes(), common, out);
        out.extend_from_slice(&common.bytes);
        if format == LineFormat::Raw {
            for (key, value) in record.attributes().filter(|(key, _)| !is_left_out(key)) {
                pairs.put_attribute(key, &value, common, out);
            }
        }
    }
}
