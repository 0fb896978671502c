"""Reading a block: a tree of arrays in one buffer, as `wit/plugin.wit` lays it out.

Making an object for each value is what costs in Python. So what is asked of a column is answered for all its rows at once,
by compiled code over whole buffers: planes of single bytes that are translated, and whole numbers of many rows.
"""

from __future__ import annotations

from itertools import compress
from struct import Struct
from typing import Any, Callable, Collection, Generic, Hashable, Iterator, Mapping, Sequence, TypeVar, cast

from .bitmap import Bitmap, pack
from .kinds import (
    ABSENT, ANY_BINARY, ANY_BOOLEAN, ANY_DOUBLE, ANY_INT, ANY_LIST, ANY_MAP, ANY_NODE, ANY_TEXT, ATTRIBUTES_NODE, BINARY_NODE,
    BOOLEAN_NODE, DICTIONARY_NODE, DOUBLE_NODE, EMPTY, ID16_NODE, ID8_NODE, INT32_NODE, INT64_NODE, LIST_NODE, MAP_NODE, NAMES,
    NO_TYPE, SEQUENCE_NODE, TEXT_NODE, UINT32_NODE, UINT64_NODE, UINT8_NODE, Error, ListValue, MapValue, Value,
)  # fmt: skip

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)

_HEADER = Struct("<II")
_HEADER_BYTES = 8
_NODE_FIELDS = 6
_NODE_BYTES = 24

# Of the highest byte of a number: its highest bit, as the digit that `int(..., 2)` reads.
_TOP_DIGITS = b"0" * 128 + b"1" * 128
# What one byte tells apart.
_PAGE = 256


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
                layout = _LAYOUTS[nodes] = Struct(f"<{nodes * _NODE_FIELDS}I")
            fields = layout.unpack_from(data, _HEADER_BYTES)
        else:
            # A later version's nodes are longer: what they have more is not looked at.
            layout = Struct(f"<{_NODE_FIELDS}I")
            starts = range(_HEADER_BYTES, _HEADER_BYTES + nodes * node_bytes, node_bytes)
            fields = tuple(field for start in starts for field in layout.unpack_from(data, start))
        self.fields = fields
        # How many children each node has says where each column starts. Blocks of one plugin mostly have few shapes.
        shape = fields[2::_NODE_FIELDS]
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
            node += _NODE_FIELDS
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


def take(table: bytes, keys: bytes, others: bytes | None = None) -> bytes:
    """The table's byte for each key, a u32 each. Rows that are 255 in `others`, where the rest is 0, get any byte."""
    if len(table) <= _PAGE:
        return keys[::4].translate(table.ljust(_PAGE, b"\0"))
    if len(table) < _PAGE * 255:
        pages = [table[start : start + _PAGE].ljust(_PAGE, b"\0") for start in range(0, len(table), _PAGE)]
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


class Boolean(Values[bool]):
    """Truth values, a bit each."""

    __slots__ = ()

    def true(self) -> Bitmap:
        """The rows that are true."""
        return self._bitmap(self._bits())

    def false(self) -> Bitmap:
        """The rows that are false."""
        return self._bitmap(self._bits() ^ ((1 << self.rows) - 1))

    def raw(self) -> Sequence[bool]:
        return [flag == 1 for flag in Bitmap(self.rows, self._bits()).flags()]

    def matches(self, wanted: Callable[[bool], object]) -> Bitmap:
        rows = Bitmap(self.rows)
        if wanted(True):
            rows |= self.true()
        if wanted(False):
            rows |= self.false()
        return rows

    def equals(self, value: bool) -> Bitmap:
        return self.true() if value else self.false()

    def _bits(self) -> int:
        size = (self.rows + 7) >> 3
        return int.from_bytes(self.block.part(self.block.fields[self.node + 5], size), "little") & ((1 << self.rows) - 1)


# For each width: a whole number that is 1 in each of so many rows. That of fewer rows is its end.
_ONES: dict[int, tuple[int, int]] = {}
# The first one made is of so many rows, so that small slices do not make many.
_ONES_ROWS = 128


