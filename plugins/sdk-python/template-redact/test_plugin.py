"""The plugin's decisions, tested without WebAssembly: `python3 -m unittest`."""

import unittest

from plugin import Redact
from wasmill import Error
from wasmill.testing import Harness


class RedactTest(unittest.TestCase):
    def masked(self, text: str) -> str:
        """What becomes of one attribute."""
        answer = Harness(Redact).process("logs", 1, {"attributes": [{"key": text}]})
        return answer.edits[0].values[0] if answer.edits else text

    def test_addresses_and_card_numbers_are_masked(self) -> None:
        for text, expected in {
            "from ann@example.com to bob.b@mail.example.org": "from **** to ****",
            "a@b.com1x@c.de": "********",
            "@b.com, a@b, a@b.c, über@x.de": "@b.com, a@b, a@b.c, über@x.de".replace("über@x.de", "ü****"),
            "card 4111 1111 1111 1111.": "card ****.",
            "4111-1111-1111-1112": "4111-1111-1111-1112",
            "41111111111111111111": "41111111111111111111",
        }.items():
            self.assertEqual(self.masked(text), expected)

    def test_entries_are_named_by_their_place(self) -> None:
        plugin = Harness(Redact, {"mask": "#", "maps": ["attributes", "scope.attributes"]})
        rows = [{"a": "x", "n": 1, "b": "a@b.de"}, {}, {"c": "a@b.de", "d": "4111111111111111"}]
        answer = plugin.process("traces", 3, {"attributes": rows})
        self.assertEqual([(edit.path, edit.targets) for edit in answer.edits], [("attributes", [2, 3, 4])])
        self.assertEqual(answer.edits[0].values, ["#", "#", "#"])
        self.assertEqual(plugin.counters, {"masked": 3})

    def test_a_wrong_config_says_which_key(self) -> None:
        with self.assertRaisesRegex(Error, "`maps`: expected any of .* found `body`"):
            Harness(Redact, {"maps": ["body"]})


if __name__ == "__main__":
    unittest.main()
