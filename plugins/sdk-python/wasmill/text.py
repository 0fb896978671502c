"""Columns of text and bytes."""

from __future__ import annotations

from typing import Callable, Collection, Hashable, Sequence, TypeVar

from .bitmap import Bitmap, pack
from .block import NODE_FIELDS, VIEWS, Block, Column, Values
from .kinds import BINARY_NODE, DICTIONARY_NODE, ID8_NODE, ID16_NODE, LIST_NODE, MAP_NODE, TEXT_NODE

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)

# What one byte tells apart.
PAGE = 256


class Ids(Values[bytes]):
    """Span ids, 8 bytes each, or trace ids, 16."""

    __slots__ = ()

    def raw(self) -> Sequence[bytes]:
        width = 8 if self.block.fields[self.node] == ID8_NODE else 16
        data = self.block.part(self.block.fields[self.node + 5], self.rows * width)
        return [data[at : at + width] for at in range(0, len(data), width)]


class _Cut(Values[T]):
    """What is cut by offsets."""

    __slots__ = ()

    def _offsets(self) -> Sequence[int]:
        size = (self.rows + 1) * 4
        return memoryview(self.block.part(self.block.fields[self.node + 4], size)).cast("I").tolist()

    def _joined(self, end: int) -> bytes:
        return self.block.part(self.block.fields[self.node + 5], end)


class Binary(_Cut[bytes]):
    """Bytes for each row."""

    __slots__ = ()

    def raw(self) -> Sequence[bytes]:
        offsets = self._offsets()
        data = self._joined(offsets[-1])
        return [data[start:end] for start, end in zip(offsets, offsets[1:])]


class _Read:
    """Texts as they were read, and which of them are in sets that were asked about."""

    __slots__ = ("texts", "answers")

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts
        self.answers: dict[frozenset[str], bytes] = {}


# Small dictionaries by their bytes: the same few services, methods and codes come again and again.
_KEPT: dict[tuple[bytes, bytes], _Read] = {}
_KEPT_MAX = 64
_KEPT_BYTES_MAX = 1024
_ANSWERS_MAX = 8


def _texts(offsets: bytes, data: bytes) -> list[str]:
    ends = memoryview(offsets).cast("I").tolist()
    # Offsets are of bytes, and a character is one only in ASCII.
    if data.isascii():
        text = data.decode("ascii")
        return [text[start:end] for start, end in zip(ends, ends[1:])]
    return [data[start:end].decode() for start, end in zip(ends, ends[1:])]


