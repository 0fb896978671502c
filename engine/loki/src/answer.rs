//! How much of a push Loki refused.
//!
//! A push with bad entries is answered with 400, and the good ones are taken all the same. What the answer's text says of it comes from
//! two places: the distributor looks at entries by themselves, and names each kind of fault with its number of entries; the ingester
//! looks at them in their streams, and counts what it left of the last stream that had any.

/// What is known from the text of a 400.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// So many entries; the rest is taken.
    Entries(u64),
    /// Whole streams, and it does not say how many entries these have; the rest is taken.
    Streams,
    /// The push as it is.
    Push,
}

/// Faults of one entry, by how Loki's texts begin or what they have within.
const OF_ENTRIES: [&str; 4] =
    ["has timestamp too ", "Max entry size ", "has structured metadata too large", "has too many structured metadata"];
/// Faults of a stream.
const OF_STREAMS: [&str; 6] = [
    " label names; limit ",
    "has label name too long",
    "has label value too long",
    "has duplicate label name",
    "rror parsing labels ",
    "missing required labels ",
];
/// Before the number of entries that an ingester left.
const IGNORED: &str = "total ignored: ";
/// After the number of faults of one kind.
const LIKE: &str = " errors like: ";

/// Reads the answer to a push.
pub fn refused(answer: &str) -> Refused {
    if let Some((_, rest)) = answer.rsplit_once(IGNORED) {
        return number_at_start(rest).map_or(Refused::Streams, Refused::Entries);
    }
    if OF_STREAMS.iter().any(|of_streams| answer.contains(of_streams)) {
        return Refused::Streams;
    }
    // Each kind has its number in front of it, where there are several kinds or faults. Labels of a stream stand between.
    let mut entries = 0u64;
    let mut rest = answer;
    while let Some((before, after)) = next_fault(rest) {
        let count = before.rsplit_once(LIKE).map_or(1, |(before, _)| number_at_end(before));
        entries = entries.saturating_add(count);
        rest = after;
    }
    if entries > 0 { Refused::Entries(entries) } else { Refused::Push }
}

/// What stands before and after the first fault of an entry.
fn next_fault(text: &str) -> Option<(&str, &str)> {
    let found = OF_ENTRIES.iter().filter_map(|fault| Some((text.find(fault)?, fault.len())));
    let (start, len) = found.min()?;
    Some((text.get(..start)?, text.get(start + len..)?))
}

fn number_at_end(text: &str) -> u64 {
    let start = text.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |place| place + 1);
    text.get(start..).and_then(|digits| digits.parse().ok()).unwrap_or(1)
}

fn number_at_start(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts as Loki 3.7 has them.
    #[test]
    fn answers_are_read() {
        let old = "entry for stream '{job=\"a; b\"}' has timestamp too old: 2022-09-01T00:00:00Z, oldest acceptable timestamp is: \
                   2022-09-14T00:00:00Z";
        let long = "Max entry size '262144' bytes exceeded for stream '{job=\"a\"}' while adding an entry with length '300000' bytes";
        let behind = "entry with timestamp 2022-09-14 05:02:14 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: \
                      2022-09-14T05:02:14Z, oldest acceptable timestamp is: 2022-09-14T06:02:14Z',\nuser 'fake', total ignored: 3 out of 7 for \
                      stream: {job=\"a\"}";
        for (answer, expected) in [
            (old.to_owned(), Refused::Entries(1)),
            (long.to_owned(), Refused::Entries(1)),
            (format!("2 errors like: {old}"), Refused::Entries(2)),
            (format!("2 errors like: {old}; 3 errors like: {long}"), Refused::Entries(5)),
            (behind.to_owned(), Refused::Entries(3)),
            ("entry for stream '{a=\"b\"}' has 16 label names; limit 15".to_owned(), Refused::Streams),
            (
                format!("2 errors like: {old}; 1 errors like: stream '{{}}' has label name too long: 'a'"),
                Refused::Streams,
            ),
            ("couldn't parse push request".to_owned(), Refused::Push),
            (String::new(), Refused::Push),
        ] {
            assert_eq!(refused(&answer), expected, "{answer}");
        }
    }
}
