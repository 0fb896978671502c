"""Counts rows by the owner of their service, and tells: `../README.md` says what every language's plugin does."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from typing import Iterable

from wasmill import (
    TEXT, Bitmap, Config, Emissions, Error, Plugin, Requirements, Signal, Slice, TextForm, Use, Verdict, build, host, read,
)  # fmt: skip

REFUSED = "boom"
"""The service whose rows are refused."""
EVERY_MS_MIN = 10
"""The least that the host ticks at."""
BOUNDS = [1.0, 10.0, 100.0]
"""Upper bounds of rows, of the histogram over owners."""
INFO, SUM, HISTOGRAM, CUMULATIVE = 9, 2, 3, 2


@dataclass
class Settings:
    """The stage's `config:` block."""

    table: str
    every_ms: int = 10_000


@dataclass
class Service:
    """The rows of a service in one slice, what the table has of it, and the sum that the host keeps."""

    rows: int = 0
    owner: str | None = None
    tier: int | None = None
    seen: int | None = None


class Census(Plugin):
    def init(self, config: Config, needs: Requirements) -> None:
        settings = read(Settings, config)
        if settings.every_ms < EVERY_MS_MIN:
            raise Error(f"`every_ms`: expected {EVERY_MS_MIN} or more, found {settings.every_ms}")
        needs.signals(Signal.TRACES, Signal.LOGS)
        needs.uses(Use.EDITS, Use.EMIT, Use.STATE)
        needs.single()
        needs.tables(settings.table)
        needs.tick_every(settings.every_ms)
        self.table = settings.table
        self.service = needs.column('resource.attributes["service.name"]', TEXT, TextForm.DICTIONARY)
        # Rows by owner; those without one are of the empty text.
        self.rows: Counter[str] = Counter()
        # The sum that the last tick told.
        self.told = 0

    def process(self, slice: Slice, verdict: Verdict) -> None:
        names = slice[self.service].to_list()
        services: dict[str, Service] = {}
        for name in names:
            if name is not None:
                services.setdefault(name, Service()).rows += 1
        if REFUSED in services:
            raise Error(f"the service is `{REFUSED}`: its rows are refused")
        self.look_up(services)
        of_row = [None if name is None else services[name] for name in names]
        edit(of_row, verdict)
        self.count(of_row, verdict)
        # Metrics are for whoever operates the gateway: the plugin goes on where they are not taken.
        host.counter("census_rows", slice.rows, signal=slice.signal.value)
        host.gauge("census_owners", len(self.rows))
        host.histogram("census_slice_rows", slice.rows)

    def look_up(self, services: dict[str, Service]) -> None:
        """Fills in what the table and the host have of each service."""
        if not services:
            return
        owners, tiers = host.lookup(self.table, list(services), "owner", "tier")
        sums = host.state_add(list(services), [service.rows for service in services.values()])
        for service, owner, tier, seen in zip(services.values(), owners, tiers, sums):
            service.owner, service.tier, service.seen = owner, tier, seen

    def count(self, of_row: list[Service | None], verdict: Verdict) -> None:
        """Counts rows by owner, and tells of those that come for the first time."""
        firsts = {}
        for row, service in enumerate(of_row):
            owner = service.owner or "" if service else ""
            if owner not in self.rows:
                firsts[row] = f"the first row of `{owner}`"
            self.rows[owner] += 1
        if firsts:
            news = verdict.emit("logs", len(firsts)).source(list(firsts))
            news.set("body", build.text(list(firsts.values()))).set("severity_number", build.int32([INFO]))

    def tick(self, now: int, out: Emissions) -> None:
        rows = self.rows.total()
        if rows == self.told:
            return
        self.told = rows
        record = out.emit("logs").set("body", f"{rows} rows").set("severity_number", build.int32([INFO]))
        record.set("time_unix_nano", build.uint64([now])).set('attributes["rows"]', rows)
        record.set('attributes["owned"]', (rows - self.rows[""]) / rows)

    def flush(self, out: Emissions) -> None:
        if not self.rows:
            return
        now, (owners, counts) = build.uint64([host.clock()]), zip(*sorted(self.rows.items()))
        points = out.emit("metrics", len(owners)).set("scope.name", "census").set("metric.name", "census.rows")
        points.set("metric.unit", "{row}").set("metric.type", build.int32([SUM])).set("metric.is_monotonic", True)
        points.set("metric.aggregation_temporality", build.int32([CUMULATIVE])).set("time_unix_nano", now)
        points.set("value_int", build.int64(counts))
        points.set('attributes["owner"]', build.text([owner or None for owner in owners]))

        buckets = [0] * (len(BOUNDS) + 1)
        for rows in counts:
            buckets[bisect_left(BOUNDS, rows)] += 1
        sizes = out.emit("metrics").set("scope.name", "census").set("metric.name", "census.owner_rows")
        sizes.set("metric.type", build.int32([HISTOGRAM])).set("time_unix_nano", now)
        sizes.set("count", build.uint64([len(owners)])).set("sum", float(sum(counts)))
        sizes.set("bucket_counts", build.sequence([len(buckets)], build.uint64(buckets)))
        sizes.set("explicit_bounds", build.sequence([len(BOUNDS)], build.double(BOUNDS)))

    def snapshot(self) -> Iterable[tuple[bytes, bytes]]:
        return [(owner.encode(), rows.to_bytes(8, "little")) for owner, rows in sorted(self.rows.items())]

    def restore(self, entries: list[tuple[bytes, bytes]]) -> None:
        host.info(f"{len(entries)} owners are taken over")
        for key, value in entries:
            if len(value) != 8:
                raise Error(f"`{key.decode()}` has {len(value)} bytes, expected 8")
            self.rows[key.decode()] += int.from_bytes(value, "little")


def edit(of_row: list[Service | None], verdict: Verdict) -> None:
    maps, sums = [], []
    for service in filter(None, of_row):
        if service.owner is not None:
            tier = {} if service.tier is None else {"tier": service.tier}
            maps.append({"owner": service.owner, **tier})
        if service.seen is not None:
            sums.append(service.seen)
    owned = Bitmap.from_flags([service is not None and service.owner is not None for service in of_row])
    counted = Bitmap.from_flags([service is not None and service.seen is not None for service in of_row])
    verdict.merge("attributes", build.attributes(maps), owned)
    verdict.set('attributes["seen"]', build.int64(sums), counted)
    verdict.remove('attributes["debug"]')
