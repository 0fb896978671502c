//! The `debug` exporter.

use crate::reader::{Located, Reader};
use crate::running::{DebugExporter, Endpoint, Exporter, Verbosity};
use crate::schema::{Kind, Section, key, no_effect};
use crate::values::words;

pub(super) static SECTION: Section = Section {
    keys: &[
        key(
            "verbosity",
            Kind::Word(VERBOSITY),
            "basic",
            "A line for each batch, a line for each record, or everything.",
        ),
        key("sampling_initial", Kind::Integer, "2", "Batches of each second that are written;"),
        key("sampling_thereafter", Kind::Integer, "1", "then one in so many of them. `0`: no more in that second."),
        no_effect("use_internal_logger", "it writes to standard error"),
        no_effect("output_paths", "it writes to standard error"),
        no_effect("sending_queue", "it writes at once"),
    ],
};

words!(Verbosity, VERBOSITY:
    "basic" => Verbosity::Basic, "normal" => Verbosity::Normal, "detailed" => Verbosity::Detailed);

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<Exporter> {
    let default = DebugExporter::default();
    Some(Exporter::Debug(DebugExporter {
        verbosity: reader.get_or("verbosity", default.verbosity),
        sampling_initial: reader.get_or("sampling_initial", default.sampling_initial),
        sampling_thereafter: reader.get_or("sampling_thereafter", default.sampling_thereafter),
    }))
}
