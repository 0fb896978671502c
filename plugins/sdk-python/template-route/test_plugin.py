"""The plugin's decisions, tested without WebAssembly: `python3 -m unittest`."""

import unittest

from plugin import Route
from wasmill import Error
from wasmill.testing import Harness

TENANT = 'attributes["tenant"]'
ROUTES = {"acme": "eu", "globex": "us"}


class RouteTest(unittest.TestCase):
    def test_rows_go_where_their_value_says(self) -> None:
        plugin = Harness(Route, {"attribute": "tenant", "routes": ROUTES})
        answer = plugin.process("traces", 4, {TENANT: ["acme", "globex", "initech", None]})
        self.assertEqual(answer.routes, [["eu"], ["us"], None, None])

    def test_the_others_go_to_the_default(self) -> None:
        plugin = Harness(Route, {"attribute": "tenant", "routes": ROUTES, "default": "us"})
        answer = plugin.process("traces", 3, {TENANT: ["acme", "initech", None]})
        self.assertEqual(answer.routes, [["eu"], ["us"], ["us"]])

    def test_a_wrong_config_says_which_key(self) -> None:
        with self.assertRaisesRegex(Error, "`routes`: expected an object of strings, found a list"):
            Harness(Route, {"attribute": "tenant", "routes": []})


if __name__ == "__main__":
    unittest.main()
