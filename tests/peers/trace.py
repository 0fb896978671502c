"""The official SDK makes one trace with everything that a span can have, and prints its id and the spans' ids in the order in which they began.

The SDK's own variables say where to.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "examples/quickstart/app"))

import telemetry  # noqa: E402
from opentelemetry import trace  # noqa: E402
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags  # noqa: E402

telemetry.start("shop")
tracer = trace.get_tracer("shop.orders", "1.2.3", attributes={"scope.attribute": "kept"})
elsewhere = SpanContext(0x1112131415161718191A1B1C1D1E1F20, 0x2122232425262728, True, TraceFlags(1))
links = [Link(elsewhere, {"why": "batch"}), Link(elsewhere)]
attributes = {"text": "tea ü", "yes": True, "int": -7, "double": 0.25, "list": ["a", "b"], "numbers": [1, 2]}
with tracer.start_as_current_span("GET /order", kind=SpanKind.SERVER, links=links, attributes=attributes) as server:
    with tracer.start_as_current_span("charge", kind=SpanKind.CLIENT) as client:
        client.add_event("retry", {"attempt": 2}, timestamp=1_700_000_000_123_456_789)
        client.set_status(Status(StatusCode.ERROR, "no money"))
    server.set_status(StatusCode.OK)
    with tracer.start_as_current_span("render"):
        pass
print(f"{server.get_span_context().trace_id:032x}")
for span in (server, client):
    print(f"{span.get_span_context().span_id:016x}")
trace.get_tracer_provider().shutdown()
