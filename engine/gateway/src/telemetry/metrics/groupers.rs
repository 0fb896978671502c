//! What stages that decide about groups have waiting, and why they decided.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use wasmill_batch::GatherReason;

/// What one processor counts in one pipeline.
#[derive(Clone)]
pub struct GrouperMetrics {
    /// That wait.
    pub groups: Gauge,
    /// Memory that rows keep which wait, or are on their way to the exporters.
    pub retained_bytes: Gauge,
    /// Rows that were refused after they had waited.
    pub lost: Counter,
    decided: [Counter; GatherReason::ALL.len()],
    late_kept: Counter,
    late_dropped: Counter,
}

#[derive(Clone)]
pub(super) struct GrouperFamilies {
    groups: Family<Labels, Gauge>,
    retained_bytes: Family<Labels, Gauge>,
    lost: Family<Labels, Counter>,
    decided: Family<DecidedLabels, Counter>,
    late: Family<LateLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    processor: String,
    pipeline: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecidedLabels {
    processor: String,
    pipeline: String,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LateLabels {
    processor: String,
    pipeline: String,
    decision: &'static str,
}

impl GrouperFamilies {
    pub fn register(registry: &mut Registry) -> GrouperFamilies {
        let of = GrouperFamilies {
            groups: Family::default(),
            retained_bytes: Family::default(),
            lost: Family::default(),
            decided: Family::default(),
            late: Family::default(),
        };
        registry.register("wasmill_groups_waiting", "Groups that wait for more rows", of.groups.clone());
        registry.register(
            "wasmill_groups_retained_bytes",
            "Memory that rows keep which wait for their groups, or are on their way behind",
            of.retained_bytes.clone(),
        );
        registry.register("wasmill_groups_decided", "Groups that were given to the plugin", of.decided.clone());
        registry.register(
            "wasmill_groups_late_rows",
            "Rows that followed what had been decided about their groups",
            of.late.clone(),
        );
        registry.register(
            "wasmill_groups_lost_rows",
            "Rows refused after they had waited for their groups",
            of.lost.clone(),
        );
        of
    }

    pub fn of(&self, processor: &str, pipeline: &str) -> GrouperMetrics {
        let (processor, pipeline) = (processor.to_owned(), pipeline.to_owned());
        let labels = Labels { processor: processor.clone(), pipeline: pipeline.clone() };
        let late = |decision| {
            let labels = LateLabels { processor: processor.clone(), pipeline: pipeline.clone(), decision };
            self.late.get_or_create_owned(&labels)
        };
        GrouperMetrics {
            groups: self.groups.get_or_create_owned(&labels),
            retained_bytes: self.retained_bytes.get_or_create_owned(&labels),
            lost: self.lost.get_or_create_owned(&labels),
            decided: GatherReason::ALL.map(|reason| {
                let (processor, pipeline) = (processor.clone(), pipeline.clone());
                self.decided.get_or_create_owned(&DecidedLabels { processor, pipeline, reason: reason.name() })
            }),
            late_kept: late("kept"),
            late_dropped: late("dropped"),
        }
    }
}

impl GrouperMetrics {
    pub fn decided(&self, groups: u64, reason: GatherReason) {
        if let Some((_, counter)) = GatherReason::ALL.iter().zip(&self.decided).find(|(known, _)| **known == reason) {
            counter.inc_by(groups);
        }
    }

    /// Rows that came late.
    pub fn late(&self, kept: u64, dropped: u64) {
        self.late_kept.inc_by(kept);
        self.late_dropped.inc_by(dropped);
    }
}
