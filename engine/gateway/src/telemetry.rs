//! What the gateway says of itself: logs, metrics, health.

mod health;
mod http;
mod logs;
mod metrics;
mod process;
mod traces;

pub use health::{Health, serve_health};
pub use http::HttpEndpoint;
pub use logs::{LogHandle, init_logs, init_plugin_logs};
pub use metrics::{
    BatcherMetrics, ExporterMetrics, GrouperMetrics, LimiterMetrics, Metrics, Received, ReceiverMetrics, SendReason,
    SwapResult, TableMetrics, items, serve_metrics,
};
pub use process::{cpu_time, memory_rss_bytes, survive_file_size_limit};
pub use traces::{ActiveSpan, PreparedTracing, Tracing};
