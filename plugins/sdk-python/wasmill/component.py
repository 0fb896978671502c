"""A plugin as a component's export: between the bindings that componentize-py makes of the contract and the SDK's types.

This is the module that componentize-py is told to build. It takes `plugin.py` along, and is imported by nobody else: the
bindings are there within a component alone.
"""

from __future__ import annotations

import gc
from importlib import import_module
from typing import Any

from componentize_py_types import Err
from wit_world.imports import host as imports
from wit_world.imports import lookup, types
from wit_world.imports import state as kept

from . import host, sealed, verdict
from .block import Block
from .kinds import Error, Signal, TextForm
from .emit import Emissions
from .plugin import Plugin, entries_of, hooks, plugin_of, snapshot_of, start, text_of
from .requirements import SINGLE, Handle, Requirements
from .slice import Slice
from .verdict import Verdict, route_numbers

sealed.seal()
_PLUGIN = plugin_of(import_module("plugin"))


class _Input:
    """What is known of a signal before any of its slices."""

    __slots__ = ("signal", "positions")

    def __init__(self, signal: Signal, positions: dict[int, int]) -> None:
        self.signal = signal
        self.positions = positions


_SIGNALS = {Signal.TRACES: types.Signal.TRACES, Signal.METRICS: types.Signal.METRICS, Signal.LOGS: types.Signal.LOGS}
_TEXT_FORMS = {
    TextForm.PLAIN: types.TextForm.PLAIN,
    TextForm.DICTIONARY: types.TextForm.DICTIONARY,
    TextForm.EITHER: types.TextForm.EITHER,
}
_LEVELS = {
    host.Level.DEBUG: imports.Level.DEBUG,
    host.Level.INFO: imports.Level.INFO,
    host.Level.WARN: imports.Level.WARN,
    host.Level.ERROR: imports.Level.ERROR,
}
_METRICS = {"counter": imports.counter, "gauge": imports.gauge, "histogram": imports.histogram}

# Records are made anew for each call only where they differ.
_ALL = types.Keep_All()
_NONE = types.Keep_None_()
_UNCHANGED = types.Route_Unchanged()
_ANSWER = types.Verdict(_ALL, _UNCHANGED, [], [])


class _Host(host.Calls):
    """The gateway's own functions."""

    def log(self, level: host.Level, message: str) -> host.Failure | None:
        try:
            imports.log(_LEVELS[level], message)
        except Err as failure:
            return _failure(failure)
        return None

    def metric(self, kind: str, name: str, labels: dict[str, str], value: float) -> host.Failure | None:
        try:
            _METRICS[kind](name, [imports.Label(key, str(label)) for key, label in labels.items()], float(value))
        except Err as failure:
            return _failure(failure)
        return None

    def clock(self) -> int | host.Failure:
        try:
            return int(imports.clock())
        except Err as failure:
            return _failure(failure)

    def find(self, table: str, keys: bytes, fields: list[str]) -> bytes | host.Failure:
        try:
            return bytes(lookup.find(table, keys, fields))
        except Err as failure:
            return _failure(failure)

    def state_get(self, keys: bytes) -> bytes | host.Failure:
        try:
            return bytes(kept.get(keys))
        except Err as failure:
            return _failure(failure)

    def state_put(self, keys: bytes, values: bytes, ttl_ms: int) -> host.Failure | None:
        try:
            kept.put(keys, values, ttl_ms)
        except Err as failure:
            return _failure(failure)
        return None

    def state_add(self, keys: bytes, deltas: bytes, ttl_ms: int) -> bytes | host.Failure:
        try:
            return bytes(kept.add(keys, deltas, ttl_ms))
        except Err as failure:
            return _failure(failure)


def _failure(failure: Err[Any]) -> host.Failure:
    return host.Failure(failure.value.name.lower())


