//! What a plugin may call: the gateway's log, its metrics, the time.
//!
//! None of these can fail in a way that a plugin must care about: a [`Failure`] says why nothing was done, and most plugins drop
//! it. In tests without WebAssembly, what was logged and counted is kept: see [`testing`](crate::testing).

#[cfg(target_family = "wasm")]
use crate::guest::bindings::wasmill::plugin::host as imports;

/// How much a line in the log matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Why the host did not do it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Failure {
    /// Not for this plugin.
    Denied,
    /// No such name.
    Unknown,
    /// An argument is not what it must be.
    Invalid,
    /// Too many, too often or too large.
    Limit,
    /// Not now.
    Unavailable,
}

impl std::error::Error for Failure {}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Failure::Denied => "the host did not do it: it is not for this plugin",
            Failure::Unknown => "the host did not do it: there is no such name",
            Failure::Invalid => "the host did not do it: an argument is not what it must be",
            Failure::Limit => "the host did not do it: too many, too often or too large",
            Failure::Unavailable => "the host did not do it: not now",
        })
    }
}

/// Writes a line to the gateway's log, formatted: `log!(Level::Warn, "{count} rows without a route")`.
#[macro_export]
macro_rules! log {
    ($level:expr, $($message:tt)+) => {
        $crate::host::log($level, &::std::format!($($message)+))
    };
}

/// Writes a line to the gateway's log.
pub fn log(level: Level, message: &str) {
    // A line that the host did not take is counted there.
    let _ = call::log(level, message);
}

/// Adds to a counter in the gateway's metrics. `add` is finite and not negative; `labels` are names and values.
pub fn counter(name: &str, labels: &[(&str, &str)], add: f64) -> Result<(), Failure> {
    call::counter(name, labels, add)
}

/// Sets a gauge in the gateway's metrics.
pub fn gauge(name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Failure> {
    call::gauge(name, labels, value)
}

/// Observes a value in a histogram in the gateway's metrics.
pub fn histogram(name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Failure> {
    call::histogram(name, labels, value)
}

/// Nanoseconds since 1970.
pub fn clock() -> Result<u64, Failure> {
    call::clock()
}

#[cfg(target_family = "wasm")]
mod call {
    use super::{Failure, Level, imports};
    use crate::guest::bindings::wasmill::plugin::types;

    pub fn log(level: Level, message: &str) -> Result<(), Failure> {
        let level = match level {
            Level::Debug => imports::Level::Debug,
            Level::Info => imports::Level::Info,
            Level::Warn => imports::Level::Warn,
            Level::Error => imports::Level::Error,
        };
        imports::log(level, message).map_err(failure)
    }

    pub fn counter(name: &str, labels: &[(&str, &str)], add: f64) -> Result<(), Failure> {
        imports::counter(name, &own(labels), add).map_err(failure)
    }

    pub fn gauge(name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Failure> {
        imports::gauge(name, &own(labels), value).map_err(failure)
    }

    pub fn histogram(name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Failure> {
        imports::histogram(name, &own(labels), value).map_err(failure)
    }

    pub fn clock() -> Result<u64, Failure> {
        imports::clock().map_err(failure)
    }

    fn own(labels: &[(&str, &str)]) -> Vec<imports::Label> {
        let own = |&(name, value): &(&str, &str)| imports::Label { name: name.to_owned(), value: value.to_owned() };
        labels.iter().map(own).collect()
    }

    fn failure(failure: types::Failure) -> Failure {
        match failure {
            types::Failure::Denied => Failure::Denied,
            types::Failure::Unknown => Failure::Unknown,
            types::Failure::Invalid => Failure::Invalid,
            types::Failure::Limit => Failure::Limit,
            types::Failure::Unavailable => Failure::Unavailable,
        }
    }
}

#[cfg(not(target_family = "wasm"))]
use crate::testing as call;
