//! Labels of series.

use std::collections::BTreeMap;

use wasmill_wire::{Any, Message};

use super::Translation;

/// Names and values of a series' labels together. Prometheus takes any length, and keeps each label of each series in memory: 16 KiB is
/// fifty times what a series has, and whoever puts a document into an attribute is told.
pub const LABELS_BYTES_MAX: usize = 16 << 10;

/// The attributes that `job` and `instance` are made of.
const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE_ID: &str = "service.instance.id";
const SERVICE: [&str; 3] = [SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_INSTANCE_ID];

/// A point that cannot have all its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the labels of a series have more than {LABELS_BYTES_MAX} bytes")]
pub struct TooManyLabels;

/// Labels in the order of their names, each name once, none without a value: to Prometheus, that is no label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    pairs: Vec<(String, String)>,
}

impl Labels {
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

/// What a resource and a scope give to every series below them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `service.namespace/service.name`; empty without a `service.name`.
    pub job: String,
    /// `service.instance.id`, or empty.
    pub instance: String,
    /// Labels that we make, by the names that they keep.
    own: Vec<(String, String)>,
    /// Attributes that become labels of every series, by their own names.
    attributes: BTreeMap<String, String>,
    bytes: usize,
}

/// An attribute on its way to a label.
struct Entry {
    name: String,
    attribute: String,
    value: String,
}

impl Translation {
    /// `resource` and `scope` are the messages `ResourceMetrics` and `ScopeMetrics` without what is below them.
    pub fn origin(&self, resource: &Message<'_>, scope: &Message<'_>) -> Result<Origin, TooManyLabels> {
        let (job, instance) = identity(resource)?;
        let mut origin = Origin { job, instance, own: Vec::new(), attributes: BTreeMap::new(), bytes: 0 };
        origin.add_own("job", origin.job.clone())?;
        origin.add_own("instance", origin.instance.clone())?;
        if self.scope_labels {
            let url = scope.text(3);
            let scope = scope.message(1);
            let text = |number| scope.as_ref().map_or("", |scope| scope.text(number));
            origin.add_own("otel_scope_name", text(1).to_owned())?;
            origin.add_own("otel_scope_version", text(2).to_owned())?;
            origin.add_own("otel_scope_schema_url", url.to_owned())?;
            for (key, value) in scope.iter().flat_map(|scope| scope.attributes(3)) {
                origin.add_attribute(format!("otel_scope_{key}"), &value)?;
            }
        }
        for (name, value) in &self.const_labels {
            origin.own.retain(|(own, _)| own != name);
            origin.add_own(name, value.clone())?;
        }
        if self.resource_labels {
            for (key, value) in resource.message(1).iter().flat_map(|resource| resource.attributes(1)) {
                if self.service_labels || !SERVICE.contains(&key) {
                    origin.add_attribute(key.to_owned(), &value)?;
                }
            }
        }
        Ok(origin)
    }

    /// The labels of a series: those of its origin, and those of its points' attributes. `made_later` is a label that is put to each of
    /// its lines, `le` or `quantile`.
    pub fn labels<'a>(
        &self,
        origin: &Origin,
        attributes: impl Iterator<Item = (&'a str, Any<'a>)>,
        made_later: Option<&str>,
    ) -> Result<Labels, TooManyLabels> {
        let mut bytes = origin.bytes;
        let mut entries: Vec<Entry> = Vec::with_capacity(origin.attributes.len() + 8);
        for (key, value) in attributes {
            // The resource's attribute replaces the point's of the same name, as in the Collector.
            if origin.attributes.contains_key(key) {
                continue;
            }
            let value = text(&value, &mut bytes, key)?;
            entries.push(Entry { name: self.label_name(key), attribute: key.to_owned(), value });
        }
        for (attribute, value) in &origin.attributes {
            let name = self.label_name(attribute);
            entries.push(Entry { name, attribute: attribute.clone(), value: value.clone() });
        }
        let is_taken =
            |name: &str| origin.own.iter().any(|(own, _)| own == name) || made_later.is_some_and(|later| later == name);
        for entry in &mut entries {
            while is_taken(&entry.name) {
                entry.name.insert_str(0, "exported_");
            }
        }
        let own = origin.own.iter().filter(|(_, value)| !value.is_empty()).cloned();
        Ok(Labels { pairs: joined(entries, own) })
    }

    /// The labels of `target_info`: `job`, `instance`, and what else the resource has. `None`: it has nothing else, or nothing that tells
    /// it from others.
    pub fn target_labels(&self, resource: &Message<'_>) -> Result<Option<Labels>, TooManyLabels> {
        let (job, instance) = identity(resource)?;
        if job.is_empty() && instance.is_empty() {
            return Ok(None);
        }
        let mut bytes = job.len() + instance.len();
        let mut entries = Vec::new();
        for (key, value) in resource.message(1).iter().flat_map(|resource| resource.attributes(1)) {
            if SERVICE.contains(&key) {
                continue;
            }
            let value = text(&value, &mut bytes, key)?;
            let mut name = self.label_name(key);
            if name == "job" || name == "instance" {
                name.insert_str(0, "exported_");
            }
            entries.push(Entry { name, attribute: key.to_owned(), value });
        }
        if entries.is_empty() {
            return Ok(None);
        }
        let own = [("job", job), ("instance", instance)];
        let own = own.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.to_owned(), value));
        Ok(Some(Labels { pairs: joined(entries, own) }))
    }

    /// The name of an attribute's label. Prometheus keeps names with `__` in front for itself.
    pub fn label_name(&self, attribute: &str) -> String {
        let mut name = if self.utf8 { attribute.to_owned() } else { plain(attribute) };
        let is_word = name.bytes().any(|byte| byte != b'_');
        if !is_word || name.starts_with("__") {
            name.insert_str(0, if name.starts_with('_') { "key" } else { "key_" });
        } else if !self.utf8 && name.starts_with(|c: char| c.is_ascii_digit()) {
            name.insert_str(0, "key_");
        }
        name
    }
}

