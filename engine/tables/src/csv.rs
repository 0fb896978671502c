//! CSV files.
//!
//! A file is read once, row by row, into columns. Anything wrong with it is an error that names the line: too few or too many cells
//! (half a file ends so), a cell that is not of its type, a key that is missing or there twice. Rows are not guessed at.

mod rows;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use crate::error::{LoadError, Problem};
use crate::index::{Index, hash_bytes, hash_int};
use crate::store::{Column, ColumnBuilder};
use crate::{CellType, CsvFormat, TableSpec};
use rows::{Place, Rows};

/// `u32::MAX` stands for no row.
const ROWS_MAX: u64 = u32::MAX as u64 - 1;
/// Cells between looks at the memory taken, and at whether anybody still waits: some milliseconds' work, and less than a MiB that they
/// take beside their text.
const LOOK_CELLS: usize = 1 << 16;
/// Characters of a cell that an error shows.
const SHOWN_MAX: usize = 64;
const READ_BYTES: usize = 256 << 10;

/// A table of rows, each found by its key.
#[derive(Debug)]
pub(crate) struct CsvTable {
    names: Vec<String>,
    columns: Vec<Column>,
    /// Which column that is: plain text, or int64.
    key: usize,
    index: Index,
    rows: u32,
}

/// How a file ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Tail {
    within_quotes: bool,
    line_end: bool,
}

struct Loading<'s> {
    spec: &'s TableSpec,
    names: Vec<String>,
    columns: Vec<ColumnBuilder>,
    key: usize,
    index: Index,
    rows: u32,
}

/// Reads a file; `wanted` is asked now and then whether to go on. The second result says whether the last line has an end.
pub(crate) fn load(
    file: &File,
    spec: &TableSpec,
    format: &CsvFormat,
    wanted: &dyn Fn() -> bool,
) -> Result<(CsvTable, bool), LoadError> {
    let failed = |error| LoadError::new(&spec.file, Problem::Unreadable(error));
    let mut rows = Rows::new(file, format.delimiter).map_err(failed)?;
    if !next(&mut rows, spec)? {
        return Err(LoadError::new(&spec.file, Problem::Empty { expected: "a line of column names" }));
    }
    let mut last = rows.place();
    let mut loading = Loading::new(spec, format, &rows)?;
    let mut unlooked = 0;
    while next(&mut rows, spec)? {
        last = rows.place();
        if let Some(first) = loading.row(&rows)? {
            let key = shown(rows.cell(loading.key).unwrap_or_default());
            let first_line = line_of(file, format, first).unwrap_or_default();
            return Err(loading.wrong(last, loading.key, Problem::KeyTwice { key, first_line }));
        }
        unlooked += rows.len();
        if unlooked >= LOOK_CELLS {
            unlooked = 0;
            loading.look(wanted)?;
        }
    }
    let tail = tail(file, last.byte, format.delimiter).map_err(failed)?;
    if tail.within_quotes {
        return Err(LoadError::new(&spec.file, Problem::OpenQuote).at(last.line));
    }
    loading.look(wanted)?;
    Ok((loading.finish(), tail.line_end))
}

impl CsvTable {
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Of memory.
    pub fn bytes(&self) -> u64 {
        (self.columns.iter().map(Column::bytes).sum::<usize>() + self.index.bytes()) as u64
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.names.iter().position(|of| of == name).and_then(|number| self.columns.get(number))
    }

    /// The column that rows are found by.
    pub fn key(&self) -> Option<&Column> {
        self.columns.get(self.key)
    }

    pub fn index(&self) -> &Index {
        &self.index
    }
}

