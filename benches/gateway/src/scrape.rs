//! What a scrape of very many series costs an engine, in each form that it has.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use clap::Parser;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use memchr::memmem;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use wasmill_authoring::template::point_time;
use wasmill_wire::Signal;

use crate::grpc::{self, Call, FRAME_BYTES};
use crate::process::{Spent, peak_kib, reset_peak, usage};
use crate::records::{each, varint};

/// What Prometheus asks for that knows nothing newer.
pub const TEXT: &str = "text/plain;version=0.0.4";

/// Each form with what asks for it, which is also what its `Content-Type` begins with, less the version.
const FORMS: [(&str, &str); 3] = [
    ("text", TEXT),
    ("OpenMetrics", "application/openmetrics-text;version=1.0.0"),
    ("protobuf", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"),
];

/// Between scrapes of an engine under load: more often than anybody does it.
const EVERY: Duration = Duration::from_secs(1);

/// How long a scrape may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// As many as a `batch` processor would make one of.
const POINTS_A_REQUEST: usize = 1000;

/// After the last scrape, until an engine has collected its garbage.
const REST: Duration = Duration::from_millis(300);

/// As all of them are called in text.
const NAME: &str = "http_server_work_seconds_total";

/// Makes series in an engine, and scrapes them.
#[derive(Parser)]
pub struct Arguments {
    /// Where the engine listens (OTLP/gRPC, plain).
    #[arg(long)]
    pub target: SocketAddr,
    /// Where it is scraped.
    #[arg(long)]
    pub scrape: SocketAddr,
    /// Its process, whose CPU time and memory are measured.
    #[arg(long)]
    pub pid: u32,
    #[arg(long, default_value_t = 100_000)]
    pub series: usize,
    /// Of each form.
    #[arg(long, default_value_t = 10)]
    pub scrapes: u32,
}

/// An answer to a scrape.
pub struct Page {
    pub content_type: String,
    pub body: Vec<u8>,
}

/// A connection that is scraped on.
pub struct Scraper {
    address: SocketAddr,
    sender: SendRequest<Empty<Bytes>>,
}

impl Scraper {
    pub async fn connect(address: SocketAddr) -> Result<Scraper> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to `{address}`"))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Scraper { address, sender })
    }

    /// An error: no answer, or not a 200.
    pub async fn get(&mut self, accept: &str) -> Result<Page> {
        let request = http::Request::get("/metrics").header(HOST, self.address.to_string()).header(ACCEPT, accept);
        self.sender.ready().await?;
        let answer = async {
            let (head, body) = self.sender.send_request(request.body(Empty::new())?).await?.into_parts();
            anyhow::Ok((head, body.collect().await?.to_bytes()))
        };
        let (head, body) = tokio::time::timeout(ANSWER_MAX, answer).await.context("a scrape without an answer")??;
        ensure!(head.status == 200, "a scrape was answered with {}", head.status);
        let content_type = head.headers.get(CONTENT_TYPE).context("a scrape without `Content-Type`")?;
        Ok(Page { content_type: content_type.to_str()?.to_owned(), body: body.into() })
    }
}

/// Scrapes as text until then. How often.
pub async fn every_second(address: SocketAddr, until: Instant) -> Result<u64> {
    let mut scraper = Scraper::connect(address).await?;
    let mut due = Instant::now();
    let mut scrapes = 0;
    while due < until {
        tokio::time::sleep_until(due.into()).await;
        scraper.get(TEXT).await?;
        scrapes += 1;
        due += EVERY;
    }
    Ok(scrapes)
}

/// The cost of each form, as JSON. An error: a scrape that does not have all series.
pub async fn run(arguments: &Arguments) -> Result<Value> {
    let mut connection = grpc::connect(arguments.target).await?;
    for first in (0..arguments.series).step_by(POINTS_A_REQUEST) {
        let numbers = first..arguments.series.min(first + POINTS_A_REQUEST);
        let message = grpc::Message::new(&request(numbers).encode_to_vec(), None)?;
        let call = Call { signal: Signal::Metrics, message, frame_bytes: FRAME_BYTES };
        grpc::export(&mut connection, arguments.target, call).await?;
    }
    let mut scraper = Scraper::connect(arguments.scrape).await?;
    let mut forms = Vec::new();
    for (form, accept) in FORMS {
        forms.push(measured(arguments, &mut scraper, form, accept).await?);
    }
    Ok(json!({"series": arguments.series, "scrapes": arguments.scrapes, "forms": forms}))
}

