//! Sizes in bytes: `65536`, `512KiB`, `64MiB`.

use super::{FromNode, expected};
use crate::node::{Node, Typed, Value};
use crate::problem::Problem;

/// Bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Size(pub u64);

const UNITS: [(&str, u64); 10] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

const EXPECTED: &str = "a size, such as `512KiB`, `64MiB` or a number of bytes";

impl FromNode for Size {
    fn from_node(node: &Node) -> Result<Size, Problem> {
        let Value::Scalar(scalar) = &node.value else { return Err(expected(EXPECTED, node)) };
        let size = match scalar.typed {
            Typed::Int(bytes) => u64::try_from(bytes).ok(),
            Typed::Uint(bytes) => Some(bytes),
            _ => parse(&scalar.text),
        };
        size.map(Size).ok_or_else(|| expected(EXPECTED, node))
    }
}

fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let (_, bytes) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.parse::<u64>().ok()?.checked_mul(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_both_kinds() {
        let cases = [
            ("64MiB", Some(64 << 20)),
            ("64 MiB", Some(64 << 20)),
            ("64mib", Some(64 << 20)),
            ("1Gi", Some(1 << 30)),
            ("10MB", Some(10_000_000)),
            ("7B", Some(7)),
            ("MiB", None),
            ("1.5MiB", None),
            ("-1MiB", None),
            ("64M", None),
            ("99999999999GiB", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}
