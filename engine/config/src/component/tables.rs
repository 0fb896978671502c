//! `tables:` of a plugin: files that it looks things up in.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::node::Entry;
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{CellType, LookupTable, TableFormat};
use crate::schema::{Kind, Section, key, required};
use crate::values::{FromNode, Size, expected, words};

pub(crate) static SECTION: Section = Section {
    keys: &[
        required(
            "file",
            Kind::File,
            "The file, which is loaded anew when it changes. A relative path starts at the working directory.",
        ),
        key("format", Kind::Word(FORMATS), "", "Where the file's ending does not say it: `.csv`, `.tsv` or `.mmdb`."),
        key(
            "key",
            Kind::Text,
            "",
            "CSV: the column that rows are found by, as the first line names it; required there.",
        ),
        key("delimiter", Kind::Text, ",", "CSV: what stands between cells, one ASCII character; of `tsv` a tab."),
        key("types", Kind::Texts, "{}", "CSV: columns that are `int64`, `double` or `boolean`; others are `text`."),
        key(
            "max_bytes",
            Kind::Size,
            "1GiB",
            "A larger file is refused, and one whose content takes more memory; 1KiB to 4095MiB.",
        ),
    ],
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum FileFormat {
    Csv,
    Tsv,
    Mmdb,
}

words!(FileFormat, FORMATS: "csv" => FileFormat::Csv, "tsv" => FileFormat::Tsv, "mmdb" => FileFormat::Mmdb);
words!(CellType, CELL_TYPES:
    "text" => CellType::Text, "int64" => CellType::Int64, "double" => CellType::Double, "boolean" => CellType::Boolean);

/// Below, a header alone would not fit.
const BYTES_MIN: u64 = 1 << 10;
/// Places in a column are counted in 32 bits.
const BYTES_MAX: u64 = 4095 << 20;

/// A table, and where its file is named.
pub(crate) struct FileTable {
    pub name: Arc<str>,
    pub file: Located<PathBuf>,
    pub table: LookupTable,
}

/// Reads the key `tables`; those that are wrong are reported and left out.
pub(crate) fn read(reader: &Reader) -> Vec<FileTable> {
    let mut tables = Vec::new();
    for (entry, place) in reader.named("tables") {
        if entry.key.is_empty() {
            reader.report.error(&place, Problem::Invalid("a table has a name that plugins ask it by".to_owned()));
        }
        let table = Reader::open(&entry.node, place, &SECTION, reader.report).and_then(|reader| table(&reader));
        if let Some((file, table)) = table {
            tables.push(FileTable { name: entry.key.as_str().into(), file, table });
        }
    }
    tables
}

fn table(reader: &Reader) -> Option<(Located<PathBuf>, LookupTable)> {
    let file = reader.required::<PathBuf>("file", "the file that the table is in");
    let fits = |size: &Size| (BYTES_MIN..=BYTES_MAX).contains(&size.0);
    let bytes_max = reader.checked("max_bytes", "a size, `1KiB` to `4095MiB`", fits);
    let bytes_max = bytes_max.map_or(LookupTable::BYTES_MAX, |size| size.0);
    let file = file?;
    let format = match format(reader, &file)? {
        FileFormat::Mmdb => {
            for key in ["key", "delimiter", "types"].into_iter().filter(|key| reader.node(key).is_some()) {
                let problem = format!("nothing of a MaxMind DB, whose keys are IP addresses: `{key}` is for CSV");
                reader.report.error(&reader.place(key), Problem::Invalid(problem));
            }
            TableFormat::Mmdb
        }
        FileFormat::Csv => csv(reader, b',')?,
        FileFormat::Tsv => csv(reader, b'\t')?,
    };
    let table = LookupTable { file: file.value.clone(), format, bytes_max };
    Some((file, table))
}

fn format(reader: &Reader, file: &Located<PathBuf>) -> Option<FileFormat> {
    if reader.node("format").is_some() {
        return reader.get("format");
    }
    let extension = file.value.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("csv") => Some(FileFormat::Csv),
        Some("tsv") => Some(FileFormat::Tsv),
        Some("mmdb") => Some(FileFormat::Mmdb),
        _ => {
            let problem = "a file that ends in `.csv`, `.tsv` or `.mmdb`, or `format` beside it".to_owned();
            reader.report.error(&file.place, Problem::MissingKey { key: "format", expected: problem });
            None
        }
    }
}

fn csv(reader: &Reader, delimiter: u8) -> Option<TableFormat> {
    const KEY: &str = "the name of the column that rows are found by";
    let key = reader.required::<String>("key", KEY)?;
    let one =
        |text: &String| matches!(text.as_bytes(), [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n'));
    let written = reader.checked("delimiter", "one ASCII character, neither a quote nor a line end", one);
    let delimiter = written.and_then(|text| text.bytes().next()).unwrap_or(delimiter);
    let mut types = BTreeMap::new();
    for (entry, place) in reader.named("types") {
        match cell_type(entry) {
            Ok(cell) => drop(types.insert(entry.key.clone(), cell)),
            Err(problem) => reader.report.error(&place, problem),
        }
    }
    if matches!(types.get(&key.value), Some(CellType::Double | CellType::Boolean)) {
        let problem = "rows are found by `text` or `int64`: expected one of these for the key's column".to_owned();
        reader.report.error(&reader.place("types"), Problem::Invalid(problem));
    }
    Some(TableFormat::Csv { key: key.value, delimiter, types })
}

fn cell_type(entry: &Entry) -> Result<CellType, Problem> {
    match &entry.node {
        node if node.is_null() => Err(expected(format!("one of `{}`", CELL_TYPES.join("`, `")), node)),
        node => CellType::from_node(node),
    }
}
