//! The host and this crate know the same fields.

use wasmill_columns::Kind;
use wasmill_wire::{ColumnType, Path, Signal as HostSignal, TextForm as HostForm};

use crate::fields::{self, Missing};
use crate::{ErrorMode, Program, Signal};

const SIGNALS: [(Signal, HostSignal); 3] =
    [(Signal::Traces, HostSignal::Traces), (Signal::Metrics, HostSignal::Metrics), (Signal::Logs, HostSignal::Logs)];

fn column_type(kind: Kind) -> ColumnType {
    match kind {
        Kind::Boolean => ColumnType::Boolean,
        Kind::UInt8 => ColumnType::UInt8,
        Kind::UInt32 => ColumnType::UInt32,
        Kind::Int32 => ColumnType::Int32,
        Kind::UInt64 => ColumnType::UInt64,
        Kind::Int64 => ColumnType::Int64,
        Kind::Double => ColumnType::Double,
        Kind::Id8 => ColumnType::Id8,
        Kind::Id16 => ColumnType::Id16,
        Kind::Text | Kind::Dictionary => ColumnType::Text(HostForm::Either),
        Kind::Any => ColumnType::Any(HostForm::Either),
        Kind::Attributes => ColumnType::Attributes(HostForm::Either),
        Kind::Binary | Kind::ListValue | Kind::MapValue | Kind::Sequence => ColumnType::Binary,
    }
}

/// Every field of ours: the host has it under this name, gives the kind that is asked for, and lets a statement change it
/// where we do.
#[test]
fn the_host_has_every_field() {
    for (signal, host) in SIGNALS {
        for field in fields::all(signal) {
            let path = Path::parse(host, field.name).unwrap_or_else(|error| panic!("{error}"));
            assert!(path.accepts(&column_type(field.kind)), "{} as {}", field.name, field.kind);
            assert!(path.editable() || !field.editable, "`{}` cannot be changed", field.name);
            assert_eq!(path.to_string(), field.name);
        }
    }
}

/// Odd keys, with all that needs an escape: the path that a program asks for is read by the host as the same key.
#[test]
fn keys_survive_the_way_to_the_host() {
    for key in [r"http.route", r#"a\"b"#, r"a\\b", r"a\nb\tc\r", "größe", "", "a]b[", r"\x41"] {
        let text = format!("attributes[\"{key}\"] == 1");
        let program = Program::conditions(Signal::Traces, &[text], ErrorMode::Propagate).expect("a condition");
        let path =
            Path::parse(HostSignal::Traces, &program.columns()[0].path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(path.keys.len(), 1);
        assert!(path.accepts(&ColumnType::Any(HostForm::Either)));
    }
}

/// What a column has no value for is known for each field of a data point; other records have a value for every field.
#[test]
fn only_data_points_lack_fields() {
    for signal in [Signal::Traces, Signal::Logs] {
        assert!(fields::all(signal).all(|field| field.missing == Missing::Zero));
    }
}
