//! Answers as HTTP responses.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, Response, StatusCode};
use prost::Message;
use tonic::Code;
use wasmill_batch::Refusal;
use wasmill_wire::{JsonDocument, Signal};

use crate::framing::{self, UnaryBody};
use crate::json;
use crate::messages::{RpcStatus, encode_response};
use crate::status::{grpc_status, http_status, rpc_status};
use crate::{Accepted, ContentType};

/// The body of OTLP/HTTP's answers.
pub(super) type HttpBody = http_body_util::Full<Bytes>;

pub(super) const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// For clients that offered an encoding which we cannot read.
const HTTP_ENCODINGS: HeaderValue = HeaderValue::from_static("gzip, zstd, deflate, identity");

/// A gRPC call that succeeded.
pub(super) fn grpc_accepted(accepted: &Accepted) -> Response<UnaryBody> {
    let mut response = Response::new(UnaryBody::success(encode_response(accepted)));
    response.headers_mut().insert(CONTENT_TYPE, framing::CONTENT_TYPE);
    response
}

/// A gRPC call that was refused: headers only.
pub(super) fn grpc_refused(refusal: &Refusal) -> Response<UnaryBody> {
    grpc_failed(&grpc_status(refusal))
}

/// A gRPC call that is none of ours, or that cannot be read.
pub(super) fn grpc_unimplemented(message: String) -> Response<UnaryBody> {
    let mut response = grpc_failed(&tonic::Status::new(Code::Unimplemented, message));
    response.headers_mut().insert(framing::GRPC_ACCEPT_ENCODING, framing::ACCEPTED_ENCODINGS);
    response
}

fn grpc_failed(status: &tonic::Status) -> Response<UnaryBody> {
    let mut response = Response::new(UnaryBody::default());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, framing::CONTENT_TYPE);
    if status.add_header(headers).is_err() {
        // A message that no header can carry is left out; its code is not.
        headers.insert(framing::GRPC_STATUS, HeaderValue::from(status.code() as i32));
    }
    response
}

/// What came to the gRPC port and is not gRPC: a plain HTTP status.
pub(super) fn not_grpc(status: StatusCode) -> Response<UnaryBody> {
    let mut response = Response::new(UnaryBody::default());
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(Method::POST.as_str()));
    }
    response
}

/// An HTTP request that succeeded.
pub(super) fn http_accepted(accepted: &Accepted, signal: Signal, content: ContentType) -> Response<HttpBody> {
    let message = encode_response(accepted);
    match content {
        ContentType::Protobuf => with_type(StatusCode::OK, PROTOBUF, message),
        ContentType::Json => with_type(StatusCode::OK, JSON, json::written(JsonDocument::Response(signal), &message)),
    }
}

/// An HTTP request that was refused, with `google.rpc.Status` in the request's content type.
pub(super) fn http_refused(refusal: &Refusal, content: ContentType) -> Response<HttpBody> {
    let mut response = http_error(http_status(refusal.kind), content, &rpc_status(refusal));
    if let Some(retry_after) = refusal.retry_after.filter(|_| refusal.is_retryable()) {
        response.headers_mut().insert(RETRY_AFTER, whole_seconds(retry_after));
    }
    response
}

/// An HTTP request of somebody who is not known, with the way to come.
pub(super) fn http_unauthenticated(
    refusal: &Refusal,
    content: ContentType,
    challenge: HeaderValue,
) -> Response<HttpBody> {
    let mut response = http_refused(refusal, content);
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// An HTTP request that never could succeed here: a wrong path, method or type.
pub(super) fn http_misdirected(status: StatusCode, content: ContentType, message: &str) -> Response<HttpBody> {
    let code = match status {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Code::Unimplemented,
        _ => Code::InvalidArgument,
    };
    let rpc = RpcStatus { code: code as i32, message: message.into(), details: Vec::new() };
    let mut response = http_error(status, content, &rpc);
    match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(Method::POST.as_str()));
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            response.headers_mut().insert(ACCEPT_ENCODING, HTTP_ENCODINGS);
        }
        _ => {}
    }
    response
}

fn http_error(status: StatusCode, content: ContentType, rpc: &RpcStatus) -> Response<HttpBody> {
    match content {
        ContentType::Protobuf => with_type(status, PROTOBUF, rpc.encode_to_vec().into()),
        ContentType::Json => with_type(status, JSON, rpc.to_json()),
    }
}

fn with_type(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// `Retry-After` holds whole seconds: rounded up, so that nobody comes too early.
fn whole_seconds(time: Duration) -> HeaderValue {
    HeaderValue::from(time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use wasmill_batch::RefusalKind;

    use super::*;

    /// What is quoted from a request cannot break out of the JSON that quotes it.
    #[tokio::test]
    async fn json_is_escaped() {
        let refusal = Refusal::new(RefusalKind::Internal, "a \"b\" \\ \n\u{1}ü");
        let body = http_refused(&refusal, ContentType::Json).into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, r#"{"code":13,"message":"a \"b\" \\ \n\u0001ü"}"#);
    }

    /// A fraction of a second is a second, and a whole one is not two.
    #[test]
    fn retry_after_rounds_up() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), "1");
        assert_eq!(whole_seconds(Duration::from_secs(2)), "2");
        assert_eq!(whole_seconds(Duration::from_millis(2001)), "3");
    }
}