impl Origin {
    fn add_own(&mut self, name: &str, value: String) -> Result<(), TooManyLabels> {
        self.bytes += name.len() + value.len();
        self.own.push((name.to_owned(), value));
        if self.bytes > LABELS_BYTES_MAX { Err(TooManyLabels) } else { Ok(()) }
    }

    fn add_attribute(&mut self, key: String, value: &Any<'_>) -> Result<(), TooManyLabels> {
        let value = text(value, &mut self.bytes, &key)?;
        self.attributes.insert(key, value);
        Ok(())
    }
}

/// `job` and `instance`.
fn identity(resource: &Message<'_>) -> Result<(String, String), TooManyLabels> {
    let mut bytes = 0;
    let (mut name, mut namespace, mut instance) = (String::new(), String::new(), String::new());
    for (key, value) in resource.message(1).iter().flat_map(|resource| resource.attributes(1)) {
        let place = match key {
            SERVICE_NAME => &mut name,
            SERVICE_NAMESPACE => &mut namespace,
            SERVICE_INSTANCE_ID => &mut instance,
            _ => continue,
        };
        *place = text(&value, &mut bytes, key)?;
    }
    // A namespace alone names no service.
    let job = match (name.is_empty(), namespace.is_empty()) {
        (false, false) => format!("{namespace}/{name}"),
        _ => name,
    };
    Ok((job, instance))
}

/// A value as text, counted with its key.
fn text(value: &Any<'_>, bytes: &mut usize, key: &str) -> Result<String, TooManyLabels> {
    let mut out = Vec::new();
    match value {
        Any::Text(text) if text.len() > LABELS_BYTES_MAX => return Err(TooManyLabels),
        _ => value.put_text(&mut out),
    }
    *bytes = bytes.saturating_add(key.len() + out.len());
    if *bytes > LABELS_BYTES_MAX {
        return Err(TooManyLabels);
    }
    // Parsing refuses text that is not UTF-8.
    Ok(String::from_utf8(out).unwrap_or_default())
}

/// In order of names, what has the same name joined in the order of the attributes.
fn joined(mut entries: Vec<Entry>, own: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    // Those of one attribute stay in their order, and the last of them counts.
    entries.sort_by(|one, other| (&one.name, &one.attribute).cmp(&(&other.name, &other.attribute)));
    entries.dedup_by(|next, kept| {
        let is_same = next.attribute == kept.attribute;
        if is_same {
            std::mem::swap(next, kept);
        }
        is_same
    });
    entries.retain(|entry| !entry.value.is_empty());
    let mut pairs: Vec<(String, String)> = Vec::with_capacity(entries.len() + 8);
    for entry in entries {
        match pairs.last_mut().filter(|(name, _)| *name == entry.name) {
            Some((_, value)) => {
                value.push(';');
                value.push_str(&entry.value);
            }
            None => pairs.push((entry.name, entry.value)),
        }
    }
    pairs.extend(own);
    pairs.sort();
    pairs
}

/// Letters and digits; each run of other characters one `_`.
fn plain(attribute: &str) -> String {
    let mut name = String::with_capacity(attribute.len());
    for c in attribute.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c);
        } else if !name.ends_with('_') {
            name.push('_');
        }
    }
    name
}
