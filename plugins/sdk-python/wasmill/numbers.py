"""Columns of numbers and truth values."""

from __future__ import annotations

from typing import Any, Callable, Collection, Sequence, TypeVar, cast

from .bitmap import Bitmap, pack
from .block import VIEWS, Values
from .kinds import BOOLEAN_NODE, DOUBLE_NODE, INT32_NODE, INT64_NODE, UINT8_NODE, UINT32_NODE, UINT64_NODE

T = TypeVar("T")

# Of the highest byte of a number: its highest bit, as the digit that `int(..., 2)` reads.
_TOP_DIGITS = b"0" * 128 + b"1" * 128
# What one byte tells apart.
_PAGE = 256


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
        bits = self._at_least(value)
        return Bitmap(self.rows, bits if self._valid is None else bits & self._valid)

    def __gt__(self, value: int) -> Bitmap:
        bits = self._at_least(value + 1)
        return Bitmap(self.rows, bits if self._valid is None else bits & self._valid)

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
        start = self.block.fields[self.node + 5]
        data = self.block.data[start : start + rows * width]
        if not rows:
            return 0
        if width == 1:
            return int(data[::-1].translate(b"0" * value + b"1" * (_PAGE - value)), 2)
        ones = _ones(width, rows)
        high = ones << shift
        numbers = int.from_bytes(data, "little")
        left = (numbers | high) - ones * rest
        if self._signed:
            numbers ^= high
            left = left | numbers if highest else left & numbers
        else:
            left = left & numbers if highest else left | numbers
        return int(left.to_bytes(width * rows, "big")[::width].translate(_TOP_DIGITS), 2)

    def _equal(self, value: int) -> int:
        width, rows = self._width, self.rows
        try:
            wanted = value.to_bytes(width, "little", signed=self._signed)
        except OverflowError:
            return 0
        start = self.block.fields[self.node + 5]
        data = self.block.data[start : start + rows * width]
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


VIEWS.update({
    BOOLEAN_NODE: Boolean, UINT8_NODE: _UInt8, UINT32_NODE: _UInt32, INT32_NODE: _Int32, UINT64_NODE: _UInt64,
    INT64_NODE: _Int64, DOUBLE_NODE: Doubles,
})  # fmt: skip
