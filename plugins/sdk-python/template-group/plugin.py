"""{{name}}: keeps the traces worth keeping, those with an error, slow ones, and a share of the others."""

from dataclasses import dataclass

from wasmill import (
    ID16, INT32, TEXT, UINT64, Bitmap, Config, Error, Plugin, Requirements, Signal, Slice, Text, TextForm, Use, Verdict, host, read,
)  # fmt: skip

# Eleven days: more than a gateway waits for a trace.
SLOW_MS_MAX = 1_000_000_000
# The randomness of a trace id is in its last 56 bits.
RANDOM_BYTES = 7
RANDOM_END = 1 << 56
STATUS_ERROR = 2


@dataclass
class Settings:
    """The stage's `config:` block."""

    slow_ms: int = 1000
    """A trace that takes as long is kept, in milliseconds."""
    keep_ratio: float = 0.0
    """The share of other traces that are kept, 0 to 1."""


class Group(Plugin):
    """What the gateway runs: the one class of this file that extends `Plugin`."""

    def init(self, config: Config, needs: Requirements) -> None:
        """Called once, first: reads the config, and says which columns the plugin is to be shown."""
        settings = read(Settings, config)
        if not 0 <= settings.slow_ms <= SLOW_MS_MAX:
            raise Error(f"`slow_ms`: expected 0 to {SLOW_MS_MAX}, found {settings.slow_ms}")
        if not 0 <= settings.keep_ratio <= 1:
            raise Error(f"`keep_ratio`: expected 0 to 1, found {settings.keep_ratio}")
        self.slow = settings.slow_ms * 1_000_000
        # Exact: a product with a power of two has the digits of the ratio. Traces whose randomness is at least this are kept.
        self.threshold = RANDOM_END - int(settings.keep_ratio * RANDOM_END)
        needs.signals(Signal.TRACES)
        needs.uses(Use.KEEP, Use.GROUPS)
        self.trace = needs.column("trace_id", ID16)
        self.status = needs.column("status.code", INT32)
        self.start = needs.column("start_time_unix_nano", UINT64)
        self.end = needs.column("end_time_unix_nano", UINT64)
        self.reason = needs.column("group.reason", TEXT, TextForm.DICTIONARY)

    def process(self, slice: Slice, verdict: Verdict) -> None:
        """Called for some traces, each a group of spans."""
        groups = slice.groups
        kept = bytearray(groups.any(slice[self.status].equals(STATUS_ERROR)).flags())
        starts, ends, traces = slice[self.start].to_list(), slice[self.end].to_list(), slice[self.trace].to_list()
        for group, rows in enumerate(groups):
            if not kept[group]:
                first, end = rows.start, rows.stop
                kept[group] = lasts(starts[first:end], ends[first:end]) >= self.slow or randomness(traces[first]) >= self.threshold
        keep = Bitmap.from_flags(kept)
        verdict.keep_groups(keep)
        reasons = slice[self.reason]
        count("groups_kept", reasons, keep)
        count("groups_dropped", reasons, ~keep)


def lasts(starts: "list[int | None]", ends: "list[int | None]") -> int:
    """From the earliest start to the latest end, in nanoseconds."""
    earliest = min([start for start in starts if start is not None], default=None)
    latest = max([end for end in ends if end is not None], default=0)
    return 0 if earliest is None else max(latest - earliest, 0)


def randomness(trace: "bytes | None") -> int:
    """The last seven bytes of the trace id, as OpenTelemetry's probability sampling has it; 0 without one."""
    return int.from_bytes(trace[-RANDOM_BYTES:], "big") if trace else 0


def count(name: str, reasons: Text, groups: Bitmap) -> None:
    """Adds to a counter for each reason that these groups were decided for."""
    for reason, decided in reasons.partition(str).items():
        number = (decided & groups).count()
        if number:
            host.counter(name, number, reason=reason)
