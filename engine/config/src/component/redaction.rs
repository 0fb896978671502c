//! The `redaction` processor: the plugin `redact` with the Collector's keys and defaults.

use super::FileProcessor;
use super::plugin_config::{Handed, stage};
use crate::reader::{Located, Reader};
use crate::running::Endpoint;
use crate::schema::{Kind, Section, key, not_yet};

pub(super) static SECTION: Section = Section {
    keys: &[
        key("allow_all_keys", Kind::Bool, "false", "Attributes of every key stay."),
        key("allowed_keys", Kind::TextList, "[]", "Attributes of other keys are removed, unless all are allowed."),
        key("ignored_keys", Kind::TextList, "[]", "Attributes of these keys are not looked at."),
        key("ignored_key_patterns", Kind::TextList, "[]", "The same, by regular expressions."),
        key("blocked_key_patterns", Kind::TextList, "[]", "Attributes whose key matches are masked whole."),
        key("blocked_values", Kind::TextList, "[]", "Regular expressions; what they match in a value is masked."),
        key("allowed_values", Kind::TextList, "[]", "Regular expressions; a value that one matches stays as it is."),
        key(
            "redact_all_types",
            Kind::Bool,
            "false",
            "Attributes that are no text are looked at as the text that stands for them.",
        ),
        key("hash_function", Kind::Word(HASHES), "", "What is masked becomes its hash instead of `****`."),
        key("hmac_key", Kind::Text, "", "For `hmac-…`: at least 32 bytes, 64 for `hmac-sha512`."),
        key(
            "summary",
            Kind::Word(SUMMARIES),
            "silent",
            "Attributes that say what was done: how many were, also which of them, or nothing.",
        ),
        not_yet("url_sanitizer", "use `transform`: `replace_pattern(attributes[\"url.path\"], \"/[0-9]+\", \"/*\")`"),
        not_yet("db_sanitizer", "use `transform`: `replace_pattern(attributes[\"db.statement\"], \"[0-9]+\", \"?\")`"),
    ],
};

const HASHES: &[&str] = &["md5", "sha1", "sha3", "hmac-sha256", "hmac-sha512"];
const SUMMARIES: &[&str] = &["silent", "info", "debug"];
const LISTS: [&str; 6] = [
    "allowed_keys",
    "ignored_keys",
    "ignored_key_patterns",
    "blocked_key_patterns",
    "blocked_values",
    "allowed_values",
];

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<FileProcessor> {
    let mut config = Handed::default();
    config.bool(reader, "allow_all_keys", false);
    LISTS.iter().for_each(|list| config.texts(reader, list));
    config.bool(reader, "redact_all_types", false);
    config.word(reader, "hash_function", HASHES);
    config.text(reader, "hmac_key");
    config.set("summary", "silent");
    config.word(reader, "summary", SUMMARIES);
    Some(stage(reader, "redact", config.into()))
}
