//! What engines are measured with: a task, on a signal, in requests of a size.

use anyhow::{Context, Result, bail};

use super::Quantity;

/// What the engine does with each record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Task {
    /// Nothing: no processor.
    Pass,
    /// Drops health checks, one record in ten.
    Filter,
    /// Looks at three columns of each record and keeps all: what a plugin costs.
    Look,
    /// Sets two attributes on each record.
    Attributes,
    /// Masks e-mail addresses in all text attributes; one record in five has one.
    Redact,
    /// Sends health checks to a backend of their own.
    Route,
    /// One in ten, by trace id.
    Sample,
}

impl Task {
    pub const ALL: [Task; 7] =
        [Task::Pass, Task::Filter, Task::Look, Task::Attributes, Task::Redact, Task::Route, Task::Sample];

    pub fn name(self) -> &'static str {
        match self {
            Task::Pass => "pass",
            Task::Filter => "filter",
            Task::Look => "look",
            Task::Attributes => "attributes",
            Task::Redact => "redact",
            Task::Route => "route",
            Task::Sample => "sample",
        }
    }

    /// What `load` is to expect.
    pub fn expect(self) -> &'static str {
        match self {
            Task::Pass | Task::Look | Task::Attributes => "all",
            Task::Filter => "health-checks-dropped",
            Task::Redact => "redacted",
            Task::Route => "routed",
            Task::Sample => "sampled",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    Traces,
    Logs,
    Metrics,
}

impl Signal {
    pub const ALL: [Signal; 3] = [Signal::Traces, Signal::Logs, Signal::Metrics];

    pub fn name(self) -> &'static str {
        match self {
            Signal::Traces => "traces",
            Signal::Logs => "logs",
            Signal::Metrics => "metrics",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    pub const ALL: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Workload {
    pub task: Task,
    pub signal: Signal,
    /// Records of a request.
    pub records: u64,
    pub connections: u64,
    /// Of what comes in, of what goes out.
    pub compression: (Compression, Compression),
    /// Whether a `batch` processor with its defaults stands behind the task.
    pub batch: bool,
}

impl Workload {
    /// 1,000 spans a request on four connections, nothing compressed.
    pub fn of(task: Task) -> Workload {
        Workload {
            task,
            signal: Signal::Traces,
            records: 1000,
            connections: 4,
            compression: (Compression::None, Compression::None),
            batch: false,
        }
    }

    /// What the bars are about, and each task and signal at least once.
    pub fn standard() -> Vec<Workload> {
        use Compression::{Gzip, None as Plain, Zstd};
        let filter = Workload::of(Task::Filter);
        vec![
            filter,
            Workload::of(Task::Pass),
            Workload::of(Task::Look),
            Workload::of(Task::Attributes),
            Workload::of(Task::Redact),
            Workload::of(Task::Route),
            Workload::of(Task::Sample),
            Workload { records: 100, ..filter },
            Workload { records: 8000, ..filter },
            Workload { records: 10, ..filter },
            Workload { records: 10, batch: true, ..filter },
            Workload { compression: (Gzip, Plain), ..filter },
            Workload { compression: (Gzip, Gzip), ..filter },
            Workload { compression: (Zstd, Zstd), ..filter },
            Workload { connections: 10, records: 100, ..filter },
            Workload { connections: 1000, records: 100, ..filter },
            Workload { signal: Signal::Logs, ..filter },
            Workload { signal: Signal::Metrics, ..filter },
        ]
    }

    /// `filter`, or with what differs from the usual: `filter:logs:records=10:in=gzip:out=gzip:connections=100:batch`.
    pub fn parse(text: &str) -> Result<Workload> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let task = Task::ALL.into_iter().find(|task| task.name() == name);
        let names = Task::ALL.map(Task::name).join(", ");
        let mut workload = Workload::of(task.with_context(|| format!("no workload `{name}`; there are {names}"))?);
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let number = || value.parse().with_context(|| format!("`{part}`: a number is expected"));
            let compression = || {
                let found = Compression::ALL.into_iter().find(|compression| compression.name() == value);
                found.with_context(|| format!("`{part}`: none, gzip or zstd is expected"))
            };
            match key {
                "records" => workload.records = number()?,
                "connections" => workload.connections = number()?,
                "in" => workload.compression.0 = compression()?,
                "out" => workload.compression.1 = compression()?,
                "batch" => workload.batch = true,
                _ => match Signal::ALL.into_iter().find(|signal| signal.name() == part) {
                    Some(signal) => workload.signal = signal,
                    None => bail!(
                        "`{part}` in `{text}`: expected traces, logs, metrics, batch, records=N, connections=N, \
                         in=COMPRESSION or out=COMPRESSION"
                    ),
                },
            }
        }
        if workload.task == Task::Sample && workload.signal == Signal::Metrics {
            bail!("`{text}`: metrics are not sampled");
        }
        Ok(workload)
    }

    pub fn name(&self) -> String {
        let usual = Workload::of(self.task);
        let mut name = format!("{}, {} {}", self.task.name(), Quantity(self.records), self.signal.name());
        if self.compression != usual.compression {
            let (arrives, leaves) = self.compression;
            name += &format!(", {} in, {} out", arrives.name(), leaves.name());
        }
        if self.connections != usual.connections {
            name += &format!(", {} connections", Quantity(self.connections));
        }
        if self.batch {
            name += ", batch";
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_named_by_what_is_unusual() {
        assert_eq!(Workload::parse("sample").unwrap(), Workload::of(Task::Sample));
        let workload = Workload::parse("filter:logs:records=8000:in=gzip:out=zstd:connections=1000:batch").unwrap();
        assert_eq!(workload.name(), "filter, 8,000 logs, gzip in, zstd out, 1,000 connections, batch");
    }

    #[test]
    fn mistakes_say_what_is_expected() {
        let said = |text: &str| Workload::parse(text).unwrap_err().to_string();
        assert_eq!(
            said("fliter"),
            "no workload `fliter`; there are pass, filter, look, attributes, redact, route, sample"
        );
        assert!(said("filter:records=many").contains("a number is expected"));
        assert!(said("filter:in=brotli").contains("none, gzip or zstd"));
        assert!(said("filter:events").contains("expected traces, logs, metrics"));
        assert!(said("sample:metrics").contains("not sampled"));
    }
}
