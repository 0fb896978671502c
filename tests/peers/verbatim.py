"""Runs a configuration whose ports and hosts are fixed, in a network of its own: `verbatim.py FOLDER WASMILL JAEGER CONFIG`.

Prints what the official SDK's telemetry became, as JSON. To be run by `unshare --net --mount`.
"""

import fcntl
import json
import pathlib
import re
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request

PATIENCE = 60
COUNT = 10


def loopback_up():
    """A new network has the device `lo`, switched off (`SIOCGIFFLAGS`, `SIOCSIFFLAGS`, `IFF_UP`)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        request = struct.pack("16sH14x", b"lo", 0)
        name, flags = struct.unpack("16sH14x", fcntl.ioctl(device, 0x8913, request))
        fcntl.ioctl(device, 0x8914, struct.pack("16sH14x", name, flags | 1))


def until(what, look):
    """What `look` gives, once it gives something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            found = look()
        except (OSError, urllib.error.URLError):
            found = None
        if found:
            return found
        time.sleep(0.1)
    sys.exit(f"waited {PATIENCE} s for {what}")


def listens(port):
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def traces():
    found = json.loads(get("http://jaeger:16686/api/traces?service=sdk-client&limit=100"))["data"]
    spans = [span for trace in found for span in trace["spans"]]
    return spans if len(spans) >= COUNT else None


def metrics():
    text = get("http://127.0.0.1:9090/metrics")
    counts = re.findall(r"^sdk_requests_total\{.*\} (\S+)$", text, re.MULTILINE)
    return (sum(map(float, counts)), "target_info{" in text) if len(counts) >= COUNT else None


def main(folder, wasmill, jaeger, config):
    loopback_up()
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost jaeger\n")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    running = []
    try:
        with (folder / "jaeger.log").open("w") as log:
            # In one process with others, it leaves OTLP's ports to the gateway.
            running.append(subprocess.Popen([jaeger, "--collector.otlp.enabled=false"], stdout=log, stderr=log))
        until("Jaeger", lambda: listens(14268) and listens(16686))
        with (folder / "gateway.log").open("w") as log:
            running.append(subprocess.Popen([wasmill, "run", "--config", config], stdout=log, stderr=log))
        until("the gateway", lambda: listens(4317) and listens(4318) and listens(9090))
        sdk = pathlib.Path(__file__).with_name("sdk.py")
        # The SDK looks for a place to put logs as well, which this configuration has no pipeline for.
        sent = subprocess.run([sys.executable, sdk, str(COUNT)], capture_output=True, text=True, timeout=PATIENCE)
        spans = until("the spans in Jaeger", traces)
        requests, info = until("the metrics at the port of Prometheus", metrics)
        names = sorted({span["operationName"] for span in spans})
        print(json.dumps({"spans": len(spans), "names": names, "requests": requests, "info": info, "sent": sent.stderr}))
    finally:
        # Jaeger takes long to end by itself.
        for process in running:
            process.kill()
            process.wait()


if __name__ == "__main__":
    folder, *rest = sys.argv[1:]
    main(pathlib.Path(folder), *rest)
