//! The records of a request: their ids, and what they say.

use memchr::memmem;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use wasmill_authoring::template::point_id;
use wasmill_wire::Signal;

/// Calls `found` with the id of each record of a request. `None`: it is not one.
///
/// Walks lengths only; ids are where [`Template`](wasmill_authoring::template::Template) puts them. So a sink takes little of the machine
/// that it shares with what is measured.
pub fn ids(signal: Signal, request: &[u8], found: &mut impl FnMut(u64)) -> Option<()> {
    // Resources, scopes, and spans, log records or metrics.
    each(request, 1, &mut |resource| {
        each(resource, 2, &mut |scope| {
            each(scope, 2, &mut |record| match signal {
                Signal::Traces => each(record, 2, &mut |id| big_endian(id, found)),
                Signal::Logs => each(record, 10, &mut |id| big_endian(id, found)),
                // Gauge, sum, histogram; their points' times.
                Signal::Metrics => [5, 7, 9].into_iter().try_for_each(|data| {
                    each(record, data, &mut |data| {
                        each(data, 1, &mut |point| {
                            each(point, 3, &mut |time| {
                                found(point_id(u64::from_le_bytes(time.try_into().ok()?))?);
                                Some(())
                            })
                        })
                    })
                }),
            })
        })
    })
}

fn big_endian(id: &[u8], found: &mut impl FnMut(u64)) -> Option<()> {
    found(u64::from_be_bytes(id.try_into().ok()?));
    Some(())
}

/// The same of a request as OTLP/JSON, of which only the keys before ids are looked for. `None`: something else stands behind one.
pub fn json_ids(signal: Signal, request: &[u8], found: &mut impl FnMut(u64)) -> Option<()> {
    let key: &[u8] = if signal == Signal::Metrics { b"\"timeUnixNano\":\"" } else { b"\"spanId\":\"" };
    for at in memmem::find_iter(request, key) {
        let rest = request.get(at + key.len()..)?;
        let id = std::str::from_utf8(rest.get(..memchr::memchr(b'"', rest)?)?).ok()?;
        found(match signal {
            Signal::Metrics => point_id(id.parse().ok()?)?,
            Signal::Traces | Signal::Logs => u64::from_str_radix(id, 16).ok()?,
        });
    }
    Some(())
}

/// Series of one point, of which only one counts: `target_info` is the resource's, and a histogram's point is told by its `_count`.
fn is_beside(name: &[u8]) -> bool {
    name.ends_with(b"_bucket") || name.ends_with(b"_sum") || name == b"target_info"
}

/// Calls `found` with the id of each data point of a `prometheus.WriteRequest`: the time of its sample, for a histogram that of its
/// count. `None`: it is not one.
pub fn sample_ids(request: &[u8], found: &mut impl FnMut(u64)) -> Option<()> {
    each(request, 1, &mut |series| {
        let mut name: &[u8] = &[];
        each(series, 1, &mut |label| {
            let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
            each(label, 1, &mut |bytes| {
                key = bytes;
                Some(())
            })?;
            each(label, 2, &mut |bytes| {
                value = bytes;
                Some(())
            })?;
            if key == b"__name__" {
                name = value;
            }
            Some(())
        })?;
        if is_beside(name) {
            return Some(());
        }
        each(series, 2, &mut |sample| {
            each_field(sample, &mut |number, field| {
                if let (2, Field::Varint(milliseconds)) = (number, field) {
                    found(point_id(milliseconds.checked_mul(1_000_000)?)?);
                }
                Some(())
            })
        })
    })
}

/// Calls `found` with each field of the given number that has a length or is fixed.
pub fn each<'a>(message: &'a [u8], wanted: u64, found: &mut dyn FnMut(&'a [u8]) -> Option<()>) -> Option<()> {
    each_field(message, &mut |number, field| match field {
        Field::Bytes(bytes) if number == wanted => found(bytes),
        _ => Some(()),
    })
}

/// What a field of a message has.
pub enum Field<'a> {
    Varint(u64),
    /// Behind a length, or of a fixed one.
    Bytes(&'a [u8]),
}

/// Calls `found` with each field and its number, in their order. `None`: it is not a message, or `found` said so.
pub fn each_field<'a>(mut message: &'a [u8], found: &mut dyn FnMut(u64, Field<'a>) -> Option<()>) -> Option<()> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let len = match tag & 7 {
            0 => {
                found(tag >> 3, Field::Varint(varint(&mut message)?))?;
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (field, rest) = message.split_at_checked(len)?;
        message = rest;
        found(tag >> 3, Field::Bytes(field))?;
    }
    Some(())
}

