"""What a plugin is."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any, Iterable

from . import build
from .block import Block
from .emit import Emissions
from .kinds import Error, Use
from .requirements import Requirements
from .slice import Slice
from .text import Binary
from .verdict import Verdict

Config = dict[str, Any]
"""The stage's `config:` block, as JSON has it."""


class Plugin:
    """A plugin: the one class of `plugin.py` that extends this one is the project's.

    An instance of it is made for each of the host's instances, of which several run at once, and each may be dropped and made
    anew at any time: keep nothing from call to call but caches."""

    def init(self, config: Config, needs: Requirements) -> None:
        """Called once, first. Reads the config, and says in `needs` on which signals the plugin can be used and which columns
        it is to be shown. All instances of one config must say the same. An `Error` is a refusal that the operator reads."""
        raise NotImplementedError

    def process(self, slice: Slice, verdict: Verdict) -> None:
        """Decides about a slice of at least one row. A verdict that nothing is done to keeps all rows as they are. An
        exception refuses the slice as a whole; the instance goes on."""
        raise NotImplementedError

    # A plugin has those of the following that it needs: whatever it does not have is not called.

    def tick(self, now: int, out: Emissions) -> None:
        """Time has passed: called at the interval that `needs.tick_every` asked for, at times that depend on load. `now` is in
        nanoseconds since 1970, and may go back when the system's clock is set. An exception is logged and counted."""

    def flush(self, out: Emissions) -> None:
        """The instance is about to go, after its last slice: the moment to count or log what it gathered, or to make records of it.
        Called once, and not after a fault. An exception is logged and counted."""

    def snapshot(self) -> Iterable[tuple[bytes, bytes]]:
        """What it holds, as keys and values, for the plugin that takes its place. A key is the value at the path that instances are
        `keyed` by, and whatever it likes where there is a `single` one. An exception: what it held is lost, or it stays in its place, as the operator
        configured."""
        return []

    def restore(self, entries: list[tuple[bytes, bytes]]) -> None:
        """Called once after `init` and before the first slice, with what an older plugin's `snapshot` gave: read it with care, it may be
        of another version. An exception refuses the new plugin: the old one serves on."""


def start(plugin: type[Plugin], config: str) -> tuple[Plugin, Requirements]:
    """Makes an instance and asks for its requirements."""
    try:
        parsed = json.loads(config)
    except ValueError as error:
        raise Error(f"`config`: {error}") from None
    if parsed is None:
        parsed = {}
    if not isinstance(parsed, dict):
        raise Error(f"`config`: expected an object, found {json.dumps(parsed)[:80]}")
    needs = Requirements()
    instance = plugin()
    instance.init(parsed, needs)
    ticks = plugin.tick is not Plugin.tick
    if ticks and not needs.tick_ms:
        raise Error("the plugin has a method `tick`, and did not say how often it is called: `needs.tick_every`")
    if needs.tick_ms and not ticks:
        raise Error("the plugin asked for ticks, and has no method `tick`")
    return instance, needs


def hooks(plugin: Plugin) -> list[Use]:
    """What it does because it has the methods."""
    uses = []
    if type(plugin).flush is not Plugin.flush:
        uses.append(Use.FLUSH)
    if type(plugin).snapshot is not Plugin.snapshot:
        uses.append(Use.SNAPSHOT)
    return uses


def entries_of(block: Block) -> list[tuple[bytes, bytes]]:
    """The keys and values of a snapshot."""
    if not block.roots:
        return []
    columns = [block.view(root) for root in block.roots]
    if [type(column) for column in columns] != [Binary, Binary] or len(columns[0]) != len(columns[1]):
        raise Error(f"a snapshot of {len(columns)} columns, expected keys and values, both of bytes")
    return list(zip(columns[0].raw(), columns[1].raw()))


def snapshot_of(plugin: Plugin) -> bytes:
    """What it holds, as it crosses."""
    entries = list(plugin.snapshot())
    return build.block(build.binary([key for key, _ in entries]), build.binary([value for _, value in entries]))


def plugin_of(module: ModuleType) -> type[Plugin]:
    """The one plugin that a module defines."""
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Plugin) and value.__module__ == module.__name__
    ]
    # A class that others of the module extend is theirs, and not the plugin.
    last = [plugin for plugin in found if not any(other is not plugin and issubclass(other, plugin) for other in found)]
    if len(last) != 1:
        names = ", ".join(f"`{plugin.__name__}`" for plugin in last) or "none"
        raise TypeError(f"`{module.__name__}.py` must define one class that extends `wasmill.Plugin`, found {names}")
    return last[0]


def text_of(error: BaseException) -> str:
    """What the host is told: an `Error`'s text; of any other exception also where it came from."""
    if isinstance(error, Error):
        return str(error)
    lines = [f"{type(error).__name__}: {error}"]
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        # The project's folder is called `/0` while a component is built.
        lines.append(f"  at {code.co_name} ({code.co_filename.removeprefix('/0/')}:{trace.tb_lineno})")
        trace = trace.tb_next
    return "\n".join(lines)
