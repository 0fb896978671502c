//! The `transform` processor: the plugin `enrich` with the Collector's keys.

use super::FileProcessor;
use super::filter::{ERROR_MODES, GROUP_CONTEXT, GROUP_ERROR_MODE, group, with_error_mode};
use super::plugin_config::{Handed, stage};
use crate::reader::{Located, Reader};
use crate::running::Endpoint;
use crate::schema::{Kind, Section, key, never};

pub(super) static SECTION: Section = Section {
    keys: &[
        key(
            "error_mode",
            Kind::Word(ERROR_MODES),
            "ignore",
            "What happens where a statement cannot be evaluated for a record: it does nothing there, with a word in the log or \
             without, or the client is told to retry.",
        ),
        key(
            "trace_statements",
            Kind::TextsOrSections(&GROUP),
            "[]",
            "Run over spans, in order. Statements, or groups of them.",
        ),
        key("metric_statements", Kind::TextsOrSections(&GROUP), "[]", "The same over data points."),
        key("log_statements", Kind::TextsOrSections(&GROUP), "[]", "The same over log records."),
        never("profile_statements", "profiles are not taken"),
        never("flatten_data", "resources and scopes are split by themselves where their records come to differ"),
    ],
};

static GROUP: Section = Section {
    keys: &[
        GROUP_CONTEXT,
        GROUP_ERROR_MODE,
        key(
            "conditions",
            Kind::TextList,
            "",
            "The statements run where one of these is true; without any, everywhere.",
        ),
        key("statements", Kind::TextList, "", "The statements."),
    ],
};

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<FileProcessor> {
    let mut keys = Handed::default();
    for key in ["trace_statements", "metric_statements", "log_statements"] {
        keys.texts_or_sections(reader, key, &GROUP, |reader, keys| {
            group(reader, keys);
            keys.texts(reader, "statements");
        });
    }
    Some(stage(reader, "enrich", with_error_mode(reader, keys)))
}
