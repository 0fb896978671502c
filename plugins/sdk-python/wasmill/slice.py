"""What a plugin is shown."""

from __future__ import annotations

from typing import TypeVar, cast

from .block import VIEWS, Block, Column
from .kinds import Error, Signal
from .requirements import Handle

V = TypeVar("V", bound=Column)


class Slice:
    """Some rows of a batch, as the columns that were asked for. A request may come in several slices, and rows that an
    earlier stage dropped are in none."""

    __slots__ = ("signal", "rows", "block", "_positions")

    signal: Signal
    """What the rows are."""
    rows: int
    """How many there are, at least 1."""

    def __init__(self, signal: Signal, rows: int, block: Block, positions: dict[int, int]) -> None:
        self.signal = signal
        self.rows = rows
        self.block = block
        self._positions = positions

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
