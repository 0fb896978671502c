//! Lookup tables: what they hold, and what became of attempts to load them anew.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use wasmill_host::Stage;
use wasmill_tables::Table;

/// The tables that stages have, by the stage's name and the table's. A table that several have is shown for each.
#[derive(Default, Debug)]
pub struct TableMetrics {
    tables: Mutex<BTreeMap<(String, String), Shown>>,
}

#[derive(Debug)]
struct Shown {
    table: Arc<Table>,
    applied: u64,
    refused: u64,
}

impl TableMetrics {
    /// From now on these stages serve. Tables that served before go on counting; those of stages that went are shown no longer.
    pub fn serve<'s>(&self, stages: impl IntoIterator<Item = &'s Arc<Stage>>) {
        let mut tables = self.tables.lock();
        let mut before = std::mem::take(&mut *tables);
        for stage in stages {
            for (name, table) in stage.tables() {
                let id = (stage.name().to_owned(), name.to_owned());
                let (applied, refused) = before.remove(&id).map_or((0, 0), |shown| (shown.applied, shown.refused));
                tables.insert(id, Shown { table: Arc::clone(table), applied, refused });
            }
        }
    }

    /// A table was loaded anew, or the old content serves on.
    pub fn reloaded(&self, table: &Arc<Table>, applied: bool) {
        for shown in self.tables.lock().values_mut().filter(|shown| Arc::ptr_eq(&shown.table, table)) {
            match applied {
                true => shown.applied += 1,
                false => shown.refused += 1,
            }
        }
    }
}

/// A gauge's name, its help, and where its value is.
type Gauge = (&'static str, &'static str, fn(&Table) -> f64);

const GAUGES: [Gauge; 3] = [
    ("wasmill_table_rows", "Rows of the lookup table, or networks", |table| table.state().rows as f64),
    ("wasmill_table_memory_bytes", "Memory that the lookup table takes", |table| table.state().bytes as f64),
    ("wasmill_table_last_load_timestamp_seconds", "When the lookup table's content was loaded", |table| {
        table.state().loaded_at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
    }),
];

impl Collector for TableMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let tables = self.tables.lock();
        if tables.is_empty() {
            return Ok(());
        }
        for (name, help, value) in GAUGES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for ((processor, table), shown) in &*tables {
                let labels = [("processor", processor.as_str()), ("table", table.as_str())];
                ConstGauge::new(value(&shown.table)).encode(metric.encode_family(&labels)?)?;
            }
        }
        let help = "Times that the lookup table's file had changed and was to be loaded anew";
        let mut metric = encoder.encode_descriptor("wasmill_table_reloads", help, None, MetricType::Counter)?;
        for ((processor, table), shown) in &*tables {
            for (result, count) in [("applied", shown.applied), ("refused", shown.refused)] {
                let labels = [("processor", processor.as_str()), ("table", table.as_str()), ("result", result)];
                ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
