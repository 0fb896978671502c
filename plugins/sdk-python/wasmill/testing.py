"""Testing a plugin without WebAssembly.

    import unittest
    from plugin import Filter
    from wasmill.testing import Harness

    class FilterTest(unittest.TestCase):
        def test_rows_of_listed_values_are_dropped(self) -> None:
            plugin = Harness(Filter, {"attribute": "http.route", "drop": ["/healthz"]})
            answer = plugin.process("traces", 2, {'attributes["http.route"]': ["/healthz", "/cart"]})
            self.assertEqual(answer.kept, [1])

The harness does what the host does, through the same block: columns that are not given have no values, and what the plugin
answers is checked. It raises an `AssertionError` where a test is wrong: a path that the plugin did not ask for, a column that
is too short.
"""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass
from itertools import accumulate
from math import isfinite
from typing import Any, Callable, Generic, Mapping, Sequence, TypeVar

from . import build, host
from .bitmap import Bitmap
from .block import Block
from .kinds import NAMES, Signal, TextForm, Use
from .emit import Emissions
from .plugin import Plugin, entries_of, hooks, snapshot_of, start
from .requirements import Handle, Requirements
from .slice import Slice
from .verdict import ALL, ENTRIES, REMOVE, ROUTE_UNCHANGED, ROWS, Edit, Verdict, route_numbers

P = TypeVar("P", bound=Plugin)

Cell = Any
"""A value as tests write it: `None`, `EMPTY`, `str`, `int`, `float`, `bool`, `bytes`; a `dict` or a list of keys and values for
a whole set of attributes, a list for several values. A column takes those of its type; others have no value there, as an
attribute of another type has none."""


Tables = Mapping[str, Mapping[str, Mapping[str, Cell]]]
"""Lookup tables: by name, by key, by field."""


@dataclass
class Metric:
    """A call of a metric's function."""

    kind: str
    name: str
    labels: dict[str, str]
    value: float


class Recorder(host.Calls):
    """The host's functions in a test: what was logged and counted, tables, state."""

    def __init__(self, tables: Tables | None = None) -> None:
        self.tables: Tables | None = tables
        """`None`: there are none now."""
        self.state: dict[bytes, bytes] = {}
        """What was put, by key; times to live are not looked at."""
        self.sums: dict[bytes, int] = {}
        """What was added up, by key."""
        self.logged: list[tuple[host.Level, str]] = []
        self.metrics: list[Metric] = []

    def log(self, level: host.Level, message: str) -> None:
        self.logged.append((level, message))

    def metric(self, kind: str, name: str, labels: dict[str, str], value: float) -> host.Failure | None:
        if not isfinite(value) or kind == "counter" and value < 0:
            return host.Failure.INVALID
        self.metrics.append(Metric(kind, name, labels, value))
        return None

    def clock(self) -> int:
        """A test has no time of its own: always the same moment, 2001-09-09T01:46:40Z."""
        return 1_000_000_000_000_000_000

    def find(self, table: str, keys: bytes, fields: list[str]) -> bytes | host.Failure:
        if self.tables is None:
            return host.Failure.UNAVAILABLE
        found = self.tables.get(table)
        if found is None:
            return host.Failure.DENIED
        if any(field not in entry for entry in found.values() for field in fields):
            return host.Failure.UNKNOWN
        rows = [{} if key is None else found.get(key.decode(), {}) for key in _keys(keys)]
        return build.block(*[_found([row.get(field) for row in rows]) for field in fields])

    def state_get(self, keys: bytes) -> bytes | host.Failure:
        if self.tables is None:
            return host.Failure.UNAVAILABLE
        return build.block(build.binary([None if key is None else self.state.get(key) for key in _keys(keys)]))

    def state_put(self, keys: bytes, values: bytes, ttl_ms: int) -> host.Failure | None:
        if self.tables is None:
            return host.Failure.UNAVAILABLE
        names = _keys(keys)
        given = _of_all(_only_column(values), len(names))
        if len(names) != len(given):
            return host.Failure.INVALID
        for key, value in zip(names, given):
            if key is not None and value is None:
                self.state.pop(key, None)
            elif key is not None:
                self.state[key] = value
        return None

    def state_add(self, keys: bytes, deltas: bytes, ttl_ms: int) -> bytes | host.Failure:
        if self.tables is None:
            return host.Failure.UNAVAILABLE
        names = _keys(keys)
        given = _of_all(_only_column(deltas), len(names))
        if len(names) != len(given):
            return host.Failure.INVALID
        sums: list[int | None] = []
        for key, delta in zip(names, given):
            if key is None or delta is None:
                sums.append(None)
            else:
                self.sums[key] = self.sums.get(key, 0) + delta
                sums.append(self.sums[key])
        return build.block(build.int64(sums))


def _only_column(block: bytes) -> list[Any]:
    read = Block(block)
    assert len(read.roots) == 1, f"{len(read.roots)} columns, expected one"
    return list(read.view(read.roots[0]))


def _keys(block: bytes) -> list[bytes | None]:
    """`None`: nothing is done about this row."""
    return [key.encode() if isinstance(key, str) else key for key in _only_column(block)]


