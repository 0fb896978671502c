"""What a plugin may do besides deciding about rows: groups, tables, state, new records, ticks, snapshots.

From the folder above: `python3 -m unittest discover tests`.
"""

from __future__ import annotations

import sys
import unittest
from array import array
from pathlib import Path
from typing import Any, Callable, Iterable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from wasmill import (  # noqa: E402
    TEXT, UINT32, Bitmap, Emissions, Error, Failure, HostError, Plugin, Requirements, RouteSet, Signal, Slice, Use, Verdict, build, host,
)  # noqa: E402  # fmt: skip
from wasmill.block import Block  # noqa: E402
from wasmill.groups import Groups  # noqa: E402
from wasmill.testing import Harness  # noqa: E402
from wasmill.verdict import route_numbers  # noqa: E402

STARTS = array("I", [0, 2, 3, 6]).tobytes()
"""Six rows in three groups: 0 and 1, 2, 3 to 5."""


def three(*numbers: int) -> Bitmap:
    return Bitmap.of(3, numbers)


class OfGroups(unittest.TestCase):
    def test_they_are_rows_that_belong_together(self) -> None:
        groups = Groups(STARTS, 6)
        self.assertEqual([list(rows) for rows in groups], [[0, 1], [2], [3, 4, 5]])
        self.assertEqual((len(groups), groups[2]), (3, range(3, 6)))
        self.assertEqual(groups.any(Bitmap.of(6, [1, 4, 5])), three(0, 2))
        self.assertEqual(groups.expand(three(0, 1)), Bitmap.of(6, [0, 1, 2]))
        none = Groups(b"", 6)
        self.assertEqual((len(none), len(none.any(Bitmap.all(6)))), (0, 0))

    def test_what_is_none_is_refused(self) -> None:
        for starts in ([0, 2, 1, 3], [0, 2], [0, 4], [1, 3], [0]):
            with self.assertRaises(Error):
                Groups(array("I", starts).tobytes(), 3)
        with self.assertRaises(Error):
            Verdict(6, STARTS).keep_groups(Bitmap.all(2))

    def test_they_are_kept_and_routed_whole(self) -> None:
        verdict = Verdict(6, STARTS)
        verdict.keep_groups(three(0, 2))
        verdict.drop_groups(three(0))
        self.assertEqual((verdict.kept, verdict.kept_groups), (None, 4))
        verdict.route_groups(RouteSet(4), three(0, 1))
        verdict.route_groups(RouteSet(5), three(1))
        numbers = route_numbers(3, None, verdict.group_routes or [])
        self.assertEqual(memoryview(numbers).cast("H").tolist(), [4, 5, 65535])  # type: ignore[arg-type]

    def test_beside_rows_all_is_said_of_rows(self) -> None:
        verdict = Verdict(6, STARTS)
        verdict.keep_groups(three(0, 1))
        verdict.drop(Bitmap.of(6, [1]))
        verdict.settle()
        self.assertEqual((verdict.kept, verdict.kept_groups), (0b101, None))
        for first in (True, False):
            verdict = Verdict(6, STARTS)
            if first:
                verdict.route_groups(RouteSet(4), three(0))
            verdict.route(RouteSet(5), Bitmap.of(6, [1, 2]))
            if not first:
                verdict.route_groups(RouteSet(4), three(0))
            self.assertIsNone(verdict.group_routes)
            numbers = route_numbers(6, verdict.route_of_all, verdict.routes)
            wanted = [4, 5, 5] if first else [4, 4, 5]
            self.assertEqual(memoryview(numbers).cast("H").tolist(), [*wanted, *[65535] * 3])  # type: ignore[arg-type]


class Busy(Plugin):
    """Does everything."""

    def init(self, config: Any, needs: Requirements) -> None:
        needs.signals(Signal.TRACES)
        self.name = needs.column("name", TEXT)
        self.waited = needs.column("group.waited_ms", UINT32)
        self.alerts = needs.route_set("alerts")
        needs.tables("teams")
        needs.tick_every(1500)
        needs.keyed("trace_id")
        needs.also(Use.EMIT, Use.STATE)
        self.held: list[tuple[bytes, bytes]] = []

    def process(self, slice: Slice, verdict: Verdict) -> None:
        names = [name or "" for name in slice[self.name]]
        team, size = host.lookup("teams", names, "team", "size")
        # One for all keys; a row without a key has no sum.
        sums = host.state_add(build.text([*slice[self.name]]), [1], ttl_ms=5)
        host.state_put([b"a", b"b"], [b"1", None])
        verdict.emit("logs", 2).set("body", [*team][0]).set("severity_number", build.int32([9, 17])).set(
            "attributes[\"size\"]", size[0]
        ).set("attributes[\"sum\"]", sums[0]).source([1, 0]).route(self.alerts, Bitmap.of(2, [1]))
        verdict.keep_groups(slice[self.waited] > 5)

    def tick(self, now: int, out: Emissions) -> None:
        out.emit(Signal.METRICS).set("value_int", now)

    def flush(self, out: Emissions) -> None:
        out.emit("logs", 3).set("body", build.text(["one", "two"]))

    def snapshot(self) -> Iterable[tuple[bytes, bytes]]:
        return self.held

    def restore(self, entries: list[tuple[bytes, bytes]]) -> None:
        self.held = entries


