//! Codes: the one table that says which refusal is which status, in both protocols, and how the status is written.

use http::StatusCode;
use prost::Message;
use tonic::Code;
use wasmill_batch::{Refusal, RefusalKind};

use crate::messages::{Any, RpcStatus};

/// The gRPC code for a refusal.
pub fn grpc_code(kind: RefusalKind) -> Code {
    codes(kind).0
}

/// The HTTP status for a refusal.
pub fn http_status(kind: RefusalKind) -> StatusCode {
    codes(kind).1
}

/// OTLP's "Failures": what is retryable here is retryable in both protocols, and nothing else is. What is over a limit is
/// RESOURCE_EXHAUSTED without RetryInfo, which clients must not retry.
fn codes(kind: RefusalKind) -> (Code, StatusCode) {
    match kind {
        RefusalKind::Unavailable => (Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
        RefusalKind::DeadlineExceeded => (Code::DeadlineExceeded, StatusCode::GATEWAY_TIMEOUT),
        RefusalKind::TooLarge => (Code::ResourceExhausted, StatusCode::PAYLOAD_TOO_LARGE),
        RefusalKind::Invalid => (Code::InvalidArgument, StatusCode::BAD_REQUEST),
        // As a server answers that does not have the service, or the path.
        RefusalKind::NotServed => (Code::Unimplemented, StatusCode::NOT_FOUND),
        RefusalKind::PermissionDenied => (Code::PermissionDenied, StatusCode::FORBIDDEN),
        RefusalKind::Unauthenticated => (Code::Unauthenticated, StatusCode::UNAUTHORIZED),
        RefusalKind::Internal => (Code::Internal, StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// A refusal as `google.rpc.Status`: RetryInfo where it says when, BadRequest where the data was wrong.
pub(crate) fn rpc_status(refusal: &Refusal) -> RpcStatus {
    let mut details = Vec::new();
    if let Some(retry_after) = refusal.retry_after.filter(|_| refusal.is_retryable()) {
        details.push(Any::retry_info(retry_after));
    }
    if refusal.kind == RefusalKind::Invalid {
        details.push(Any::bad_request(&refusal.reason));
    }
    RpcStatus { code: grpc_code(refusal.kind) as i32, message: refusal.reason.to_string(), details }
}

/// A refusal as the headers or trailers of a gRPC answer: its code, message and details.
pub(crate) fn grpc_status(refusal: &Refusal) -> tonic::Status {
    let code = grpc_code(refusal.kind);
    let status = rpc_status(refusal);
    if status.details.is_empty() {
        tonic::Status::new(code, status.message)
    } else {
        let details = status.encode_to_vec().into();
        tonic::Status::with_details(code, status.message, details)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const KINDS: [RefusalKind; 8] = [
        RefusalKind::Unavailable,
        RefusalKind::DeadlineExceeded,
        RefusalKind::TooLarge,
        RefusalKind::Invalid,
        RefusalKind::NotServed,
        RefusalKind::PermissionDenied,
        RefusalKind::Unauthenticated,
        RefusalKind::Internal,
    ];

    /// A sender reads our codes by OTLP's tables: it comes to the same answer on "retry?" as we meant, in both protocols.
    #[test]
    fn codes_say_whether_to_retry() {
        for kind in KINDS {
            let grpc = crate::SendError::Grpc {
                endpoint: String::new(),
                code: grpc_code(kind),
                message: String::new(),
                retry_after: rpc_status(&Refusal::new(kind, "why")).retry_after(),
            };
            let http = crate::SendError::Http {
                endpoint: String::new(),
                status: http_status(kind),
                message: String::new(),
                retry_after: None,
                body: bytes::Bytes::new(),
            };
            assert_eq!(grpc.is_retryable(), kind.is_retryable(), "{kind:?}");
            assert_eq!(http.is_retryable(), kind.is_retryable(), "{kind:?}");
        }
    }

    /// A refusal that says when carries RetryInfo if it is retryable; one that is not never does, because with it
    /// RESOURCE_EXHAUSTED would become retryable.
    #[test]
    fn retry_info_only_where_retryable() {
        let second = Some(Duration::from_secs(1));
        for kind in KINDS {
            let refusal = Refusal { retry_after: second, ..Refusal::new(kind, "why") };
            let expected = second.filter(|_| kind.is_retryable());
            assert_eq!(rpc_status(&refusal).retry_after(), expected, "{kind:?}");
        }
    }
}
