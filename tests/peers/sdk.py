"""The official SDK as a client: `sdk.py COUNT` sends COUNT records of each signal and prints the spans' ids.

The SDK's own variables say where to (OTEL_EXPORTER_OTLP_ENDPOINT, _PROTOCOL, _COMPRESSION). Every second span is a health check.
"""

import logging
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "examples/quickstart/app"))

import telemetry  # noqa: E402
from opentelemetry import metrics, trace  # noqa: E402


def main(count):
    # Exporters report a refusal or a failure to this log only: here it is one.
    failures = []
    watch = logging.Handler(logging.WARNING)
    watch.emit = lambda record: failures.append(record.getMessage())
    logging.getLogger("opentelemetry").addHandler(watch)

    logger = telemetry.start("sdk-client")
    tracer = trace.get_tracer("sdk-client")
    counter = metrics.get_meter("sdk-client").create_counter("sdk.requests", unit="{request}")
    for number in range(count):
        route = "/healthz" if number % 2 else "/orders"
        attributes = {"http.route": route, "number": number, "ratio": number / 7, "flags": [True, False]}
        with tracer.start_as_current_span(f"GET {route}", attributes=attributes) as span:
            logger.info("request %d", number)
            span.add_event("handled", {"number": number})
            print(f"{span.get_span_context().span_id:016x} {route}")
        counter.add(1, {"number": number})
    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider(), telemetry.get_logger_provider()):
        provider.shutdown()
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main(int(sys.argv[1]))