def _found(cells: list[Cell]) -> build.Node:
    if any(cell is not None and not isinstance(cell, str) for cell in cells):
        return build.dynamic(cells)
    return _dictionary(cells)


@dataclass
class Emitted:
    """New records of one signal."""

    signal: Signal
    rows: int
    routes: list[list[str] | None]
    """The names that each record is sent to; `None`: where the stage's `emit_to:` says."""
    fields: dict[str, list[Cell]]
    """By path, a value for each record."""


@dataclass
class Edited:
    """An edit, with one value for each target."""

    path: str
    targets: list[int]
    """Row numbers, or places of entries."""
    entries: bool
    values: list[Cell]
    """`None` for what is removed, a list of keys and values for what is merged."""


@dataclass
class Answer:
    """A verdict that was checked as the host checks it."""

    rows: int
    kept: list[int]
    """The rows that stay."""
    routes: list[list[str] | None]
    """The names that each row is sent to; `None`: unchanged."""
    edits: list[Edited]
    emitted: list[Emitted]
    """New records."""

    def column(self, path: str) -> dict[int, Cell]:
        """What becomes of rows' values at this path. Edits of entries are not looked at."""
        return {
            row: value
            for edit in self.edits
            if edit.path == path and not edit.entries
            for row, value in zip(edit.targets, edit.values)
        }


class Harness(Generic[P]):
    """A plugin under test."""

    plugin: P
    """The plugin itself."""
    recorder: Recorder
    """What it logged and counted."""

    def __init__(self, plugin: type[P], config: Mapping[str, Any] | str | None = None, tables: Tables | None = None) -> None:
        """Starts the plugin, which may ask these tables later. An `Error` is what the operator would read."""
        self.recorder = Recorder()
        host.calls = self.recorder
        text = config if isinstance(config, str) else json.dumps(config or {})
        self.plugin, self.requirements = start(plugin, text)  # type: ignore[assignment]
        for name in tables or {}:
            assert name in self.requirements.table_names, f"the plugin did not name the table `{name}`"
        self.recorder.tables = tables or {}

    @property
    def signals(self) -> list[Signal]:
        """The signals that the plugin can be used on."""
        return list(self.requirements.inputs)

    @property
    def uses(self) -> list[Use]:
        """What it does with rows."""
        return self.requirements.used(hooks(self.plugin))

    def paths(self, signal: Signal | str) -> list[str]:
        """The paths that it asked for of a signal, in order."""
        return [handle.path for handle in self.requirements.inputs.get(Signal(signal), [])]

    @property
    def counters(self) -> dict[str, float]:
        """The sum of each counter, whatever its labels."""
        sums: dict[str, float] = {}
        for metric in self.recorder.metrics:
            if metric.kind == "counter":
                sums[metric.name] = sums.get(metric.name, 0) + metric.value
        return sums

    def process(
        self,
        signal: Signal | str,
        rows: int,
        columns: Mapping[str, Sequence[Cell]] | None = None,
        groups: Sequence[int] = (),
    ) -> Answer:
        """Shows a slice of so many rows to the plugin: a value for each row of the columns that are given. `groups` says how many rows
        each group has, and columns `group.…` have a value for each. An exception is its refusal."""
        signal = Signal(signal)
        columns = columns or {}
        asked = self.requirements.inputs.get(signal)
        assert asked is not None, f"the plugin cannot be used on {signal.value}"
        assert not groups or sum(groups) == rows, f"groups of {sum(groups)} rows together, the slice has {rows}"
        starts = array("I", accumulate(groups, initial=0)).tobytes() if groups else b""

        def count(path: str) -> int:
            return len(groups) if path.startswith("group.") else rows

        for path, values in columns.items():
            assert path in self.paths(signal), f"the plugin asked for {self.paths(signal)} of {signal.value}, not for `{path}`"
            assert len(values) == count(path), f"`{path}` has {len(values)} values for {count(path)} rows or groups"
        nodes = [_column(handle, list(columns.get(handle.path, [None] * count(handle.path)))) for handle in asked]
        block = Block(build.block(*nodes))
        verdict = Verdict(rows, starts)
        host.calls = self.recorder
        self.plugin.process(Slice(signal, rows, block, self.requirements.positions(signal), starts), verdict)
        return _answer(verdict, self.requirements, self.uses)

    def tick(self, now: int) -> list[Emitted]:
        """Calls `Plugin.tick`, and gives the records that it makes."""
        return self._emitting(lambda out: self.plugin.tick(now, out))

    def flush(self) -> list[Emitted]:
        """Calls `Plugin.flush`, as the host does before an instance goes, and gives the records that it makes."""
        return self._emitting(self.plugin.flush)

    def snapshot(self) -> bytes:
        """What the plugin holds, as the host would hand it on."""
        host.calls = self.recorder
        return snapshot_of(self.plugin)

    def restore(self, snapshot: bytes) -> None:
        """Gives the plugin what another one's `snapshot` gave."""
        host.calls = self.recorder
        self.plugin.restore(entries_of(Block(snapshot)))

    def _emitting(self, call: Callable[[Emissions], None]) -> list[Emitted]:
        host.calls = self.recorder
        out = Emissions()
        call(out)
        return _emitted(out, self.requirements, self.uses)


