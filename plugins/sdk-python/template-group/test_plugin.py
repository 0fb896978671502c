"""The plugin's decisions, tested without WebAssembly: `python3 -m unittest`."""

import unittest

from plugin import Group
from wasmill import Error
from wasmill.testing import Harness

MS = 1_000_000
HALF = bytes(9) + b"\x80" + bytes(6)


class GroupTest(unittest.TestCase):
    def kept(self, config: dict) -> "tuple[list[int], dict[str, float]]":
        """Of three traces of two spans each: one with an error, one that takes 1,500 ms, one of 10 ms whose randomness is in the middle."""
        plugin = Harness(Group, config)
        columns = {
            "trace_id": [bytes(16), bytes(16), b"\2" + bytes(15), b"\2" + bytes(15), HALF, HALF],
            "status.code": [0, 2, 1, 0, 0, 1],
            "start_time_unix_nano": [5, 6, 1000 * MS, 2000 * MS, 7 * MS, 8 * MS],
            "end_time_unix_nano": [7, 8, 1100 * MS, 2500 * MS, 17 * MS, 0],
            "group.reason": ["wait", "full", "wait"],
        }
        return plugin.process("traces", 6, columns, groups=[2, 2, 2]).kept, plugin.counters

    def test_traces_with_errors_and_slow_ones_are_kept(self) -> None:
        self.assertEqual(self.kept({}), ([0, 1, 2, 3], {"groups_kept": 2, "groups_dropped": 1}))

    def test_a_share_of_the_others_is_kept(self) -> None:
        for slow_ms, keep_ratio, count in ((1501, 0, 2), (1500, 0, 4), (10, 0, 6), (1501, 0.5, 4), (1501, 0.4999, 2), (1000, 1, 6)):
            kept, _ = self.kept({"slow_ms": slow_ms, "keep_ratio": keep_ratio})
            self.assertEqual(len(kept), count, (slow_ms, keep_ratio))

    def test_a_wrong_config_says_which_key(self) -> None:
        for config, message in (
            ({"slow_ms": -1}, "`slow_ms`: expected 0 to 1000000000, found -1"),
            ({"slow_ms": "1s"}, "`slow_ms`: expected a whole number, found a string"),
            ({"keep_ratio": 1.01}, "`keep_ratio`: expected 0 to 1, found 1.01"),
            ({"keep": 1}, "unknown key `keep`; known are `slow_ms`, `keep_ratio`"),
        ):
            with self.assertRaisesRegex(Error, f"^{message}$"):
                Harness(Group, config)


if __name__ == "__main__":
    unittest.main()
