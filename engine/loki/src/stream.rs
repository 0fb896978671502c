//! Which stream a record belongs to: those with the same labels, of one tenant.
//!
//! What is the resource's is found out once for each resource, and its streams are remembered by level. So a record costs a look at its
//! severity and at the keys of its attributes, unless one of these says that it is special: it becomes a label, or it is a hint.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use wasmill_wire::{Any, Index, Message};

use crate::altered::Altered;
use crate::hint::{self, Attributes};
use crate::label::{Kept, LabelSet};
use crate::options::{LineFormat, Options};

/// The six words of severities, and none.
const LEVELS: [&str; 7] = ["", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/// What stands in for labels where there are none: Loki takes no such stream, and itself says this of one whose service it does not know.
const NO_LABELS: (&str, &str) = ("service_name", "unknown_service");

/// The longest that Loki takes.
const TENANT_BYTES_MAX: usize = 150;

/// Streams and tenants by number, in the order in which they were met.
#[derive(Default)]
pub(crate) struct Streams {
    pub list: Vec<Stream>,
    /// The first is that of the request, which is not said.
    pub tenants: Vec<String>,
    by_tenant: HashMap<String, u32, RandomState>,
    by_labels: HashMap<(u32, Vec<u8>), u32, RandomState>,
    text: Vec<u8>,
    labels: LabelSet,
    value: Vec<u8>,
}

pub(crate) struct Stream {
    pub tenant: u32,
    /// As the push has them.
    pub labels: Vec<u8>,
    /// Some value is no label that was to be.
    pub altered: bool,
}

/// What records of one resource have in common.
pub(crate) struct Resource<'a> {
    pub message: Option<Message<'a>>,
    pub format: LineFormat,
    /// Attributes that are labels, and belong nowhere else.
    pub labelled: Vec<&'a str>,
    labels: LabelSet,
    altered: bool,
    has_tenant_hint: bool,
    tenant: Tenant,
    by_level: [Option<u32>; LEVELS.len()],
}

/// Whose a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Tenant {
    /// Nothing says it: that of the request.
    Open,
    Named(u32),
    /// Its name is none that Loki has: it must not become somebody else's.
    Wrong,
}

/// What a special record has of its own.
#[derive(Debug)]
pub(crate) struct Special<'a> {
    pub format: LineFormat,
    /// The record's attributes that are labels, and belong nowhere else.
    pub labelled: Vec<&'a str>,
    /// The resource's, beside those of all its records.
    pub resource_labelled: Vec<&'a str>,
}

/// The level's number for a severity; 0: none.
pub(crate) fn level(severity: u64) -> usize {
    match severity {
        1..=24 => (severity as usize - 1) / 4 + 1,
        _ => 0,
    }
}

impl Streams {
    pub fn new() -> Streams {
        Streams { tenants: vec![String::new()], ..Streams::default() }
    }

