//! Names of metric families.

use wasmill_wire::{Any, Message, MetricKind};

use super::{Translation, unit};

/// Longer names are refused: ten times what anybody reads, and few enough bytes that a hundred thousand families fit into memory.
pub const NAME_BYTES_MAX: usize = 1_024;

/// Longer descriptions are cut off there: nothing is told apart by them, and each scrape repeats them.
pub const HELP_BYTES_MAX: usize = 4_096;

/// What Prometheus calls a metric's type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MetricType {
    Counter,
    Gauge,
    Summary,
    /// A number that nobody says more of.
    Unknown,
    Histogram,
}

impl MetricType {
    /// In words, for messages.
    pub fn name(self) -> &'static str {
        match self {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Summary => "summary",
            MetricType::Unknown => "unknown",
            MetricType::Histogram => "histogram",
        }
    }
}

/// What all series of a metric have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    pub name: String,
    pub kind: MetricType,
    /// As OpenMetrics has it, where the name ends with it (and `_total`); else empty.
    pub unit: String,
    pub help: String,
}

/// A metric that has no name in Prometheus.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a metric has no name")]
    Empty,
    #[error("the name `{0}` has no character that a metric's name in Prometheus may have")]
    Unnameable(String),
    #[error("the name of a metric has {0} bytes, expected at most {NAME_BYTES_MAX}")]
    TooLong(usize),
    #[error("the metric `{0}` has no data")]
    NoData(String),
}

impl Translation {
    /// Names a metric: `metric` is its message without points, `is_monotonic` that of a sum.
    pub fn family(&self, metric: &Message<'_>, kind: MetricKind, is_monotonic: bool) -> Result<Family, NameError> {
        let (name, unit) = (metric.text(1), metric.text(3));
        let is_unknown = || {
            metric.attributes(12).any(|(key, value)| key == "prometheus.type" && matches!(value, Any::Text("unknown")))
        };
        let is_gauge = kind == MetricKind::Gauge;
        let kind = match kind {
            MetricKind::None => return Err(NameError::NoData(shortened(name))),
            MetricKind::Gauge if is_unknown() => MetricType::Unknown,
            MetricKind::Gauge => MetricType::Gauge,
            MetricKind::Sum if is_monotonic => MetricType::Counter,
            MetricKind::Sum => MetricType::Gauge,
            MetricKind::Histogram | MetricKind::ExponentialHistogram => MetricType::Histogram,
            MetricKind::Summary => MetricType::Summary,
        };
        let name = self.metric_name(name, unit, kind, is_gauge)?;
        let unit = self.unit_of(&name, unit, kind);
        let help = cut(metric.text(2), HELP_BYTES_MAX).to_owned();
        Ok(Family { name, kind, unit, help })
    }

    /// The name of a metric. `is_ratio_possible`: the unit `1` of a gauge says that it is one.
    pub fn metric_name(
        &self,
        name: &str,
        unit: &str,
        kind: MetricType,
        is_ratio_possible: bool,
    ) -> Result<String, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong(name.len()));
        }
        let is_ratio = self.suffixes && unit == "1" && is_ratio_possible;
        let made = if self.utf8 {
            self.utf8_name(name, unit, kind, is_ratio)
        } else {
            self.plain_name(name, unit, kind, is_ratio)
        };
        if made.is_empty() || (made != name && made.bytes().all(|byte| byte == b'_')) {
            return Err(NameError::Unnameable(shortened(name)));
        }
        match made.len() {
            len if len > NAME_BYTES_MAX => Err(NameError::TooLong(len)),
            _ => Ok(made),
        }
    }

    /// The words of the name, of the unit and of the type, each once, joined by `_`.
    fn plain_name(&self, name: &str, unit: &str, kind: MetricType, is_ratio: bool) -> String {
        let mut made = match self.suffixes {
            true => with_suffixes(name, unit, kind, is_ratio),
            false => plain(name),
        };
        if !self.namespace.is_empty() && !made.is_empty() {
            made = format!("{}_{made}", plain(&self.namespace));
        }
        if made.starts_with(|c: char| c.is_ascii_digit()) {
            made.insert(0, '_');
        }
        made
    }

    /// The name as it is, with its suffixes at its end.
    fn utf8_name(&self, name: &str, unit: &str, kind: MetricType, is_ratio: bool) -> String {
        let mut made = if self.namespace.is_empty() { name.to_owned() } else { format!("{}_{name}", self.namespace) };
        if !self.suffixes {
            return made;
        }
        let (main, per) = unit::words(unit);
        let type_suffix = match kind {
            MetricType::Counter => "total",
            _ if is_ratio => "ratio",
            _ => "",
        };
        // From the outermost: what is there already is taken off, and put on again behind the unit.
        for suffix in [type_suffix, &*per] {
            trim(&mut made, suffix);
        }
        if !main.is_empty() && !made.ends_with(&*main) {
            made = format!("{made}_{main}");
        }
        for suffix in [&*per, type_suffix] {
            if !suffix.is_empty() {
                made = format!("{made}_{suffix}");
            }
        }
        made
    }

    /// The unit for OpenMetrics, which asks that the name ends with it.
    fn unit_of(&self, name: &str, unit: &str, kind: MetricType) -> String {
        let unit = if unit == "1" && name.ends_with("_ratio") { "ratio".to_owned() } else { unit::whole(unit) };
        let name = match kind {
            MetricType::Counter => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        let ends = |name: &str| name.strip_suffix(&*unit).is_some_and(|rest| rest.ends_with('_'));
        if !unit.is_empty() && ends(name) { unit } else { String::new() }
    }
}

fn with_suffixes(name: &str, unit: &str, kind: MetricType, is_ratio: bool) -> String {
    let mut words: Vec<&str> = name.split(|c| !is_name_char(c)).filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        return String::new();
    }
    let (main, per) = unit::words(unit);
    for suffix in [&*main, &*per] {
        if !suffix.is_empty() && !words.contains(&suffix) {
            words.push(suffix);
        }
    }
    let last = match kind {
        MetricType::Counter => Some("total"),
        _ if is_ratio => Some("ratio"),
        _ => None,
    };
    if let Some(last) = last {
        words.retain(|word| *word != last);
        words.push(last);
    }
    words.join("_")
}

/// Takes `suffix` off with the character before it, unless nothing would be left.
fn trim(name: &mut String, suffix: &str) {
    if suffix.is_empty() {
        return;
    }
    let Some(rest) = name.strip_suffix(suffix) else { return };
    let kept = rest.char_indices().next_back().map_or(0, |(at, _)| at);
    if kept > 0 {
        name.truncate(kept);
    }
}

/// What a name may have beside `_`.
fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == ':'
}

/// Each run of other characters one `_`.
pub(super) fn plain(name: &str) -> String {
    let mut made = String::with_capacity(name.len());
    for c in name.chars() {
        if is_name_char(c) {
            made.push(c);
        } else if !made.ends_with('_') {
            made.push('_');
        }
    }
    made
}

/// The start of a text that an outsider chose the length of, for a message.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN_BYTES_MAX: usize = 100;
    let start = cut(text, SHOWN_BYTES_MAX);
    if start.len() < text.len() { format!("{start}…") } else { start.to_owned() }
}

/// The longest start of at most so many bytes.
fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
