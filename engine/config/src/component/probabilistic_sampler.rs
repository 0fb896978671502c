//! The `probabilistic_sampler` processor: the plugin `sample` with the Collector's keys and defaults.

use super::FileProcessor;
use super::plugin_config::{Handed, stage};
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::Endpoint;
use crate::schema::{Kind, Section, key};

pub(super) static SECTION: Section = Section {
    keys: &[
        key(
            "sampling_percentage",
            Kind::Number,
            "0",
            "The share to keep, in hundredths; 100 and more: all. `0`: nothing.",
        ),
        key(
            "mode",
            Kind::Word(MODES),
            "hash_seed",
            "`equalizing`: at most this share of all there ever was; `proportional`: this share of what arrives; `hash_seed`: the \
             older way, by a hash of 14 bits.",
        ),
        key("hash_seed", Kind::Integer, "0", "Goes into hashes; gateways that are to decide alike have the same."),
        key(
            "fail_closed",
            Kind::Bool,
            "true",
            "Drop what has no randomness, or a `tracestate` that breaks the rules; else keep it.",
        ),
        key("sampling_precision", Kind::Integer, "4", "Hexadecimal digits of the threshold that is written; 1 to 14."),
        key(
            "attribute_source",
            Kind::Word(SOURCES),
            "traceID",
            "Log records: whether `from_attribute` decides for all (`record`), or only where there is no trace.",
        ),
        key("from_attribute", Kind::Text, "", "Log records: the attribute whose hash decides, with `hash_seed`."),
        key(
            "sampling_priority",
            Kind::Text,
            "",
            "Log records: the attribute that has the share, in hundredths, that a record wants for itself.",
        ),
    ],
};

const MODES: &[&str] = &["hash_seed", "equalizing", "proportional"];
const SOURCES: &[&str] = &["traceID", "record"];

/// Digits of the threshold, as many as the Collector writes.
const PRECISION: u64 = 4;

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<FileProcessor> {
    let mut config = Handed::default();
    let percentage = reader.checked("sampling_percentage", "a number, at least 0", |share: &f64| *share >= 0.0);
    config.set("sampling_percentage", percentage.unwrap_or_default());
    config.set("mode", "hash_seed");
    config.word(reader, "mode", MODES);
    config.set("hash_seed", reader.get_or::<u32>("hash_seed", 0));
    config.bool(reader, "fail_closed", true);
    let digits = reader.checked("sampling_precision", "a whole number, 1 to 14", |digits| (1..=14).contains(digits));
    config.set("sampling_precision", digits.unwrap_or(PRECISION));
    config.set("attribute_source", "traceID");
    let mut source = Handed::default();
    source.word(reader, "attribute_source", SOURCES);
    source.text(reader, "from_attribute");
    if config.is("mode", "hash_seed") {
        config.join(source);
    } else if reader.node("from_attribute").is_some() {
        let why =
            "this mode decides by the trace alone, as in the Collector; the plugin `builtin:sample` can".to_owned();
        let what = "`from_attribute`".to_owned();
        reader.report.warn(&reader.place("from_attribute"), Problem::NoEffect { what, why });
    }
    config.text(reader, "sampling_priority");
    Some(stage(reader, "sample", config.into()))
}
