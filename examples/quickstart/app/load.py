"""Some shoppers: `load.py PORT SECONDS` asks the shop for checkouts, and for its health as an orchestrator would.

It ends after that time or on SIGTERM, and prints how many requests it made.
"""

import signal
import sys
import threading
import time

import requests

ITEMS = ["apple", "fig", "plum", "quince"]


def main(port, seconds):
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    session = requests.Session()
    end = time.monotonic() + seconds
    sent = 0
    while time.monotonic() < end and not stopped.wait(0.01):
        path = "healthz" if sent % 3 == 2 else f"checkout/{ITEMS[sent % len(ITEMS)]}"
        session.get(f"http://127.0.0.1:{port}/{path}", timeout=5)
        sent += 1
    print(sent, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
