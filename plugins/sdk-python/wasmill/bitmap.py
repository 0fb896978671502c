"""Bitmaps: which rows.

A bitmap is one whole number, its least significant bit the first row. Python computes with whole numbers of any length in
compiled code, so that `a & b` over thousands of rows costs less than a look at ten of them one by one.
"""

from __future__ import annotations

from array import array
from itertools import compress
from typing import Iterable, Iterator

# A byte for each row, 0 or 1, as the digit that `int(..., 2)` reads.
_DIGITS = bytes([0x30]) + bytes([0x31]) * 255
# The same back.
_FLAGS = bytes(0x31) + bytes([1]) + bytes(0xCE)


_LOW = bytes(range(256))
# Rows whose numbers have two bytes.
_PLANES_ROWS = 65_536


class Bitmap:
    """A set of rows of a slice, or of entries of a column.

    `a & b`, `a | b`, `a ^ b`, `a - b` and `~a` make new ones; iterating gives the numbers of the rows that are in it, ascending;
    `row in a` asks for one; `if a:` asks whether there is any. `len(a)` is the number of rows that it is over, `a.count()` of
    those in it.
    """

    __slots__ = ("bits", "rows")

    bits: int
    """The rows, the first one the least significant bit. No bit is set behind the last row."""
    rows: int
    """How many rows it is over."""

    def __init__(self, rows: int, bits: int = 0) -> None:
        self.rows = rows
        self.bits = bits

    @classmethod
    def all(cls, rows: int) -> Bitmap:
        """Every row."""
        return cls(rows, (1 << rows) - 1)

    @classmethod
    def none(cls, rows: int) -> Bitmap:
        """No row."""
        return cls(rows)

    @classmethod
    def of(cls, rows: int, numbers: Iterable[int]) -> Bitmap:
        """The rows of these numbers."""
        flags = bytearray(rows)
        for row in numbers:
            flags[row] = 1
        return cls.from_flags(flags)

    @classmethod
    def from_flags(cls, flags: Iterable[bool] | bytes | bytearray) -> Bitmap:
        """From a truth value for each row: a list of `bool`, or a byte for each row, 0 or other."""
        if not isinstance(flags, (bytes, bytearray)):
            flags = bytes([True if flag else False for flag in flags])
        return cls(len(flags), pack(bytes(flags)))

    @classmethod
    def from_bytes(cls, rows: int, data: bytes) -> Bitmap:
        """From the contract's form: a bit for each row, the spare ones without meaning."""
        return cls(rows, int.from_bytes(data, "little") & ((1 << rows) - 1))

    def to_bytes(self) -> bytes:
        """The contract's form: a bit for each row, rounded up to whole bytes."""
        return self.bits.to_bytes((self.rows + 7) >> 3, "little")

    def flags(self) -> bytes:
        """A byte for each row, 0 or 1."""
        return format(self.bits, f"0{self.rows}b")[::-1].encode().translate(_FLAGS) if self.rows else b""

    def count(self) -> int:
        """The number of rows that are in it."""
        return self.bits.bit_count()

    def is_all(self) -> bool:
        """Whether every row is in it."""
        return self.bits == (1 << self.rows) - 1

    def indices(self) -> bytes:
        """The numbers of the rows that are in it, each a u32, as the contract has them."""
        flags = self.flags()
        if self.rows > _PLANES_ROWS:
            return array("I", compress(range(self.rows), flags)).tobytes()
        # The lowest bytes are small numbers, of which Python has one object each; the second ones lie in runs.
        low = bytes(compress(_LOW * (-(-self.rows // 256)), flags))
        high = [bytes([page]) * flags.count(1, page * 256, page * 256 + 256) for page in range(-(-self.rows // 256))]
        numbers = bytearray(len(low) * 4)
        numbers[::4] = low
        numbers[1::4] = b"".join(high)
        return bytes(numbers)

    def __len__(self) -> int:
        return self.rows

    def __bool__(self) -> bool:
        return self.bits != 0

    def __iter__(self) -> Iterator[int]:
        return compress(range(self.rows), self.flags())

    def __contains__(self, row: int) -> bool:
        return 0 <= row < self.rows and self.bits >> row & 1 == 1

    def __and__(self, other: Bitmap) -> Bitmap:
        return Bitmap(self.rows, self.bits & other.bits)

    def __or__(self, other: Bitmap) -> Bitmap:
        return Bitmap(self.rows, (self.bits | other.bits) & ((1 << self.rows) - 1))

    def __xor__(self, other: Bitmap) -> Bitmap:
        return Bitmap(self.rows, (self.bits ^ other.bits) & ((1 << self.rows) - 1))

    def __sub__(self, other: Bitmap) -> Bitmap:
        return Bitmap(self.rows, self.bits & ~other.bits)

    def __invert__(self) -> Bitmap:
        return Bitmap(self.rows, self.bits ^ ((1 << self.rows) - 1))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bitmap) and self.rows == other.rows and self.bits == other.bits

    def __hash__(self) -> int:
        return hash((self.rows, self.bits))

    def __repr__(self) -> str:
        return f"Bitmap.of({self.rows}, {list(self)})"


def pack(flags: bytes) -> int:
    """The whole number of a byte for each row, 0 or other."""
    return int(flags[::-1].translate(_DIGITS), 2) if flags else 0
