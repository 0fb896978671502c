//! "Did you mean …?"

/// Texts longer than this are not compared: nobody mistypes those, and the comparison takes the product of both lengths.
const COMPARED_MAX: usize = 64;

/// The candidate that is closest to what was written, if any is close enough to be meant: a third of its characters may differ.
pub(crate) fn nearest<'c>(written: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let written = fold(written);
    if written.len() > COMPARED_MAX {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let folded = fold(candidate);
        if folded.len() > COMPARED_MAX {
            continue;
        }
        let distance = distance(&written, &folded);
        let close_enough = distance <= written.len().max(folded.len()) / 3;
        if close_enough && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// `Num-Consumers`, `numConsumers` and `num_consumers` are one word.
fn fold(text: &str) -> Vec<char> {
    text.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut rows: [Vec<usize>; 3] = [vec![0; width], (0..width).collect(), vec![0; width]];
    for (i, x) in a.iter().enumerate() {
        let [before, last, row] = &mut rows;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            row[j + 1] = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        rows.rotate_left(1);
    }
    rows[1][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_another_word_finds_none() {
        let keys = ["endpoint", "sending_queue", "retry_on_failure", "timeout", "tls", "headers"];
        let cases = [
            ("endpont", Some("endpoint")),
            ("sendingQueue", Some("sending_queue")),
            ("retry-on-failure", Some("retry_on_failure")),
            ("timoeut", Some("timeout")),
            ("heder", Some("headers")),
            ("tsl", Some("tls")),
            ("kafka", None),
            ("", None),
        ];
        for (written, expected) in cases {
            assert_eq!(nearest(written, keys), expected, "{written}");
        }
        assert_eq!(nearest(&"a".repeat(1 << 20), keys), None);
    }
}
