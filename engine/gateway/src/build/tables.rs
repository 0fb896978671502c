//! The lookup tables of a stage.

use std::path::Path;

use wasmill_authoring::tables::spec;
use wasmill_config::{ComponentId, WasmStage};
use wasmill_tables::TableSet;

use super::{BuildError, Workshop};

/// Opens the tables that a stage is configured with: those that another stage has are shared, the rest is loaded. The first that
/// cannot be is the error.
pub(super) async fn open(workshop: &Workshop, id: &ComponentId, settings: &WasmStage) -> Result<TableSet, BuildError> {
    let mut tables = TableSet::new();
    for (name, table) in &settings.tables {
        let opened = workshop.host.tables().open(&spec(table, Path::new(""))).await;
        let failed = |source| BuildError::Table { id: id.clone(), table: name.to_string(), source };
        tables.insert(name.to_string(), opened.map_err(failed)?);
    }
    Ok(tables)
}
