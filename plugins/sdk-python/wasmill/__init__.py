'''Write a Wasmill plugin in Python.

A plugin is a step of the gateway's pipeline. It says once which columns it needs, is shown these for thousands of rows at a
time, and answers with a decision: which rows stay, which values change, which route rows take. The rows themselves stay in
the host.

    from wasmill import TEXT, Plugin, Requirements, Signal, Slice, Verdict

    class Health(Plugin):
        def init(self, config, needs: Requirements) -> None:
            needs.signals(Signal.TRACES)
            self.drop = set(config["drop_routes"])
            self.route = needs.column('attributes["http.route"]', TEXT)

        def process(self, slice: Slice, verdict: Verdict) -> None:
            # Asked once for each distinct route of the slice, whatever the number of rows.
            verdict.drop(slice[self.route].isin(self.drop))

What costs in Python is an object for each row. Columns answer for all rows at once: `matches`, `equals`, `isin`, `>` and the
like give a `Bitmap`; `partition` and `replaced` look at each distinct text once. A loop over rows works, too, and takes some
tenths of a microsecond for each.

Modules that a plugin imports must be imported when it starts, at the top of its file: later there are no files.
'''

from . import build, host
from .bitmap import Bitmap
from .block import Column
from .config import read
from .dynamic import Attributes, Dynamic, Lists
from .emit import Emission, Emissions
from .groups import Groups
from .host import Failure, HostError
from .kinds import EMPTY, Empty, Error, ListValue, MapValue, Signal, TextForm, Use, Value
from .numbers import Boolean, Doubles, Integers
from .plugin import Config, Plugin
from .requirements import (
    ATTRIBUTES,
    BINARY,
    BOOLEAN,
    DOUBLE,
    DYNAMIC,
    ID8,
    ID16,
    INT32,
    INT64,
    TEXT,
    UINT8,
    UINT32,
    UINT64,
    Handle,
    Kind,
    Requirements,
    RouteSet,
    list_of,
)  # fmt: skip
from .slice import Slice
from .text import Binary, Ids, Mapped, Text
from .verdict import Entries, Rows, Verdict

SIGNALS = tuple(Signal)
"""Traces, metrics and logs."""


def quote(key: str) -> str:
    """The key as a path has it: `f'attributes[{quote(key)}]'`."""
    key = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{key}"'


__all__ = [
    "ATTRIBUTES", "Attributes", "BINARY", "BOOLEAN", "Binary", "Bitmap", "Boolean", "Column", "Config", "DOUBLE", "DYNAMIC",
    "Doubles", "Dynamic", "EMPTY", "Emission", "Emissions", "Empty", "Entries", "Error", "Failure", "Groups", "Handle", "HostError", "ID16", "ID8", "INT32", "INT64", "Ids", "Integers",
    "Kind", "ListValue", "Lists", "MapValue", "Mapped", "Plugin", "Requirements", "RouteSet", "Rows", "SIGNALS", "Signal",
    "Slice", "TEXT", "Text", "TextForm", "UINT32", "UINT64", "UINT8", "Use", "Value", "Verdict", "build", "host", "list_of",
    "quote", "read",
]  # fmt: skip
