"""Metrics as Prometheus reads them, by prometheus_client: its text format, or OpenMetrics by Accept."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from wsgisrv.admin.families import BOUNDS, COUNTER, HISTOGRAM, PREFIX, Family


class _Given(Collector):
    """Yields what it is given."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return map(_metric, self._families)


def expose(families: Iterable[Family], accept: str) -> tuple[bytes, str]:
    """Returns the metrics as text, and its media type.

    Args:
        accept: the field of the request.
    """
    encode, media_type = choose_encoder(accept)
    registry = CollectorRegistry()
    registry.register(_Given(families))
    return encode(registry), media_type


def _metric(family: Family) -> Metric:
    name = PREFIX + family.name
    if family.kind == HISTOGRAM:
        counts = itertools.accumulate(family.buckets)
        bounds = [*map(_bound, BOUNDS), "+Inf"]
        buckets = list(zip(bounds, map(float, counts), strict=True))
        return HistogramMetricFamily(name, family.help, buckets=buckets, sum_value=family.total)
    labels = list(family.samples[0].labels) if family.samples else []
    kind = CounterMetricFamily if family.kind == COUNTER else GaugeMetricFamily
    metric = kind(name, family.help, labels=labels)
    for sample in family.samples:
        metric.add_metric(list(sample.labels.values()), sample.value)
    return metric


def _bound(seconds: float) -> str:
    return str(float(seconds))