impl<'s> Loading<'s> {
    fn new(spec: &'s TableSpec, format: &CsvFormat, header: &Rows<'_>) -> Result<Loading<'s>, LoadError> {
        let wrong = |problem| LoadError::new(&spec.file, problem).at(header.place().line);
        let mut names: Vec<String> = Vec::with_capacity(header.len());
        for number in 0..header.len() {
            let name = header.cell(number).map_err(|at| wrong(Problem::NotUtf8 { at }))?;
            if name.is_empty() {
                return Err(wrong(Problem::ColumnUnnamed { number: number + 1 }));
            }
            if names.iter().any(|earlier| earlier == name) {
                return Err(wrong(Problem::ColumnTwice).of_column(name));
            }
            names.push(name.to_owned());
        }
        let missing = |name: &String| {
            let known = names.iter().map(|name| format!("`{}`", shown(name))).collect::<Vec<_>>().join(", ");
            wrong(Problem::NoColumn { name: name.clone(), known })
        };
        if let Some(name) = format.types.keys().find(|name| !names.contains(name)) {
            return Err(missing(name));
        }
        let key = names.iter().position(|name| *name == format.key).ok_or_else(|| missing(&format.key))?;
        let type_of = |name: &String| format.types.get(name).copied().unwrap_or(CellType::Text);
        if matches!(type_of(&format.key), CellType::Double | CellType::Boolean) {
            return Err(wrong(Problem::KeyType).of_column(&format.key));
        }
        let columns = names.iter().enumerate().map(|(number, name)| ColumnBuilder::new(type_of(name), number == key));
        Ok(Loading { spec, columns: columns.collect(), names, key, index: Index::default(), rows: 0 })
    }

    /// Adds a row. The number of a row that has its key already, if there is one.
    fn row(&mut self, row: &Rows<'_>) -> Result<Option<u32>, LoadError> {
        let place = row.place();
        let wrong = |problem| LoadError::new(&self.spec.file, problem).at(place.line);
        if row.len() != self.names.len() {
            return Err(wrong(Problem::Cells { found: row.len(), expected: self.names.len() }));
        }
        if u64::from(self.rows) >= ROWS_MAX {
            return Err(wrong(Problem::TooManyRows { max: ROWS_MAX }));
        }
        if row.cell(self.key).is_ok_and(str::is_empty) {
            return Err(self.wrong(place, self.key, Problem::NoKey));
        }
        for number in 0..row.len() {
            let cell = row.cell(number).map_err(|at| self.wrong(place, number, Problem::NotUtf8 { at }))?;
            if let Some(Err(expected)) = self.columns.get_mut(number).map(|column| column.push(cell)) {
                return Err(self.wrong(place, number, Problem::Cell { found: shown(cell), expected }));
            }
        }
        let Some(keys) = self.columns.get(self.key).and_then(ColumnBuilder::column) else { return Ok(None) };
        let hash = key_hash(keys, self.rows);
        let first = self.index.find(hash, |row| same_key(keys, row, self.rows));
        if first.is_none() {
            self.index.insert(hash, self.rows);
            self.rows += 1;
        }
        Ok(first)
    }

    fn wrong(&self, place: Place, column: usize, problem: Problem) -> LoadError {
        let name = self.names.get(column).map(String::as_str).unwrap_or_default();
        LoadError::new(&self.spec.file, problem).at(place.line).of_column(name)
    }

    fn look(&self, wanted: &dyn Fn() -> bool) -> Result<(), LoadError> {
        let max = self.spec.bytes_max;
        let bytes = self.columns.iter().map(ColumnBuilder::bytes).sum::<usize>() + self.index.bytes();
        if bytes as u64 > max {
            return Err(LoadError::new(&self.spec.file, Problem::TooMuchMemory { max }));
        }
        if wanted() { Ok(()) } else { Err(LoadError::new(&self.spec.file, Problem::GivenUp)) }
    }

    fn finish(self) -> CsvTable {
        let Loading { names, columns, key, index, rows, .. } = self;
        CsvTable { names, columns: columns.into_iter().map(ColumnBuilder::finish).collect(), key, index, rows }
    }
}

/// The next row; false at the end.
fn next(rows: &mut Rows<'_>, spec: &TableSpec) -> Result<bool, LoadError> {
    rows.next().map_err(|problem| LoadError::new(&spec.file, problem).at(rows.place().line))
}

fn key_hash(keys: &Column, row: u32) -> u32 {
    match keys {
        Column::Plain(texts) => hash_bytes(texts.bytes_of(row)),
        Column::Int64 { values, .. } => hash_int(values.get(row as usize).copied().unwrap_or_default()),
        _ => 0,
    }
}

fn same_key(keys: &Column, a: u32, b: u32) -> bool {
    match keys {
        Column::Plain(texts) => texts.bytes_of(a) == texts.bytes_of(b),
        Column::Int64 { values, .. } => values.get(a as usize) == values.get(b as usize),
        _ => false,
    }
}

/// The line of a row, found by reading the file again: only who is told of a mistake waits for it.
fn line_of(file: &File, format: &CsvFormat, row: u32) -> Option<u64> {
    let mut rows = Rows::new(file, format.delimiter).ok()?;
    // The header is one too.
    for _ in 0..=row + 1 {
        rows.next().ok()?;
    }
    Some(rows.place().line)
}

