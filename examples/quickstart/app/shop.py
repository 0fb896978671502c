"""The first service: a checkout that asks the inventory."""

import sys

import requests
from flask import Flask, jsonify
from opentelemetry import metrics
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor

import telemetry

logger = telemetry.start("shop")
app = Flask("shop")
FlaskInstrumentor().instrument_app(app)
RequestsInstrumentor().instrument()
orders = metrics.get_meter("shop").create_counter("shop.orders", unit="{order}")


@app.get("/checkout/<item>")
def checkout(item):
    stock = requests.get(f"http://127.0.0.1:{sys.argv[2]}/stock/{item}", timeout=5).json()
    sold = stock["count"] > 0
    orders.add(1, {"sold": sold})
    logger.info("checkout of %s: %s", item, "sold" if sold else "refused")
    return jsonify(item=item, sold=sold), 200 if sold else 409


@app.get("/healthz")
def healthz():
    return "ok"


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]), threaded=True)
