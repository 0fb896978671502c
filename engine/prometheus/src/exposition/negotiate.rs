//! Which form a scraper wants, by its `Accept`.

use super::Escaping;

/// What is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// Prometheus' text, 0.0.4 and, with names in quotes, 1.0.0.
    Text { has_quotes: bool },
    /// OpenMetrics' text; 1.0.0, or 0.0.1 which is the same.
    OpenMetrics { is_old: bool },
    /// Messages `io.prometheus.client.MetricFamily`, each behind its length.
    Protobuf,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    pub protocol: Protocol,
    pub escaping: Escaping,
}

/// Of an `Accept` so many alternatives are looked at; Prometheus sends five.
const ALTERNATIVES_MAX: usize = 32;

/// What an alternative asks for.
#[derive(Default)]
struct Wanted<'a> {
    kind: &'a str,
    version: Option<&'a str>,
    proto: Option<&'a str>,
    encoding: Option<&'a str>,
    escaping: Escaping,
    /// In thousandths.
    quality: u32,
}

impl Format {
    /// The best of what `accept` names and we have; the text that everybody reads, where that is nothing.
    pub fn negotiate(accept: &str, has_open_metrics: bool) -> Format {
        let mut wanted: Vec<Wanted<'_>> = accept.split(',').take(ALTERNATIVES_MAX).map(Wanted::read).collect();
        // Of equals the first.
        wanted.sort_by_key(|wanted| std::cmp::Reverse(wanted.quality));
        let wanted = wanted.iter().filter(|wanted| wanted.quality > 0);
        let mut formats = wanted.filter_map(|wanted| {
            let protocol = wanted.protocol(has_open_metrics)?;
            Some(Format { protocol, escaping: wanted.escaping })
        });
        formats
            .next()
            .unwrap_or(Format { protocol: Protocol::Text { has_quotes: false }, escaping: Escaping::default() })
    }

    /// The `Content-Type` of the answer.
    pub fn content_type(self) -> String {
        let escaping = self.escaping.name();
        match self.protocol {
            Protocol::Text { has_quotes } => {
                let version = if has_quotes { "1.0.0" } else { "0.0.4" };
                format!("text/plain; version={version}; charset=utf-8; escaping={escaping}")
            }
            Protocol::OpenMetrics { is_old } => {
                let version = if is_old { "0.0.1" } else { "1.0.0" };
                format!("application/openmetrics-text; version={version}; charset=utf-8; escaping={escaping}")
            }
            Protocol::Protobuf => format!(
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping={escaping}"
            ),
        }
    }
}

impl<'a> Wanted<'a> {
    fn read(alternative: &'a str) -> Wanted<'a> {
        let mut parts = alternative.split(';').map(str::trim);
        let mut wanted = Wanted { kind: parts.next().unwrap_or_default(), quality: 1_000, ..Wanted::default() };
        for part in parts {
            let Some((key, value)) = part.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match key.trim().to_ascii_lowercase().as_str() {
                "q" => {
                    let quality: f64 = value.parse().unwrap_or(0.0);
                    wanted.quality = (quality.clamp(0.0, 1.0) * 1_000.0) as u32;
                }
                "version" => wanted.version = Some(value),
                "proto" => wanted.proto = Some(value),
                "encoding" => wanted.encoding = Some(value),
                "escaping" => wanted.escaping = Escaping::named(value).unwrap_or_default(),
                _ => {}
            }
        }
        wanted
    }

    fn protocol(&self, has_open_metrics: bool) -> Option<Protocol> {
        let is = |kind: &str| self.kind.eq_ignore_ascii_case(kind);
        if is("application/vnd.google.protobuf") {
            let is_ours = self.proto == Some("io.prometheus.client.MetricFamily") && self.encoding == Some("delimited");
            return is_ours.then_some(Protocol::Protobuf);
        }
        if is("application/openmetrics-text") {
            let version = self.version.unwrap_or("1.0.0");
            let is_known = matches!(version, "1.0.0" | "0.0.1");
            return (has_open_metrics && is_known).then_some(Protocol::OpenMetrics { is_old: version == "0.0.1" });
        }
        if is("text/plain") {
            return match self.version {
                None | Some("0.0.4") => Some(Protocol::Text { has_quotes: false }),
                Some("1.0.0") => Some(Protocol::Text { has_quotes: true }),
                Some(_) => None,
            };
        }
        (is("*/*") || is("text/*")).then_some(Protocol::Text { has_quotes: false })
    }
}
