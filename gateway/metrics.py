"""What a worker counts, for Prometheus: plain numbers, put into its format when somebody asks."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_BOUNDS = [floatToGoString(bound) for bound in (*_SECONDS, float("inf"))]  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a worker stands when somebody asks."""

    connections: int
    is_ready: bool
    lag: float
    """Seconds that the sealer is behind; infinite where it never ran."""
    policy_version: int
    policy_age: float
    """Seconds since the database confirmed it."""
    providers: Mapping[str, tuple[bool, int, int]]
    """Of each whether it is left alone (`gateway/breaker.py`), open connections, calls under way."""


class Metrics(Collector):
    """Counters of one worker; each worker tells its own, and the scraper adds them up."""

    def __init__(self) -> None:
        self._calls: Counter[tuple[str, int]] = Counter()
        self._bytes = 0
        self._took = [0] * (len(_SECONDS) + 1)
        self._seconds = 0.0
        self._standing: Standing | None = None

    def answered(self, decision: str, status: int, began: float, size: int = 0) -> None:
        """Count a call; `began` is of the monotonic clock."""
        self._calls[decision, status] += 1
        self._bytes += size
        took = time.monotonic() - began
        self._seconds += took
        self._took[bisect_left(_SECONDS, took)] += 1

    def page(self, standing: Standing) -> bytes:
        """Return the metrics in the text format."""
        self._standing = standing
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """Yield what was counted, as the registry wants it."""
        calls = CounterMetricFamily(
            "shuxiang_calls", "Calls below /share/ by outcome", labels=["decision", "status"]
        )
        for (decision, status), count in self._calls.items():
            calls.add_metric([decision, str(status)], count)
        yield calls
        yield CounterMetricFamily("shuxiang_sent_bytes", "Bytes of data sent to consumers", value=self._bytes)
        yield self._histogram()
        if self._standing is not None:
            yield from _gauges(self._standing)
            yield from _provider_gauges(self._standing.providers)

    def _histogram(self) -> Metric:
        buckets, total = [], 0
        for bound, count in zip(_BOUNDS, self._took, strict=True):
            total += count
            buckets.append((bound, total))
        return HistogramMetricFamily(
            "shuxiang_call_seconds", "Time from head to record", buckets=buckets, sum_value=self._seconds
        )


def _gauges(standing: Standing) -> Iterator[Metric]:
    for name, title, value in (
        ("connections", "Open client connections", standing.connections),
        ("ready", "1 while calls are let through", standing.is_ready),
        ("journal_lag_seconds", "Seconds that the sealing of the journals is behind", standing.lag),
        ("policy_version", "Policy version that calls are judged by", standing.policy_version),
        ("policy_age_seconds", "Seconds since the database confirmed it", standing.policy_age),
    ):
        yield GaugeMetricFamily(f"shuxiang_{name}", title, value=value)


def _provider_gauges(providers: Mapping[str, tuple[bool, int, int]]) -> Iterator[Metric]:
    families = [
        GaugeMetricFamily(f"shuxiang_provider_{name}", title, labels=["connection"])
        for name, title in (
            ("rests", "1 while a provider that cannot be reached is left alone"),
            ("connections", "Open connections to a provider"),
            ("calls", "Calls of a provider under way"),
        )
    ]
    for connection, figures in providers.items():
        for family, value in zip(families, figures, strict=True):
            family.add_metric([connection], value)
    yield from families
