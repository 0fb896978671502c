"""What a plugin may call: the gateway's log, its metrics, the time.

None of these fails in a way that a plugin must care about: where the host did not do it, they answer with the reason, and
most plugins drop it. In tests without WebAssembly, what was logged and counted is kept: see `wasmill.testing`.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from .kinds import Error


class Level(Enum):
    """How much a line in the log matters."""

    DEBUG = 0
    INFO = 1
    WARN = 2
    ERROR = 3


class Failure(Enum):
    """Why the host did not do it."""

    DENIED = "denied"
    """Not for this plugin."""
    UNKNOWN = "unknown"
    """No such name."""
    INVALID = "invalid"
    """An argument is not what it must be."""
    LIMIT = "limit"
    """Too many, too often or too large."""
    UNAVAILABLE = "unavailable"
    """Not now."""


class Calls:
    """Who does it: the gateway, or a test."""

    def log(self, level: Level, message: str) -> Failure | None:
        raise NotImplementedError

    def metric(self, kind: str, name: str, labels: dict[str, str], value: float) -> Failure | None:
        raise NotImplementedError

    def clock(self) -> int | Failure:
        raise NotImplementedError


calls: Calls = Calls()
"""Set by `wasmill.component` in the gateway, and by `wasmill.testing` in a test."""


def log(level: Level, message: str) -> Failure | None:
    """Writes a line to the gateway's log."""
    return calls.log(level, message)


def debug(message: str) -> Failure | None:
    """`log` at this level, here and below."""
    return calls.log(Level.DEBUG, message)


def info(message: str) -> Failure | None:
    return calls.log(Level.INFO, message)


def warn(message: str) -> Failure | None:
    return calls.log(Level.WARN, message)


def error(message: str) -> Failure | None:
    return calls.log(Level.ERROR, message)


def counter(name: str, add: float = 1, /, **labels: str) -> Failure | None:
    """Adds to a counter in the gateway's metrics: `counter("dropped", 3, attribute="http.route")`. `add` is finite and not
    negative. The metric is called `plugin_` and this name, and has the stage as the label `plugin`."""
    return calls.metric("counter", name, labels, add)


def gauge(name: str, value: float, /, **labels: str) -> Failure | None:
    """Sets a gauge in the gateway's metrics. All instances share it."""
    return calls.metric("gauge", name, labels, value)


def histogram(name: str, value: float, /, **labels: str) -> Failure | None:
    """Observes a value in a histogram in the gateway's metrics."""
    return calls.metric("histogram", name, labels, value)


def clock() -> int:
    """Nanoseconds since 1970. It may go back when the system's clock is set."""
    now: Any = calls.clock()
    if isinstance(now, Failure):
        raise Error(f"the host has no time: {now.value}")
    return int(now)
