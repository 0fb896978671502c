"""A backend that keeps all of what it gets: `keep.py FILE`, when it ends, writes a line of JSON for each record, with its parents.

A line is `[CASE, RECORD]`, CASE being the request's header `x-case`. Attributes and maps are in the order of their keys, so that
records that mean the same are the same text; ids of zeros, and an empty status or body, are none. A metric without data points has a
line, too. It prints its port.
"""

import concurrent.futures
import json
import signal
import sys
import threading

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

SIGNALS = {
    "trace.v1.TraceService": (traces.ExportTraceServiceRequest, traces.ExportTraceServiceResponse),
    "metrics.v1.MetricsService": (metrics.ExportMetricsServiceRequest, metrics.ExportMetricsServiceResponse),
    "logs.v1.LogsService": (logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse),
}


def ordered(value):
    """With the entries of maps by their keys."""
    if isinstance(value, dict):
        return {key: ordered(inner) for key, inner in value.items()}
    if isinstance(value, list):
        items = [ordered(item) for item in value]
        if items and all(isinstance(item, dict) and "key" in item for item in items):
            items.sort(key=lambda item: item["key"])
        return items
    return value


def meant(record):
    """Without what says nothing."""
    ids = ("traceId", "spanId", "parentSpanId")
    empty = ("status", "body", "positive", "negative")
    says = lambda key, value: value.strip("A=") if key in ids else value != {} or key not in empty
    return {key: value for key, value in record.items() if says(key, value)}


def records(request):
    for groups in request.values():
        for group in groups:
            parents = {"resource": group.get("resource", {}), "schema": group.get("schemaUrl", "")}
            scopes = group.get("scopeSpans") or group.get("scopeLogs") or group.get("scopeMetrics") or []
            for scope in scopes:
                parents = {**parents, "scope": scope.get("scope", {})}
                for record in scope.get("spans") or scope.get("logRecords") or []:
                    yield {**parents, "record": meant(record)}
                for metric in scope.get("metrics") or []:
                    yield from points(parents, metric)


def points(parents, metric):
    header = dict(metric)
    kind = next((kind for kind, data in metric.items() if isinstance(data, dict)), None)
    if kind:
        data = dict(header.pop(kind))
        found = data.pop("dataPoints", [])
        header[kind] = data
        for point in found:
            yield {**parents, "metric": header, "record": meant(point)}
        if found:
            return
    yield {**parents, "metric": header}


class Store(grpc.GenericRpcHandler):
    """Requests as they came: reading them takes longer than clients wait."""

    def __init__(self):
        self.requests = []
        self.lock = threading.Lock()

    def service(self, details):
        service = details.method.removeprefix("/opentelemetry.proto.collector.").removesuffix("/Export")
        request_type, response_type = SIGNALS[service]
        case = dict(details.invocation_metadata).get("x-case", "")

        def export(request, _):
            with self.lock:
                self.requests.append((case, request_type, request))
            return response_type()

        return grpc.unary_unary_rpc_method_handler(export, bytes, response_type.SerializeToString)

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            for case, request_type, request in self.requests:
                for record in records(MessageToDict(request_type.FromString(request))):
                    file.write(json.dumps([case, ordered(record)], sort_keys=True) + "\n")


def main(path):
    store = Store()
    options = [("grpc.max_receive_message_length", 64 << 20)]
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=4), options=options)
    server.add_generic_rpc_handlers((store,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=1))
    server.wait_for_termination()
    store.write(path)


if __name__ == "__main__":
    main(sys.argv[1])
