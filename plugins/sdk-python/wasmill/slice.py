"""What a plugin is shown."""

from __future__ import annotations

from typing import TypeVar, cast

from .block import VIEWS, Block, Column
from .groups import Groups
from .kinds import Error, Signal
from .requirements import Handle

V = TypeVar("V", bound=Column)


class Slice:
    """Some rows of a batch, as the columns that were asked for. A request may come in several slices, and rows that an
    earlier stage dropped are in none. Columns have a value or none for each row; those of `group.…` for each group."""

    __slots__ = ("signal", "rows", "block", "_positions", "_groups")

    signal: Signal
    """What the rows are."""
    rows: int
    """How many there are, at least 1."""

    def __init__(self, signal: Signal, rows: int, block: Block, positions: dict[int, int], groups: bytes = b"") -> None:
        self.signal = signal
        self.rows = rows
        self.block = block
        self._positions = positions
        self._groups: bytes | Groups = groups

    @property
    def groups(self) -> Groups:
        """Which rows belong together, in a stage with `group_by:`; elsewhere there are none."""
        groups = self._groups
        if not isinstance(groups, Groups):
            groups = self._groups = Groups(groups, self.rows)
        return groups

    def __getitem__(self, handle: Handle[V]) -> V:
        """The column. It was to be asked for of this slice's signal."""
        position = self._positions.get(handle.number)
        if position is None:
            raise Error(f"`{handle.path}` was not asked for of {self.signal.value}")
        block = self.block
        node = block.roots[position]
        return cast(V, VIEWS[block.fields[node]](block, node))

    def __len__(self) -> int:
        return self.rows