class Text(_Cut[str]):
    """Text, as a text for each row, or as a dictionary of the distinct ones and the number of one for each row. What is
    asked about values is asked once for each of the dictionary's."""

    __slots__ = ("_was_read",)

    def __init__(self, block: Block, node: int) -> None:
        Column.__init__(self, block, node)
        self._was_read: _Read | None = None

    @property
    def is_dictionary(self) -> bool:
        """Whether there is a dictionary."""
        return self.block.fields[self.node] == DICTIONARY_NODE

    @property
    def distinct(self) -> list[str]:
        """The dictionary, in which values may repeat and may belong to no row; without one, what lies at each row. Not to be
        changed: other slices have the same list."""
        return (self._was_read or self._read()).texts

    def _read(self) -> _Read:
        fields, node, block = self.block.fields, self.node, self.block.data
        if fields[node] == DICTIONARY_NODE:
            node += NODE_FIELDS
        size = fields[node + 1] * 4 + 4
        start = fields[node + 4]
        offsets = block[start : start + size] if start else bytes(size)
        start = fields[node + 5]
        data = block[start : start + int.from_bytes(offsets[-4:], "little")] if start else b""
        if size > _KEPT_BYTES_MAX or len(data) > _KEPT_BYTES_MAX:
            read = _Read(_texts(offsets, data))
        else:
            found = _KEPT.get((offsets, data))
            if found is None:
                if len(_KEPT) >= _KEPT_MAX:
                    _KEPT.clear()
                found = _KEPT[offsets, data] = _Read(_texts(offsets, data))
            read = found
        self._was_read = read
        return read

    @property
    def joined(self) -> bytes:
        """The values of `distinct` one behind the other, in UTF-8: to see in one look that nothing is in any of them."""
        block = self.block
        node = self._values()
        start = block.fields[node + 4] + block.fields[node + 1] * 4
        end = int.from_bytes(block.data[start : start + 4], "little") if block.fields[node + 4] else 0
        return block.part(block.fields[node + 5], end)

    @property
    def keys(self) -> Sequence[int]:
        """For each row, the place of its value in `distinct`. A row without a value has one, too."""
        if not self.is_dictionary:
            return range(self.rows)
        return memoryview(self._keys()).cast("I")

    def raw(self) -> Sequence[str]:
        distinct = self.distinct
        if not self.is_dictionary:
            return distinct
        # A dictionary without values is one of rows without: they have key 0.
        return [distinct[key] for key in self.keys] if distinct else [""] * self.rows

    def __getitem__(self, row: int) -> str | None:
        row = self._row(row)
        return self.distinct[self.keys[row]] if self.has(row) else None

    def matches(self, wanted: Callable[[str], object]) -> Bitmap:
        return self._where(bytes([_YES if answer else _NO for answer in self._ask(wanted)]))

    def equals(self, value: str) -> Bitmap:
        return self._where(bytes([_YES if found == value else _NO for found in self.distinct]))

    def isin(self, values: Collection[str]) -> Bitmap:
        if type(values) is not frozenset:
            return self._where(bytes([_YES if found in values else _NO for found in self.distinct]))
        read = self._was_read or self._read()
        digits = read.answers.get(values)
        if digits is None:
            digits = bytes([_YES if found in values else _NO for found in read.texts])
            if len(read.answers) < _ANSWERS_MAX:
                read.answers[values] = digits
        return self._where(digits)

    def partition(self, group: Callable[[str], H | None]) -> dict[H, Bitmap]:
        """The rows of each group, by what `group` answers for their values; `None` is no group. Groups come in the order in
        which their values are in `distinct`."""
        groups = self._ask(group)
        found = dict.fromkeys(name for name in groups if name is not None)
        rows = {name: self._where(bytes([_YES if other == name else _NO for other in groups])) for name in found}
        return {name: bitmap for name, bitmap in rows.items() if bitmap}

    def replaced(
        self, replace: Callable[[str], str | None], missing: str | None = None
    ) -> tuple[Bitmap, Mapped]:
        """The rows that get another text, and these texts: what `replace` answers for their values, and `missing` for rows
        without one. `None` is no other text. Both go to `Verdict.set` as they are."""
        texts: dict[str, int] = {}
        slots = []
        for text in self._ask(replace):
            # Slot 0 is that of rows that stay.
            slots.append(0 if text is None else texts.setdefault(text, len(texts) + 1))
        missing_slot = 0
        if missing is not None and self._valid is not None:
            missing_slot = texts.setdefault(missing, len(texts) + 1)
        if len(texts) < PAGE:
            plane = self._take(bytes(slots))
            if self._valid is not None:
                has = self.valid.flags()
                if missing_slot:
                    plane = bytes([slot if here else missing_slot for slot, here in zip(plane, has)])
                else:
                    plane = bytes([slot if here else 0 for slot, here in zip(plane, has)])
            return Bitmap(self.rows, pack(plane)), Mapped(list(texts), plane.translate(MINUS_ONE, b"\0"))
        keys = [slots[key] for key in self.keys] if slots else [0] * self.rows
        if self._valid is not None:
            keys = [slot if here else missing_slot for slot, here in zip(keys, self.valid.flags())]
        rows = Bitmap.from_flags([slot != 0 for slot in keys])
        return rows, Mapped(list(texts), [slot - 1 for slot in keys if slot])

    def _ask(self, question: Callable[[str], T]) -> list[T | None]:
        """The answer for each of `distinct`; without a dictionary, `None` for rows without a value."""
        if self._valid is None or self.is_dictionary:
            return [question(value) for value in self.distinct]
        return [question(value) if here else None for value, here in zip(self.distinct, self.valid.flags())]

    def _values(self) -> int:
        """The node that has the texts."""
        return self.node + NODE_FIELDS if self.is_dictionary else self.node

    def _keys(self) -> bytes:
        return self.block.part(self.block.fields[self.node + 5], self.rows * 4)

    def _take(self, table: bytes) -> bytes:
        """The table's byte for each row, from one for each of `distinct`."""
        if not self.is_dictionary:
            return table
        return take(table, self._keys())

    def _where(self, digits: bytes) -> Bitmap:
        """The rows of the values with the digit 1, from a digit for each of `distinct`."""
        rows, fields, node = self.rows, self.block.fields, self.node
        if _YES not in digits:
            return Bitmap(rows)
        if fields[node] != DICTIONARY_NODE:
            return self._bitmap(int(digits[::-1], 2))
        start = fields[node + 5]
        if len(digits) <= PAGE:
            # The lowest byte of each key, the last row first.
            low = self.block.data[start + rows * 4 - 4 : start - 1 : -4]
            return self._bitmap(int(low.translate(digits.ljust(PAGE, b"0")), 2))
        return self._bitmap(int(take(digits, self._keys())[::-1], 2))


