//! Counts rows by the owner of their service, and tells: `../README.md` says what every language's plugin does.

use std::collections::BTreeMap;
use std::time::Duration;

use wasmill_sdk::columns::AttributesBuilder;
use wasmill_sdk::prelude::*;
use wasmill_sdk::state::{self, Entry, Keys};

/// The stage's `config:` block.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The name of the lookup table.
    table: String,
    /// Milliseconds between two ticks.
    #[serde(default = "every_ms")]
    every_ms: u32,
}

fn every_ms() -> u32 {
    10_000
}

/// The service whose rows are refused.
const REFUSED: &str = "boom";
/// The least that the host ticks at.
const EVERY_MS_MIN: u32 = 10;
/// Upper bounds of rows, of the histogram over owners.
const BOUNDS: [f64; 3] = [1.0, 10.0, 100.0];
const INFO: i32 = 9;

struct Census {
    owners: Table,
    service: Column<str>,
    /// Rows by owner; those without one are of the empty text.
    rows: BTreeMap<String, i64>,
    /// The sum that the last tick told.
    told: i64,
}

/// The rows of a service in one slice.
#[derive(Default)]
struct Service {
    rows: i64,
    owner: Option<String>,
    tier: Option<i64>,
    /// The sum that the host keeps.
    seen: Option<i64>,
}

impl Plugin for Census {
    type Config = Config;

    fn init(config: Config, needs: &mut Requirements) -> Result<Self> {
        if config.every_ms < EVERY_MS_MIN {
            return Err(Error::new(format!(
                "`every_ms`: expected {EVERY_MS_MIN} or more, found {}",
                config.every_ms
            )));
        }
        needs.signals([Signal::Traces, Signal::Logs]);
        needs.uses([Use::Edits, Use::Emit, Use::Flush]);
        needs.keeps();
        needs.single();
        needs.hands_over();
        needs.ticks(Duration::from_millis(config.every_ms.into()));
        Ok(Census {
            owners: needs.table(&config.table),
            service: needs.column_as(r#"resource.attributes["service.name"]"#, TextForm::Dictionary),
            rows: BTreeMap::new(),
            told: 0,
        })
    }

    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        let column = slice.column(self.service);
        let mut services = Vec::<(&str, Service)>::new();
        // The place of each row's service among them.
        let places: Vec<Option<usize>> = column
            .iter()
            .map(|name| {
                name.map(|name| {
                    let place = services.iter().position(|(other, _)| *other == name).unwrap_or_else(|| {
                        services.push((name, Service::default()));
                        services.len() - 1
                    });
                    services[place].1.rows += 1;
                    place
                })
            })
            .collect();
        if services.iter().any(|(name, _)| *name == REFUSED) {
            return Err(Error::new(format!("the service is `{REFUSED}`: its rows are refused")));
        }
        self.look_up(&mut services)?;
        let of_row = |row: usize| Some(&services[(*places.get(row)?)?].1);
        edit(slice.rows(), of_row, verdict);
        self.count(slice.rows(), of_row, verdict);
        let signal = if slice.signal() == Signal::Traces { "traces" } else { "logs" };
        // Metrics are for whoever operates the gateway: the plugin goes on where they are not taken.
        let _ = host::counter("census_rows", &[("signal", signal)], slice.rows() as f64);
        let _ = host::gauge("census_owners", &[], self.rows.len() as f64);
        let _ = host::histogram("census_slice_rows", &[], slice.rows() as f64);
        Ok(())
    }

    fn tick(&mut self, now: u64, emit: &mut Emissions) -> Result<()> {
        let rows: i64 = self.rows.values().sum();
        if rows != self.told {
            let owned = rows - self.rows.get("").copied().unwrap_or(0);
            let mut record = Emission::new(Signal::Logs, 1);
            record.set("body", &format!("{rows} rows")).set("severity_number", INFO).set("time_unix_nano", now);
            record.set(r#"attributes["rows"]"#, rows).set(r#"attributes["owned"]"#, owned as f64 / rows as f64);
            emit.push(record);
            self.told = rows;
        }
        Ok(())
    }

    fn flush(&mut self, emit: &mut Emissions) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let now = host::clock()?;
        let mut points = Emission::new(Signal::Metrics, self.rows.len());
        points.set("scope.name", "census").set("metric.name", "census.rows").set("metric.unit", "{row}");
        points.set("metric.type", MetricType::Sum).set("metric.is_monotonic", true).set("time_unix_nano", now);
        points.set("metric.aggregation_temporality", Temporality::Cumulative);
        points.numbers("value_int", self.rows.values().copied());
        points.column(r#"attributes["owner"]"#, |block| {
            let owners = block.text(self.rows.keys().map(String::as_str));
            block.set_validity(owners, &self.rows.keys().map(|owner| !owner.is_empty()).collect());
        });
        emit.push(points);

