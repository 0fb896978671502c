//! What the gateway says of itself: logs, metrics, health.

mod health;
mod http;
mod logs;
mod metrics;
mod process;

pub use health::{Health, serve_health};
pub use http::HttpEndpoint;
pub use logs::{LogHandle, init_logs};
pub use metrics::{ExporterMetrics, Metrics, ReceiverMetrics, SwapResult, serve_metrics};
