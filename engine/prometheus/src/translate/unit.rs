//! Units: UCUM's abbreviations as OTLP has them, in Prometheus' words.

/// What units are called. Those that are not here keep their name.
const UNITS: [(&str, &str); 26] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("1", ""),
    ("%", "percent"),
];

/// What stands behind a `/`, in the singular.
const PER_UNITS: [(&str, &str); 7] =
    [("s", "second"), ("m", "minute"), ("h", "hour"), ("d", "day"), ("w", "week"), ("mo", "month"), ("y", "year")];

/// A unit's two parts, `bytes` and `per_second`; each may be empty. A part in braces counts something, and is none.
pub(super) fn words(unit: &str) -> (String, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let per = word(per, &PER_UNITS);
    let per = if per.is_empty() { per } else { format!("per_{per}") };
    (word(main, &UNITS), per)
}

/// As the unit stands in OpenMetrics' metadata; empty for none.
pub(super) fn whole(unit: &str) -> String {
    let (main, per) = words(unit);
    match (main.is_empty(), per.is_empty()) {
        (false, false) => format!("{main}_{per}"),
        _ => main + &per,
    }
}

fn word(unit: &str, known: &[(&str, &str)]) -> String {
    let unit = unit.trim();
    if unit.contains(['{', '}']) {
        return String::new();
    }
    match known.iter().find(|(short, _)| *short == unit) {
        Some((_, long)) => (*long).to_owned(),
        None => clean(unit),
    }
}

/// Letters, digits and single `_`, none at the ends.
fn clean(unit: &str) -> String {
    let is_kept = |c: char| c.is_ascii_alphanumeric() || c == ':';
    unit.split(|c| !is_kept(c)).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
}
