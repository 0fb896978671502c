"""Columns that are typed by row, and those with several values for each row."""

from __future__ import annotations

from itertools import compress
from typing import Any, Callable, Generic, Iterator, Sequence, TypeVar, cast

from .bitmap import Bitmap, pack
from .block import NODE_FIELDS, VIEWS, Block, Column
from .kinds import (
    ABSENT,
    ANY_BINARY,
    ANY_BOOLEAN,
    ANY_DOUBLE,
    ANY_INT,
    ANY_LIST,
    ANY_MAP,
    ANY_NODE,
    ANY_TEXT,
    ATTRIBUTES_NODE,
    BINARY_NODE,
    BOOLEAN_NODE,
    DICTIONARY_NODE,
    DOUBLE_NODE,
    EMPTY,
    INT64_NODE,
    LIST_NODE,
    MAP_NODE,
    NO_TYPE,
    SEQUENCE_NODE,
    TEXT_NODE,
    ListValue,
    MapValue,
    Value,
)  # fmt: skip
from .text import MINUS_ONE, PAGE, Mapped, Text, take

V = TypeVar("V", bound=Column)


class Dynamic(Column):
    """A column that is typed by row: a body, an attribute of whatever type. A row's value is `None` where there is none,
    `EMPTY`, `str`, `int`, `float`, `bool`, `bytes`, a `ListValue` or a `MapValue`."""

    __slots__ = ("kinds", "_children")

    kinds: bytes
    """The number of each row's type in the contract's `any-kind`: 0 for no value, 2 for text."""

    def __init__(self, block: Block, node: int) -> None:
        self.block = block
        self.node = node
        self.rows = block.fields[node + 1]
        self.kinds = block.part(block.fields[node + 5], self.rows)
        self._valid = None
        if ABSENT in self.kinds:
            self._valid = pack(self.kinds)
        self._children: dict[int, Any] = {}
        child = node + NODE_FIELDS
        for _ in range(block.fields[node + 2]):
            self._children[_ANY_KINDS[block.fields[child]]] = block.view(child)
            child = block.after(child)

    @property
    def text(self) -> Text | None:
        """All values that are text, for whoever looks at each distinct one once; `None` where no row is text."""
        return cast("Text | None", self._children.get(ANY_TEXT))

    @property
    def places(self) -> Sequence[int]:
        """For each row, the place of its value among those of its type."""
        return memoryview(self._places()).cast("I")

    def of_kind(self, kind: int) -> Bitmap:
        """The rows of one type: `ANY_TEXT`, `ANY_INT`, …"""
        return Bitmap(self.rows, pack(self.kinds.translate(_only(kind))))

    def __getitem__(self, row: int) -> Value:
        row = self._row(row)
        kind = self.kinds[row]
        if kind <= NO_TYPE:
            return EMPTY if kind else None
        value = self._children[kind][self.places[row]]
        return cast("Value", _OPAQUE[kind](value) if kind in _OPAQUE else value)

    def __iter__(self) -> Iterator[Value]:
        return iter(self.to_list())

    def to_list(self) -> list[Value]:
        """Each row's value."""
        values: list[Sequence[Value]] = [(), (), (), (), (), (), (), (), ()]
        for kind, child in self._children.items():
            raw = child.raw()
            values[kind] = [_OPAQUE[kind](value) for value in raw] if kind in _OPAQUE else raw
        return [
            values[kind][place] if kind > NO_TYPE else EMPTY if kind else None for kind, place in zip(self.kinds, self.places)
        ]

    def matches(self, wanted: Callable[[Value], object]) -> Bitmap:
        """The rows whose value is as `wanted` says, which is asked about `None` for rows without one, too. It is asked once
        for each distinct text, and for each row of another type; it is to answer by the value alone."""
        flags = bytearray(self.rows)
        text = self.text
        if text is not None:
            self._put(flags, text._take(bytes([True if wanted(value) else False for value in text.distinct])))
        others = self.kinds.translate(_OTHER_THAN_TEXT)
        if 1 in others:
            for row in compress(range(self.rows), others):
                flags[row] = True if wanted(self[row]) else False
        return Bitmap(self.rows, pack(bytes(flags)))

    def replaced_texts(self, replace: Callable[[str], str | None]) -> tuple[Bitmap, Mapped]:
        """The rows of text that get another one, and these texts: what `replace` answers for each distinct value; `None`,
        or the same text, is no other. Of the values of an `attributes` column the rows are entries."""
        text = self.text
        if text is None:
            return Bitmap(self.rows), Mapped([], b"")
        texts: dict[str, int] = {}
        slots = []
        for value in text.distinct:
            other = replace(value)
            slots.append(0 if other is None or other == value else texts.setdefault(other, len(texts) + 1))
        if not texts:
            return Bitmap(self.rows), Mapped([], b"")
        if len(texts) < PAGE:
            plane = bytearray(self.rows)
            self._put(plane, text._take(bytes(slots)))
            data = bytes(plane)
            return Bitmap(self.rows, pack(data)), Mapped(list(texts), data.translate(MINUS_ONE, b"\0"))
        rows_of_text = [slots[key] for key in text.keys]
        keys = [rows_of_text[place] if kind == ANY_TEXT else 0 for kind, place in zip(self.kinds, self.places)]
        rows = Bitmap(self.rows, pack(bytes([slot != 0 for slot in keys])))
        return rows, Mapped(list(texts), [slot - 1 for slot in keys if slot])

    def _places(self) -> bytes:
        return self.block.part(self.block.fields[self.node + 4], self.rows * 4)

    def _put(self, out: bytearray, of_texts: bytes) -> None:
        """Writes for each row of text what `of_texts` has at its place."""
        others = self.kinds.translate(_OTHERS_MASK)
        here = int.from_bytes(take(of_texts, self._places(), others), "little")
        out[:] = (here & ~int.from_bytes(others, "little")).to_bytes(self.rows, "little")


