//! The lookup tables of a stage, and what a guest may ask of them.
//!
//! A guest asks by the names that it gave at `init`, and those are configured, or it would not have started. It may not ask
//! before: what it wants is not known then. What is wrong with a question stands in the log, since a guest is only told the kind.

use std::sync::Arc;

use wasmill_tables::{FindError, Table, TableSet};

use crate::bindings::wasmill::plugin::host::Level;
use crate::bindings::wasmill::plugin::types::Failure;
use crate::log::GuestLog;
use crate::requirements::{RequirementsError, at_most};
use crate::{COLUMN_BYTES_MAX, Limits};

/// Tables that one plugin names: more are files that should be one.
const TABLES_MAX: usize = 64;

/// Tables by name: of a stage, those that are configured; of an instance, those that it named.
#[derive(Clone, Default)]
pub(crate) struct GuestTables {
    configured: Option<Arc<TableSet>>,
    named: Vec<String>,
    /// Of an answer, before it crosses.
    answer_bytes_max: usize,
}

impl GuestTables {
    /// Of a stage; without a set, any name will do and nothing is found.
    pub fn new(configured: Option<TableSet>, limits: &Limits) -> GuestTables {
        let answer_bytes_max = limits.verdict_bytes_max.get().min(COLUMN_BYTES_MAX);
        GuestTables { configured: configured.map(Arc::new), named: Vec::new(), answer_bytes_max }
    }

    /// The same for an instance that named these.
    pub fn named(&self, names: &[String]) -> GuestTables {
        GuestTables { named: names.to_vec(), ..self.clone() }
    }

    pub fn configured(&self) -> impl Iterator<Item = (&str, &Arc<Table>)> {
        self.configured.iter().flat_map(|tables| tables.iter()).map(|(name, table)| (name.as_str(), table))
    }

    /// Checks the names that a plugin gave.
    pub fn check(&self, names: &[String]) -> Result<Vec<String>, RequirementsError> {
        at_most("lookup tables", names.len(), TABLES_MAX)?;
        if let Some(configured) = &self.configured
            && let Some(name) = names.iter().find(|name| !configured.contains_key(*name))
        {
            let known: Vec<String> = configured.keys().map(|name| format!("`{name}`")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(RequirementsError::UnknownTable { name: name.clone(), known });
        }
        Ok(names.to_vec())
    }

    /// Answers a guest.
    pub fn find(&self, table: &str, keys: &[u8], fields: &[String], log: &GuestLog) -> Result<Vec<u8>, Failure> {
        if !self.named.iter().any(|name| name == table) {
            return Err(Failure::Denied);
        }
        let content = self.configured.as_ref().and_then(|tables| tables.get(table)).map(|table| table.content());
        let found = content.ok_or(Failure::Unavailable)?.find(keys, fields, self.answer_bytes_max);
        found.map_err(|error| {
            log.write(Level::Warn, &format!("a lookup in `{table}` was refused: {error}"));
            match error {
                FindError::Keys { .. } => Failure::Invalid,
                FindError::UnknownField { .. } => Failure::Unknown,
                FindError::TooMany { .. } | FindError::TooLarge { .. } => Failure::Limit,
            }
        })
    }
}