def _ones(width: int, rows: int) -> int:
    have, ones = _ONES.get(width, (0, 0))
    if have < rows:
        have = max(rows, _ONES_ROWS)
        ones = int.from_bytes((b"\1" + bytes(width - 1)) * have, "little")
        _ONES[width] = (have, ones)
    return ones >> (width * 8 * (have - rows))


class Numbers(Values[T]):
    """What columns of numbers have in common."""

    __slots__ = ()

    _code = "d"
    _width = 8

    def raw(self) -> Sequence[T]:
        return cast("Sequence[T]", memoryview(self._bytes()).cast(cast("Any", self._code)))

    def to_list(self) -> list[T | None]:
        return cast("list[T | None]", cast("memoryview", self.raw()).tolist()) if self._valid is None else list(self)

    def _bytes(self) -> bytes:
        start, size = self.block.fields[self.node + 5], self.rows * self._width
        return self.block.data[start : start + size] if start else bytes(size)


class Integers(Numbers[int]):
    """Whole numbers. `column > 5` and the like give the rows of which that is true, all at once."""

    __slots__ = ()

    _signed = False

    def __ge__(self, value: int) -> Bitmap:
        return self._bitmap(self._at_least(value))

    def __gt__(self, value: int) -> Bitmap:
        return self._bitmap(self._at_least(value + 1))

    def __lt__(self, value: int) -> Bitmap:
        return self._bitmap(self._at_least(value) ^ ((1 << self.rows) - 1))

    def __le__(self, value: int) -> Bitmap:
        return self._bitmap(self._at_least(value + 1) ^ ((1 << self.rows) - 1))

    def between(self, low: int, high: int) -> Bitmap:
        """The rows from `low` to `high`, both included."""
        return self._bitmap(self._at_least(low) & ~self._at_least(high + 1))

    def equals(self, value: int) -> Bitmap:
        return self._bitmap(self._equal(value))

    def isin(self, values: Collection[int]) -> Bitmap:
        bits = 0
        for value in values:
            bits |= self._equal(value)
        return self._bitmap(bits)

    def matches(self, wanted: Callable[[int], object]) -> Bitmap:
        width, data = self._width, self._bytes()
        if width > 1:
            # Kinds, codes and severities are small numbers in wide rows: then only the lowest byte differs.
            if int.from_bytes(data, "little") & _ones(width, self.rows) * ((1 << width * 8) - _PAGE):
                return super().matches(wanted)
            data = data[::width]
        table = bytearray(_PAGE)
        for value in set(data):
            if wanted(value):
                table[value] = 1
        return self._bitmap(pack(data.translate(table)))

    # All rows are one whole number, in which each has its width of bits. A subtraction in all of them at once leaves in the
    # highest bit of each whether it borrowed, since that bit was set before and no borrow leaves a row.

    def _at_least(self, value: int) -> int:
        width, rows = self._width, self.rows
        shift = width * 8 - 1
        # The value as the row's bits: its highest, and the rest.
        rest = value & ((1 << shift) - 1)
        highest = value >> shift
        if highest != 0 and highest != (-1 if self._signed else 1):
            # No number of this type is as large, or as small.
            return 0 if value > 0 else (1 << rows) - 1
        data = self._bytes()
        if width == 1:
            return int(data[::-1].translate(b"0" * value + b"1" * (_PAGE - value)), 2) if rows else 0
        ones = _ones(width, rows)
        high = ones << shift
        numbers = int.from_bytes(data, "little")
        left = (numbers | high) - ones * rest
        if self._signed:
            numbers ^= high
            left = left | numbers if highest else left & numbers
        else:
            left = left & numbers if highest else left | numbers
        return int(left.to_bytes(width * rows, "big")[::width].translate(_TOP_DIGITS), 2) if rows else 0

    def _equal(self, value: int) -> int:
        width, rows = self._width, self.rows
        try:
            wanted = value.to_bytes(width, "little", signed=self._signed)
        except OverflowError:
            return 0
        data = self._bytes()
        if not rows:
            return 0
        lowest = b"0" * wanted[0] + b"1" + b"0" * (_PAGE - 1 - wanted[0])
        if width == 1:
            return int(data[::-1].translate(lowest), 2)
        if width == 4:
            if (
                data[3::4].count(wanted[3]) == rows
                and data[2::4].count(wanted[2]) == rows
                and data[1::4].count(wanted[1]) == rows
            ):
                return int(data[-4::-4].translate(lowest), 2)
        ones = _ones(width, rows)
        differs = int.from_bytes(data, "little") ^ ones * int.from_bytes(wanted, "little")
        differs |= (differs | ones << (width * 8 - 1)) - ones
        differing = int(differs.to_bytes(width * rows, "big")[::width].translate(_TOP_DIGITS), 2)
        return differing ^ ((1 << rows) - 1)


