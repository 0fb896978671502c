"""{{name}}: masks e-mail addresses and card numbers in attributes."""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from wasmill import ATTRIBUTES, SIGNALS, Config, Entries, Error, Plugin, Requirements, Slice, TextForm, Verdict, host, read

MAPS = ("attributes", "resource.attributes", "scope.attributes")

LOCAL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._%+-"
DOMAIN = re.compile(r"[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
DIGITS = re.compile(r"[0-9](?:[ -]?[0-9])*")
THIRTEEN = re.compile(r"(?:[0-9][ -]?){12}[0-9]")
# What no value without an address or card number has.
SUSPECT = re.compile(rb"@|[0-9][0-9 -]{11,}[0-9]")


@dataclass
class Settings:
    """The stage's `config:` block."""

    mask: str = "****"
    maps: list[str] = field(default_factory=lambda: ["attributes"])


class Redact(Plugin):
    """What the gateway runs: the one class of this file that extends `Plugin`."""

    def init(self, config: Config, needs: Requirements) -> None:
        """Called once, first: reads the config, and says which columns the plugin is to be shown."""
        settings = read(Settings, config)
        self.mask = settings.mask
        for name in settings.maps:
            if name not in MAPS:
                raise Error(f"`maps`: expected any of {', '.join(f'`{map}`' for map in MAPS)}, found `{name}`")
        needs.signals(*SIGNALS)
        self.maps = [needs.column(name, ATTRIBUTES, TextForm.DICTIONARY) for name in dict.fromkeys(settings.maps)]
        # Values come again in later slices.
        self.masked = lru_cache(maxsize=4096)(self.redact)

    def process(self, slice: Slice, verdict: Verdict) -> None:
        """Called for each slice of up to some thousand rows."""
        count = 0
        for handle in self.maps:
            values = slice[handle].values
            if values.text is None or not SUSPECT.search(values.text.joined):
                continue
            # Each distinct value is looked at once, whatever the number of rows.
            entries, texts = values.replaced_texts(self.masked)
            verdict.set(handle.path, texts, Entries(entries))
            count += entries.count()
        if count:
            host.counter("masked", count)

    def redact(self, text: str) -> str:
        """The text, masked."""
        if "@" in text:
            text = self.mask_addresses(text)
        if THIRTEEN.search(text):
            text = DIGITS.sub(self.mask_card, text)
        return text

    def mask_addresses(self, text: str) -> str:
        """Goes from one `@` to the next: the time that takes grows with the text alone, whatever it is."""
        done: list[str] = []
        before, *rest = text.split("@")
        for after in rest:
            domain = DOMAIN.match(after)
            name = before.rstrip(LOCAL)
            if domain and name != before:
                done += (name, self.mask)
                before = after[domain.end() :]
            else:
                done += (before, "@")
                before = after
        return "".join(done) + before

    def mask_card(self, run: re.Match[str]) -> str:
        """The mask for a run of digits that is a card number; any other as it is."""
        digits = [int(digit) for digit in run[0] if digit not in " -"]
        if not 13 <= len(digits) <= 19:
            return run[0]
        # Luhn: from the right, each second digit doubled, and the digits of that added.
        doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
        return self.mask if (sum(doubled) + sum(digits[-1::-2])) % 10 == 0 else run[0]
