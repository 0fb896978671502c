"""Reading a block: a tree of arrays in one buffer, as `wit/plugin.wit` lays it out.

Making an object for each value is what costs in Python. So what is asked of a column is answered for all its rows at once,
by compiled code over whole buffers: planes of single bytes that are translated, and whole numbers of many rows.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, Callable, Collection, Generic, Iterator, Sequence, TypeVar

from .bitmap import Bitmap, pack
from .kinds import NAMES

T = TypeVar("T")

_HEADER = Struct("<II")
_HEADER_BYTES = 8
NODE_FIELDS = 6
_NODE_BYTES = 24


class Block:
    """The columns of a slice, or of a verdict's values."""

    __slots__ = ("data", "fields", "roots")

    data: bytes
    fields: tuple[int, ...]
    """Six numbers for each node: kind, length, children, validity, offsets, values."""
    roots: list[int]
    """Where in `fields` each column starts."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        if not data:
            self.fields = ()
            self.roots = []
            return
        nodes, node_bytes = _HEADER.unpack_from(data)
        if node_bytes == _NODE_BYTES:
            layout = _LAYOUTS.get(nodes)
            if layout is None:
                layout = _LAYOUTS[nodes] = Struct(f"<{nodes * NODE_FIELDS}I")
            fields = layout.unpack_from(data, _HEADER_BYTES)
        else:
            # A later version's nodes are longer: what they have more is not looked at.
            layout = Struct(f"<{NODE_FIELDS}I")
            starts = range(_HEADER_BYTES, _HEADER_BYTES + nodes * node_bytes, node_bytes)
            fields = tuple(field for start in starts for field in layout.unpack_from(data, start))
        self.fields = fields
        # How many children each node has says where each column starts. Blocks of one plugin mostly have few shapes.
        shape = fields[2::NODE_FIELDS]
        roots = _ROOTS.get(shape)
        if roots is None:
            roots, at = [], 0
            while at < len(fields):
                roots.append(at)
                at = self.after(at)
            if len(_ROOTS) >= _ROOTS_MAX:
                _ROOTS.clear()
            _ROOTS[shape] = roots
        self.roots = roots

    def after(self, node: int) -> int:
        """Where the node behind this one and its children is."""
        missing = 1
        while missing:
            missing += self.fields[node + 2] - 1
            node += NODE_FIELDS
        return node

    def part(self, start: int, size: int) -> bytes:
        """So many bytes from there; as many zeros where there is no such part."""
        return self.data[start : start + size] if start else bytes(size)

    def view(self, node: int) -> Any:
        """The node as the view of its kind."""
        return VIEWS[self.fields[node]](self, node)


_LAYOUTS: dict[int, Struct] = {}
_ROOTS: dict[tuple[int, ...], list[int]] = {}
# Shapes kept: dynamically typed columns have a child for each type that occurs, and so many shapes.
_ROOTS_MAX = 1024


VIEWS: dict[int, Callable[[Block, int], Any]] = {}
"""The view of each kind of node; each of the modules that have them adds its own."""


class Column:
    """What all columns have. `len(column)` is the number of rows."""

    __slots__ = ("block", "node", "rows", "_valid")

    block: Block
    node: int
    rows: int

    def __init__(self, block: Block, node: int) -> None:
        self.block = block
        self.node = node
        fields = block.fields
        self.rows = rows = fields[node + 1]
        valid = fields[node + 3]
        # The whole number of the validity bitmap; `None`: every row has a value.
        self._valid: int | None = None
        if valid:
            bits = int.from_bytes(block.data[valid : valid + ((rows + 7) >> 3)], "little")
            every = (1 << rows) - 1
            bits &= every
            if bits != every:
                self._valid = bits

    @property
    def kind(self) -> str:
        """The contract's name of what it is."""
        return NAMES[self.block.fields[self.node]]

    @property
    def valid(self) -> Bitmap:
        """The rows that have a value."""
        return Bitmap(self.rows, (1 << self.rows) - 1 if self._valid is None else self._valid)

    def has(self, row: int) -> bool:
        """Whether the row has a value."""
        return self._valid is None or self._valid >> row & 1 == 1

    def __len__(self) -> int:
        return self.rows

    def _bitmap(self, bits: int) -> Bitmap:
        """Of rows that have a value."""
        return Bitmap(self.rows, bits if self._valid is None else bits & self._valid)

    def _row(self, row: int) -> int:
        """The row, counted from the end where it is negative."""
        if row < 0:
            row += self.rows
        if not 0 <= row < self.rows:
            raise IndexError(f"row {row} of {self.rows}")
        return row


class Values(Column, Generic[T]):
    """A column with a value of one type for each row, or none."""

    __slots__ = ()

    def raw(self) -> Sequence[T]:
        """What lies at each row, whether it counts or not."""
        raise NotImplementedError

    def __getitem__(self, row: int) -> T | None:
        """The row's value; `None` where it has none."""
        row = self._row(row)
        return self.raw()[row] if self.has(row) else None

    def __iter__(self) -> Iterator[T | None]:
        """Each row's value, `None` where it has none."""
        if self._valid is None:
            return iter(self.raw())
        return iter([value if has else None for value, has in zip(self.raw(), self.valid.flags())])

    def to_list(self) -> list[T | None]:
        """Each row's value, `None` where it has none."""
        return list(self)

    def matches(self, wanted: Callable[[T], object]) -> Bitmap:
        """The rows whose value is as `wanted` says. It is asked once for each distinct value where these are known, else for
        each row, and may be asked about values that no row has: it is to answer by the value alone. Rows without a value are
        in no answer, here and below."""
        if self._valid is None:
            return Bitmap(self.rows, pack(bytes([True if wanted(value) else False for value in self.raw()])))
        return Bitmap(self.rows, pack(bytes([value is not None and bool(wanted(value)) for value in self])))

    def equals(self, value: T) -> Bitmap:
        """The rows of this value."""
        return self.matches(lambda found: found == value)

    def isin(self, values: Collection[T]) -> Bitmap:
        """The rows with one of these values."""
        return self.matches(lambda found: found in values)