class Stage:
    """The contract's `stage`, of which a component has one."""

    plugin: Plugin | None = None
    inputs: list[_Input | None] = []

    # What an exception of any kind says is handed to the host; one that left a function here would be a trap, and the
    # instance with it.

    def init(self, config: str) -> types.Requirements:
        try:
            plugin, needs = start(_PLUGIN, config)
            Stage.inputs = [None] * 4
            for signal in needs.inputs:
                Stage.inputs[_SIGNALS[signal]._value_] = _Input(signal, needs.positions(signal))
            Stage.plugin = plugin
            return _requirements(plugin, needs)
        except BaseException as error:
            raise Err(text_of(error)) from None

    def process(self, slice: types.Slice) -> types.Verdict:
        try:
            found = Stage.inputs[slice.signal._value_]
            plugin = Stage.plugin
            if plugin is None or found is None:
                raise Error(f"the plugin did not ask for {slice.signal.name.lower()}")
            rows = slice.rows
            verdict = Verdict(rows, slice.groups)
            plugin.process(Slice(found.signal, rows, Block(slice.columns), found.positions, slice.groups), verdict)
            return _answer(verdict, rows)
        except BaseException as error:
            raise Err(text_of(error)) from None

    def tick(self, now: int) -> list[types.Emission]:
        try:
            out = Emissions()
            _started().tick(now, out)
            return _emissions(out)
        except BaseException as error:
            raise Err(text_of(error)) from None

    def flush(self) -> list[types.Emission]:
        try:
            out = Emissions()
            _started().flush(out)
            return _emissions(out)
        except BaseException as error:
            raise Err(text_of(error)) from None

    def snapshot(self) -> bytes:
        try:
            return snapshot_of(_started())
        except BaseException as error:
            raise Err(text_of(error)) from None

    def restore(self, entries: bytes) -> None:
        try:
            _started().restore(entries_of(Block(entries)))
        except BaseException as error:
            raise Err(text_of(error)) from None


def _started() -> Plugin:
    if Stage.plugin is None:
        raise Error("called before `init`")
    return Stage.plugin


def _requirements(plugin: Plugin, needs: Requirements) -> types.Requirements:
    def request(handle: Handle[Any]) -> types.Request:
        return types.Request(handle.path, handle.kind.number, _TEXT_FORMS[handle.text])

    return types.Requirements(
        inputs=[types.Input(_SIGNALS[signal], [request(handle) for handle in columns]) for signal, columns in needs.inputs.items()],
        state=_scope(needs.scope),
        route_sets=needs.route_sets,
        uses=[use.value for use in needs.used(hooks(plugin))],
        tables=needs.table_names,
        tick_ms=needs.tick_ms,
    )


def _scope(scope: str | None) -> Any:
    if scope is None:
        return types.StateScope_Stateless()
    return types.StateScope_Single() if scope == SINGLE else types.StateScope_Keyed(scope)


def _answer(verdict: Verdict, rows: int) -> types.Verdict:
    answer = _ANSWER
    if verdict.kept_groups is not None:
        verdict.settle()
    kept = verdict.kept
    if verdict.kept_groups is not None:
        answer.keep = _keep_groups(verdict.kept_groups, len(verdict.groups))
    elif kept is None:
        answer.keep = _ALL
    elif kept == 0:
        answer.keep = _NONE
    elif kept == (1 << rows) - 1:
        answer.keep = _ALL
    else:
        answer.keep = types.Keep_Rows(kept.to_bytes((rows + 7) >> 3, "little"))
    answer.route = _UNCHANGED
    if verdict.routes or verdict.route_of_all is not None:
        answer.route = _route(route_numbers(rows, verdict.route_of_all, verdict.routes), types.Route_Rows)
    elif verdict.group_routes is not None:
        answer.route = _route(route_numbers(len(verdict.groups), None, verdict.group_routes), types.Route_Groups)
    answer.emit = [] if verdict.out is None else _emissions(verdict.out)
    answer.edits = []
    if verdict.edits:
        answer.edits = [
            types.Edit(edit.path, _TARGETS[edit.target](edit), _CHANGES[edit.change](edit)) for edit in verdict.edits
        ]
    return answer


def _keep_groups(kept: int, groups: int) -> Any:
    if kept == (1 << groups) - 1:
        return _ALL
    return _NONE if kept == 0 else types.Keep_Groups(kept.to_bytes((groups + 7) >> 3, "little"))


def _route(numbers: bytes | int | None, each: Any) -> Any:
    if isinstance(numbers, bytes):
        return each(numbers)
    return _UNCHANGED if numbers is None else types.Route_All(int(numbers))


def _emissions(out: Emissions) -> list[types.Emission]:
    return [
        types.Emission(
            _SIGNALS[one.signal],
            one.rows,
            _route(route_numbers(one.rows, None, one.routes), types.Route_Rows),
            [types.Field(path, block) for path, block in one.fields],
        )
        for one in out.made
    ]


_TARGETS: dict[str, Any] = {
    verdict.ALL: lambda edit: types.Target_All(),
    verdict.ROWS: lambda edit: types.Target_Rows(edit.data),
    verdict.INDICES: lambda edit: types.Target_Indices(edit.data),
    verdict.ENTRIES: lambda edit: types.Target_Entries(edit.data),
}
_CHANGES: dict[str, Any] = {
    verdict.REMOVE: lambda edit: types.Change_Remove(),
    verdict.SET: lambda edit: types.Change_Set(edit.block),
    verdict.MERGE: lambda edit: types.Change_Merge(edit.block),
}

host.calls = _Host()
sealed.close()

# What there is when the component is made stays for good: a collection need not look at it in each instance again.
gc.collect()
gc.freeze()
