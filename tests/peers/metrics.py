"""The official SDK as a source of metrics: `metrics.py` sends every kind of instrument once, twice over, and ends.

The SDK's own variables say where to (OTEL_EXPORTER_OTLP_ENDPOINT, over HTTP), and of which temporality
(OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE).
"""

import logging
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider


def main():
    failures = []
    watch = logging.Handler(logging.WARNING)
    watch.emit = lambda record: failures.append(record.getMessage())
    logging.getLogger("opentelemetry").addHandler(watch)

    resource = Resource.create(
        {
            "service.name": "cart",
            "service.namespace": "shop",
            "service.instance.id": "cart-1",
            "deployment.environment.name": "demo",
        }
    )
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=3_600_000)
    provider = MeterProvider(
        resource=resource,
        metric_readers=[reader],
        views=[View(instrument_name="payload.size", aggregation=ExponentialBucketHistogramAggregation())],
        exemplar_filter=AlwaysOnExemplarFilter(),
    )
    meter = provider.get_meter("cart.meter", "1.2.0")
    tracer = TracerProvider(resource=resource).get_tracer("cart")
    requests = meter.create_counter("http.requests", unit="{request}", description="Requests that were answered")
    items = meter.create_up_down_counter("cart.items", description="Items in all carts")
    duration = meter.create_histogram("http.duration", unit="s", description="How long it took")
    size = meter.create_histogram("payload.size", unit="By")
    meter.create_observable_gauge("disk.used", unit="1", callbacks=[lambda _: [Observation(0.25, {"disk": 'a"b'})]])
    with tracer.start_as_current_span("request") as span:
        print(f"{span.get_span_context().trace_id:032x}")
        for turn in range(2):
            requests.add(2, {"http.route": "/orders"})
            requests.add(1, {"http.route": "/login"})
            items.add(3 if turn == 0 else -1)
            for value in (0.004, 0.03, 0.7):
                duration.record(value, {"http.route": "/orders"})
            for value in (1, 2, 3, 1000):
                size.record(value)
            provider.force_flush()
    provider.shutdown()
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main()
