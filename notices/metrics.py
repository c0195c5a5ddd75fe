"""The outbox in numbers, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core.db import Database
from notices.delivery import store
from notices.outbox import STATES


class Deliveries(Collector):
    """Counts the deliveries in each state when it is asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield how many deliveries there are in each state."""
        with self._database.read() as tx:
            counts = store.counts(tx)
        family = GaugeMetricFamily(
            "shuxiang_notice_deliveries", "Notices on their way by e-mail or webhook", labels=["state"]
        )
        for state in STATES:
            family.add_metric([state], counts.get(state, 0))
        yield family
