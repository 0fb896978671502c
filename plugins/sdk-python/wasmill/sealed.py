"""What a component has no system for, in words instead of a trap.

The component is built with all of WASI as stubs that trap: an instance that reaches for a file, the time, or the standard output
is thrown away. Here what can be given is given (the time, printing), and what cannot is an exception as everywhere. It is
imported before the plugin, so that a plugin that takes `time.time` by name takes this one.
"""

from __future__ import annotations

import builtins
import io
import linecache
import os
import random
import sys
import time
from typing import Any

from . import host

# A line longer than this is written in pieces.
_LINE_MAX = 4096


class _Lines(io.TextIOBase):
    """Printing: each line is one of the gateway's log."""

    def __init__(self, level: host.Level) -> None:
        self._level = level
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        if len(self._rest) > _LINE_MAX:
            lines.append(self._rest)
            self._rest = ""
        for line in lines:
            if line:
                host.log(self._level, line)
        return len(text)


def _refused(what: str) -> Any:
    def refuse(*args: object, **kwargs: object) -> Any:
        raise OSError(f"a plugin has no {what}")

    return refuse


# The system's clock while the component is built, the host's from then on.
_now = time.time_ns


def _nanoseconds() -> int:
    return _now()


def _seconds() -> float:
    return _now() / 1e9


def _seeded(count: int) -> bytes:
    return random.randbytes(count)


def seal() -> None:
    """Once, before the plugin is imported."""
    time.time = time.monotonic = time.perf_counter = _seconds
    time.time_ns = time.monotonic_ns = time.perf_counter_ns = _nanoseconds
    time.sleep = _refused("time to sleep")
    os.urandom = _seeded
    # A stack is printed without its lines: where they are, there are no files.
    linecache.updatecache = linecache.lazycache = lambda *args, **kwargs: []  # type: ignore[assignment]


def close() -> None:
    """Once, behind everything that is imported while the component is built."""
    global _now
    _now = host.clock
    builtins.open = io.open = _refused("files")
    os.open = os.stat = os.lstat = os.listdir = os.scandir = os.getcwd = _refused("files")
    # What is not imported by now is not there: that is an `ImportError`, and no look for a file.
    sys.path.clear()
    sys.path_importer_cache.clear()
    sys.stdout = _Lines(host.Level.INFO)
    sys.stderr = _Lines(host.Level.WARN)
