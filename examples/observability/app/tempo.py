"""A stand-in for Tempo, for machines that have none: `tempo.py [OTLP PORT] [HTTP PORT]`.

It takes traces by OTLP over gRPC, as Tempo's distributor does, keeps the newest in memory, by tenant (`X-Scope-OrgID`), and answers two
of the questions that Grafana asks Tempo: `/api/echo`, and `/api/traces/ID`, as OTLP/JSON. It is no Tempo: it finds nothing by TraceQL,
and forgets. It prints its two ports when it listens.
"""

import collections
import concurrent.futures
import http.server
import json
import signal
import sys
import threading

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc

# Of one tenant; the oldest go.
TRACES_MAX = 10_000
# Who does not say who it is, as in Tempo.
NOBODY = "single-tenant"


class Store:
    def __init__(self):
        self.lock = threading.Lock()
        self.tenants = collections.defaultdict(collections.OrderedDict)

    def add(self, tenant, request):
        with self.lock:
            kept = self.tenants[tenant]
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        one = traces.ExportTraceServiceRequest()
                        batch = one.resource_spans.add(resource=resource.resource, schema_url=resource.schema_url)
                        batch.scope_spans.add(scope=scope.scope, spans=[span])
                        kept.setdefault(span.trace_id.hex(), []).append(one)
            while len(kept) > TRACES_MAX:
                kept.popitem(last=False)

    def trace(self, tenant, trace_id):
        with self.lock:
            spans = list(self.tenants[tenant].get(trace_id, ())) if tenant in self.tenants else []
        return [batch for span in spans for batch in MessageToDict(span)["resourceSpans"]]


class Traces(traces_grpc.TraceServiceServicer):
    def __init__(self, store):
        self.store = store

    def Export(self, request, context):
        self.store.add(dict(context.invocation_metadata()).get("x-scope-orgid", NOBODY), request)
        return traces.ExportTraceServiceResponse()


def handler(store):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            tenant = self.headers.get("X-Scope-OrgID", NOBODY)
            if self.path == "/api/echo":
                return self.answer(200, "text/plain", b"echo")
            if self.path.startswith("/api/traces/"):
                batches = store.trace(tenant, self.path.split("?")[0].rsplit("/", 1)[1].rjust(32, "0"))
                if batches:
                    return self.answer(200, "application/json", json.dumps({"batches": batches}).encode())
            return self.answer(404, "text/plain", b"no such trace")

        def answer(self, status, kind, body):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


def main(otlp="0", port="0"):
    store = Store()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=4))
    traces_grpc.add_TraceServiceServicer_to_server(Traces(store), server)
    otlp = server.add_insecure_port(f"127.0.0.1:{otlp}")
    server.start()
    queries = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), handler(store))
    threading.Thread(target=queries.serve_forever, daemon=True).start()
    print(otlp, queries.server_address[1], flush=True)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=1))
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
