"""What a plugin answers."""

from __future__ import annotations

from array import array
from typing import Sequence, Union

from . import build
from .bitmap import Bitmap
from .emit import Emission, Emissions
from .groups import Groups
from .kinds import Error, Signal, Value
from .requirements import RouteSet
from .text import Mapped

# A bitmap has a bit for each row, row numbers have 32 for each target: up to one target in so many rows, numbers are shorter.
_SPARSE = 32

ALL, ROWS, INDICES, ENTRIES = "all", "rows", "indices", "entries"
REMOVE, SET, MERGE = "remove", "set", "merge"

ROUTE_UNCHANGED = 65_535


class Entries:
    """Single entries of an attributes or list column: their numbers among those of all rows, or a bitmap over them."""

    __slots__ = ("places",)

    def __init__(self, places: Bitmap | Sequence[int]) -> None:
        self.places = places


Rows = Union[Bitmap, Sequence[int], Entries, None]
"""Which rows an edit is about: a bitmap, row numbers in any order, single `Entries`, or `None` for all."""


class Edit:
    """A change of one path."""

    __slots__ = ("path", "target", "data", "change", "block")

    def __init__(self, path: str, target: str, data: bytes, change: str, block: bytes) -> None:
        self.path = path
        self.target = target
        """`ALL`, `ROWS`, `INDICES` or `ENTRIES`."""
        self.data = data
        """The target's rows or entries, as the contract has them."""
        self.change = change
        """`REMOVE`, `SET` or `MERGE`."""
        self.block = block


def route_numbers(rows: int, before: RouteSet | None, routes: list[tuple[int, RouteSet]]) -> bytes | int | None:
    """A u16 for each row or group; one number for all; `None`: unchanged."""
    if not routes:
        return before
    if len(routes) == 1 and routes[0][0] == (1 << rows) - 1:
        return routes[0][1]
    base = ROUTE_UNCHANGED if before is None else before
    # Each byte of the u16 is a plane: the set's byte where the rows are.
    low = int.from_bytes(bytes([base & 255]) * rows, "little")
    high = int.from_bytes(bytes([base >> 8]) * rows, "little")
    for bits, to in routes:
        if not bits:
            continue
        flags = int.from_bytes(Bitmap(rows, bits).flags(), "little")
        low = low & ~(flags * 255) | flags * (to & 255)
        high = high & ~(flags * 255) | flags * (to >> 8)
    numbers = bytearray(rows * 2)
    numbers[::2] = low.to_bytes(rows, "little")
    numbers[1::2] = high.to_bytes(rows, "little")
    return bytes(numbers)