class Besides(unittest.TestCase):
    def setUp(self) -> None:
        self.plugin = Harness(Busy, tables={"teams": {"cart": {"team": "shop", "size": 3}}})

    def test_what_is_asked_for(self) -> None:
        needs = self.plugin.requirements
        self.assertEqual(
            [use.value for use in self.plugin.uses], ["keep", "edits", "routes", "groups", "emit", "state", "flush", "snapshot"]
        )
        self.assertEqual((needs.table_names, needs.tick_ms, needs.scope), (["teams"], 1500, "trace_id"))

    def test_tables_state_and_new_records(self) -> None:
        answer = self.plugin.process("traces", 3, {"name": ["cart", None, "x"], "group.waited_ms": [6, 5]}, groups=[1, 2])
        self.assertEqual(answer.kept, [0])
        (made,) = answer.emitted
        self.assertEqual((made.signal, made.rows, made.routes), (Signal.LOGS, 2, [None, ["alerts"]]))
        self.assertEqual(
            made.fields,
            {
                "body": ["shop", "shop"], "severity_number": [9, 17], 'attributes["size"]': [3, 3], 'attributes["sum"]': [1, 1],
                "source": [1, 0],
            },
        )  # fmt: skip
        self.assertEqual(self.plugin.recorder.state, {b"a": b"1"})
        self.assertEqual(self.plugin.recorder.sums, {b"cart": 1, b"x": 1})

    def test_a_failure_of_the_host_is_named(self) -> None:
        for call, failure in (
            (lambda: host.lookup("none", ["a"], "team"), "lookup in `none`: denied"),
            (lambda: host.lookup("teams", ["a"], "none"), "lookup in `teams`: unknown"),
            (lambda: host.state_put(["a"], [b"1", b"2"]), "state put: invalid"),
        ):
            self.assert_fails(call, failure)
        self.plugin.recorder.tables = None
        self.assert_fails(lambda: host.state_get(["a"]), "state get: unavailable")
        try:
            host.state_get(["a"])
        except HostError as error:
            self.assertIs(error.failure, Failure.UNAVAILABLE)

    def assert_fails(self, call: Callable[[], object], failure: str) -> None:
        with self.assertRaises(HostError) as raised:
            call()
        self.assertEqual(str(raised.exception), failure)

    def test_time_passes_and_the_instance_goes(self) -> None:
        (made,) = self.plugin.tick(1 << 60)
        self.assertEqual((made.signal, made.fields), (Signal.METRICS, {"value_int": [1 << 60]}))
        with self.assertRaisesRegex(Error, "^`body`: 2 values for 3 new records$"):
            self.plugin.flush()

    def test_what_is_held_is_handed_on(self) -> None:
        self.plugin.plugin.held = [(b"a", b"1"), (b"", b"")]
        snapshot = self.plugin.snapshot()
        other = Harness(Busy)
        other.restore(snapshot)
        self.assertEqual(other.plugin.held, [(b"a", b"1"), (b"", b"")])
        with self.assertRaisesRegex(Error, "expected keys and values"):
            other.restore(build.block(build.text(["a"]), build.text(["b"])))
        other.restore(b"")
        self.assertEqual(other.plugin.held, [])

    def test_ticks_and_who_takes_them_fit_together(self) -> None:
        class Deaf(Plugin):
            def init(self, config: Any, needs: Requirements) -> None:
                needs.tick_every(5)

        class Unasked(Plugin):
            def init(self, config: Any, needs: Requirements) -> None:
                needs.signals(Signal.LOGS)

            def tick(self, now: int, out: Emissions) -> None:
                pass

        with self.assertRaisesRegex(Error, "no method `tick`"):
            Harness(Deaf)
        with self.assertRaisesRegex(Error, "how often"):
            Harness(Unasked)
        with self.assertRaisesRegex(Error, "0 ms"):
            Requirements().tick_every(0)

    def test_a_value_for_all_new_records_crosses_once(self) -> None:
        values = ("a", 5, 0.5, True, False, b"b", None, build.int32([9]))
        made = Emissions().emit("logs", 3)
        for value in values:
            made.set("body", value)
        found = [Block(block) for _, block in made.fields]
        self.assertEqual([list(block.view(block.roots[0])) for block in found], [[value] for value in (*values[:-1], 9)])


if __name__ == "__main__":
    unittest.main()