class _UInt8(Integers):
    __slots__ = ()
    _code, _width = "B", 1


class _UInt32(Integers):
    __slots__ = ()
    _code, _width = "I", 4


class _Int32(Integers):
    __slots__ = ()
    _code, _width, _signed = "i", 4, True


class _UInt64(Integers):
    __slots__ = ()
    _code = "Q"


class _Int64(Integers):
    __slots__ = ()
    _code, _signed = "q", True


class Doubles(Numbers[float]):
    """Floating point numbers. `column > 0.5` and the like give the rows of which that is true."""

    __slots__ = ()

    def __ge__(self, value: float) -> Bitmap:
        return self._bitmap(pack(bytes([number >= value for number in self._list()])))

    def __gt__(self, value: float) -> Bitmap:
        return self._bitmap(pack(bytes([number > value for number in self._list()])))

    def __lt__(self, value: float) -> Bitmap:
        return self._bitmap(pack(bytes([number < value for number in self._list()])))

    def __le__(self, value: float) -> Bitmap:
        return self._bitmap(pack(bytes([number <= value for number in self._list()])))

    def between(self, low: float, high: float) -> Bitmap:
        """The rows from `low` to `high`, both included."""
        return self._bitmap(pack(bytes([low <= number <= high for number in self._list()])))

    def equals(self, value: float) -> Bitmap:
        return self._bitmap(pack(bytes([number == value for number in self._list()])))

    def _list(self) -> list[float]:
        return cast("list[float]", cast("memoryview", self.raw()).tolist())


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


# Small dictionaries, and what they were read as. Lists, which are not changed.
_KEPT: dict[tuple[bytes, bytes], list[str]] = {}
_KEPT_MAX = 256
_KEPT_BYTES_MAX = 2048


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

    __slots__ = ("_distinct",)

    _distinct: list[str] | None

    def __init__(self, block: Block, node: int) -> None:
        Column.__init__(self, block, node)
        self._distinct = None

    @property
    def is_dictionary(self) -> bool:
        """Whether there is a dictionary."""
        return self.block.fields[self.node] == DICTIONARY_NODE

    @property
    def distinct(self) -> list[str]:
        """The dictionary, in which values may repeat and may belong to no row; without one, what lies at each row."""
        if self._distinct is None:
            fields, node, bytes_ = self.block.fields, self.node, self.block.data
            if fields[node] == DICTIONARY_NODE:
                node += _NODE_FIELDS
            size = fields[node + 1] * 4 + 4
            start = fields[node + 4]
            offsets = bytes_[start : start + size] if start else bytes(size)
            start = fields[node + 5]
            data = bytes_[start : start + int.from_bytes(offsets[-4:], "little")] if start else b""
            if size > _KEPT_BYTES_MAX or len(data) > _KEPT_BYTES_MAX:
                self._distinct = _texts(offsets, data)
            else:
                # The same few services, methods and codes come again and again.
                found = _KEPT.get((offsets, data))
                if found is None:
                    if len(_KEPT) >= _KEPT_MAX:
                        _KEPT.clear()
                    found = _KEPT[offsets, data] = _texts(offsets, data)
                self._distinct = found
        return self._distinct

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
        return self._where(bytes([_YES if found in values else _NO for found in self.distinct]))

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
        if len(texts) < _PAGE:
            plane = self._take(bytes(slots))
            if self._valid is not None:
                has = self.valid.flags()
                if missing_slot:
                    plane = bytes([slot if here else missing_slot for slot, here in zip(plane, has)])
                else:
                    plane = bytes([slot if here else 0 for slot, here in zip(plane, has)])
            return Bitmap(self.rows, pack(plane)), Mapped(list(texts), plane.translate(_MINUS_ONE, b"\0"))
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
        return self.node + _NODE_FIELDS if self.is_dictionary else self.node

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
        if len(digits) <= _PAGE:
            # The lowest byte of each key, the last row first.
            low = self.block.data[start + rows * 4 - 4 : start - 1 : -4]
            return self._bitmap(int(low.translate(digits.ljust(_PAGE, b"0")), 2))
        return self._bitmap(int(take(digits, self._keys())[::-1], 2))