/// Without figures where the engine answers in another form.
async fn measured(arguments: &Arguments, scraper: &mut Scraper, form: &str, accept: &str) -> Result<Value> {
    let pid = arguments.pid;
    reset_peak(pid)?;
    let (resident, before) = (usage(pid)?.resident_mib, Spent::of(pid)?);
    let mut page = None;
    for _ in 0..arguments.scrapes {
        page = Some(scraper.get(accept).await?);
    }
    tokio::time::sleep(REST).await;
    let spent = Spent::of(pid)?.since(before).total();
    let page = page.context("`--scrapes` is above 0")?;
    let mut result = json!({"form": form, "content_type": page.content_type});
    if page.content_type.split(';').next() == accept.split(';').next() {
        let series = page.series().context("a scrape that is not what it says it is")?;
        ensure!(series == arguments.series, "{form}: {series} series instead of {}", arguments.series);
        result["bytes"] = page.body.len().into();
        result["cpu_ms"] = (spent.as_secs_f64() * 1e3 / f64::from(arguments.scrapes)).into();
        result["resident_mib"] = resident.into();
        result["grown_mib"] = (peak_kib(pid)? as f64 / 1024.0 - resident).into();
    }
    Ok(result)
}

impl Page {
    /// Of those that were made. `None`: it is not the form that it says it is.
    fn series(&self) -> Option<usize> {
        if !self.content_type.starts_with("application/vnd.google.protobuf") {
            return Some(memmem::find_iter(&self.body, format!("\n{NAME}{{").as_bytes()).count());
        }
        let (mut series, mut rest) = (0, self.body.as_slice());
        while !rest.is_empty() {
            let len = varint(&mut rest)?;
            let (family, after) = rest.split_at_checked(usize::try_from(len).ok()?)?;
            rest = after;
            // `MetricFamily`: its name, and its metrics.
            let mut is_ours = false;
            each(family, 1, &mut |name| {
                is_ours = name == NAME.as_bytes();
                Some(())
            })?;
            each(family, 4, &mut |_| {
                series += usize::from(is_ours);
                Some(())
            })?;
        }
        Some(series)
    }
}

/// Counters with eight labels each: four attributes, two of the resource, two of the scope.
fn request(numbers: std::ops::Range<usize>) -> ExportMetricsServiceRequest {
    let point = |number: usize| NumberDataPoint {
        attributes: vec![
            text("http.request.method", "GET"),
            text("http.route", &format!("/api/v1/items/{}", number % 100)),
            text("http.response.status_code", "200"),
            text("server.address", &format!("node-{number}.example.com")),
        ],
        start_time_unix_nano: point_time(0),
        time_unix_nano: point_time(1),
        value: Some(number_data_point::Value::AsDouble(number as f64 * 0.37)),
        ..NumberDataPoint::default()
    };
    let sum = Sum { data_points: numbers.map(point).collect(), aggregation_temporality: 2, is_monotonic: true };
    let metric = Metric {
        name: "http.server.work".into(),
        description: "Of requests to this server.".into(),
        unit: "s".into(),
        data: Some(Data::Sum(sum)),
        ..Metric::default()
    };
    let scope = InstrumentationScope { name: "bench".into(), version: "1".into(), ..InstrumentationScope::default() };
    let resource = Resource {
        attributes: vec![text("service.name", "cart"), text("service.instance.id", "cart-1")],
        ..Resource::default()
    };
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics: vec![metric], ..ScopeMetrics::default() }];
    let of_resource = ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![of_resource] }
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value.into())) });
    KeyValue { key: key.into(), value, ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a scrape is whole is seen in each form.
    #[test]
    fn series_are_counted_in_text_and_protobuf() {
        let text = format!("# TYPE {NAME} counter\n{NAME}{{a=\"1\"}} 1\n{NAME}{{a=\"2\"}} 2\ntarget_info{{}} 1\n");
        let page = |content_type: &str, body: &[u8]| Page { content_type: content_type.into(), body: body.into() };
        assert_eq!(page(TEXT, text.as_bytes()).series(), Some(2));
        let family = |name: &str| {
            let fields = [&[0x0a, name.len() as u8], name.as_bytes(), &[0x18, 0, 0x22, 1, 0, 0x22, 0]].concat();
            [&[fields.len() as u8], fields.as_slice()].concat()
        };
        let body = [family("target_info"), family(NAME)].concat();
        assert_eq!(page(FORMS[2].1, &body).series(), Some(2));
        assert_eq!(page(FORMS[2].1, &body[..body.len() - 1]).series(), None, "cut off");
    }
}
