"""Sends requests as they are: `send.py PORT SIGNAL FILE ...` sends each file's bytes by gRPC, and fails where one is refused."""

import pathlib
import sys

import grpc

METHODS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}


def main(port, signal, files):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(METHODS[signal], request_serializer=bytes, response_deserializer=bytes)
        for file in files:
            response = call(pathlib.Path(file).read_bytes(), timeout=30)
            if response:
                sys.exit(f"{file}: not a full success: {response!r}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
