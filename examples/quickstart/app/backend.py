"""A backend that takes OTLP over gRPC: `backend.py FILE` writes a line of JSON for each record that it gets.

It is made of the official Python packages, so that what leaves the gateway is read by somebody else. It prints its port.
"""

import concurrent.futures
import json
import signal
import sys
import threading

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc


def plain(attributes):
    """Attributes as a dictionary; values as Python has them."""
    values = {}
    for attribute in attributes:
        kind = attribute.value.WhichOneof("value")
        if kind in ("array_value", "kvlist_value", "bytes_value"):
            values[attribute.key] = str(getattr(attribute.value, kind))
        elif kind:
            values[attribute.key] = getattr(attribute.value, kind)
    return values


class Store:
    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8")
        self.lock = threading.Lock()

    def write(self, lines):
        with self.lock:
            for line in lines:
                self.file.write(json.dumps(line) + "\n")
            self.file.flush()


def case_of(context):
    """The header by which tests tell requests apart."""
    return dict(context.invocation_metadata()).get("x-case", "")


def service_of(resource):
    return plain(resource.attributes).get("service.name", "")


class Traces(traces_grpc.TraceServiceServicer):
    def __init__(self, store):
        self.store = store

    def Export(self, request, context):
        case = case_of(context)
        self.store.write(
            {
                "case": case,
                "signal": "traces",
                "service": service_of(group.resource),
                "name": span.name,
                "id": span.span_id.hex(),
                "attributes": plain(span.attributes),
            }
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        )
        return traces.ExportTraceServiceResponse()


class Logs(logs_grpc.LogsServiceServicer):
    def __init__(self, store):
        self.store = store

    def Export(self, request, context):
        case = case_of(context)
        self.store.write(
            {
                "case": case,
                "signal": "logs",
                "service": service_of(group.resource),
                "name": record.body.string_value,
                "id": record.span_id.hex(),
                "attributes": plain(record.attributes),
            }
            for group in request.resource_logs
            for scope in group.scope_logs
            for record in scope.log_records
        )
        return logs.ExportLogsServiceResponse()


class Metrics(metrics_grpc.MetricsServiceServicer):
    def __init__(self, store):
        self.store = store

    def Export(self, request, context):
        case = case_of(context)
        self.store.write(
            {
                "case": case,
                "signal": "metrics",
                "service": service_of(group.resource),
                "name": metric.name,
                "id": "",
                "attributes": plain(point.attributes),
            }
            for group in request.resource_metrics
            for scope in group.scope_metrics
            for metric in scope.metrics
            for point in getattr(metric, metric.WhichOneof("data")).data_points
        )
        return metrics.ExportMetricsServiceResponse()


def main(path):
    store = Store(path)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=4))
    traces_grpc.add_TraceServiceServicer_to_server(Traces(store), server)
    logs_grpc.add_LogsServiceServicer_to_server(Logs(store), server)
    metrics_grpc.add_MetricsServiceServicer_to_server(Metrics(store), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=1))
    server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1])
