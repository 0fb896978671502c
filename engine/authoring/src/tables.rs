//! From a stage's `tables:`, in a gateway's configuration or in a test case, to what the host loads.

use std::path::Path;

use wasmill_config::{CellType, LookupTable, TableFormat};
use wasmill_host::Host;
use wasmill_tables::{CsvFormat, Format, LoadError, TableSet, TableSpec};

/// What the host is to load; a relative path starts at `folder`.
pub fn spec(table: &LookupTable, folder: &Path) -> TableSpec {
    let cell_type = |cell: CellType| match cell {
        CellType::Text => wasmill_tables::CellType::Text,
        CellType::Int64 => wasmill_tables::CellType::Int64,
        CellType::Double => wasmill_tables::CellType::Double,
        CellType::Boolean => wasmill_tables::CellType::Boolean,
    };
    let format = match &table.format {
        TableFormat::Csv { key, delimiter, types } => Format::Csv(CsvFormat {
            key: key.clone(),
            delimiter: *delimiter,
            types: types.iter().map(|(name, cell)| (name.clone(), cell_type(*cell))).collect(),
        }),
        TableFormat::Mmdb => Format::Mmdb,
    };
    TableSpec { file: folder.join(&table.file), format, bytes_max: table.bytes_max }
}

/// Loads tables outside of a gateway.
pub(crate) async fn open<'n>(
    host: &Host,
    tables: impl IntoIterator<Item = (&'n str, TableSpec)>,
) -> Result<TableSet, LoadError> {
    let mut opened = TableSet::new();
    for (name, spec) in tables {
        opened.insert(name.to_owned(), host.tables().open(&spec).await?);
    }
    Ok(opened)
}