    /// Of the resource with this number.
    pub fn resource<'a>(
        &mut self,
        index: &'a Index,
        number: usize,
        options: &Options,
        altered: &mut Altered,
    ) -> Resource<'a> {
        let before = altered.labels;
        let message = index.resources.get(number).and_then(|parent| index.parent(parent).message(1));
        let attributes = Attributes { message: message.as_ref(), number: 1 };
        let mut resource = Resource {
            format: options.format,
            labelled: Vec::new(),
            labels: LabelSet::default(),
            altered: false,
            has_tenant_hint: false,
            tenant: Tenant::Open,
            by_level: [None; LEVELS.len()],
            message: None,
        };
        self.default_labels(&attributes, &mut resource.labels, options, altered);
        let mut promote = |key: &str, labels: &mut LabelSet, labelled: &mut Vec<&'a str>| {
            promote(&attributes, key, labels, labelled, &mut self.value, options, altered);
        };
        for key in &options.resource_labels {
            promote(key, &mut resource.labels, &mut resource.labelled);
        }
        let hints = attributes.hints();
        for names in hints.resource_labels.iter().chain(&hints.tenant) {
            hint::names(names, |key| promote(key, &mut resource.labels, &mut resource.labelled));
        }
        resource.format = hints.format.unwrap_or(options.format);
        resource.has_tenant_hint = hints.tenant.is_some();
        resource.tenant = self.tenant_of(&attributes, hints.tenant.as_ref(), options);
        resource.altered = altered.labels > before;
        resource.message = message;
        resource
    }

    fn default_labels(
        &mut self,
        attributes: &Attributes<'_, '_>,
        labels: &mut LabelSet,
        options: &Options,
        altered: &mut Altered,
    ) {
        let (defaults, limits) = (&options.default_labels, &options.limits);
        if defaults.exporter {
            labels.add_default("exporter", b"OTLP", limits, altered);
        }
        if defaults.job
            && let Some((_, name)) = attributes.get("service.name")
        {
            self.value.clear();
            if let Some((_, namespace)) = attributes.get("service.namespace") {
                namespace.put_text(&mut self.value);
                if !self.value.is_empty() {
                    self.value.push(b'/');
                }
            }
            name.put_text(&mut self.value);
            labels.add_default("job", &self.value, limits, altered);
        }
        if defaults.instance
            && let Some((_, instance)) = attributes.get("service.instance.id")
        {
            self.value.clear();
            instance.put_text(&mut self.value);
            labels.add_default("instance", &self.value, limits, altered);
        }
    }

    /// By the hint among these attributes, or by the attribute of the configuration.
    fn tenant_of(&mut self, attributes: &Attributes<'_, '_>, hint: Option<&Any<'_>>, options: &Options) -> Tenant {
        let mut value = None;
        match hint {
            Some(names) => hint::names(names, |name| {
                value = value.take().or_else(|| Some(attributes.find(name)?.1));
            }),
            None => {
                let key = options.tenant_attribute.as_deref();
                value = key.and_then(|key| Some(attributes.get(key)?.1));
            }
        }
        let Some(value) = value else { return Tenant::Open };
        self.value.clear();
        value.put_text(&mut self.value);
        match std::str::from_utf8(&self.value) {
            Ok("") => Tenant::Open,
            Ok(name) if is_tenant(name) => {
                if let Some(&known) = self.by_tenant.get(name) {
                    return Tenant::Named(known);
                }
                let number = self.tenants.len() as u32;
                self.tenants.push(name.to_owned());
                self.by_tenant.insert(name.to_owned(), number);
                Tenant::Named(number)
            }
            _ => Tenant::Wrong,
        }
    }

    /// The stream of a record that is like the others of its resource. `None`: its tenant is none.
    pub fn usual(
        &mut self,
        resource: &mut Resource<'_>,
        level: usize,
        options: &Options,
        altered: &mut Altered,
    ) -> Option<u32> {
        if let Some(known) = resource.by_level.get(level).copied().flatten() {
            return Some(known);
        }
        let mut labels = std::mem::take(&mut self.labels);
        labels.copy_from(&resource.labels);
        add_level(&mut labels, level, options, altered);
        let stream = self.stream(&mut labels, resource.tenant, resource.altered, options);
        self.labels = labels;
        if let Some(place) = resource.by_level.get_mut(level) {
            *place = stream;
        }
        stream
    }

    /// The stream of a record that has hints, or attributes that become labels, and what follows for the rest of it.
    pub fn special<'a>(
        &mut self,
        resource: &Resource<'a>,
        record: &Message<'a>,
        level: usize,
        options: &Options,
        altered: &mut Altered,
    ) -> (Option<u32>, Special<'a>) {
        let before = altered.labels;
        let of_resource = Attributes { message: resource.message.as_ref(), number: 1 };
        let attributes = Attributes { message: Some(record), number: 6 };
        let mut special = Special { format: resource.format, labelled: Vec::new(), resource_labelled: Vec::new() };
        let mut labels = std::mem::take(&mut self.labels);
        labels.copy_from(&resource.labels);
        let value = &mut self.value;
        let hints = attributes.hints();
        if let Some(names) = &hints.resource_labels {
            hint::names(names, |key| {
                promote(&of_resource, key, &mut labels, &mut special.resource_labelled, value, options, altered);
            });
        }
        let mut promote =
            |key: &str| promote(&attributes, key, &mut labels, &mut special.labelled, value, options, altered);
        let tenant_hint = hints.tenant.as_ref().filter(|_| !resource.has_tenant_hint);
        for names in hints.attribute_labels.iter().chain(tenant_hint) {
            hint::names(names, &mut promote);
        }
        options.attribute_labels.iter().for_each(|key| promote(key));
        if level > 0 && options.default_labels.level {
            if hints.level {
                promote(hint::LEVEL);
            }
            add_level(&mut labels, level, options, altered);
        }
        special.format = hints.format.unwrap_or(resource.format);
        let tenant = match resource.tenant {
            Tenant::Open => self.tenant_of(&attributes, hints.tenant.as_ref(), options),
            known => known,
        };
        let is_altered = resource.altered || altered.labels > before;
        let stream = self.stream(&mut labels, tenant, is_altered, options);
        self.labels = labels;
        (stream, special)
    }

    fn stream(&mut self, labels: &mut LabelSet, tenant: Tenant, altered: bool, options: &Options) -> Option<u32> {
        let tenant = match tenant {
            Tenant::Open => 0,
            Tenant::Named(number) => number,
            Tenant::Wrong => return None,
        };
        if labels.is_empty() {
            let (name, value) = NO_LABELS;
            labels.add_default(name, value.as_bytes(), &options.limits, &mut Altered::default());
        }
        self.text.clear();
        options.encoding.put_labels(labels, &mut self.text);
        let key = (tenant, std::mem::take(&mut self.text));
        if let Some(&known) = self.by_labels.get(&key) {
            self.text = key.1;
            return Some(known);
        }
        let number = self.list.len() as u32;
        self.list.push(Stream { tenant, labels: key.1.clone(), altered });
        self.by_labels.insert(key, number);
        Some(number)
    }
}

fn add_level(labels: &mut LabelSet, level: usize, options: &Options, altered: &mut Altered) {
    if options.default_labels.level {
        let word = LEVELS.get(level).copied().unwrap_or_default();
        labels.add_default(hint::LEVEL, word.as_bytes(), &options.limits, altered);
    }
}

/// Makes an attribute a label. `labelled` gets the key of one that is whole there; what is within a map stays in it.
fn promote<'a>(
    attributes: &Attributes<'_, 'a>,
    key: &str,
    labels: &mut LabelSet,
    labelled: &mut Vec<&'a str>,
    scratch: &mut Vec<u8>,
    options: &Options,
    altered: &mut Altered,
) {
    let Some((own_key, value)) = attributes.find(key) else { return };
    let kept = match value {
        Any::Text(text) => labels.add(key, text.as_bytes(), &options.limits, altered),
        value => {
            scratch.clear();
            value.put_text(scratch);
            labels.add(key, scratch, &options.limits, altered)
        }
    };
    if kept == Kept::Whole {
        labelled.extend(own_key);
    }
}

/// What Loki takes as a tenant: <https://grafana.com/docs/loki/latest/operations/multi-tenancy/>.
pub fn is_tenant(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!-_.*'()".contains(&byte);
    !name.is_empty() && name.len() <= TENANT_BYTES_MAX && name.bytes().all(is_allowed) && name != "." && name != ".."
}
