"""Sends requests as they are: `send.py PORT SIGNAL FILE ...` sends each file's bytes by gRPC, and fails where one is refused.

`SEND_METADATA`, a variable `NAME=VALUE`, is a header of each.
"""

import os
import pathlib
import sys

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

SIGNALS = {
    "traces": ("trace.v1.TraceService", traces.ExportTraceServiceResponse),
    "metrics": ("metrics.v1.MetricsService", metrics.ExportMetricsServiceResponse),
    "logs": ("logs.v1.LogsService", logs.ExportLogsServiceResponse),
}


def main(port, signal, files):
    service, response_type = SIGNALS[signal]
    header = os.environ.get("SEND_METADATA")
    metadata = [tuple(header.split("=", 1))] if header else []
    method = f"/opentelemetry.proto.collector.{service}/Export"
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            method, request_serializer=bytes, response_deserializer=response_type.FromString
        )
        for file in files:
            response = call(pathlib.Path(file).read_bytes(), timeout=30, metadata=metadata)
            # The Collector sets an empty `partial_success` on success, too.
            if any(value for _, value in response.partial_success.ListFields()):
                sys.exit(f"{file}: not a full success: {response}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
