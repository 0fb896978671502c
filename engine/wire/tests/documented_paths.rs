//! The table of paths in `wit/README.md` is true: each path is one, and has the kind that stands beside it.

use wasmill_wire::{ColumnType, Path, Signal};

fn name(column: &ColumnType) -> String {
    let name = match column {
        ColumnType::Boolean => "boolean",
        ColumnType::UInt8 => "uint8",
        ColumnType::UInt32 => "uint32",
        ColumnType::Int32 => "int32",
        ColumnType::UInt64 => "uint64",
        ColumnType::Int64 => "int64",
        ColumnType::Double => "double",
        ColumnType::Id8 => "id8",
        ColumnType::Id16 => "id16",
        ColumnType::Text(_) => "text",
        ColumnType::Binary => "binary",
        ColumnType::Any(_) => "any",
        ColumnType::Attributes(_) => "attributes",
        ColumnType::Sequence(element) => return format!("sequence of {}", name(element)),
    };
    format!("`{name}`")
}

/// Each line of the table, for the signals that it is about.
#[test]
fn documented_paths_have_their_documented_kinds() {
    let table = include_str!("../../../wit/README.md").split("## Paths").nth(1).expect("the table");
    let mut paths = 0;
    for line in table.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let [_, rows, kind, listed, _] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let signals: &[Signal] = match rows {
            "spans" => &[Signal::Traces],
            "log records" => &[Signal::Logs],
            "data points" => &[Signal::Metrics],
            "all" => &Signal::ALL,
            _ => panic!("{line}"),
        };
        for path in listed.split(", ") {
            let path = path.trim_matches('`');
            for &signal in signals {
                let parsed = Path::parse(signal, path).unwrap_or_else(|error| panic!("{line}: {error}"));
                assert_eq!(name(&parsed.column_type()), kind, "`{path}` of {signal}");
                let is_fixed = ["duration", "metric.type", "metric.aggregation_temporality", "metric.is_monotonic"];
                let is_fixed = is_fixed.contains(&path) || path.starts_with("request.");
                assert_eq!(parsed.editable(), !is_fixed, "`{path}` of {signal}");
                paths += 1;
            }
        }
    }
    assert!(paths > 80, "the table was found: {paths}");
}
