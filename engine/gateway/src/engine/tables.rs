//! Lookup tables whose files have changed, beside everything else: no pipeline is built for it, and none waits.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use wasmill_tables::{Refreshed, Table};

use super::{Engine, chain};
use crate::build::Built;
use crate::telemetry::TableMetrics;

/// Looks at the files of tables whenever it is told that some file may have changed, until it is dropped.
pub struct TableKeeper {
    changed: Arc<Notify>,
    task: AbortHandle,
}

impl TableKeeper {
    pub fn start(engine: &Arc<Engine>) -> TableKeeper {
        let changed = Arc::new(Notify::new());
        let (of_task, engine) = (Arc::clone(&changed), Arc::downgrade(engine));
        let task = tokio::spawn(async move {
            loop {
                of_task.notified().await;
                // It does not keep the engine from ending.
                let Some(refresh) = Weak::upgrade(&engine).map(|engine| engine.refresh_tables()) else { return };
                refresh.await;
            }
        });
        TableKeeper { changed, task: task.abort_handle() }
    }

    /// Some file may have changed. Does not wait.
    pub fn look(&self) {
        self.changed.notify_one();
    }
}

impl Drop for TableKeeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Engine {
    /// Files of lookup tables whose change is to be noticed.
    pub fn table_files(&self) -> Vec<PathBuf> {
        let files = tables(&self.serving.read()).into_iter().map(|table| table.spec().file.clone());
        files.collect::<BTreeSet<PathBuf>>().into_iter().collect()
    }

    /// Loads the tables anew whose files have changed, each by itself: one that is refused keeps no other back, and its old content
    /// serves on. Says what became of each that was tried. Waits until the files are at rest; does not keep the engine from ending.
    pub fn refresh_tables(&self) -> impl Future<Output = Vec<(PathBuf, Refreshed)>> + Send + use<> {
        let (tables, metrics) = (tables(&self.serving.read()), Arc::clone(&self.intake.metrics.tables));
        async move {
            let mut results = Vec::new();
            for table in tables {
                let refreshed = table.refresh().await;
                note(&table, &refreshed, &metrics);
                if !matches!(refreshed, Refreshed::Unchanged) {
                    results.push((table.spec().file.clone(), refreshed));
                }
            }
            results
        }
    }
}

fn note(table: &Arc<Table>, refreshed: &Refreshed, metrics: &TableMetrics) {
    let file = table.spec().file.display();
    match refreshed {
        Refreshed::Unchanged => {}
        Refreshed::Loaded { rows, rows_before, took } => {
            metrics.reloaded(table, true);
            tracing::info!(%file, rows, rows_before, seconds = took.as_secs_f64(), "lookup table loaded anew");
        }
        Refreshed::Refused(error) => {
            metrics.reloaded(table, false);
            tracing::error!(reason = chain(&**error), "lookup table not loaded anew, the old content serves on");
        }
    }
}

/// The tables of all stages, each once.
fn tables(built: &Built) -> Vec<Arc<Table>> {
    let mut tables: Vec<Arc<Table>> = Vec::new();
    for (_, table) in built.stages.values().flat_map(|stage| stage.tables()) {
        if !tables.iter().any(|known| Arc::ptr_eq(known, table)) {
            tables.push(Arc::clone(table));
        }
    }
    tables
}