class Verdict:
    """What becomes of a slice. Untouched, it keeps all rows as they are."""

    __slots__ = ("rows", "kept", "edits", "routes", "route_of_all", "kept_groups", "group_routes", "out", "_groups")

    def __init__(self, rows: int, groups: bytes = b"") -> None:
        self.rows = rows
        self.kept: int | None = None
        """The rows that stay; `None`: all."""
        self.edits: list[Edit] = []
        self.routes: list[tuple[int, RouteSet]] = []
        self.route_of_all: RouteSet | None = None
        self.kept_groups: int | None = None
        """The groups that stay; `None`: all."""
        self.group_routes: list[tuple[int, RouteSet]] | None = None
        """Routes of groups; not beside those of rows."""
        self.out: Emissions | None = None
        self._groups: bytes | Groups = groups

    def keep(self, rows: Bitmap) -> None:
        """Keeps these rows alone. Said twice, the rows that are in both stay."""
        self._check(rows)
        self.kept = rows.bits if self.kept is None else self.kept & rows.bits

    def drop(self, rows: Bitmap) -> None:
        """Drops these rows."""
        self._check(rows)
        if self.kept is None:
            self.kept = (1 << self.rows) - 1
        self.kept &= ~rows.bits

    def drop_all(self) -> None:
        """Drops every row."""
        self.kept = 0

    def route(self, to: RouteSet, rows: Bitmap | None = None) -> None:
        """Sends these rows, or all, to the routes of the set. Said twice of a row, the later one counts."""
        if rows is None:
            self.routes.clear()
            self.group_routes = None
            self.route_of_all = to
        else:
            self._check(rows)
            self._routes_by_row()
            self.routes.append((rows.bits, to))

    def keep_groups(self, groups: Bitmap) -> None:
        """Keeps these groups alone, whole: a bitmap over the groups of the slice. Said twice, the groups that are in both stay; rows that
        `keep` or `drop` take away are gone nonetheless."""
        self._check_groups(groups)
        self.kept_groups = groups.bits if self.kept_groups is None else self.kept_groups & groups.bits

    def drop_groups(self, groups: Bitmap) -> None:
        """Drops these groups, whole."""
        self.keep_groups(~groups)

    def route_groups(self, to: RouteSet, groups: Bitmap) -> None:
        """Sends all rows of these groups to the routes of the set. Said twice of a row, by groups or by rows, the later one counts."""
        self._check_groups(groups)
        if self.routes or self.route_of_all is not None:
            self.routes.append((self.groups.expand(groups).bits, to))
        elif self.group_routes is None:
            self.group_routes = [(groups.bits, to)]
        else:
            self.group_routes.append((groups.bits, to))

    def emit(self, signal: Signal | str, rows: int = 1) -> Emission:
        """Begins so many new records of a signal, beside what becomes of the slice."""
        if self.out is None:
            self.out = Emissions()
        return self.out.emit(signal, rows)

    @property
    def groups(self) -> Groups:
        """The groups of the slice."""
        if not isinstance(self._groups, Groups):
            self._groups = Groups(self._groups, self.rows)
        return self._groups

    def set(self, path: str, value: Value | build.Node | Mapped, rows: Rows = None) -> None:
        """Gives these rows a value: the same one for all; or, where `value` is a column of `wasmill.build` or what `replaced`
        gave, a value for each of them in order. A row without a value loses what it had. The value's type must be the
        field's; an attribute or body takes `str`, `int`, `float`, `bool` and `bytes`, and `None` removes it."""
        target = self._target(rows)
        if target:
            self.edits.append(Edit(path, *target, SET, build.block(build.column_of(value))))

    def remove(self, path: str, rows: Rows = None) -> None:
        """Removes the attribute, or sets the field to its default."""
        target = self._target(rows)
        if target:
            self.edits.append(Edit(path, *target, REMOVE, b""))

    def merge(self, path: str, maps: build.Entries_ | build.Node, rows: Rows = None) -> None:
        """Sets the entries of a map in each of these rows; other entries stay. `path` is a whole map: `attributes`. One map
        for all, or a map for each row as `build.attributes`."""
        target = self._target(rows)
        if target:
            node = maps if isinstance(maps, build.Node) else build.attributes([maps])
            self.edits.append(Edit(path, *target, MERGE, build.block(node)))

    def settle(self) -> None:
        """Makes of what was kept of groups something kept of rows, where both were said."""
        if self.kept_groups is not None and self.kept is not None:
            self.kept &= self.groups.expand(Bitmap(len(self.groups), self.kept_groups)).bits
            self.kept_groups = None

    def _routes_by_row(self) -> None:
        """Makes routes of rows out of those of groups."""
        if self.group_routes is not None:
            groups, count = self.groups, len(self.groups)
            self.routes = [(groups.expand(Bitmap(count, bits)).bits, to) for bits, to in self.group_routes]
            self.group_routes = None

    def _check_groups(self, groups: Bitmap) -> None:
        if groups.rows != len(self.groups):
            raise Error(f"a bitmap over {groups.rows} groups, the slice has {len(self.groups)}")

    def _check(self, rows: Bitmap) -> None:
        if rows.rows != self.rows:
            raise Error(f"a bitmap over {rows.rows} rows, the slice has {self.rows}")

    def _target(self, rows: Rows) -> tuple[str, bytes] | None:
        """As it crosses, in the shorter form; `None`: nothing is meant."""
        if rows is None:
            return ALL, b""
        if isinstance(rows, Bitmap):
            self._check(rows)
            count = rows.count()
            if count == self.rows:
                return ALL, b""
            if count * _SPARSE > self.rows:
                return ROWS, rows.to_bytes()
            return (INDICES, rows.indices()) if count else None
        if isinstance(rows, Entries):
            places = rows.places
            data = places.indices() if isinstance(places, Bitmap) else array("I", places).tobytes()
            return (ENTRIES, data) if data else None
        return (INDICES, array("I", rows).tobytes()) if rows else None
