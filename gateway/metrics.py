"""What a worker counts, for Prometheus: plain numbers, put into its format when somebody asks."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator

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


class Metrics(Collector):
    """Counters of one worker; each worker tells its own, and the scraper adds them up."""

    def __init__(self) -> None:
        self._calls: Counter[tuple[str, int]] = Counter()
        self._bytes = 0
        self._took = [0] * (len(_SECONDS) + 1)
        self._seconds = 0.0
        self._gauges: dict[str, tuple[str, float]] = {}

    def answered(self, decision: str, status: int, began: float, size: int = 0) -> None:
        """Count a call; `began` is of the monotonic clock."""
        self._calls[decision, status] += 1
        self._bytes += size
        took = time.monotonic() - began
        self._seconds += took
        self._took[bisect_left(_SECONDS, took)] += 1

    def page(self, connections: int, ready: bool) -> bytes:
        """Return the metrics in the text format."""
        self._gauges = {
            "shuxiang_connections": ("Open client connections", connections),
            "shuxiang_ready": ("1 while calls are let through", ready),
        }
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
        for name, (title, value) in self._gauges.items():
            yield GaugeMetricFamily(name, title, value=value)

    def _histogram(self) -> Metric:
        buckets, total = [], 0
        for bound, count in zip(_BOUNDS, self._took, strict=True):
            total += count
            buckets.append((bound, total))
        return HistogramMetricFamily(
            "shuxiang_call_seconds", "Time from head to record", buckets=buckets, sum_value=self._seconds
        )
