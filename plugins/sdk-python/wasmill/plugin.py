"""What a plugin is."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

from .kinds import Error
from .requirements import Requirements
from .slice import Slice
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

    def flush(self) -> None:
        """The instance is about to go, after its last slice: the moment to count or log what it gathered. Called once, where a
        plugin has it, and not after a fault. An exception is logged and counted."""


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
    return instance, needs


def flushes(plugin: Plugin) -> bool:
    """Whether it has a `flush` of its own."""
    return type(plugin).flush is not Plugin.flush


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
