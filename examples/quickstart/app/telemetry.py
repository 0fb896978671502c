"""The set-up that both services share: the official OpenTelemetry SDK, all three signals, over OTLP.

Where to send is said by the SDK's own variables (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL).
If LEDGER names a file, each ended span's id and name are appended to it, so that somebody can check later that none was lost.
"""

import logging
import os
import signal
import sys
import threading

from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger_provider, set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

if os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc") == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
else:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter


class Ledger(SpanProcessor):
    """Notes the id and the name of each span that ended."""

    def __init__(self, path):
        self.file = open(path, "a", buffering=1, encoding="utf-8")
        self.lock = threading.Lock()

    def on_end(self, span):
        with self.lock:
            self.file.write(f"{span.context.span_id:016x} {span.name}\n")

    def shutdown(self):
        self.file.close()


def start(service):
    """Sets the SDK up for `service`, and ends it in good order on SIGTERM."""
    resource = Resource.create({"service.name": service, "deployment.environment.name": "demo"})

    tracing = TracerProvider(resource=resource)
    tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    if ledger := os.environ.get("LEDGER"):
        tracing.add_span_processor(Ledger(ledger))
    trace.set_tracer_provider(tracing)

    metering = MeterProvider(resource=resource, metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter())])
    metrics.set_meter_provider(metering)

    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    set_logger_provider(logs)
    logger = logging.getLogger(service)
    logger.setLevel(logging.INFO)
    logger.addHandler(LoggingHandler(logger_provider=logs))
    # The demo's terminal belongs to the gateway: a web server's line for each request would drown it.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)

    def stop(*_):
        for provider in (tracing, metering, logs):
            provider.shutdown()
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    return logger
