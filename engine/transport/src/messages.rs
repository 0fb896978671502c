//! The few messages that are read and written here, all off the data path: answers and errors.
//!
//! The three `Export*ServiceResponse` are one message, because they differ only in the name of a field: field 1 is
//! `partial_success`, whose field 1 is the rejected count and field 2 the message. A test compares with the official types.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use serde_json::{Value, json};

use crate::Accepted;

/// `Export{Trace,Metrics,Logs}ServiceResponse`.
#[derive(Clone, PartialEq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

/// `Export{Trace,Metrics,Logs}PartialSuccess`.
#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Any {
    #[prost(string, tag = "1")]
    pub type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<RetryDelay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct RetryDelay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// `google.rpc.BadRequest`.
#[derive(Clone, PartialEq, Message)]
struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    field_violations: Vec<FieldViolation>,
}

/// `google.rpc.BadRequest.FieldViolation`; without `field`, which the wire engine's errors do not name.
#[derive(Clone, PartialEq, Message)]
struct FieldViolation {
    #[prost(string, tag = "2")]
    description: String,
}

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";
const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";

/// The response's message: empty for full success, where `partial_success` must be unset.
pub(crate) fn encode_response(accepted: &Accepted) -> Bytes {
    if accepted.is_full() {
        return Bytes::new();
    }
    let partial_success = PartialSuccess {
        rejected: i64::try_from(accepted.rejected).unwrap_or(i64::MAX),
        error_message: accepted.message.clone(),
    };
    ExportResponse { partial_success: Some(partial_success) }.encode_to_vec().into()
}

/// Reads a response. A negative count, which nobody may send, rejects nothing.
pub(crate) fn decode_response(message: Bytes) -> Result<Accepted, prost::DecodeError> {
    if message.is_empty() {
        return Ok(Accepted::default());
    }
    let partial = ExportResponse::decode(message)?.partial_success.unwrap_or_default();
    Ok(Accepted { rejected: partial.rejected.try_into().unwrap_or(0), message: partial.error_message })
}

impl Any {
    pub fn retry_info(retry_after: Duration) -> Any {
        let retry_delay = RetryDelay {
            seconds: i64::try_from(retry_after.as_secs()).unwrap_or(i64::MAX),
            // Below 1,000,000,000, which an i32 holds.
            nanos: retry_after.subsec_nanos() as i32,
        };
        Any { type_url: RETRY_INFO.into(), value: RetryInfo { retry_delay: Some(retry_delay) }.encode_to_vec() }
    }

    pub fn bad_request(description: &str) -> Any {
        let field_violations = vec![FieldViolation { description: description.into() }];
        Any { type_url: BAD_REQUEST.into(), value: BadRequest { field_violations }.encode_to_vec() }
    }

    /// In protobuf's JSON; `None`: not one of those that are made here.
    fn to_json(&self) -> Option<Value> {
        match &*self.type_url {
            RETRY_INFO => {
                let RetryDelay { seconds, nanos } = RetryInfo::decode(&*self.value).ok()?.retry_delay?;
                // As short as it says the same, in groups of three digits.
                let delay = match nanos {
                    0 => format!("{seconds}s"),
                    _ if nanos % 1_000_000 == 0 => format!("{seconds}.{:03}s", nanos / 1_000_000),
                    _ if nanos % 1000 == 0 => format!("{seconds}.{:06}s", nanos / 1000),
                    _ => format!("{seconds}.{nanos:09}s"),
                };
                Some(json!({"@type": RETRY_INFO, "retryDelay": delay}))
            }
            BAD_REQUEST => {
                let BadRequest { field_violations } = BadRequest::decode(&*self.value).ok()?;
                let violation = |violation: &FieldViolation| json!({"description": violation.description});
                let violations: Vec<Value> = field_violations.iter().map(violation).collect();
                Some(json!({"@type": BAD_REQUEST, "fieldViolations": violations}))
            }
            _ => None,
        }
    }
}

impl RpcStatus {
    /// In protobuf's JSON, with the details that are made here.
    pub fn to_json(&self) -> Bytes {
        let mut status = json!({"code": self.code, "message": self.message});
        let details: Vec<Value> = self.details.iter().filter_map(Any::to_json).collect();
        if !details.is_empty() {
            status["details"] = details.into();
        }
        status.to_string().into()
    }

