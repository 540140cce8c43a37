"""Metrics to a StatsD server, from the same numbers as /metrics: never one packet for each request.

Rules: counters are sent by what they have grown, gauges as they are; of a histogram its count, and the
percentiles of the time since the last sending as gauges in milliseconds. Labels become parts of the name,
since StatsD has none. Sent over UDP by datadog's client, which packs lines together and speaks plain StatsD
where no tags are given; of the clients that there are it is the one that is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from datadog.dogstatsd.base import DogStatsd

from wsgisrv.admin.families import COUNTER, GAUGE, HISTOGRAM, Family
from wsgisrv.admin.view import View
from wsgisrv.config import Settings
from wsgisrv.figures import quantile

_SHARES = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
_NO_PART = re.compile(r"[^A-Za-z0-9_-]+")


class Statsd:
    """Args:
    settings: of the service; ``statsd`` names a server.
    """

    def __init__(self, settings: Settings) -> None:
        host, _, port = settings.statsd.rpartition(":")
        self._client = DogStatsd(
            host=host.strip("[]"), port=int(port), disable_telemetry=True, disable_buffering=False,
            flush_interval=0.5, origin_detection_enabled=False,
        )  # fmt: skip
        self._prefix = settings.statsd_prefix
        self._interval = settings.statsd_interval
        self._due = 0.0
        self._counts: dict[str, float] = {}
        self._buckets: dict[str, tuple[int, ...]] = {}

    def tick(self, view: View, now: float) -> None:
        """Sends if it is time to.

        Args:
            now: time.monotonic().
        """
        if now < self._due:
            return
        is_first = not self._due  # what was counted before this process began was sent by another
        self._due = now + self._interval
        for family in view.families():
            if family.kind == COUNTER:
                self._send_counts(family, is_first)
            elif family.kind == GAUGE:
                for sample in family.samples:
                    self._client.gauge(
                        self._name(family.name, *sample.labels.values()), sample.value
                    )
            elif family.kind == HISTOGRAM:
                self._send_histogram(family, is_first)
        self._client.flush()

    def _send_counts(self, family: Family, is_first: bool) -> None:
        for sample in family.samples:
            name = self._name(family.name, *sample.labels.values())
            self._send_count(name, sample.value, is_first)

    def _send_count(self, name: str, value: float, is_first: bool) -> None:
        grown = value - self._counts.get(name, 0.0)
        self._counts[name] = value
        if grown and not is_first:
            self._client.increment(name, int(grown) if float(grown).is_integer() else grown)

    def _send_histogram(self, family: Family, is_first: bool) -> None:
        name = self._name(family.name.removesuffix("_seconds"))
        before = self._buckets.get(name, (0,) * len(family.buckets))
        self._buckets[name] = family.buckets
        grown = [now - then for then, now in zip(before, family.buckets, strict=True)]
        self._send_count(f"{name}.count", sum(family.buckets), is_first)
        if is_first:
            return
        for share, part in _SHARES:
            self._client.gauge(f"{name}.{part}_ms", quantile(grown, share) * 1000)

    def _name(self, *parts: str) -> str:
        return ".".join([self._prefix, *_cleaned(parts)])


def _cleaned(parts: tuple[str, ...]) -> Iterator[str]:
    for part in parts:
        clean = _NO_PART.sub("_", part).strip("_")
        if clean:
            yield clean
