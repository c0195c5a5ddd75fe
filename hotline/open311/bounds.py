"""How often one source may ask: counted in the memory of the one process that serves the control plane."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from math import ceil
from threading import Lock

WINDOW = timedelta(minutes=1)
MOST_SOURCES = 10_000
"""Sources that are remembered; the one that was quiet longest is forgotten first."""


class Bound:
    """At most `most` requests of one source within `window`."""

    def __init__(self, most: int, window: timedelta = WINDOW) -> None:
        self.most = most
        self.window = window
        self._seen: OrderedDict[str, tuple[datetime, int]] = OrderedDict()
        self._lock = Lock()

    def count(self, source: str, now: datetime) -> int:
        """Count one request; return the seconds that the source must wait, 0 when it may go on."""
        with self._lock:
            since, tries = self._seen.pop(source, (now, 0))
            if since + self.window <= now:
                since, tries = now, 0
            self._seen[source] = (since, tries + 1)
            if len(self._seen) > MOST_SOURCES:
                self._seen.popitem(last=False)
        if tries < self.most:
            return 0
        return max(1, ceil((since + self.window - now).total_seconds()))
