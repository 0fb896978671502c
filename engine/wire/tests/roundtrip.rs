//! What comes out means what went in: prost and the tests' own reader are the judges.
//!
//! Requests are generated in every encoding that prost takes ([`requests`]). prost says what known fields mean; the
//! tests' reader says it of unknown ones too, which prost drops.

mod requests;

use std::collections::HashSet;
use std::sync::Arc;

use proptest::prelude::*;
use requests::check::{parse, some_rows};
use requests::meaning::{self, Row};
use requests::{Choices, check, corpus, model, odd};
use wasmill_wire::{Index, MergePart, Selection, Signal, WireBatch, encode, encode_limited, merge};

fn signal() -> impl Strategy<Value = Signal> {
    prop::sample::select(&Signal::ALL[..])
}

fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..3000)
}

/// Rows as they are, without the parents that have none.
fn occupied(signal: Signal, rows: Vec<Row>) -> Vec<Row> {
    let depth = if signal == Signal::Metrics { 4 } else { 3 };
    rows.into_iter().filter(|row| row.len() == depth).collect()
}

fn whole<'a>(batch: &'a WireBatch, selection: &'a Selection) -> MergePart<'a> {
    MergePart { index: batch.index(), selection, with_rowless: true }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// All rows kept.
    #[test]
    fn identity(signal in signal(), bytes in choices()) {
        check::identity(signal, &odd(signal, &mut Choices::new(&bytes)));
    }

    /// Some rows kept, and copied to a buffer of their own.
    #[test]
    fn filter_and_compact(signal in signal(), bytes in choices()) {
        let mut c = Choices::new(&bytes);
        let request = odd(signal, &mut c);
        check::filter_and_compact(signal, &request, &mut c);
    }

    /// Bytes changed at random, where prost still takes what that makes: fields in messages that they are not meant for,
    /// lengths that end elsewhere. All of it, edits included.
    #[test]
    fn mutated(
        signal in signal(),
        bytes in choices(),
        more in prop::collection::vec(any::<u8>(), 0..300),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut request = odd(signal, &mut Choices::new(&bytes));
        for (at, byte) in changes.into_iter().filter(|_| !request.is_empty()).collect::<Vec<_>>() {
            let at = at.index(request.len());
            // A small number as often as any: tags and lengths mostly are.
            request[at] = if byte & 1 == 0 { byte >> 3 } else { byte };
        }
        if model::decode(signal, &request).is_ok() {
            check::all(signal, &request, &more);
        }
    }

    /// Several requests, some rows of each: all these rows with the parents that they had, and parents that are the same
    /// byte for byte only once. What never had rows is still there.
    #[test]
    fn merged(signal in signal(), bytes in choices()) {
        let mut c = Choices::new(&bytes);
        let requests: Vec<Vec<u8>> = (0..1 + c.below(3)).map(|_| odd(signal, &mut c)).collect();
        let batches: Vec<Arc<WireBatch>> = requests.iter().map(|request| parse(signal, request)).collect();
        let selections: Vec<Selection> = batches.iter().map(|batch| some_rows(&mut c, batch.rows()).1).collect();
        // The first one twice, as two branches of one request would come.
        let twice = batches.iter().zip(&selections).chain([(&batches[0], &selections[0])]);
        let parts: Vec<_> = twice.map(|(batch, selection)| whole(batch, selection)).collect();
        let merged = merge(signal, &parts);
        prop_assert!(merged.index().buffers.len() <= batches.len(), "buffers are shared");

        let all = Selection::all(merged.rows());
        let out = encode(signal, merged.index(), &all);
        check::gathered(signal, merged.index(), &all, &out);
        let (mut rows, mut unknown) = (Vec::new(), Vec::new());
        for MergePart { index, selection, .. } in &parts {
            let (more, unknown_too) = meaning::rows(signal, &encode(signal, index, selection));
            rows.extend(more);
            unknown.extend(unknown_too);
        }
        let (merged_rows, merged_unknown) = meaning::rows(signal, &out);
        prop_assert_eq!(meaning::sorted(merged_rows), meaning::sorted(rows));
        prop_assert_eq!(merged_unknown, unknown);
        // Records in the order of the parts, whichever parents they come to share.
        let records = |index: &Index, row: usize| {
            let record = &index.records[row];
            index.buffers[record.buffer as usize].slice(record.offset as usize..(record.offset + record.len) as usize)
        };
        let of_parts =
            parts.iter().flat_map(|part| part.selection.rows().map(move |row| records(part.index, row)));
        let of_merged = (0..merged.rows()).map(|row| records(merged.index(), row));
        prop_assert!(of_merged.eq(of_parts));
        prop_assert_eq!(merged.rows(), parts.iter().map(|part| part.selection.count()).sum::<usize>());
    }

    /// A request is cut in two, and each half is merged with another request: every row once, and what has no rows once.
    #[test]
    fn merged_in_pieces(signal in signal(), bytes in choices(), at in any::<prop::sample::Index>()) {
        let mut c = Choices::new(&bytes);
        let (one, other) = (parse(signal, &odd(signal, &mut c)), parse(signal, &odd(signal, &mut c)));
        let cut = at.index(one.rows() + 1) as u32;
        let half = |rows: std::ops::Range<u32>| Selection::from_rows(one.rows(), &rows.collect::<Vec<_>>());
        let (first, rest) = (half(0..cut), half(cut..one.rows() as u32));
        let all = Selection::all(other.rows());
        let merged = [
            merge(signal, &[whole(&other, &all), whole(&one, &first)]),
            merge(signal, &[MergePart { with_rowless: false, ..whole(&one, &rest) }, whole(&other, &all)]),
        ];
        let meanings = |batch: &WireBatch| {
            meaning::rows(signal, &encode(signal, batch.index(), &Selection::all(batch.rows())))
        };
        let (mut rows, mut unknown) = meanings(&merged[0]);
        let second = meanings(&merged[1]);
        rows.extend(second.0);
        unknown.extend(second.1);
        let (mut expected, mut expected_unknown) = meanings(&other);
        for batch in [&one, &other] {
            let more = meanings(batch);
            expected.extend(more.0);
            expected_unknown.extend(more.1);
        }
        prop_assert_eq!(meaning::sorted(rows), meaning::sorted(expected));
        prop_assert_eq!(unknown, expected_unknown);
    }

    /// Cut to a length: every row once, in order, none longer than it may be unless it is a single row; what has no rows
    /// goes with the first.
    #[test]
    fn limited(signal in signal(), bytes in choices(), bytes_max in 0usize..2000) {
        let mut c = Choices::new(&bytes);
        let request = odd(signal, &mut c);
        let batch = parse(signal, &request);
        let (_, selection) = some_rows(&mut c, batch.rows());
        let whole = encode(signal, batch.index(), &selection);
        let parts = encode_limited(signal, batch.index(), &selection, bytes_max);
        let (mut rows, mut unknown) = (Vec::new(), Vec::new());
        for (number, part) in parts.iter().enumerate() {
            let (more, unknown_too) = meaning::rows(signal, part);
            let records = occupied(signal, more.clone()).len();
            prop_assert!(part.len() <= bytes_max || records <= 1, "{} bytes with {} rows", part.len(), records);
            prop_assert!(number == 0 || records == more.len());
            rows.extend(more);
            unknown.extend(unknown_too);
        }
        let (expected, expected_unknown) = meaning::rows(signal, &whole);
        prop_assert_eq!(occupied(signal, rows.clone()), occupied(signal, expected.clone()));
        prop_assert_eq!(meaning::sorted(rows), meaning::sorted(expected));
        prop_assert_eq!(unknown, expected_unknown);
    }
}