/// Reads a file's end, from where a row starts.
fn tail(mut file: &File, start: u64, delimiter: u8) -> io::Result<Tail> {
    #[derive(Clone, Copy, PartialEq)]
    enum In {
        Start,
        Plain,
        Quoted,
        /// Of a quoted cell, or the first of two.
        Quote,
    }
    file.seek(SeekFrom::Start(start))?;
    let (mut at, mut last) = (In::Start, None);
    for byte in BufReader::with_capacity(READ_BYTES, file).bytes() {
        let byte = byte?;
        at = match (at, byte) {
            (In::Quoted, b'"') => In::Quote,
            (In::Quoted, _) => In::Quoted,
            (In::Start | In::Quote, b'"') => In::Quoted,
            (_, b'\n' | b'\r') => In::Start,
            (_, byte) if byte == delimiter => In::Start,
            _ => In::Plain,
        };
        last = Some(byte);
    }
    Ok(Tail { within_quotes: at == In::Quoted, line_end: matches!(last, Some(b'\n' | b'\r')) })
}

/// As an error shows it.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{csv, found, texts};
    use crate::{CellType, Format};

    /// What spreadsheets and programs write: a mark of byte order, `\r\n`, quotes with everything in them, no last line end, empty
    /// lines, another delimiter.
    #[test]
    fn files_of_every_habit_are_read() {
        let cases = [
            "\u{feff}host,team\na,x\nb,y\n",
            "host,team\r\na,x\r\nb,y\r\n",
            "host,team\na,x\nb,y",
            "\"host\",\"team\"\n\"a\",\"x\"\n\n\n\"b\",\"y\"\n\n",
        ];
        for text in cases {
            let content = csv(text, |_| ()).unwrap();
            assert_eq!(
                found(&content, &texts(&["b", "a", "c"]), &["team"]).unwrap(),
                ["dictionary: y x -"],
                "{text:?}"
            );
        }
        let content = csv("host;team\n\"a;\n\"\"1\"\"\";x\n", |spec| {
            if let Format::Csv(format) = &mut spec.format {
                format.delimiter = b';';
            }
        })
        .unwrap();
        assert_eq!(found(&content, &texts(&["a;\n\"1\""]), &["host"]).unwrap(), ["text: a;\n\"1\""]);
        let empty = csv("host,team\n", |_| ()).unwrap();
        assert_eq!(
            (empty.rows(), found(&empty, &texts(&["a"]), &["team"]).unwrap()),
            (0, vec!["dictionary: -".to_owned()])
        );
    }

    /// Every mistake names its line, and what was expected.
    #[test]
    fn mistakes_name_their_place() {
        let typed = |text: &str| {
            csv(text, |spec| {
                if let Format::Csv(format) = &mut spec.format {
                    format.types.insert("port".to_owned(), CellType::Int64);
                }
            })
        };
        let cases = [
            ("host,port\na,1\nb,x\n", "line 3, column `port`: found `x`: expected a whole number of 64 bits"),
            ("host,port\n\"a\nb\",1\nc,9223372036854775808\n", "line 4, column `port`: found `9223372036854775808`"),
            ("host,port\na,1,2\n", "line 2: 3 cells: expected 2"),
            ("host,port\na\n", "line 2: 1 cell: expected 2"),
            ("host,port\n,1\n", "line 2, column `host`: a row without a key"),
            ("host,port,host\n", "line 1, column `host`: two columns have this name"),
            ("host,,port\n", "line 1: the column 2 has no name"),
            ("host,prot\n", "line 1: there is no column `port`: the columns are `host`, `prot`"),
            ("host,port\na,1\nb,\"2\n", "line 3: a quoted cell has no closing quote"),
        ];
        for (text, why) in cases {
            let error = typed(text).map(drop).unwrap_err().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
        }
        let error = csv("host\na\n", |spec| {
            if let Format::Csv(format) = &mut spec.format {
                format.types.insert("host".to_owned(), CellType::Double);
            }
        });
        assert!(error.unwrap_err().to_string().contains("keys are text or int64"));
    }

    /// A table that would take more memory than the file has bytes, and than is allowed: refused while it is read.
    #[test]
    fn memory_is_bounded_by_what_is_allowed() {
        let mut text = "host,a,b,c,d,e,f,g,h\n".to_owned();
        (0..50_000).for_each(|row| text.push_str(&format!("{row},,,,,,,,\n")));
        let error = csv(&text, |spec| spec.bytes_max = 1 << 20).map(drop).unwrap_err();
        assert!(error.to_string().contains("more than the 1048576 bytes of memory"), "{error}");
        let content = csv(&text, |_| ()).unwrap();
        assert!(content.bytes() > 1 << 20 && content.bytes() < 4 << 20, "{}", content.bytes());
    }
}
