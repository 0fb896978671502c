//! What holds of a table of any content, asked for anything: what the fuzz target runs, and the tests on its corpus.

use std::collections::BTreeMap;
use std::fs;

use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use wasmill_columns::{Block, BlockBuilder, Column};
use wasmill_tables::{CellType, Content, CsvFormat, FindError, Format, Registry, TableSpec};

/// Of a table's file, and of its memory.
const BYTES_MAX: u64 = 1 << 20;
/// Of an answer.
const ANSWER_MAX: usize = 1 << 16;

/// The key's column in CSV.
const KEY: &str = "k";
const FIELDS: [&str; 10] =
    [KEY, "t", "n", "d", "b", "", "country.iso_code", "names.en", "list.0.deep", "country.names.en"];

/// Where tables are loaded.
pub struct Place {
    folder: TempDir,
    runtime: Runtime,
}

/// What became of an input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Came {
    Refused,
    /// With so many rows or networks.
    Loaded(u64),
}

impl Place {
    pub fn new() -> Place {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Place { folder: tempfile::tempdir().expect("a folder"), runtime }
    }

    /// The first byte says which format, the second how many of the following ones are asked as a block of keys; the rest is the file.
    pub fn check(&self, input: &[u8]) -> Came {
        let [format, asked, rest @ ..] = input else { return Came::Refused };
        let (asked, file) = rest.split_at(usize::from(*asked).min(rest.len()));
        let path = self.folder.path().join("table");
        fs::write(&path, file).expect("a file");
        let spec = TableSpec { file: path, format: format_of(*format), bytes_max: BYTES_MAX };
        let Ok(table) = self.runtime.block_on(Registry::default().open(&spec)) else { return Came::Refused };
        let content = table.content();
        assert!(content.bytes() <= BYTES_MAX, "{} bytes", content.bytes());
        for field in FIELDS {
            asked_anything(&content, asked, field);
            for keys in keys() {
                asked_anything(&content, &keys, field);
            }
        }
        if let Format::Csv(CsvFormat { types, .. }) = &spec.format
            && !types.contains_key(KEY)
        {
            each_text_is_found(&content);
        }
        Came::Loaded(content.rows())
    }
}

fn format_of(byte: u8) -> Format {
    if byte & 1 == 1 {
        return Format::Mmdb;
    }
    let mut types = BTreeMap::new();
    if byte & 2 == 2 {
        types.insert("n".to_owned(), CellType::Int64);
        types.insert("d".to_owned(), CellType::Double);
        types.insert("b".to_owned(), CellType::Boolean);
    }
    if byte & 4 == 4 {
        types.insert(KEY.to_owned(), CellType::Int64);
    }
    let delimiter = if byte & 8 == 8 { b';' } else { b',' };
    Format::Csv(CsvFormat { key: KEY.to_owned(), delimiter, types })
}

/// Keys of every kind that tables have, and of one that none has.
fn keys() -> [Vec<u8>; 5] {
    fn block<C>(write: impl FnOnce(&mut BlockBuilder) -> C) -> Vec<u8> {
        let mut block = BlockBuilder::new();
        write(&mut block);
        block.finish().expect("a small block")
    }
    [
        block(|block| block.text(["a", "", "1.2.3.4", "::1", "::ffff:1.2.3.4", "no address", "2001:db8::1"])),
        block(|block| block.fixed([1_i64, -1, 0, i64::MAX])),
        block(|block| block.binary([&[1_u8, 2, 3, 4][..], &[0; 16], &[0xff; 16], b"odd", b""])),
        block(|block| block.fixed([0.5])),
        block(|block| block.text([""; 0])),
    ]
}

/// An answer is a block with one column of as many rows as keys; what is none says why.
fn asked_anything(content: &Content, keys: &[u8], field: &str) {
    match content.find(keys, &[field], ANSWER_MAX) {
        Ok(answer) => {
            let count = Block::check(keys).expect("keys that were answered").column(0).map_or(0, |keys| keys.len());
            let answer = Block::check(&answer).expect("an answer is a block");
            assert_eq!(answer.columns().count(), 1);
            assert_eq!(answer.column(0).map(|column| column.len()), Some(count));
        }
        Err(FindError::Keys { .. } | FindError::UnknownField { .. } | FindError::TooMany { .. }) => {}
        Err(FindError::TooLarge { max }) => assert_eq!(max, ANSWER_MAX),
    }
}

/// Each row is found by its own key, which is what its key's column has.
fn each_text_is_found(content: &Content) {
    let names: Vec<String> =
        (0..200).map(|number| number.to_string()).chain(["a", "b", "é"].map(str::to_owned)).collect();
    let mut keys = BlockBuilder::new();
    keys.text(names.iter().map(String::as_str));
    let keys = keys.finish().expect("a small block");
    let Ok(answer) = content.find(&keys, &[KEY], ANSWER_MAX) else { panic!("the key is a field") };
    let answer = Block::check(&answer).expect("an answer is a block");
    let Some(Column::Text(found)) = answer.column(0) else { panic!("a key of text is text") };
    for (row, name) in names.iter().enumerate() {
        assert!(found.get(row).is_none_or(|found| found == name), "{name} is {:?}", found.get(row));
    }
}
