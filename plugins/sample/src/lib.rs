//! The plugin `sample`: keeps a share of the traces, or of the log records, and says on each how large the share was.
//!
//! Decisions are OpenTelemetry's consistent probability sampling (OTEP 235): a trace has a random number of 56 bits, in its id or
//! its `tracestate`; a sampler has a threshold, and keeps what is not below. Whoever samples by the same rule decides alike, and
//! what a smaller share keeps, a larger one keeps too. The older way of the Collector, by a hash, is there for fleets that have it.
//!
//! ```text
//!  trace id, tracestate, attributes ──► randomness, threshold so far ──► decide ──► keep, threshold written
//!                        (carrier)          (tracestate, threshold)      (sampler)
//! ```

mod config;
mod logs;
mod sampler;
mod spans;
mod threshold;
mod tracestate;

use wasmill_sdk::prelude::*;

use config::Config;
use sampler::Sampler;

struct Sample {
    sampler: Sampler,
    spans: spans::Columns,
    logs: logs::Columns,
}

impl Plugin for Sample {
    type Config = Config;

    fn init(config: Config, needs: &mut Requirements) -> Result<Self> {
        let sampler = Sampler::new(&config)?;
        needs.uses([Use::Keep, Use::Edits]);
        // Data points have no trace, and a share of them is no measure of anything: metrics are not asked for.
        needs.signals([Signal::Traces]);
        let spans = spans::Columns::new(needs);
        needs.signals([Signal::Logs]);
        let logs = logs::Columns::new(&config, needs)?;
        Ok(Sample { sampler, spans, logs })
    }

    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        match slice.signal() {
            Signal::Traces => self.spans.sample(&self.sampler, slice, verdict),
            Signal::Logs => self.logs.sample(&self.sampler, slice, verdict),
            Signal::Metrics => {}
        }
        Ok(())
    }
}

wasmill_sdk::plugin!(Sample);

#[cfg(test)]
mod tests;
