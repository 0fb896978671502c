"""The first service: a checkout that asks the inventory. There is nothing of telemetry in it but a counter of its own.

`opentelemetry-instrument` does the rest: spans of what comes in and of what is asked of others, HTTP metrics, and logs with the ids of
the trace that they were written in.
"""

import logging
import os

import requests
from flask import Flask, jsonify
from opentelemetry import metrics

INVENTORY = os.environ.get("INVENTORY", "http://127.0.0.1:8000")
# How long the inventory may take.
PATIENCE = 5

logging.basicConfig(level=logging.INFO)
logging.getLogger("werkzeug").setLevel(logging.WARNING)
logger = logging.getLogger("shop")
orders = metrics.get_meter("shop").create_counter("shop.orders", unit="{order}", description="Orders that were placed")
app = Flask("shop")


@app.get("/checkout/<item>")
def checkout(item):
    stock = requests.get(f"{INVENTORY}/stock/{item}", timeout=PATIENCE)
    if stock.status_code != 200:
        logger.error("the inventory does not know whether there is %s: %s", item, stock.status_code)
        return jsonify(item=item, error="inventory"), 502
    sold = stock.json()["count"] > 0
    orders.add(1, {"sold": sold})
    logger.info("checkout of %s: %s", item, "sold" if sold else "refused")
    return jsonify(item=item, sold=sold), 200 if sold else 409


@app.get("/healthz")
def healthz():
    return "ok"


if __name__ == "__main__":
    app.run(host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "8001")), threaded=True)
