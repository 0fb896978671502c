"""{{name}}: gives each row the team that its service belongs to."""

from dataclasses import dataclass

from wasmill import SIGNALS, TEXT, Config, Plugin, Requirements, Slice, TextForm, Verdict, read


@dataclass
class Settings:
    """The stage's `config:` block."""

    teams: dict[str, str]
    default: str | None = None


class Enrich(Plugin):
    """What the gateway runs: the one class of this file that extends `Plugin`."""

    def init(self, config: Config, needs: Requirements) -> None:
        """Called once, first: reads the config, and says which columns the plugin is to be shown."""
        self.settings = read(Settings, config)
        needs.signals(*SIGNALS)
        self.service = needs.column('resource.attributes["service.name"]', TEXT, TextForm.DICTIONARY)

    def process(self, slice: Slice, verdict: Verdict) -> None:
        """Called for each slice of up to some thousand rows."""
        # Each distinct service is looked up once, whatever the number of rows.
        rows, teams = slice[self.service].replaced(self.team, missing=self.settings.default)
        verdict.set('attributes["team"]', teams, rows)

    def team(self, service: str) -> str | None:
        """The team of a service; `None`: the row stays as it is."""
        return self.settings.teams.get(service, self.settings.default)
