"""Which rows of a slice belong together, in a stage with `group_by:`.

    def process(self, slice: Slice, verdict: Verdict) -> None:
        failed = slice.groups.any(slice[self.status].equals(2))
        verdict.keep_groups(failed)

Facts about a group are columns with a value for each group instead of each row: `group.waited_ms`, as `UINT32`, is how long its first row
waited; `group.reason`, as `TEXT`, why it is decided now: `wait`, `full`, `rows` or `closed`.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Iterator

from .bitmap import Bitmap
from .kinds import Error


class Groups:
    """The groups of a slice. `len(groups)` is their number, `groups[number]` and iteration give the rows of one as a `range`."""

    __slots__ = ("starts",)

    starts: list[int]
    """Where each group starts, and the end; empty: the stage has no groups."""

    def __init__(self, data: bytes, rows: int) -> None:
        if len(data) % 4:
            raise Error(f"the groups of a slice in {len(data)} bytes, expected a u32 for each and one more")
        self.starts = memoryview(data).cast("I").tolist()
        if self.starts and (self.starts != sorted(self.starts) or self.starts[0] != 0 or self.starts[-1] != rows):
            raise Error(f"the groups of a slice of {rows} rows start at {self.starts[:8]}")

    def __len__(self) -> int:
        return max(len(self.starts) - 1, 0)

    def __getitem__(self, number: int) -> range:
        if not 0 <= number < len(self):
            raise IndexError(f"group {number} of {len(self)}")
        return range(self.starts[number], self.starts[number + 1])

    def __iter__(self) -> Iterator[range]:
        return map(range, self.starts, self.starts[1:])

    def any(self, rows: Bitmap) -> Bitmap:
        """The groups that have one of these rows."""
        starts, found = self.starts, bytearray(len(self))
        if found:
            for row in rows:
                found[bisect_right(starts, row) - 1] = 1
        return Bitmap.from_flags(found)

    def expand(self, groups: Bitmap) -> Bitmap:
        """The rows of these groups."""
        bits = 0
        for number in groups:
            start = self.starts[number]
            bits |= (1 << self.starts[number + 1]) - (1 << start)
        return Bitmap(self.starts[-1] if self.starts else 0, bits)
