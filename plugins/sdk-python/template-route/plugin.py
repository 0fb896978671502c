"""{{name}}: sends rows where a table says, by an attribute."""

from dataclasses import dataclass

from wasmill import SIGNALS, TEXT, Config, Plugin, Requirements, Slice, TextForm, Verdict, quote, read


@dataclass
class Settings:
    """The stage's `config:` block."""

    attribute: str
    routes: dict[str, str]
    default: str | None = None


class Route(Plugin):
    """What the gateway runs: the one class of this file that extends `Plugin`."""

    def init(self, config: Config, needs: Requirements) -> None:
        """Called once, first: reads the config, and says which columns and routes the plugin needs."""
        settings = read(Settings, config)
        needs.signals(*SIGNALS)
        self.value = needs.column(f"attributes[{quote(settings.attribute)}]", TEXT, TextForm.DICTIONARY)
        names = [*settings.routes.values()]
        if settings.default is not None:
            names.append(settings.default)
        # A route set of each name, once.
        sets = {name: needs.route_set(name) for name in dict.fromkeys(names)}
        self.sets = {value: sets[name] for value, name in settings.routes.items()}
        self.default = None if settings.default is None else sets[settings.default]

    def process(self, slice: Slice, verdict: Verdict) -> None:
        """Called for each slice of up to some thousand rows."""
        if self.default is not None:
            verdict.route(self.default)
        # Each distinct value is looked up once, whatever the number of rows.
        for route_set, rows in slice[self.value].partition(self.sets.get).items():
            verdict.route(route_set, rows)
