//! The stage's `config:` block. Keys and defaults are those of the Collector's `probabilistic_sampler`, but for `ratio`, and for
//! the mode, which is the consistent one here.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The share to keep, 0 to 1.
    pub ratio: Option<f64>,
    /// The same in hundredths.
    pub sampling_percentage: Option<f32>,
    pub mode: Mode,
    pub hash_seed: u32,
    /// What has no randomness, or a broken `tracestate`, is dropped; else kept.
    pub fail_closed: bool,
    /// Hexadecimal digits of a threshold, 1 to 14, more where it is near 0 or 1.
    pub sampling_precision: u32,
    /// Log records: where randomness comes from first.
    pub attribute_source: AttributeSource,
    /// Log records: the attribute whose hash is the randomness of those without a trace, or of all.
    pub from_attribute: String,
    /// Log records: the attribute that says with how many hundredths a record wants to be kept.
    pub sampling_priority: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
pub enum Mode {
    /// Whatever share arrives, what leaves is at most the configured one of all that ever was.
    #[default]
    #[serde(rename = "equalizing")]
    Equalizing,
    /// The configured share of what arrives.
    #[serde(rename = "proportional")]
    Proportional,
    /// The Collector's older way: a hash of 14 bits.
    #[serde(rename = "hash_seed")]
    HashSeed,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
pub enum AttributeSource {
    #[default]
    #[serde(rename = "traceID")]
    TraceId,
    #[serde(rename = "record")]
    Record,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            ratio: None,
            sampling_percentage: None,
            mode: Mode::default(),
            hash_seed: 0,
            fail_closed: true,
            sampling_precision: 4,
            attribute_source: AttributeSource::default(),
            from_attribute: String::new(),
            sampling_priority: String::new(),
        }
    }
}