    /// The delay of the first RetryInfo. One without a delay, or with a negative one, asks for none: zero.
    pub fn retry_after(&self) -> Option<Duration> {
        let info = self.details.iter().find(|any| any.type_url == RETRY_INFO)?;
        let delay = RetryInfo::decode(&*info.value).ok()?.retry_delay.unwrap_or_default();
        let seconds = u64::try_from(delay.seconds).unwrap_or(0);
        let nanos = u32::try_from(delay.nanos).unwrap_or(0).min(999_999_999);
        Some(Duration::new(seconds, nanos))
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::{logs, metrics, trace};

    use super::*;

    /// What we write is what the official messages read, for each signal, and the other way round.
    #[test]
    fn responses_are_the_official_ones() {
        let ours = Accepted { rejected: 7, message: "ids".into() };
        let bytes = encode_response(&ours);
        let theirs = trace::v1::ExportTraceServiceResponse::decode(bytes.clone()).unwrap();
        assert_eq!(theirs.partial_success.as_ref().unwrap().rejected_spans, 7);
        assert_eq!(theirs.partial_success.as_ref().unwrap().error_message, "ids");
        let theirs = metrics::v1::ExportMetricsServiceResponse::decode(bytes.clone()).unwrap();
        assert_eq!(theirs.partial_success.as_ref().unwrap().rejected_data_points, 7);
        let theirs = logs::v1::ExportLogsServiceResponse::decode(bytes).unwrap();
        assert_eq!(theirs.partial_success.as_ref().unwrap().rejected_log_records, 7);
        assert_eq!(decode_response(theirs.encode_to_vec().into()).unwrap(), ours);
    }

    /// Full success leaves `partial_success` unset; an empty one that a backend sends anyway is full success too.
    #[test]
    fn full_success_is_empty() {
        assert!(encode_response(&Accepted::default()).is_empty());
        assert!(decode_response(Bytes::from_static(&[0x0a, 0])).unwrap().is_full());
    }

    /// A warning without a rejection is told with a count of 0.
    #[test]
    fn a_warning_is_partial_success() {
        let warning = Accepted { rejected: 0, message: "old version".into() };
        assert_eq!(decode_response(encode_response(&warning)).unwrap(), warning);
    }

    /// Details have a name in JSON, and durations as few digits as they need.
    #[test]
    fn details_in_json() {
        let status = |details| RpcStatus { code: 3, message: "why".into(), details }.to_json();
        assert_eq!(status(Vec::new()), r#"{"code":3,"message":"why"}"#);
        let wrong = r#"{"code":3,"message":"why","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"description":"a \"b\""}]}]}"#;
        assert_eq!(status(vec![Any::bad_request("a \"b\"")]), wrong);
        for (nanos, text) in
            [(2_000_000_000, "2s"), (1_500_000_000, "1.500s"), (1000, "0.000001s"), (1, "0.000000001s")]
        {
            let delay = Any::retry_info(Duration::from_nanos(nanos)).to_json().unwrap();
            assert_eq!(delay, json!({"@type": RETRY_INFO, "retryDelay": text}));
        }
    }

    /// Delays beyond what a duration holds, negative ones and missing ones never fail.
    #[test]
    fn odd_delays() {
        let status = |seconds, nanos| {
            let info = RetryInfo { retry_delay: Some(RetryDelay { seconds, nanos }) };
            let details = vec![Any { type_url: RETRY_INFO.into(), value: info.encode_to_vec() }];
            RpcStatus { details, ..RpcStatus::default() }
        };
        assert_eq!(status(1, 500_000_000).retry_after(), Some(Duration::from_millis(1500)));
        assert_eq!(status(-1, -1).retry_after(), Some(Duration::ZERO));
        assert!(status(i64::MAX, i32::MAX).retry_after().is_some());
        assert_eq!(RpcStatus::default().retry_after(), None);
        let any = Any::retry_info(Duration::MAX);
        assert!(RpcStatus { details: vec![any], ..RpcStatus::default() }.retry_after().is_some());
    }
}
