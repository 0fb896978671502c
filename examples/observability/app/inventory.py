"""The second service: knows what is in stock, and fails for durians.

Beside OpenTelemetry's SDK it has a Prometheus client, as many services do that are older than that: Prometheus scrapes `/metrics`.
"""

import logging
import os

from flask import Flask, Response, jsonify
from opentelemetry import trace
from prometheus_client import Counter
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import CollectorRegistry

logging.basicConfig(level=logging.INFO)
logging.getLogger("werkzeug").setLevel(logging.WARNING)
logger = logging.getLogger("inventory")
registry = CollectorRegistry()
lookups = Counter("inventory_lookups", "How often stock was asked for", ["item"], registry=registry)
app = Flask("inventory")


@app.get("/stock/<item>")
def stock(item):
    span = trace.get_current_span().get_span_context()
    lookups.labels(item).inc(exemplar={"trace_id": trace.format_trace_id(span.trace_id)} if span.is_valid else None)
    if item == "durian":
        raise LookupError("nobody dares to count durians")
    count = len(item) % 4
    if count == 0:
        logger.warning("%s is out of stock", item)
    return jsonify(item=item, count=count)


@app.get("/metrics")
def exposition():
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


if __name__ == "__main__":
    app.run(host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "8000")), threaded=True)
