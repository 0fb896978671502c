"""New records that a plugin makes: metrics of spans, an alert as a log record.

    needs.also(Use.EMIT)                                       # in init
    verdict.emit("logs", 2).set("body", "slow").source([0, 5]) # in process
    out.emit("logs", 1).set("body", f"{self.seen} rows")       # in tick and flush
"""

from __future__ import annotations

from typing import Sequence, Union

from . import build
from .bitmap import Bitmap
from .kinds import Error, Signal, Value
from .requirements import RouteSet
from .text import Mapped


class Emission:
    """Some new records of one signal. Fields that are not set have their default."""

    __slots__ = ("signal", "rows", "fields", "routes")

    def __init__(self, signal: Signal, rows: int) -> None:
        if rows < 1:
            raise Error(f"an emission of {rows} records, expected at least one")
        self.signal = signal
        self.rows = rows
        self.fields: list[tuple[str, bytes]] = []
        self.routes: list[tuple[int, RouteSet]] = []

    def set(self, path: str, value: Value | build.Node | Mapped) -> Emission:
        """Gives the records a field: the same value for all; or, where `value` is a column of `wasmill.build`, a value for each, or a
        single one for all. Paths are those of columns. An attribute or body takes `str`, `int`, `float`, `bool` and `bytes`; a field of
        another type takes a column of that type, as `build.int32([9])`."""
        node = build.column_of(value)
        if node.rows not in (1, self.rows):
            raise Error(f"`{path}`: {node.rows} values for {self.rows} new records")
        self.fields.append((path, build.block(node)))
        return self

    def source(self, rows: Sequence[int]) -> Emission:
        """Says for each record which row's resource and scope it has; one row, for all. Only in `process`: elsewhere there are no rows."""
        return self.set("source", build.uint32(rows))

    def route(self, to: RouteSet, records: Bitmap | None = None) -> Emission:
        """Sends these records, or all, to the routes of the set. Said twice of one, the later one counts."""
        if records is not None and records.rows != self.rows:
            raise Error(f"a bitmap over {records.rows} records, there are {self.rows}")
        self.routes.append(((1 << self.rows) - 1 if records is None else records.bits, to))
        return self


class Emissions:
    """New records, in the making."""

    __slots__ = ("made",)

    def __init__(self) -> None:
        self.made: list[Emission] = []

    def emit(self, signal: Union[Signal, str], rows: int = 1) -> Emission:
        """Begins so many new records of a signal. They go where the stage's `emit_to:` says, unless they are routed."""
        emission = Emission(Signal(signal), rows)
        self.made.append(emission)
        return emission
