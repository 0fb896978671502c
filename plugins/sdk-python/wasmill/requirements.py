"""What a plugin asks for: signals, columns, routes."""

from __future__ import annotations

from typing import Generic, Sequence, TypeVar

from .block import Column
from .dynamic import Attributes, Dynamic, Lists
from .kinds import NAMES, Error, Signal, TextForm, Use
from .numbers import Boolean, Doubles, Integers
from .text import Binary, Ids, Text

V = TypeVar("V", bound=Column)

_ROUTE_SETS_MAX = 65_535

SINGLE = ""
"""The scope of one instance: no path."""


class Kind(Generic[V]):
    """What a column is asked for as: one of the constants of this module, or `list_of` one of these."""

    __slots__ = ("number", "is_list")

    number: int
    """The contract's number, of a list that of its values."""
    is_list: bool

    def __init__(self, number: int, is_list: bool = False) -> None:
        self.number = number
        self.is_list = is_list

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kind) and self.number == other.number and self.is_list == other.is_list

    def __hash__(self) -> int:
        return hash((self.number, self.is_list))

    def __repr__(self) -> str:
        return f"list of {NAMES[self.number]}" if self.is_list else NAMES[self.number]


BOOLEAN: Kind[Boolean] = Kind(0)
UINT8: Kind[Integers] = Kind(1)
UINT32: Kind[Integers] = Kind(2)
INT32: Kind[Integers] = Kind(3)
UINT64: Kind[Integers] = Kind(4)
INT64: Kind[Integers] = Kind(5)
DOUBLE: Kind[Doubles] = Kind(6)
ID8: Kind[Ids] = Kind(7)
ID16: Kind[Ids] = Kind(8)
TEXT: Kind[Text] = Kind(9)
BINARY: Kind[Binary] = Kind(10)
DYNAMIC: Kind[Dynamic] = Kind(12)
ATTRIBUTES: Kind[Attributes] = Kind(16)


def list_of(kind: Kind[V]) -> Kind[Lists[V]]:
    """Several values of this kind for each row: for paths of events, links, exemplars and buckets."""
    return Kind(kind.number, is_list=True)


class Handle(Generic[V]):
    """A column that was asked for, and the key to it in each slice: `slice[handle]`."""

    __slots__ = ("path", "kind", "text", "number")

    path: str
    kind: Kind[V]
    text: TextForm

    def __init__(self, path: str, kind: Kind[V], text: TextForm, number: int) -> None:
        self.path = path
        self.kind = kind
        self.text = text
        self.number = number

    def __repr__(self) -> str:
        return f"<column `{self.path}` as {self.kind!r}>"


class RouteSet(int):
    """One of the route sets that a plugin declared: its number."""

    __slots__ = ()


class Requirements:
    """What a plugin needs, said once in `Plugin.init`."""

    def __init__(self) -> None:
        self.columns: list[Handle[Column]] = []
        self.inputs: dict[Signal, list[Handle[Column]]] = {}
        self.route_sets: list[list[str]] = []
        self.table_names: list[str] = []
        self.tick_ms = 0
        self.scope: str | None = None
        self._uses: list[Use] | None = None
        self._also: list[Use] = []
        # The signals that columns are asked for of.
        self._current: tuple[Signal, ...] = ()

    def signals(self, *signals: Signal) -> None:
        """The plugin can be used on these signals. Columns asked for from here on are columns of each of them; say it again
        to ask for columns of fewer."""
        self._current = signals
        for signal in signals:
            self.inputs.setdefault(signal, [])

    def column(self, path: str, kind: Kind[V], text: TextForm = TextForm.EITHER) -> Handle[V]:
        """Asks for a column. `path` is as in the Collector's transformation language: `name`, `attributes["k"]`,
        `resource.attributes["service.name"]`. An attribute that is asked for as a type has no value in rows where it is of
        another; ask for `DYNAMIC` to see all. `text` says how text comes, in dynamic columns and attributes, too."""
        if not self._current:
            raise Error(f"`{path}` was asked for before `signals` said of which signals")
        handle: Handle[V] | None = None
        for column in self.columns:
            if column.path == path and column.kind == kind and column.text == text:
                handle = column  # type: ignore[assignment]
        if handle is None:
            handle = Handle(path, kind, text, len(self.columns))
            self.columns.append(handle)  # type: ignore[arg-type]
        for signal in self._current:
            columns = self.inputs[signal]
            if handle not in columns:
                columns.append(handle)  # type: ignore[arg-type]
        return handle

    def positions(self, signal: Signal) -> dict[int, int]:
        """Where each column, by its number, is among those of a signal."""
        return {handle.number: position for position, handle in enumerate(self.inputs[signal])}

    def route_set(self, *names: str) -> RouteSet:
        """Declares a set of routes, by the names that the stage's `routes:` has. Rows that take it go to all of them."""
        if len(self.route_sets) == _ROUTE_SETS_MAX:
            raise Error(f"more than {_ROUTE_SETS_MAX} route sets")
        self.route_sets.append(list(names))
        return RouteSet(len(self.route_sets) - 1)

    def uses(self, *uses: Use) -> None:
        """Says that the plugin does this alone. Without it, it may keep, edit, route where it declared route sets, and decide by
        group where it asked for a column `group.…`. Whether it is flushed, and gives snapshots, follows from its having the methods."""
        self._uses = list(uses)

    def also(self, *uses: Use) -> None:
        """Says that the plugin does this, besides what it does without saying so: `Use.EMIT`, `Use.GROUPS`, `Use.STATE`."""
        self._also.extend(uses)

    def tables(self, *names: str) -> None:
        """The lookup tables that the plugin asks; one that the stage's `tables:` has not is refused."""
        self.table_names.extend(names)

    def tick_every(self, milliseconds: int) -> None:
        """Has `Plugin.tick` called at this interval at most."""
        if not 0 < milliseconds < 1 << 32:
            raise Error(f"an interval of {milliseconds} ms between ticks, expected 1 to {(1 << 32) - 1}")
        self.tick_ms = milliseconds

    def keyed(self, path: str) -> None:
        """Rows with equal values at this path always come to the same instance, so that it can keep something about them from call to
        call. An instance has the rows of many values."""
        self.scope = path

    def single(self) -> None:
        """There is one instance for all rows of the stage."""
        self.scope = SINGLE

    def used(self, hooks: Sequence[Use]) -> list[Use]:
        """What it does, with what follows from its methods."""
        uses = self._uses
        if uses is None:
            uses = [Use.KEEP, Use.EDITS]
            if self.route_sets:
                uses.append(Use.ROUTES)
            if any(handle.path.startswith("group.") for handle in self.columns):
                uses.append(Use.GROUPS)
        return list(dict.fromkeys([*uses, *self._also, *hooks]))
