"""Some shoppers: `load.py [URL] [SECONDS] [REQUESTS A SECOND]` asks the shop for checkouts, and for its health as an orchestrator would.

It ends after that time (a minute) or on SIGTERM, and prints how many were answered. A shop that is not there yet is asked again.
"""

import signal
import sys
import threading
import time

import requests

ITEMS = ["apple", "fig", "plum", "quince", "durian"]


def main(url="http://127.0.0.1:8001", seconds="60", rate="20"):
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    session = requests.Session()
    end = time.monotonic() + float(seconds)
    sent = answered = 0
    while time.monotonic() < end and not stopped.wait(1 / float(rate)):
        path = "healthz" if sent % 4 == 3 else f"checkout/{ITEMS[sent % len(ITEMS)]}"
        sent += 1
        try:
            session.get(f"{url}/{path}", timeout=5)
            answered += 1
        except requests.RequestException:
            stopped.wait(1)
    print(f"{sent} requests, {answered} answered", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
