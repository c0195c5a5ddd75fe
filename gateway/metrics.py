"""What a worker counts, for Prometheus."""

from __future__ import annotations

import time

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counters of one worker; each worker tells its own, and the scraper adds them up."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._calls = Counter(
            "shuxiang_calls",
            "Calls below /share/ by outcome",
            ["decision", "status"],
            registry=self._registry,
        )
        self._outcomes: dict[tuple[str, int], Counter] = {}
        self._bytes = Counter(
            "shuxiang_sent_bytes", "Bytes of data sent to consumers", registry=self._registry
        )
        self._seconds = Histogram(
            "shuxiang_call_seconds", "Time from head to record", buckets=_SECONDS, registry=self._registry
        )
        self._connections = Gauge("shuxiang_connections", "Open client connections", registry=self._registry)
        self._ready = Gauge("shuxiang_ready", "1 while calls are let through", registry=self._registry)

    def answered(self, decision: str, status: int, began: float, size: int = 0) -> None:
        """Count a call; `began` is of the monotonic clock."""
        outcome = self._outcomes.get((decision, status))
        if outcome is None:
            outcome = self._outcomes[decision, status] = self._calls.labels(decision, str(status))
        outcome.inc()
        self._seconds.observe(time.monotonic() - began)
        if size:
            self._bytes.inc(size)

    def page(self, connections: int, ready: bool) -> bytes:
        """Return the metrics in the text format."""
        self._connections.set(connections)
        self._ready.set(ready)
        return generate_latest(self._registry)