def _column(handle: Handle[Any], cells: list[Cell]) -> build.Node:
    """Cells as the column that was asked for."""
    if not handle.kind.is_list:
        return _of_kind(handle.kind.number, handle.text, cells)
    lists = [cell if isinstance(cell, list) else [] for cell in cells]
    inner = _of_kind(handle.kind.number, handle.text, [cell for cells in lists for cell in cells])
    return build.sequence([len(cells) for cells in lists], inner)


_TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,), "double": (float,), "id8": (bytes,), "id16": (bytes,), "text": (str,), "binary": (bytes,),
}  # fmt: skip


def _of_kind(kind: int, form: TextForm, cells: list[Cell]) -> build.Node:
    name = NAMES[kind]
    if name == "any":
        return build.dynamic([None if isinstance(cell, (dict, list)) else cell for cell in cells])
    if name == "attributes":
        return build.attributes([cell if isinstance(cell, (dict, list)) else {} for cell in cells])
    of_type = [cell if type(cell) in _TYPES.get(name, (int,)) else None for cell in cells]
    if name == "text" and form is not TextForm.PLAIN:
        return _dictionary(of_type)
    made: build.Node = getattr(build, name)(of_type)
    return made


def _dictionary(cells: list[str | None]) -> build.Node:
    values = list(dict.fromkeys(cell for cell in cells if cell is not None))
    keys = [0 if cell is None else values.index(cell) for cell in cells]
    node = build.dictionary(keys, values)
    if None in cells:
        node.validity = Bitmap.from_flags([cell is not None for cell in cells]).to_bytes()
    return node


def _answer(verdict: Verdict, needs: Requirements, uses: list[Use]) -> Answer:
    for does, use in (
        (verdict.kept is not None, Use.KEEP),
        (verdict.kept_groups is not None, Use.KEEP),
        (bool(verdict.routes or verdict.group_routes) or verdict.route_of_all is not None, Use.ROUTES),
        (verdict.kept_groups is not None or verdict.group_routes is not None, Use.GROUPS),
        (bool(verdict.edits), Use.EDITS),
    ):
        assert not does or use in uses, f"the verdict does what it did not name: `{use.value}`"
    rows = verdict.rows
    kept = Bitmap.all(rows) if verdict.kept is None else Bitmap(rows, verdict.kept)
    if verdict.kept_groups is not None:
        kept &= verdict.groups.expand(Bitmap(len(verdict.groups), verdict.kept_groups))
    if verdict.group_routes is None:
        routes = _names(needs, rows, route_numbers(rows, verdict.route_of_all, verdict.routes))
    else:
        of_groups = _names(needs, len(verdict.groups), route_numbers(len(verdict.groups), None, verdict.group_routes))
        routes = [names for names, of in zip(of_groups, verdict.groups) for _ in of]
    emitted = [] if verdict.out is None else _emitted(verdict.out, needs, uses)
    return Answer(rows, list(kept), routes, [_edited(edit, rows) for edit in verdict.edits], emitted)


def _names(needs: Requirements, rows: int, numbers: bytes | int | None) -> list[list[str] | None]:
    if isinstance(numbers, bytes):
        sets = [int(number) for number in memoryview(numbers).cast("H")]
    else:
        sets = [ROUTE_UNCHANGED if numbers is None else int(numbers)] * rows
    return [None if number == ROUTE_UNCHANGED else needs.route_sets[number] for number in sets]


def _emitted(out: Emissions, needs: Requirements, uses: list[Use]) -> list[Emitted]:
    assert not out.made or Use.EMIT in uses, f"the plugin makes records, which it did not name: `{Use.EMIT.value}`"
    return [
        Emitted(
            one.signal,
            one.rows,
            _names(needs, one.rows, route_numbers(one.rows, None, one.routes)),
            {path: _of_all(_only_column(block), one.rows) for path, block in one.fields},
        )
        for one in out.made
    ]


def _of_all(values: list[Any], rows: int) -> list[Any]:
    """A single value is one for all."""
    return values * rows if len(values) == 1 else values


def _edited(edit: Edit, rows: int) -> Edited:
    if edit.target == ALL:
        targets = list(range(rows))
    elif edit.target == ROWS:
        targets = list(Bitmap.from_bytes(rows, edit.data))
    else:
        targets = memoryview(edit.data).cast("I").tolist()
    entries = edit.target == ENTRIES
    assert entries or all(row < rows for row in targets), f"`{edit.path}`: a row that is not there"
    if edit.change == REMOVE:
        return Edited(edit.path, targets, entries, [None] * len(targets))
    block = Block(edit.block)
    assert len(block.roots) == 1, f"`{edit.path}`: {len(block.roots)} columns, expected one"
    column = block.view(block.roots[0])
    values = _of_all(list(column), len(targets))
    assert len(values) == len(targets), f"`{edit.path}`: {len(values)} values for {len(targets)} targets"
    return Edited(edit.path, targets, entries, values)


host.calls = Recorder()
