//! Structured logs to standard error.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};
use wasmill_config::{LogEncoding, LogLevel, LogSettings};

/// Overrides the configured level, with the syntax of `RUST_LOG` (`info,wasmill_host=debug`).
const ENV_FILTER: &str = "WASMILL_LOG";

/// Changes the level of logs that were set up; the encoding stays.
pub struct LogHandle(reload::Handle<EnvFilter, Registry>);

/// Installs the process's log. To be called once, before anything logs; `None` when there was one already.
pub fn init_logs(settings: &LogSettings) -> Option<LogHandle> {
    let (filter, handle) = reload::Layer::new(filter(settings.level));
    let registry = tracing_subscriber::registry().with(filter);
    let stderr = std::io::stderr;
    let installed = match settings.encoding {
        LogEncoding::Json => registry.with(fmt::layer().json().flatten_event(true).with_writer(stderr)).try_init(),
        LogEncoding::Console => {
            let ansi = std::io::IsTerminal::is_terminal(&stderr());
            registry.with(fmt::layer().with_ansi(ansi).with_writer(stderr)).try_init()
        }
    };
    installed.ok().map(|()| LogHandle(handle))
}

/// For commands that are not the gateway: what plugins log, as they said it.
pub fn init_plugin_logs() {
    let filter =
        EnvFilter::builder().parse_lossy(std::env::var(ENV_FILTER).as_deref().unwrap_or("error,wasmill::plugin=debug"));
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let layer = fmt::layer().without_time().with_target(false).with_ansi(ansi).with_writer(std::io::stderr);
    // A second one, in a test of this process, is none.
    let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
}

impl LogHandle {
    pub fn set_level(&self, level: LogLevel) {
        // The layer lives as long as the process: there is nothing to report when it is gone.
        let _ = self.0.reload(filter(level));
    }
}

fn filter(level: LogLevel) -> EnvFilter {
    let level = match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    match std::env::var(ENV_FILTER) {
        Ok(directives) => EnvFilter::builder().with_default_directive(level.into()).parse_lossy(directives),
        // What libraries say below a warning is about their insides, not about the gateway.
        Err(_) => EnvFilter::builder()
            .parse_lossy(format!("warn,wasmill={level},wasmill_host={level},wasmill_transport={level}")),
    }
}