/// Takes one from the front. `None`: there is none.
pub fn varint(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Each record with its resource and scope as a text, by its id: two engines that mean the same give the same, in whatever
/// order they write attributes. `None`: it is not a request.
pub fn lines(signal: Signal, request: &[u8]) -> Option<Vec<(u64, String)>> {
    let mut lines = Vec::new();
    match signal {
        Signal::Traces => {
            for of_resource in ExportTraceServiceRequest::decode(request).ok()?.resource_spans {
                let resource = resource_text(of_resource.resource);
                for of_scope in of_resource.scope_spans {
                    let scope = scope_text(of_scope.scope);
                    for mut span in of_scope.spans {
                        sort(&mut span.attributes);
                        // Unset is what none means.
                        span.status.get_or_insert_default();
                        let id = u64::from_be_bytes(span.span_id.as_slice().try_into().ok()?);
                        lines.push((id, format!("{resource} {scope} {span:?}")));
                    }
                }
            }
        }
        Signal::Logs => {
            for of_resource in ExportLogsServiceRequest::decode(request).ok()?.resource_logs {
                let resource = resource_text(of_resource.resource);
                for of_scope in of_resource.scope_logs {
                    let scope = scope_text(of_scope.scope);
                    for mut record in of_scope.log_records {
                        sort(&mut record.attributes);
                        let id = u64::from_be_bytes(record.span_id.as_slice().try_into().ok()?);
                        lines.push((id, format!("{resource} {scope} {record:?}")));
                    }
                }
            }
        }
        Signal::Metrics => {
            for of_resource in ExportMetricsServiceRequest::decode(request).ok()?.resource_metrics {
                let resource = resource_text(of_resource.resource);
                for of_scope in of_resource.scope_metrics {
                    let scope = scope_text(of_scope.scope);
                    for metric in of_scope.metrics {
                        points(metric, &mut |id, point| lines.push((id, format!("{resource} {scope} {point}"))))?;
                    }
                }
            }
        }
    }
    Some(lines)
}

/// Each data point, with its metric as it would be without points. `None`: one that is not of this load.
fn points(mut metric: Metric, found: &mut impl FnMut(u64, String)) -> Option<()> {
    let Some(mut data) = metric.data.take() else { return Some(()) };
    macro_rules! take {
        ($data:expr) => {{
            let points = std::mem::take(&mut $data.data_points);
            for mut point in points {
                sort(&mut point.attributes);
                found(point_id(point.time_unix_nano)?, format!("{metric:?} {:?} {point:?}", $data));
            }
        }};
    }
    match &mut data {
        Data::Gauge(data) => take!(data),
        Data::Sum(data) => take!(data),
        Data::Histogram(data) => take!(data),
        Data::ExponentialHistogram(data) => take!(data),
        Data::Summary(data) => take!(data),
    }
    Some(())
}

fn resource_text(resource: Option<Resource>) -> String {
    let mut resource = resource.unwrap_or_default();
    sort(&mut resource.attributes);
    format!("{resource:?}")
}

fn scope_text(scope: Option<InstrumentationScope>) -> String {
    let mut scope = scope.unwrap_or_default();
    sort(&mut scope.attributes);
    format!("{scope:?}")
}

fn sort(attributes: &mut [KeyValue]) {
    attributes.sort_by(|one, other| one.key.cmp(&other.key));
}

#[cfg(test)]
mod tests {
    use wasmill_authoring::template::{EMAIL_EVERY, HEALTH_CHECK_EVERY, Template};

    use super::*;

    /// A request that is not one is not counted as one.
    #[test]
    fn nonsense_has_no_ids() {
        for signal in Signal::ALL {
            assert_eq!(ids(signal, &[0x0a, 5, 1], &mut |_| panic!("an id")), None);
            assert_eq!(lines(signal, &[0x0a, 5, 1]), None);
        }
    }

    /// What the generator writes is what the sink reads, record by record, with ten attributes and the size that is asked for.
    #[test]
    fn ids_are_found_again() {
        for signal in Signal::ALL {
            let template = Template::new(signal, 1000);
            let request = template.request(7000);
            let mut found = Vec::new();
            ids(signal, &request, &mut |id| found.push(id)).unwrap();
            assert_eq!(found, (7000..8000).collect::<Vec<_>>(), "{signal:?}");
            let bytes = template.bytes() / 1000;
            assert!((400..500).contains(&bytes), "{signal:?}: {bytes} bytes a record");
            let mut json = Vec::new();
            let text = match signal {
                Signal::Traces => {
                    r#"{"spanId":"0000000000001b58","parentSpanId":"0000000000000001"},{"spanId":"0000000000001b59"}"#
                }
                Signal::Logs => r#"{"traceId":"00","spanId":"0000000000001b58"},{"spanId":"0000000000001b59"}"#,
                Signal::Metrics => {
                    r#"{"startTimeUnixNano":"1790000000000000000","timeUnixNano":"1790000007000000000"},{"timeUnixNano":"1790000007001000000"}"#
                }
            };
            json_ids(signal, text.as_bytes(), &mut |id| json.push(id)).unwrap();
            assert_eq!(json, [7000, 7001], "{signal:?}");
            for (id, line) in lines(signal, &request).unwrap() {
                assert_eq!(line.contains("\"/healthz\""), id.is_multiple_of(HEALTH_CHECK_EVERY), "{line}");
                assert_eq!(line.contains('@'), id % EMAIL_EVERY == 1, "{line}");
            }
        }
    }

    /// A histogram's point is one of its samples, and a resource is none.
    #[test]
    fn samples_of_one_point_count_once() {
        let field = |number: u8, bytes: &[u8]| [&[number << 3 | 2, bytes.len() as u8], bytes].concat();
        let label = |key: &str, value: &str| field(1, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat());
        let series = |name: &str, milliseconds: u64| {
            // A value, fixed, and a time, varint.
            let mut sample = [&[1 << 3 | 1], &1f64.to_le_bytes()[..], &[2 << 3]].concat();
            let mut left = milliseconds;
            while left >= 0x80 {
                sample.push(left as u8 | 0x80);
                left >>= 7;
            }
            sample.push(left as u8);
            let labels = [label("job", "cart"), label("__name__", name)].concat();
            field(1, &[labels, field(2, &sample)].concat())
        };
        let at = |id: u64| 1_790_000_000_000 + id;
        let request = [
            series("size_total", at(3)),
            series("duration_bucket", at(4)),
            series("duration_sum", at(4)),
            series("duration_count", at(4)),
            series("target_info", at(4)),
        ];
        let mut found = Vec::new();
        sample_ids(&request.concat(), &mut |id| found.push(id)).unwrap();
        assert_eq!(found, [3, 4]);
        assert_eq!(sample_ids(&series("size_total", 5), &mut |_| ()), None, "a time before all of them");
    }
}
