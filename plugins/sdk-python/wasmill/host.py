"""What a plugin may call: the gateway's log, its metrics, the time, tables and state.

Logging and counting do not fail in a way that a plugin must care about: where the host did not do it, they answer with the reason, and
most plugins drop it. Tables and state raise a `HostError` that has it. In tests without WebAssembly, what was logged and counted is kept,
and tables and state are what the test says: see `wasmill.testing`.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Sequence, Union

from . import build
from .block import Block
from .kinds import Error
from .numbers import Integers
from .text import Binary


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
    """No such table, field or name."""
    INVALID = "invalid"
    """An argument is not what it must be."""
    LIMIT = "limit"
    """Too many, too often or too large."""
    UNAVAILABLE = "unavailable"
    """Not now."""


class HostError(Error):
    """A call of a table or of state that the host did not do."""

    failure: Failure
    """Why."""

    def __init__(self, call: str, failure: Failure) -> None:
        super().__init__(f"{call}: {failure.value}")
        self.failure = failure


class Calls:
    """Who does it: the gateway, or a test."""

    def log(self, level: Level, message: str) -> Failure | None:
        raise NotImplementedError

    def metric(self, kind: str, name: str, labels: dict[str, str], value: float) -> Failure | None:
        raise NotImplementedError

    def clock(self) -> int | Failure:
        raise NotImplementedError

    def find(self, table: str, keys: bytes, fields: list[str]) -> bytes | Failure:
        raise NotImplementedError

    def state_get(self, keys: bytes) -> bytes | Failure:
        raise NotImplementedError

    def state_put(self, keys: bytes, values: bytes, ttl_ms: int) -> Failure | None:
        raise NotImplementedError

    def state_add(self, keys: bytes, deltas: bytes, ttl_ms: int) -> bytes | Failure:
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


Keys = Union[build.Node, Sequence[str], Sequence[bytes]]
"""Keys of a table or of state: texts, bytes, or a column of `wasmill.build`."""


def lookup(table: str, keys: Keys, *fields: str) -> list[Any]:
    """Asks a table of the stage's `tables:` for all keys at once: the column of each field, with a row for each key, and no value where the
    table has none. `needs.tables` says before which tables the plugin asks."""
    block = _block(f"lookup in `{table}`", calls.find(table, build.block(_column(keys)), list(fields)))
    return [block.view(root) for root in block.roots]


def state_get(keys: Keys) -> Binary:
    """What the host keeps for each key; no value where there is none. The host's state outlives the instance, and is the same for all of
    them. `needs.also(Use.STATE)` says before that the plugin calls this, `state_put` or `state_add`."""
    block = _block("state get", calls.state_get(build.block(_column(keys))))
    found: Binary = block.view(block.roots[0])
    return found


def state_put(keys: Keys, values: Sequence[bytes | None] | build.Node, ttl_ms: int = 0) -> None:
    """Keeps a value for each key; `None` forgets the key. A value is forgotten when its time is over; 0: when the host needs the room."""
    given = values if isinstance(values, build.Node) else build.binary(values)
    failure = calls.state_put(build.block(_column(keys)), build.block(given), ttl_ms)
    if failure is not None:
        raise HostError("state put", failure)


def state_add(keys: Keys, deltas: Sequence[int] | build.Node, ttl_ms: int = 0) -> Integers:
    """Adds to each key, as one step for each, and gives the sums. A key that is not there counts as 0."""
    given = deltas if isinstance(deltas, build.Node) else build.int64(deltas)
    block = _block("state add", calls.state_add(build.block(_column(keys)), build.block(given), ttl_ms))
    sums: Integers = block.view(block.roots[0])
    return sums


def _column(keys: Keys) -> build.Node:
    if isinstance(keys, build.Node):
        return keys
    return build.binary(keys) if keys and isinstance(keys[0], bytes) else build.text(keys)  # type: ignore[arg-type]


def _block(call: str, answer: bytes | Failure) -> Block:
    if isinstance(answer, Failure):
        raise HostError(call, answer)
    return Block(answer)
