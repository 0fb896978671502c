//! Log records.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;

use super::{attributes, method, placeholder, resource, route, scope, services, skewed};

pub fn request(records: usize, start: u64) -> Vec<u8> {
    let resource_logs = services(records)
        .map(|(service, records)| {
            let log_records = records.map(|number| record(number, start)).collect();
            let scope_logs = vec![ScopeLogs { scope: Some(scope()), log_records, ..ScopeLogs::default() }];
            ResourceLogs { resource: Some(resource(service)), scope_logs, ..ResourceLogs::default() }
        })
        .collect();
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

fn record(number: u64, start: u64) -> LogRecord {
    let time = start + number * 1_000_003;
    let failed = skewed(number, 5) == 4;
    let body = format!("{} {} took {} ms", method(number), route(number), skewed(number, 997));
    LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: time + 20_000,
        severity_number: if failed { 17 } else { 9 },
        severity_text: if failed { "ERROR" } else { "INFO" }.into(),
        body: Some(AnyValue { value: Some(Value::StringValue(body)) }),
        attributes: attributes(number),
        flags: 1,
        trace_id: vec![0; 16],
        span_id: placeholder(number).to_be_bytes().to_vec(),
        ..LogRecord::default()
    }
}
