"""{{name}}: drops rows whose attribute has one of some values."""

from dataclasses import dataclass

from wasmill import SIGNALS, TEXT, Config, Plugin, Requirements, Slice, TextForm, Verdict, host, quote, read


@dataclass
class Settings:
    """The stage's `config:` block."""

    attribute: str
    drop: list[str]


class Filter(Plugin):
    """What the gateway runs: the one class of this file that extends `Plugin`."""

    def init(self, config: Config, needs: Requirements) -> None:
        """Called once, first: reads the config, and says which columns the plugin is to be shown."""
        self.settings = read(Settings, config)
        self.drop = frozenset(self.settings.drop)
        needs.signals(*SIGNALS)
        self.value = needs.column(f"attributes[{quote(self.settings.attribute)}]", TEXT, TextForm.DICTIONARY)

    def process(self, slice: Slice, verdict: Verdict) -> None:
        """Called for each slice of up to some thousand rows."""
        # Each distinct value is looked at once, whatever the number of rows.
        dropped = slice[self.value].isin(self.drop)
        if dropped:
            verdict.drop(dropped)
            host.counter("dropped", dropped.count(), attribute=self.settings.attribute)