        let mut buckets = [0_u64; BOUNDS.len() + 1];
        for rows in self.rows.values() {
            buckets[BOUNDS.partition_point(|bound| *bound < *rows as f64)] += 1;
        }
        let mut sizes = Emission::new(Signal::Metrics, 1);
        sizes.set("scope.name", "census").set("metric.name", "census.owner_rows");
        sizes.set("metric.type", MetricType::Histogram).set("time_unix_nano", now);
        sizes.set("count", self.rows.len() as u64).set("sum", self.rows.values().sum::<i64>() as f64);
        sizes.lists("bucket_counts", &[buckets]).lists("explicit_bounds", &[BOUNDS]);
        emit.push(sizes);
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Vec<Entry>> {
        let entry = |(owner, rows): (&String, &i64)| Entry {
            key: owner.clone().into_bytes(),
            value: rows.to_le_bytes().to_vec(),
        };
        Ok(self.rows.iter().map(entry).collect())
    }

    fn restore(&mut self, entries: Vec<Entry>) -> Result<()> {
        log!(Level::Info, "{} owners are taken over", entries.len());
        for Entry { key, value } in entries {
            let owner = String::from_utf8(key)?;
            let Ok(rows) = <[u8; 8]>::try_from(value.as_slice()) else {
                return Err(Error::new(format!("`{owner}` has {} bytes, expected 8", value.len())));
            };
            *self.rows.entry(owner).or_default() += i64::from_le_bytes(rows);
        }
        Ok(())
    }
}

impl Census {
    /// Fills in what the table and the host have of each service.
    fn look_up(&self, services: &mut [(&str, Service)]) -> Result<()> {
        if services.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = services.iter().map(|(name, _)| *name).collect();
        let answer = self.owners.find(&names[..], &["owner", "tier"])?;
        let found = answer.columns();
        let (owners, tiers) = (found.column::<str>(0)?, found.column::<i64>(1)?);
        let keys = Keys::new(names.iter().copied().map(Some));
        let sums = state::add_each(&keys, services.iter().map(|(_, service)| service.rows), None)?;
        for (place, (_, service)) in services.iter_mut().enumerate() {
            service.owner = owners.get(place).map(str::to_owned);
            service.tier = tiers.get(place);
            service.seen = sums.get(place).copied().flatten();
        }
        Ok(())
    }

    /// Counts rows by owner, and tells of those that come for the first time.
    fn count<'s>(&mut self, rows: usize, of_row: impl Fn(usize) -> Option<&'s Service>, verdict: &mut Verdict) {
        let (mut firsts, mut bodies) = (Vec::new(), Vec::new());
        for row in 0..rows {
            let owner = of_row(row).and_then(|service| service.owner.as_deref()).unwrap_or_default();
            match self.rows.get_mut(owner) {
                Some(rows) => *rows += 1,
                None => {
                    self.rows.insert(owner.to_owned(), 1);
                    firsts.push(row as u32);
                    bodies.push(format!("the first row of `{owner}`"));
                }
            }
        }
        let mut news = Emission::new(Signal::Logs, firsts.len());
        news.like(firsts).texts("body", bodies.iter().map(String::as_str)).set("severity_number", INFO);
        verdict.emit(news);
    }
}

fn edit<'s>(rows: usize, of_row: impl Fn(usize) -> Option<&'s Service>, verdict: &mut Verdict) {
    let (mut owned, mut maps) = (Bitmap::none(rows), AttributesBuilder::new());
    let (mut counted, mut sums) = (Bitmap::none(rows), Vec::new());
    for (row, service) in (0..rows).filter_map(|row| Some((row, of_row(row)?))) {
        if let Some(owner) = &service.owner {
            owned.set(row, true);
            maps.entry("owner", AnyValue::Text(owner));
            if let Some(tier) = service.tier {
                maps.entry("tier", AnyValue::Int(tier));
            }
            maps.end_row();
        }
        if let Some(seen) = service.seen {
            counted.set(row, true);
            sums.push(seen);
        }
    }
    verdict.merge("attributes", &owned, &maps);
    verdict.set_each(r#"attributes["seen"]"#, &counted, |block| {
        block.fixed(sums);
    });
    verdict.remove(r#"attributes["debug"]"#, Rows::All);
}

wasmill_sdk::plugin!(Census);
