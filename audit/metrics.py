"""The access log in numbers, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from audit import store
from audit.alarms import alarms
from audit.standing import UNREADABLE, standing
from core.db import Database
from core.settings import Settings
from core.times import utc_now


class LogFigures(Collector):
    """Looks at the log when it is asked."""

    def __init__(
        self, settings: Settings, database: Database, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the figures; while the log's files cannot be read only alarms and the outbox."""
        now = self._clock()
        with self._database.read() as tx:
            outbox = store.count_outbox(tx)
        yield _gauge("outbox_rows", "Records of the control plane that wait to be sealed", outbox)
        yield _gauge("alarms", "Things that somebody must look at", len(alarms(self._settings, now)))
        try:
            stands = standing(self._settings, now)
        except UNREADABLE:
            return
        memory = stands.memory
        yield _gauge("size", "Records under the published checkpoint", stands.size or 0)
        yield _gauge("lag_seconds", "Since when nothing was sealed", stands.lag)
        yield _gauge("journals_bytes", "What the journals take, sealed or not", stands.journals)
        yield _gauge("free_disk_bytes", "What may still be written to the log's disk", stands.free)
        if self._settings.audit.witnesses.needed:
            yield _gauge(
                "witnessed_size", "Records under a checkpoint with enough cosignatures", memory.witnessed
            )
            behind = stands.since(memory.behind_since, now) or 0.0
            yield _gauge("unwitnessed_seconds", "Since when there are records without enough of them", behind)
        age = stands.since(memory.stamped_at, now)
        if age is not None:
            yield _gauge("last_timestamp_age_seconds", "Age of the newest time stamp", age)


def _gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"shuxiang_audit_{name}", help_text, value)
