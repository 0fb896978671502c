"""A steady client: `stream.py PORT RATE` sends RATE requests a second by gRPC, 20 spans each, until SIGTERM.

Span ids count from 1. A request that is refused as retryable is sent again, as OTLP has it; anything else ends the client
with an error. At the end it prints how many spans were acknowledged.
"""

import signal
import sys
import threading
import time

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as service_grpc

SPANS = 20


def request_of(first):
    request = service.ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number in range(first, first + SPANS):
        scope.spans.add(trace_id=number.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"), name="work")
    return request


def main(port, rate):
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    acknowledged = 0
    due = time.monotonic()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = service_grpc.TraceServiceStub(channel)
        while not stopped.is_set():
            request = request_of(acknowledged + 1)
            while True:
                try:
                    response = stub.Export(request, timeout=30)
                    break
                except grpc.RpcError as error:
                    if error.code() != grpc.StatusCode.UNAVAILABLE:
                        sys.exit(f"refused for good: {error}")
                    print(f"again: {error.details()}", file=sys.stderr)
            if response.partial_success.rejected_spans:
                sys.exit(f"rejected: {response}")
            acknowledged += SPANS
            due += 1 / rate
            stopped.wait(max(0, due - time.monotonic()))
    print(acknowledged, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
