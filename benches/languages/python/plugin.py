"""Drops the rows of slow servers' health checks: three columns in, a bitmap out."""

from wasmill import INT32, TEXT, UINT64, Plugin, Requirements, Signal, Slice, TextForm, Verdict, quote


class ThreeColumns(Plugin):
    def init(self, config, needs: Requirements) -> None:
        needs.signals(Signal.TRACES)
        self.start = needs.column("start_time_unix_nano", UINT64)
        self.kind = needs.column("kind", INT32)
        self.route = needs.column(f"attributes[{quote('http.route')}]", TEXT, TextForm.DICTIONARY)

    def process(self, slice: Slice, verdict: Verdict) -> None:
        verdict.drop((slice[self.start] > 5) & slice[self.kind].equals(2) & slice[self.route].equals("/healthz"))
