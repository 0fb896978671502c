"""The plugin's decisions, tested without WebAssembly: `python3 -m unittest`."""

import unittest

from plugin import Enrich
from wasmill import Error
from wasmill.testing import Harness

SERVICE = 'resource.attributes["service.name"]'
TEAM = 'attributes["team"]'


class EnrichTest(unittest.TestCase):
    def test_rows_get_their_services_team(self) -> None:
        plugin = Harness(Enrich, {"teams": {"checkout": "payments", "cart": "payments"}})
        answer = plugin.process("logs", 4, {SERVICE: ["cart", "search", None, "checkout"]})
        self.assertEqual(answer.column(TEAM), {0: "payments", 3: "payments"})

    def test_the_others_get_the_default(self) -> None:
        plugin = Harness(Enrich, {"teams": {"cart": "payments"}, "default": "unowned"})
        answer = plugin.process("logs", 3, {SERVICE: ["cart", "search", None]})
        self.assertEqual(answer.column(TEAM), {0: "payments", 1: "unowned", 2: "unowned"})

    def test_a_wrong_config_says_which_key(self) -> None:
        with self.assertRaisesRegex(Error, "`teams`: expected an object of strings, found nothing"):
            Harness(Enrich, {})


if __name__ == "__main__":
    unittest.main()
