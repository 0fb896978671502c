//! Codes: the one table that says which refusal is which status, in both protocols.

use http::StatusCode;
use tonic::Code;
use wasmill_batch::RefusalKind;

/// The gRPC code for a refusal.
pub fn grpc_code(kind: RefusalKind) -> Code {
    codes(kind).0
}

/// The HTTP status for a refusal.
pub fn http_status(kind: RefusalKind) -> StatusCode {
    codes(kind).1
}

fn codes(kind: RefusalKind) -> (Code, StatusCode) {
    match kind {
        RefusalKind::Unavailable => (Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
        RefusalKind::DeadlineExceeded => (Code::DeadlineExceeded, StatusCode::GATEWAY_TIMEOUT),
        RefusalKind::TooLarge => (Code::ResourceExhausted, StatusCode::PAYLOAD_TOO_LARGE),
        RefusalKind::Invalid => (Code::InvalidArgument, StatusCode::BAD_REQUEST),
        RefusalKind::PermissionDenied => (Code::PermissionDenied, StatusCode::FORBIDDEN),
        RefusalKind::Unauthenticated => (Code::Unauthenticated, StatusCode::UNAUTHORIZED),
        RefusalKind::Internal => (Code::Internal, StatusCode::INTERNAL_SERVER_ERROR),
    }
}