_YES, _NO = b"10"
MINUS_ONE = bytes([0]) + bytes(range(255))


class Mapped:
    """Texts that rows are given, each distinct one once: `texts`, and for each row the place of its own in them."""

    __slots__ = ("texts", "keys")

    texts: list[str]
    keys: bytes | list[int]
    """A byte for each row where there are fewer than 256 texts."""

    def __init__(self, texts: list[str], keys: bytes | list[int]) -> None:
        self.texts = texts
        self.keys = keys


def take(table: bytes, keys: bytes, others: bytes | None = None) -> bytes:
    """The table's byte for each key, a u32 each. Rows that are 255 in `others`, where the rest is 0, get any byte."""
    if len(table) <= PAGE:
        return keys[::4].translate(table.ljust(PAGE, b"\0"))
    if len(table) < PAGE * 255:
        pages = [table[start : start + PAGE].ljust(PAGE, b"\0") for start in range(0, len(table), PAGE)]
        found = _take_pages(pages, keys) or _take_ascending(pages, keys, others)
        if found is not None:
            return found
    wide = memoryview(keys).cast("I")
    try:
        return bytes([table[key] for key in wide])
    except IndexError:
        last = len(table) - 1
        return bytes([table[key if key < last else last] for key in wide])


def _take_pages(pages: list[bytes], keys: bytes) -> bytes | None:
    """As `take`, page by page, where only some have other bytes than 0. A page is of the keys of one second byte."""
    used = [page for page, table in enumerate(pages) if table.strip(b"\0")]
    if len(used) > _PAGES_MAX:
        return None
    low, high, taken = keys[::4], keys[1::4], 0
    for page in used:
        here = int.from_bytes(high.translate(bytes(page) + b"\xff" + bytes(255 - page)), "little")
        taken |= int.from_bytes(low.translate(pages[page]), "little") & here
    return taken.to_bytes(len(low), "little")


# Pages up to which looking at all rows for each of them costs less than at each row.
_PAGES_MAX = 8


def _take_ascending(pages: list[bytes], keys: bytes, others: bytes | None) -> bytes | None:
    """As `take`, where values lie in the order of their rows: then rows of one page are neighbours."""
    low, high, rows = keys[::4], keys[1::4], len(keys) >> 2
    if others is not None:
        high = (int.from_bytes(high, "little") | int.from_bytes(others, "little")).to_bytes(rows, "little")
    taken, start = [], 0
    for page, table in enumerate(pages):
        end = high.find(page + 1, start)
        if end < 0:
            end = rows
        if high.count(page, start, end) + high.count(255, start, end) != end - start:
            return None
        taken.append(low[start:end].translate(table))
        start = end
    return b"".join(taken)


VIEWS.update({
    ID8_NODE: Ids, ID16_NODE: Ids, TEXT_NODE: Text, DICTIONARY_NODE: Text, BINARY_NODE: Binary, LIST_NODE: Binary, MAP_NODE: Binary,
})  # fmt: skip
