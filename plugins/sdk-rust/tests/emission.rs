//! New records and ticks, as a plugin makes them and as a test sees them.

use std::time::Duration;

use wasmill_sdk::prelude::*;
use wasmill_sdk::testing::{Cell, Harness};

/// The example, with the tests that it has.
#[path = "../../../examples/span-metrics/plugin/src/lib.rs"]
mod span_metrics;

/// An alert for each slow span, and a count at each tick.
struct Slow {
    duration: Column<i64>,
    pager: RouteSet,
    seen: i64,
}

impl Plugin for Slow {
    type Config = ();

    fn init(_: (), needs: &mut Requirements) -> Result<Self> {
        needs.signals([Signal::Traces]);
        needs.uses([Use::Emit, Use::Flush]);
        needs.ticks(Duration::from_secs(1));
        Ok(Slow { duration: needs.column("duration"), pager: needs.route_set(["pager"]), seen: 0 })
    }

    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        self.seen += slice.rows() as i64;
        let slow: Vec<u32> =
            slice.column(self.duration).matches(|nanos| nanos > 1_000).ones().map(|row| row as u32).collect();
        let mut alerts = Emission::new(Signal::Logs, slow.len());
        alerts.like(slow.iter().copied()).set("body", "slow").set("severity_number", 13_i32);
        alerts.route_each([Some(self.pager), None]);
        verdict.emit(alerts);
        Ok(())
    }

    fn tick(&mut self, now: u64, emit: &mut Emissions) -> Result<()> {
        let mut seen = Emission::new(Signal::Metrics, 1);
        seen.set("metric.name", "seen").set("metric.type", MetricType::Sum).set("value_int", self.seen);
        seen.set("time_unix_nano", now).lists("exemplar.time_unix_nano", &[[now, now + 1]]);
        emit.push(seen);
        self.seen = 0;
        Ok(())
    }

    fn flush(&mut self, emit: &mut Emissions) -> Result<()> {
        self.tick(0, emit)
    }
}

wasmill_sdk::plugin!(Slow);

/// Columns with a value for each record and with one for all, rows that records are like, routes.
#[test]
fn records_of_a_slice_are_seen_by_column() {
    let mut plugin = Harness::<Slow>::start("{}").unwrap();
    let slice = plugin.slice(Signal::Traces, 3).with("duration", [5_000_i64, 5, 6_000]);
    let answer = slice.process().unwrap();
    let [alerts] = answer.emitted() else { panic!("{answer:?}") };
    assert_eq!((alerts.signal, alerts.rows), (Signal::Logs, 2));
    assert_eq!(alerts.column("source"), [0_u32, 2].map(Cell::from));
    assert_eq!(alerts.column("body"), ["slow", "slow"].map(Cell::from));
    assert_eq!(alerts.column("event_name"), [Cell::Absent, Cell::Absent]);
    assert_eq!(alerts.routes, [Some(vec!["pager".to_owned()]), None]);
    let answer = plugin.slice(Signal::Traces, 1).with("duration", [5_i64]).process().unwrap();
    assert!(answer.emitted().is_empty(), "no records are no emission");
}

/// What is held is given by a tick, and then no more.
#[test]
fn ticks_and_the_end_give_records() {
    let mut plugin = Harness::<Slow>::start("{}").unwrap();
    plugin.slice(Signal::Traces, 3).process().unwrap();
    let seen = plugin.tick(7).unwrap();
    assert_eq!(seen[0].column("value_int"), [Cell::Int(3)]);
    assert_eq!(seen[0].column("metric.type"), [Cell::Int(2)]);
    assert_eq!(seen[0].column("exemplar.time_unix_nano"), [Cell::list([7_u64, 8])]);
    assert_eq!(plugin.flush().unwrap()[0].column("value_int"), [Cell::Int(0)]);
}