_YES, _NO = b"10"
_MINUS_ONE = bytes([0]) + bytes(range(255))


class Mapped:
    """Texts that rows are given, each distinct one once: `texts`, and for each row the place of its own in them."""

    __slots__ = ("texts", "keys")

    texts: list[str]
    keys: bytes | list[int]
    """A byte for each row where there are fewer than 256 texts."""

    def __init__(self, texts: list[str], keys: bytes | list[int]) -> None:
        self.texts = texts
        self.keys = keys


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
        child = node + _NODE_FIELDS
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
        if len(texts) < _PAGE:
            plane = bytearray(self.rows)
            self._put(plane, text._take(bytes(slots)))
            data = bytes(plane)
            return Bitmap(self.rows, pack(data)), Mapped(list(texts), data.translate(_MINUS_ONE, b"\0"))
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
        self.keys = Text(block, node + _NODE_FIELDS)
        self.values = Dynamic(block, block.after(node + _NODE_FIELDS))

    def __getitem__(self, row: int) -> list[tuple[str, Value]]:
        """The row's attributes, in order."""
        return [(cast(str, self.keys[place]), self.values[place]) for place in self.places(row)]

    def __iter__(self) -> Iterator[list[tuple[str, Value]]]:
        entries = list(zip(self.keys.raw(), self.values.to_list()))
        return iter([[entries[place] for place in self.places(row)] for row in range(self.rows)])


V = TypeVar("V", bound=Column)


class Lists(Rows, Generic[V]):
    """Several values for each row: a field of its events, links or exemplars; a histogram's buckets."""

    __slots__ = ("values",)

    values: V
    """The values of all rows, one behind the other: a column of its own."""

    def __init__(self, block: Block, node: int) -> None:
        super().__init__(block, node)
        self.values = block.view(node + _NODE_FIELDS)

    def __getitem__(self, row: int) -> list[Any]:
        """The row's values, in order."""
        values = cast("Sequence[Any]", self.values)
        return [values[place] for place in self.places(row)]

    def __iter__(self) -> Iterator[list[Any]]:
        return iter([self[row] for row in range(self.rows)])


VIEWS: Mapping[int, Callable[[Block, int], Column]] = {
    BOOLEAN_NODE: Boolean, UINT8_NODE: _UInt8, UINT32_NODE: _UInt32, INT32_NODE: _Int32, UINT64_NODE: _UInt64,
    INT64_NODE: _Int64, DOUBLE_NODE: Doubles, ID8_NODE: Ids, ID16_NODE: Ids, TEXT_NODE: Text, BINARY_NODE: Binary,
    DICTIONARY_NODE: Text, ANY_NODE: Dynamic, LIST_NODE: Binary, MAP_NODE: Binary, SEQUENCE_NODE: Lists,
    ATTRIBUTES_NODE: Attributes,
}  # fmt: skip
