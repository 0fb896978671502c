"""What the SDK answers about whole columns is what a look at each row answers, on generated columns of many sizes.

From the folder above: `python3 -m unittest discover tests`.
"""

from __future__ import annotations

import random
import sys
import unittest
from array import array
from pathlib import Path
from typing import Any, Callable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from wasmill import EMPTY, Bitmap, Entries, Error, ListValue, MapValue, RouteSet, Verdict, build, quote  # noqa: E402
from wasmill.block import Block  # noqa: E402
from wasmill.text import take  # noqa: E402
from wasmill.verdict import route_numbers  # noqa: E402

SIZES = (1, 2, 7, 8, 9, 63, 64, 65, 200, 1000)


def view(node: build.Node) -> Any:
    """The column as it is read behind its block."""
    block = Block(build.block(node))
    return block.view(block.roots[0])


def rows_of(values: list[Any], wanted: Callable[[Any], bool]) -> list[int]:
    return [row for row, value in enumerate(values) if value is not None and wanted(value)]


class Bitmaps(unittest.TestCase):
    def test_bits_survive_bytes_at_every_length(self) -> None:
        for rows in range(1, 200):
            wanted = [row for row in range(rows) if row % 3 == 0 or row == rows - 1]
            bitmap = Bitmap.of(rows, wanted)
            data = bytearray(bitmap.to_bytes())
            self.assertEqual(len(data), (rows + 7) // 8)
            if rows % 8:
                data[-1] |= 0xFF << rows % 8 & 0xFF
            self.assertEqual(Bitmap.from_bytes(rows, bytes(data)), bitmap)
            self.assertEqual(list(bitmap), wanted)
            self.assertEqual(bitmap.count(), len(wanted))
            self.assertEqual(list(~bitmap), [row for row in range(rows) if row not in wanted])
            self.assertEqual(bitmap.indices(), array("I", wanted).tobytes())

    def test_indices_of_many_rows(self) -> None:
        for rows in (256, 257, 65_536, 70_000):
            wanted = sorted(random.Random(rows).sample(range(rows), rows // 3))
            self.assertEqual(Bitmap.of(rows, wanted).indices(), array("I", wanted).tobytes())

    def test_sets(self) -> None:
        a, b = Bitmap.of(10, [1, 2, 3]), Bitmap.of(10, [3, 4])
        self.assertEqual([list(a & b), list(a | b), list(a ^ b), list(a - b)], [[3], [1, 2, 3, 4], [1, 2, 4], [1, 2]])
        self.assertTrue(3 in a and 4 not in a and 11 not in a and a and not Bitmap.none(3) and Bitmap.all(3).is_all())
        self.assertEqual(len(a), 10)


class Columns(unittest.TestCase):
    def test_comparisons_of_whole_numbers(self) -> None:
        kinds = {"uint8": (0, 8), "uint32": (0, 32), "int32": (1, 32), "uint64": (0, 64), "int64": (1, 64)}
        for kind, (signed, bits) in kinds.items():
            low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
            for rows in SIZES:
                seed = random.Random(f"{kind} {rows}")
                edges = [low, low + 1, high, high - 1, 0, 1, 5, 255, 256, -1, -256]
                edges = [edge for edge in edges if low <= edge <= high]
                for small in (False, True):
                    draw = (lambda: seed.randrange(6)) if small else lambda: seed.choice([*edges, seed.randint(low, high)])
                    values = [None if seed.random() < 0.1 else draw() for _ in range(rows)]
                    column = view(getattr(build, kind)(values))
                    self.assertEqual(column.to_list(), values)
                    for edge in [*edges, low - 1, high + 1, 3, -7]:
                        for name, compare in COMPARE.items():
                            found = list(getattr(column, name)(edge))
                            self.assertEqual(found, rows_of(values, lambda value: compare(value, edge)), (kind, name, edge))
                    self.assertEqual(list(column.isin([1, 5, high])), rows_of(values, lambda value: value in (1, 5, high)))
                    self.assertEqual(list(column.between(1, 4)), rows_of(values, lambda value: 1 <= value <= 4))
                    self.assertEqual(list(column.matches(lambda value: value % 3 == 1)), rows_of(values, lambda v: v % 3 == 1))

    def test_doubles_and_truth_values(self) -> None:
        for rows in SIZES:
            seed = random.Random(rows)
            doubles = [seed.choice([None, 0.0, -0.0, float("nan"), float("inf"), 1.5, -2.5]) for _ in range(rows)]
            column = view(build.double(doubles))
            for name, compare in COMPARE.items():
                self.assertEqual(list(getattr(column, name)(0.0)), rows_of(doubles, lambda value: compare(value, 0.0)))
            flags = [seed.choice([None, True, False]) for _ in range(rows)]
            column = view(build.boolean(flags))
            self.assertEqual(column.to_list(), flags)
            self.assertEqual(list(column.true()), rows_of(flags, lambda value: value))
            self.assertEqual(list(column.matches(lambda value: not value)), rows_of(flags, lambda value: not value))

    def test_bytes_and_ids(self) -> None:
        values = [b"12345678", None, b"abcdefgh", b"12345678"]
        for kind in ("binary", "id8"):
            column = view(getattr(build, kind)(values))
            self.assertEqual(column.to_list(), values)
            self.assertEqual(list(column.equals(b"12345678")), [0, 3])
            self.assertEqual((column[0], column[1], column[-2]), (b"12345678", None, b"abcdefgh"))
        self.assertEqual(view(build.id16([b"x" * 16])).to_list(), [b"x" * 16])
        with self.assertRaisesRegex(Error, "an id of 3 bytes, expected 8"):
            build.id8([b"abc"])

    def test_text_in_both_forms(self) -> None:
        for distinct in (1, 3, 200, 256, 257, 700):
            for rows in SIZES:
                seed = random.Random(f"{distinct} {rows}")
                texts = [f"välue {at}" if at % 5 == 0 else f"value {at}" for at in range(distinct)]
                keys = [seed.randrange(distinct) for _ in range(rows)]
                has = [seed.random() > 0.2 for _ in range(rows)]
                values = [texts[key] if here else None for key, here in zip(keys, has)]
                dictionary = build.dictionary(keys, texts)
                dictionary.validity = Bitmap.from_flags(has).to_bytes()
                for node in (build.text(values), dictionary):
                    column = view(node)
                    self.assertEqual(column.to_list(), values)
                    self.assertEqual([column[row] for row in range(rows)], values)
                    self.assertEqual(list(column.matches(lambda v: v[-1] in "135")), rows_of(values, lambda v: v[-1] in "135"))
                    self.assertEqual(list(column.equals("value 2")), rows_of(values, lambda v: v == "value 2"))
                    self.assertEqual(list(column.isin({"välue 0", "value 1"})), rows_of(values, lambda v: v[-2:] in (" 0", " 1")))
                    self.check_partition(column, values)
                    self.check_replaced(column, values)

    def check_partition(self, column: Any, values: list[str | None]) -> None:
        groups = column.partition(lambda value: value[-1] if value[-1] < "6" else None)
        for name, rows in groups.items():
            self.assertEqual(list(rows), rows_of(values, lambda value: value[-1] == name))
        self.assertEqual(sum(rows.count() for rows in groups.values()), len(rows_of(values, lambda value: value[-1] < "6")))

    def check_replaced(self, column: Any, values: list[str | None]) -> None:
        for missing in (None, "none"):
            for replace in (lambda value: value.upper(), lambda value: "even" if value[-1] in "02468" else None):
                rows, texts = column.replaced(replace, missing)
                expected = {row: missing if value is None else replace(value) for row, value in enumerate(values)}
                expected = {row: text for row, text in expected.items() if text is not None}
                self.assertEqual(list(rows), list(expected))
                self.assertEqual([texts.texts[key] for key in texts.keys], list(expected.values()))

    def test_typed_by_row(self) -> None:
        for distinct in (3, 300, 5000):
            for rows in (*SIZES, 3000):
                seed = random.Random(f"{distinct} {rows}")

                def draw() -> Any:
                    others = [None, EMPTY, 7, -1.5, True, b"x", ListValue(b"l"), MapValue(b"m")]
                    return f"text {seed.randrange(distinct)}" if seed.random() < 0.6 else seed.choice(others)

                values = [draw() for _ in range(rows)]
                for node in (build.dynamic(values), shared(values)):
                    column = view(node)
                    self.assertEqual(column.to_list(), values)
                    self.assertEqual([column[row] for row in range(rows)], values)
                    wanted = lambda value: value is None or value == 7 or isinstance(value, str) and value[-1] == "2"  # noqa: E731
                    self.assertEqual(list(column.matches(wanted)), [row for row, value in enumerate(values) if wanted(value)])
                    for replace in (lambda value: value.replace("1", "#"), lambda value: "#" if value[-1] in "13" else None):
                        rows_replaced, texts = column.replaced_texts(replace)
                        expected = {
                            row: replace(value)
                            for row, value in enumerate(values)
                            if isinstance(value, str) and replace(value) not in (None, value)
                        }
                        self.assertEqual(list(rows_replaced), list(expected))
                        self.assertEqual([texts.texts[key] for key in texts.keys], list(expected.values()))

    def test_attributes_and_lists(self) -> None:
        maps: list[Any] = [{"a": "x", "b": 1}, [], [("a", "y"), ("a", None)], {"c": EMPTY}]
        column = view(build.attributes(maps))
        entries = [[("a", "x"), ("b", 1)], [], [("a", "y"), ("a", None)], [("c", EMPTY)]]
        self.assertEqual(list(column), entries)
        self.assertEqual([column[row] for row in range(4)], entries)
        self.assertEqual(list(column.places(2)), [2, 3])
        column = view(build.sequence([2, 0, 1], build.int64([1, 2, 3])))
        self.assertEqual(list(column), [[1, 2], [], [3]])
        self.assertEqual(list(column.values > 1), [1, 2])

    def test_keys_of_a_long_table(self) -> None:
        for size in (300, 2000, 10_000, 70_000):
            for rows in (1, 500, 5000):
                seed = random.Random(f"{size} {rows}")
                sparse = bytearray(size)
                sparse[seed.randrange(size)] = 1
                for table in (bytes(sparse), seed.randbytes(size)):
                    scattered = [seed.randrange(size) for _ in range(rows)]
                    for keys in (scattered, sorted(scattered), [min(row, size - 1) for row in range(rows)]):
                        self.assertEqual(take(table, array("I", keys).tobytes()), bytes([table[key] for key in keys]))


def shared(values: list[Any]) -> build.Node:
    """The same as `build.dynamic`, with each text once, and rows that share places."""
    node = build.dynamic(values)
    texts = [value for value in values if isinstance(value, str)]
    distinct = list(dict.fromkeys(texts))
    children = [child for child in node.children if child.kind != 9]
    if texts:
        children.append(build.dictionary(list(range(len(distinct))), distinct))
    places = array("I")
    places.frombytes(node.offsets)
    for row, value in enumerate(values):
        if isinstance(value, str):
            places[row] = distinct.index(value)
    node.offsets = places.tobytes()
    node.children = children
    return node


class Blocks(unittest.TestCase):
    def test_an_empty_block_has_no_columns(self) -> None:
        self.assertEqual(Block(b"").roots, [])

    def test_longer_nodes_of_a_later_version_are_read(self) -> None:
        short = build.block(build.int32([1, 2, 3]), build.dictionary([0, 1, 0], ["a", "b"]))
        nodes, more = 3, 8
        head = bytearray(nodes.to_bytes(4, "little") + (24 + more).to_bytes(4, "little"))
        for node in range(nodes):
            fields = array("I")
            fields.frombytes(short[8 + node * 24 : 32 + node * 24])
            for part in (3, 4, 5):
                fields[part] += nodes * more if fields[part] else 0
            head += fields.tobytes() + b"?" * more
        block = Block(bytes(head) + short[8 + nodes * 24 :])
        self.assertEqual(block.view(block.roots[0]).to_list(), [1, 2, 3])
        self.assertEqual(block.view(block.roots[1]).to_list(), ["a", "b", "a"])

    def test_parts_are_aligned_and_do_not_overlap(self) -> None:
        data = build.block(build.text(["a", "bcd"]), build.uint8([1, 2, 3]))
        block = Block(data)
        starts = [start for node in block.roots for start in block.fields[node + 3 : node + 6] if start]
        self.assertEqual([start % 8 for start in starts], [0] * len(starts))
        self.assertEqual(block.view(block.roots[0]).to_list(), ["a", "bcd"])


def numbers_of(verdict: Verdict) -> Any:
    return route_numbers(verdict.rows, verdict.route_of_all, verdict.routes)


class Verdicts(unittest.TestCase):
    def test_routes_of_rows(self) -> None:
        verdict = Verdict(5)
        self.assertIsNone(numbers_of(verdict))
        verdict.route(RouteSet(1), Bitmap.of(5, [0, 1]))
        verdict.route(RouteSet(300), Bitmap.of(5, [1, 4]))
        numbers = numbers_of(verdict)
        self.assertEqual(memoryview(numbers).cast("H").tolist(), [1, 300, 65535, 65535, 300])  # type: ignore[arg-type]
        verdict.route(RouteSet(2))
        self.assertEqual(numbers_of(verdict), 2)

    def test_targets_take_the_shorter_form(self) -> None:
        verdict = Verdict(100)
        for rows in (None, Bitmap.all(100), Bitmap.of(100, [5]), Bitmap.of(100, range(50)), [7, 3], Entries([9]), [], Bitmap(100)):
            verdict.remove("name", rows)
        self.assertEqual([edit.target for edit in verdict.edits], ["all", "all", "indices", "rows", "indices", "entries"])

    def test_a_bitmap_of_other_rows_is_refused(self) -> None:
        with self.assertRaisesRegex(Error, "a bitmap over 4 rows, the slice has 5"):
            Verdict(5).keep(Bitmap.all(4))

    def test_keys_are_quoted(self) -> None:
        self.assertEqual(quote('a"b\\c'), '"a\\"b\\\\c"')


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "__ge__": lambda a, b: a >= b,
    "__gt__": lambda a, b: a > b,
    "__le__": lambda a, b: a <= b,
    "__lt__": lambda a, b: a < b,
    "equals": lambda a, b: a == b,
}

if __name__ == "__main__":
    unittest.main()
