//! What comes out means what went in: prost and the tests' own reader are the judges.
//!
//! Requests are generated in every encoding that prost takes ([`requests`]). prost says what known fields mean; the
//! tests' reader says it of unknown ones too, which prost drops.

mod requests;

use std::collections::HashSet;

use arrow_buffer::BooleanBuffer;
use bytes::Bytes;
use proptest::prelude::*;
use requests::meaning::{self, Row};
use requests::{Choices, corpus, model, odd};
use wasmill_wire::{Projection, Selection, Signal, WireBatch, compact, encode, encode_limited, encoded_len, merge};

fn signal() -> impl Strategy<Value = Signal> {
    prop::sample::select(&Signal::ALL[..])
}

fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..3000)
}

fn parse(signal: Signal, request: &[u8]) -> WireBatch {
    let nothing = Projection::new(signal, Vec::new());
    WireBatch::parse(signal, Bytes::copy_from_slice(request), &nothing).expect("a request that prost takes")
}

fn some_rows(c: &mut Choices<'_>, rows: usize) -> (Vec<bool>, Selection) {
    let keep: Vec<bool> = (0..rows).map(|_| c.once_in(2)).collect();
    let selection = Selection::from_bits(BooleanBuffer::from(keep.clone()));
    (keep, selection)
}

/// Rows as they are, without the parents that have none.
fn occupied(signal: Signal, rows: Vec<Row>) -> Vec<Row> {
    let depth = if signal == Signal::Metrics { 4 } else { 3 };
    rows.into_iter().filter(|row| row.len() == depth).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// All rows kept: the same rows in the same order, unknown fields and empty parents included.
    #[test]
    fn identity(signal in signal(), bytes in choices()) {
        let request = odd(signal, &mut Choices::new(&bytes));
        let batch = parse(signal, &request);
        let all = Selection::all(batch.rows());
        let out = encode(signal, batch.index(), &all);
        prop_assert_eq!(out.len(), encoded_len(signal, batch.index(), &all));
        prop_assert_eq!(meaning::rows(signal, &out), meaning::rows(signal, &request));
        let (before, after) = (model::decode(signal, &request).unwrap(), model::decode(signal, &out).unwrap());
        prop_assert_eq!(format!("{after:?}"), format!("{before:?}"));
        prop_assert_eq!(batch.rows(), before.rows().len());
    }

    /// Some rows kept: these, in their order; parents that lost all rows are gone, parents that never had any are not.
    /// The same from a compact copy, which holds no more than what was kept.
    #[test]
    fn filter_and_compact(signal in signal(), bytes in choices()) {
        let mut c = Choices::new(&bytes);
        let request = odd(signal, &mut c);
        let batch = parse(signal, &request);
        let (keep, selection) = some_rows(&mut c, batch.rows());
        let out = encode(signal, batch.index(), &selection);
        prop_assert_eq!(out.len(), encoded_len(signal, batch.index(), &selection));
        let mut expected = model::decode(signal, &request).unwrap();
        expected.filter(&keep);
        prop_assert_eq!(format!("{:?}", model::decode(signal, &out).unwrap()), format!("{expected:?}"));

        let (all, _) = meaning::rows(signal, &request);
        let mut row = keep.iter();
        let depth = if signal == Signal::Metrics { 4 } else { 3 };
        let kept = all.into_iter().filter(|parts| parts.len() < depth || *row.next().unwrap()).collect();
        let (rows, unknown) = meaning::rows(signal, &out);
        prop_assert_eq!(meaning::sorted(rows), meaning::sorted(kept));

        let small = compact(signal, batch.index(), &selection);
        prop_assert_eq!(small.index().buffers.len(), 1);
        prop_assert!(small.index().buffers[0].len() <= out.len());
        let again = encode(signal, small.index(), &Selection::all(small.rows()));
        let (rows, unknown_again) = meaning::rows(signal, &again);
        prop_assert_eq!(meaning::sorted(rows), meaning::sorted(meaning::rows(signal, &out).0));
        prop_assert_eq!(unknown_again, unknown);
    }

    /// Several requests, some rows of each: all these rows with the parents that they had, and parents that are the same
    /// byte for byte only once. What never had rows is still there.
    #[test]
    fn merged(signal in signal(), bytes in choices()) {
        let mut c = Choices::new(&bytes);
        let requests: Vec<Vec<u8>> = (0..1 + c.below(3)).map(|_| odd(signal, &mut c)).collect();
        let batches: Vec<WireBatch> = requests.iter().map(|request| parse(signal, request)).collect();
        let selections: Vec<Selection> = batches.iter().map(|batch| some_rows(&mut c, batch.rows()).1).collect();
        // The first one twice, as two branches of one request would come.
        let twice = batches.iter().zip(&selections).chain([(&batches[0], &selections[0])]);
        let parts: Vec<_> = twice.map(|(batch, selection)| (batch.index(), selection)).collect();
        let merged = merge(signal, &parts);
        prop_assert!(merged.index().buffers.len() <= batches.len(), "buffers are shared");

        let out = encode(signal, merged.index(), &Selection::all(merged.rows()));
        let (mut rows, mut unknown) = (Vec::new(), Vec::new());
        for (index, selection) in &parts {
            let (more, unknown_too) = meaning::rows(signal, &encode(signal, index, selection));
            rows.extend(more);
            unknown.extend(unknown_too);
        }
        let (merged_rows, merged_unknown) = meaning::rows(signal, &out);
        prop_assert_eq!(meaning::sorted(merged_rows), meaning::sorted(rows));
        prop_assert_eq!(merged_unknown, unknown);
        let order = |rows: &[model::Row]| rows.iter().map(|row| format!("{:?}", row.record)).collect::<Vec<_>>();
        let first = order(&model::decode(signal, &encode(signal, parts[0].0, parts[0].1)).unwrap().rows());
        prop_assert_eq!(merged.rows(), parts.iter().map(|(_, selection)| selection.count()).sum::<usize>());
        prop_assert_eq!(first.len(), parts[0].1.count());
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
        let alone = merge(signal, &[(one.index(), &all)]);
        let merged = merge(signal, &[(one.index(), &all), (other.index(), &all)]);
        assert_eq!(merged.rows(), 2 * one.rows());
        let with_rows = |batch: &WireBatch| {
            let leaves: HashSet<u32> = batch.index().records.iter().map(|record| record.parent).collect();
            leaves.len()
        };
        assert_eq!(with_rows(&merged), with_rows(&alone));
    }
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
