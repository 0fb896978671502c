//! What only gRPC has.

use http::{Method, StatusCode};
use tonic::Code;

use crate::gateway::span;
use crate::peers::{Running, call, framed, grpc_request, http2};
use crate::way::Way;

/// Methods that there are not, encodings, timeouts, and what is not gRPC at all.
#[tokio::test(flavor = "multi_thread")]
async fn requests_of_their_own() {
    let backend = Running::defaults().await;
    let way = Way::to_grpc(backend.grpc());
    let address = way.gateway.address("otlp grpc");
    let mut raw = http2(address).await;
    let with = |name: &'static str, value: &'static str, body: Vec<u8>| {
        let mut request = grpc_request(address, body);
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    let mut other = grpc_request(address, framed(0, b""));
    let import = format!("http://{address}/opentelemetry.proto.collector.trace.v1.TraceService/Import");
    *other.uri_mut() = import.parse().unwrap();
    // The backend takes longer than the client has.
    let hangs = backend.sink.then_hang();
    let cases = [
        ("a method that there is not", other, Code::Unimplemented),
        ("an encoding that there is not", with("grpc-encoding", "snappy", framed(1, b"x")), Code::Unimplemented),
        ("a flag without an encoding", grpc_request(address, framed(1, b"x")), Code::Internal),
        ("a timeout that is none", with("grpc-timeout", "soon", framed(0, b"")), Code::InvalidArgument),
        ("a timeout that passes", with("grpc-timeout", "1m", framed(0, &span())), Code::DeadlineExceeded),
        ("no message", grpc_request(address, Vec::new()), Code::InvalidArgument),
        ("two messages", grpc_request(address, [framed(0, b""), framed(0, b"")].concat()), Code::InvalidArgument),
        ("half a message", grpc_request(address, framed(0, b"abc")[..6].to_vec()), Code::InvalidArgument),
    ];
    for (name, request, code) in cases {
        let reply = call(&mut raw, request).await;
        assert_eq!((reply.status, reply.grpc().code()), (StatusCode::OK, code), "{name}: {reply:?}");
        assert_eq!(reply.headers["content-type"], "application/grpc", "{name}");
        assert!(!reply.grpc().message().is_empty(), "{name}");
        if name == "an encoding that there is not" {
            assert_eq!(reply.headers["grpc-accept-encoding"], "identity,gzip,zstd", "{name}");
        }
    }
    drop(hangs);
    let mut get = grpc_request(address, framed(0, b""));
    *get.method_mut() = Method::GET;
    let reply = call(&mut raw, get).await;
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(reply.headers["allow"], "POST");
    let reply = call(&mut raw, with("content-type", "application/json", framed(0, b""))).await;
    assert_eq!(reply.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let reply = way.over_grpc("metrics", b"").await;
    assert_eq!(reply.grpc().code(), Code::Unimplemented, "a signal that no pipeline takes: {reply:?}");
    assert_eq!(call(&mut raw, grpc_request(address, framed(0, b""))).await.grpc().code(), Code::Ok, "it serves on");
}