/// Two requests of one process: its resources and scopes once, and the rows of both.
#[test]
fn merging_joins_equal_parents() {
    for (signal, seed) in Signal::ALL.into_iter().flat_map(|signal| (0..20).map(move |seed| (signal, seed))) {
        let request = odd(signal, &mut Choices::new(&corpus(seed)));
        let (one, other) = (parse(signal, &request), parse(signal, &request));
        let all = Selection::all(one.rows());
        let alone = merge(signal, &[whole(&one, &all)]);
        let merged = merge(signal, &[whole(&one, &all), whole(&other, &all)]);
        assert_eq!(merged.rows(), 2 * one.rows());
        let with_rows = |batch: &WireBatch| {
            let leaves: HashSet<u32> = batch.index().records.iter().map(|record| record.parent).collect();
            leaves.len()
        };
        assert_eq!(with_rows(&merged), with_rows(&alone));
    }
}

/// The requests of the parser's fuzz corpus, as far as they are such, go through everything that the fuzz target
/// `roundtrip` does to them.
#[test]
fn the_fuzzers_corpus_goes_round() {
    let corpus_dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/parse");
    let mut valid = 0;
    for file in std::fs::read_dir(corpus_dir).expect("the corpus") {
        let input = std::fs::read(file.expect("an entry").path()).expect("a file");
        let Some((&first, request)) = input.split_first() else { continue };
        let signal = Signal::ALL[first as usize % 3];
        if model::decode(signal, request).is_ok() {
            valid += 1;
            for seed in 0..8 {
                check::all(signal, request, &corpus(seed));
            }
        }
    }
    assert!(valid >= 10, "{valid} valid requests in the corpus");
}

/// The generator makes what it is for: rows of each kind, unknown fields at each level, parents without rows.
#[test]
fn the_corpus_is_not_hollow() {
    for signal in Signal::ALL {
        let depth = if signal == Signal::Metrics { 4 } else { 3 };
        let (mut rows, mut rowless, mut unknown) = (0, 0, [0; 4]);
        for seed in 0..100 {
            let request = odd(signal, &mut Choices::new(&corpus(seed)));
            for row in meaning::rows(signal, &request).0 {
                *if row.len() == depth { &mut rows } else { &mut rowless } += 1;
                row.iter().enumerate().for_each(|(level, part)| unknown[level] += part.unknown.len());
            }
        }
        assert!(rows > 300 && rowless > 20, "{signal}: {rows} rows, {rowless} parents without");
        assert!(unknown[..depth].iter().all(|&count| count > 20), "{signal}: {unknown:?} unknown fields");
    }
}
