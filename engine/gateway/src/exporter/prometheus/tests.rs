use std::io::Read;
use std::num::NonZeroUsize;
use std::time::Duration;

use flate2::read::GzDecoder;
use http_body_util::BodyExt;
use wasmill_wire::{JsonDocument, from_json};

use super::*;

fn settings() -> config::PrometheusExporter {
    config::PrometheusExporter {
        endpoint: config::Endpoint::new("127.0.0.1", 0),
        tls: None,
        authenticator: None,
        namespace: "".into(),
        const_labels: vec![("env".into(), "test".into())],
        has_timestamps: false,
        expiration: config::PrometheusExporter::EXPIRATION,
        has_open_metrics: true,
        has_resource_labels: false,
        has_service_labels: true,
        has_scope_labels: false,
        has_suffixes: true,
        has_utf8_names: false,
        series_max: NonZeroUsize::MIN,
    }
}

fn exporter(stores: &Stores, settings: &config::PrometheusExporter) -> PrometheusExporter {
    PrometheusExporter::new(&ComponentId::parse("prometheus").unwrap(), settings, stores)
}

/// A gauge with a point for each host.
fn request(hosts: &[&str]) -> Request {
    let points = hosts.iter().map(|host| {
        format!(r#"{{"asDouble":1.5,"attributes":[{{"key":"host","value":{{"stringValue":"{host}"}}}}]}}"#)
    });
    let points = points.collect::<Vec<_>>().join(",");
    let json = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"load","gauge":{{"dataPoints":[{points}]}}}}]}}]}}]}}"#
    );
    let body = from_json(JsonDocument::Request(Signal::Metrics), json.as_bytes(), 1 << 20).unwrap();
    Request::new(Signal::Metrics, hosts.len() as u64, Bytes::from(body), Arc::default())
}

async fn body(scrape: Scrape, encoder: Option<GzEncoder<Vec<u8>>>) -> Vec<u8> {
    ScrapeBody { rest: Some((scrape, encoder)) }.collect().await.unwrap().to_bytes().to_vec()
}

/// What finds no room is counted as rejected, with the reason; the rest is taken, and what came as bytes is taken as what came as a batch.
#[tokio::test]
async fn what_is_refused_is_said() {
    let stores = Stores::default();
    let exporter = exporter(&stores, &settings());
    let request = exporter.prepare_encoded(request(&["a", "b", "c"]));
    let sent = exporter.send(&request).await.unwrap();
    assert_eq!(sent.rejected_rows, 2);
    assert!(sent.message.contains("`load`") && sent.message.contains("max_series"), "{}", sent.message);
    let broken = Request { body: Bytes::from_static(b"\xff").into(), ..request.clone() };
    let sent = exporter.send(&exporter.prepare_encoded(broken)).await.unwrap();
    assert_eq!(sent.rejected_rows, 3);
}

/// An answer is the same text, compressed or not.
#[tokio::test]
async fn answers_are_compressed() {
    let stores = Stores::default();
    let settings = config::PrometheusExporter { series_max: NonZeroUsize::MAX, ..settings() };
    let exporter = exporter(&stores, &settings);
    let hosts: Vec<String> = (0..5_000).map(|number| format!("host-{number}")).collect();
    exporter.prepare_encoded(request(&hosts.iter().map(String::as_str).collect::<Vec<_>>()));
    let scrape = || Scrape::new(Arc::clone(&exporter.store), Format::negotiate("", false), false);
    let plain = body(scrape(), None).await;
    let compressed = body(scrape(), Some(GzEncoder::new(Vec::new(), Compression::fast()))).await;
    let mut text = Vec::new();
    GzDecoder::new(&*compressed).read_to_end(&mut text).unwrap();
    assert!(text == plain && compressed.len() < plain.len() / 3);
    assert!(String::from_utf8_lossy(&plain).contains(r#"load{env="test",host="host-4999"} 1.5"#));
}

/// Which answers are compressed.
#[test]
fn gzip_is_taken_where_it_is_said() {
    for (header, expected) in [
        ("", false),
        ("gzip", true),
        ("br, GZIP;q=0.5", true),
        ("gzip;q=0", false),
        ("gzipped", false),
        ("identity", false),
    ] {
        assert_eq!(takes_gzip(header), expected, "{header}");
    }
}

/// An exporter that a reload makes anew has the series of the one before, unless what decides about them changed.
#[test]
fn series_outlive_their_exporter() {
    let stores = Stores::default();
    let first = exporter(&stores, &settings());
    first.prepare_encoded(request(&["a"]));
    let stamped = config::PrometheusExporter { has_timestamps: true, ..settings() };
    let second = exporter(&stores, &stamped);
    drop(first);
    assert_eq!(second.store.counts().series, 1);
    let other = config::PrometheusExporter { expiration: Duration::from_secs(1), ..settings() };
    assert_eq!(exporter(&stores, &other).store.counts().series, 0);
    // A build that was refused has made another store, and let it go.
    assert_eq!(exporter(&stores, &settings()).store.counts().series, 1);
    drop(second);
    assert_eq!(exporter(&stores, &settings()).store.counts().series, 0);
}
