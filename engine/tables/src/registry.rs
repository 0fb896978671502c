//! The tables of a process: one for all that say the same of a file.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::error::LoadError;
use crate::{Table, TableSpec};

/// What tables there are. It keeps none alive: a table goes with the last that asks it.
#[derive(Default, Debug)]
pub struct Registry {
    tables: Mutex<HashMap<TableSpec, Weak<Table>>>,
}

impl Registry {
    /// The table of this file and these settings: the one that is there, with the content that it has, or a new one, which is loaded.
    ///
    /// Lasts as long as loading does: about a second for a million rows, on a thread of its own. An error: the file is no table.
    pub async fn open(&self, spec: &TableSpec) -> Result<Arc<Table>, LoadError> {
        if let Some(table) = self.get(spec) {
            return Ok(table);
        }
        let table = Table::load(spec.clone()).await?;
        let mut tables = self.tables.lock();
        tables.retain(|_, table| table.strong_count() > 0);
        // Whoever else was loading it may have been first.
        if let Some(first) = tables.get(spec).and_then(Weak::upgrade) {
            return Ok(first);
        }
        let table = Arc::new(table);
        tables.insert(spec.clone(), Arc::downgrade(&table));
        Ok(table)
    }

    fn get(&self, spec: &TableSpec) -> Option<Arc<Table>> {
        self.tables.lock().get(spec).and_then(Weak::upgrade)
    }
}