_ANY_KINDS = {
    TEXT_NODE: ANY_TEXT, DICTIONARY_NODE: ANY_TEXT, INT64_NODE: ANY_INT, DOUBLE_NODE: ANY_DOUBLE, BOOLEAN_NODE: ANY_BOOLEAN,
    BINARY_NODE: ANY_BINARY, LIST_NODE: ANY_LIST, MAP_NODE: ANY_MAP,
}  # fmt: skip
_OPAQUE: dict[int, Callable[[bytes], Value]] = {ANY_LIST: ListValue, ANY_MAP: MapValue}


def _only(kind: int, flag: int = 1, others: int = 0) -> bytes:
    return bytes([flag if byte == kind else others for byte in range(256)])


_OTHERS_MASK = _only(ANY_TEXT, flag=0, others=255)
_OTHER_THAN_TEXT = _only(ANY_TEXT, flag=0, others=1)


class Rows(Column):
    """What columns with several values for each row have in common."""

    __slots__ = ("_offsets",)

    def __init__(self, block: Block, node: int) -> None:
        super().__init__(block, node)
        self._offsets: Sequence[int] = memoryview(block.part(block.fields[node + 4], (self.rows + 1) * 4)).cast("I")

    def places(self, row: int) -> range:
        """Where the row's values are among those of all rows: these are the numbers that `Entries` are. Empty where the row
        has none."""
        row = self._row(row)
        return range(self._offsets[row], self._offsets[row + 1]) if self.has(row) else range(0)


class Attributes(Rows):
    """A whole set of attributes for each row, in the order in which they came; a key may repeat."""

    __slots__ = ("keys", "values")

    keys: Text
    """The keys of all rows, one behind the other."""
    values: Dynamic
    """The values of all rows, one behind the other."""

    def __init__(self, block: Block, node: int) -> None:
        super().__init__(block, node)
        self.keys = Text(block, node + NODE_FIELDS)
        self.values = Dynamic(block, block.after(node + NODE_FIELDS))

    def __getitem__(self, row: int) -> list[tuple[str, Value]]:
        """The row's attributes, in order."""
        return [(cast(str, self.keys[place]), self.values[place]) for place in self.places(row)]

    def __iter__(self) -> Iterator[list[tuple[str, Value]]]:
        entries = list(zip(self.keys.raw(), self.values.to_list()))
        return iter([[entries[place] for place in self.places(row)] for row in range(self.rows)])


class Lists(Rows, Generic[V]):
    """Several values for each row: a field of its events, links or exemplars; a histogram's buckets."""

    __slots__ = ("values",)

    values: V
    """The values of all rows, one behind the other: a column of its own."""

    def __init__(self, block: Block, node: int) -> None:
        super().__init__(block, node)
        self.values = block.view(node + NODE_FIELDS)

    def __getitem__(self, row: int) -> list[Any]:
        """The row's values, in order."""
        values = cast("Sequence[Any]", self.values)
        return [values[place] for place in self.places(row)]

    def __iter__(self) -> Iterator[list[Any]]:
        return iter([self[row] for row in range(self.rows)])


VIEWS.update({ANY_NODE: Dynamic, SEQUENCE_NODE: Lists, ATTRIBUTES_NODE: Attributes})
