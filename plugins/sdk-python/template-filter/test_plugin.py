"""The plugin's decisions, tested without WebAssembly: `python3 -m unittest`."""

import unittest

from plugin import Filter
from wasmill import Error
from wasmill.testing import Harness

ROUTE = 'attributes["http.route"]'


class FilterTest(unittest.TestCase):
    def test_rows_of_listed_values_are_dropped_and_counted(self) -> None:
        plugin = Harness(Filter, {"attribute": "http.route", "drop": ["/healthz", "/ready"]})
        answer = plugin.process("traces", 4, {ROUTE: ["/cart", "/healthz", None, "/ready"]})
        self.assertEqual(answer.kept, [0, 2])
        self.assertEqual(plugin.counters, {"dropped": 2})

    def test_a_wrong_config_says_which_key(self) -> None:
        with self.assertRaisesRegex(Error, "`drop`: expected a list of strings, found a number"):
            Harness(Filter, {"attribute": "http.route", "drop": 1})
        with self.assertRaisesRegex(Error, "unknown key `drops`; known are `attribute`, `drop`"):
            Harness(Filter, {"attribute": "http.route", "drops": []})


if __name__ == "__main__":
    unittest.main()
