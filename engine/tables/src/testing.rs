//! What the tests are written in: files, tables of them, a small writer of MaxMind DBs, and answers as text.

use std::path::PathBuf;

use tempfile::TempDir;
use wasmill_columns::{AnyValue, Block, BlockBuilder, Column};

use crate::content::Content;
use crate::error::LoadError;
use crate::file::load;
use crate::{FindError, TableSpec};

/// A folder that goes with the test.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes beside, and renames.
    pub fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let (path, beside) = (self.path(name), self.path("beside"));
        std::fs::write(&beside, content).unwrap();
        std::fs::rename(&beside, &path).unwrap();
        path
    }
}

pub fn csv(text: impl AsRef<[u8]>, settings: impl FnOnce(&mut TableSpec)) -> Result<Content, LoadError> {
    let folder = Folder::new();
    let mut spec = TableSpec::csv(folder.put("hosts.csv", text), "host");
    settings(&mut spec);
    load(&spec, &|| true).map(|(content, _)| content)
}

pub fn mmdb(bytes: impl AsRef<[u8]>) -> Result<Content, LoadError> {
    let folder = Folder::new();
    load(&TableSpec::mmdb(folder.put("geo.mmdb", bytes)), &|| true).map(|(content, _)| content)
}

pub fn block<R>(write: impl FnOnce(&mut BlockBuilder) -> R) -> Vec<u8> {
    let mut block = BlockBuilder::new();
    write(&mut block);
    block.finish().unwrap()
}

pub fn texts(keys: &[&str]) -> Vec<u8> {
    block(|block| block.text(keys.iter().copied()))
}

/// The answer, a line for each field: its kind, and its values with `-` where there is none.
pub fn found(content: &Content, keys: &[u8], fields: &[&str]) -> Result<Vec<String>, FindError> {
    let answer = content.find(keys, fields, 1 << 20)?;
    let block = Block::check(&answer).expect("an answer is a block");
    Ok(block.columns().map(|column| format!("{}: {}", column.kind(), values(&column).join(" "))).collect())
}

fn values(column: &Column<'_>) -> Vec<String> {
    let cell = |row: usize| match column {
        Column::Text(texts) => texts.get(row).map(str::to_owned),
        Column::Int64(ints) => ints.get(row).map(|int| int.to_string()),
        Column::UInt64(ints) => ints.get(row).map(|int| int.to_string()),
        Column::Double(doubles) => doubles.get(row).map(|double| double.to_string()),
        Column::Boolean(booleans) => booleans.get(row).map(|boolean| boolean.to_string()),
        Column::Binary(bytes) => bytes.get(row).map(|bytes| format!("{bytes:?}")),
        Column::Any(any) => match any.get(row) {
            AnyValue::Absent => None,
            value => Some(format!("{value:?}")),
        },
        other => panic!("no table has `{}`", other.kind()),
    };
    (0..column.len()).map(|row| cell(row).unwrap_or_else(|| "-".to_owned())).collect()
}

/// A value of a MaxMind DB.
#[derive(Clone, Debug)]
pub enum Value {
    Text(&'static str),
    Double(f64),
    Bytes(&'static [u8]),
    UInt16(u16),
    UInt32(u32),
    UInt64(u64),
    Int32(i32),
    Boolean(bool),
    Map(Vec<(&'static str, Value)>),
    List(Vec<Value>),
}

impl Value {
    /// As the format's specification has it: a byte of type and size, the type's rest where it does not fit, the content.
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Text(text) => head(out, 2, text.len()).extend(text.as_bytes()),
            Value::Double(double) => head(out, 3, 8).extend(double.to_be_bytes()),
            Value::Bytes(bytes) => head(out, 4, bytes.len()).extend(*bytes),
            Value::UInt16(int) => head(out, 5, 2).extend(int.to_be_bytes()),
            Value::UInt32(int) => head(out, 6, 4).extend(int.to_be_bytes()),
            Value::Int32(int) => head(out, 8, 4).extend(int.to_be_bytes()),
            Value::UInt64(int) => head(out, 9, 8).extend(int.to_be_bytes()),
            Value::Boolean(boolean) => {
                head(out, 14, usize::from(*boolean));
            }
            Value::List(items) => {
                head(out, 11, items.len());
                items.iter().for_each(|item| item.write(out));
            }
            Value::Map(entries) => {
                head(out, 7, entries.len());
                for (key, value) in entries {
                    Value::Text(key).write(out);
                    value.write(out);
                }
            }
        }
    }
}

fn head(out: &mut Vec<u8>, kind: u8, size: usize) -> &mut Vec<u8> {
    let (size, more) = if size < 29 { (size as u8, None) } else { (29, Some((size - 29) as u8)) };
    if kind < 8 {
        out.push(kind << 5 | size);
    } else {
        out.extend([size, kind - 7]);
    }
    out.extend(more);
    out
}

/// Where a node's two ends lead.
#[derive(Clone, Copy)]
enum End {
    Nowhere,
    Node(usize),
    Record(usize),
}

/// A MaxMind DB of IPv6 networks, as address and length; IPv4 ones are below `::/96`.
pub fn mmdb_of(networks: &[(u128, u32, Value)]) -> Vec<u8> {
    let mut nodes = vec![[End::Nowhere; 2]];
    let (mut data, mut at) = (Vec::new(), 0);
    for (address, length, value) in networks {
        let mut node = 0;
        for depth in 0..*length {
            let side = (address >> (127 - depth) & 1) as usize;
            if depth + 1 == *length {
                nodes[node][side] = End::Record(at);
            } else {
                node = match nodes[node][side] {
                    End::Node(next) => next,
                    _ => {
                        nodes.push([End::Nowhere; 2]);
                        nodes[node][side] = End::Node(nodes.len() - 1);
                        nodes.len() - 1
                    }
                };
            }
        }
        value.write(&mut data);
        at = data.len();
    }
    let mut out = Vec::new();
    for end in nodes.iter().flatten() {
        let number = match *end {
            End::Nowhere => nodes.len(),
            End::Node(node) => node,
            End::Record(at) => nodes.len() + 16 + at,
        };
        out.extend(&(number as u32).to_be_bytes()[1..]);
    }
    out.extend([0; 16]);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    let metadata = Value::Map(vec![
        ("binary_format_major_version", Value::UInt16(2)),
        ("binary_format_minor_version", Value::UInt16(0)),
        ("build_epoch", Value::UInt64(1_700_000_000)),
        ("database_type", Value::Text("Test")),
        ("description", Value::Map(vec![("en", Value::Text("a test"))])),
        ("ip_version", Value::UInt16(6)),
        ("languages", Value::List(vec![])),
        ("node_count", Value::UInt32(nodes.len() as u32)),
        ("record_size", Value::UInt16(24)),
    ]);
    metadata.write(&mut out);
    out
}
