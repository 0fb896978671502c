"""The second service: knows what is in stock."""

import sys

from flask import Flask, jsonify
from opentelemetry.instrumentation.flask import FlaskInstrumentor

import telemetry

logger = telemetry.start("inventory")
app = Flask("inventory")
FlaskInstrumentor().instrument_app(app)


@app.get("/stock/<item>")
def stock(item):
    count = len(item) % 4
    if count == 0:
        logger.warning("%s is out of stock", item)
    return jsonify(item=item, count=count)


@app.get("/healthz")
def healthz():
    return "ok"


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]), threaded=True)
