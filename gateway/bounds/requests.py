"""Bounds on the requests at the OAuth endpoints: those of one source, of all, of one system.

What is refused is counted for the network that it came from and for everybody together. Past either bound
only what would be refused anyway is turned away, without a trace of its own: a system that proves itself is
let in, from the flooded network too. What a system may ask for is counted once it has proven itself, so
nobody else can use it up. What went past a bound is on record once for each window, with the number.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from math import ceil

from audit.log import record
from core.networks import address_of, customer_of
from core.work import Work
from gateway.bounds import store
from gateway.strict import Refused

WINDOW = timedelta(minutes=5)
MOST_OF_SOURCE = 100
"""Refusals for one source within WINDOW; more are turned away."""
MOST_OF_ALL = 3000
"""The same for all sources together, so that many of them leave no more traces than thirty."""
MOST_OF_SYSTEM = 3000
"""Requests of one system at one endpoint within WINDOW: ten a second."""
FLOOD = "flood"
"""The reason of a refusal that is past a bound."""
_ALL = "all"
_SOURCE, _SYSTEM = "from:", "by:"


def source_of(address: str) -> str:
    """Return the network that an address counts for."""
    found = address_of(address)
    return "unknown" if found is None else str(customer_of(found))


# --- refusals -----------------------------------------------------------------------------------------


def over(work: Work, source: str) -> tuple[str, ...]:
    """Return the bounds that refusals for a source are past now, as keys of their counts."""
    return tuple(key for key in (_SOURCE + source, _ALL) if _left(work, key) > 0)


def too_many(work: Work, keys: Iterable[str]) -> Refused:
    """Return the refusal of what came past these bounds."""
    left = max(_left(work, key) for key in keys)
    return Refused("temporarily_unavailable", FLOOD, status=429, retry_after=left)


def count_refusal(work: Work, source: str) -> bool:
    """Count the refusal of somebody who proved nothing; tell whether it goes on record by itself."""
    among_all = _count(work, _ALL)
    if among_all > MOST_OF_ALL:  # a source that is not known yet leaves no row
        return False
    return _count(work, _SOURCE + source) <= MOST_OF_SOURCE


def count_turned_away(work: Work, counts: Mapping[str, int]) -> None:
    """Add what a process turned away, by the keys of `over`."""
    for key, more in counts.items():
        _count(work, key, more)


class Tally:
    """What one process turned away and has not written yet: no request of a flood is a write of its own."""

    SECONDS = 1

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._taken: datetime | None = None

    def add(self, keys: Iterable[str]) -> None:
        """Count one request under each key."""
        with self._lock:
            self._counts.update(keys)

    def take(self, now: datetime) -> Mapping[str, int]:
        """Return what is to be written, at most once a second, and forget it."""
        with self._lock:
            if self._taken is not None and now - self._taken < timedelta(seconds=self.SECONDS):
                return {}
            self._taken, counts, self._counts = now, self._counts, Counter()
        return counts


# --- systems ------------------------------------------------------------------------------------------


def check_system(work: Work, client_id: str, endpoint: str) -> None:
    """Raise Refused for a system that asked an endpoint too much; to be called when it has proven itself."""
    key = _of_system(client_id, endpoint)
    if _left(work, key) > 0:
        _count(work, key)
        raise too_many(work, [key])


def count_system(work: Work, client_id: str, endpoint: str) -> None:
    """Count a request of a system that has proven itself, and for the first time with what it brings."""
    _count(work, _of_system(client_id, endpoint))


def _of_system(client_id: str, endpoint: str) -> str:
    return f"{_SYSTEM}{client_id}:{endpoint}"


# --- counting -----------------------------------------------------------------------------------------


def end_windows(work: Work) -> None:
    """Forget the counts whose window is over, and put on record what went past its bound."""
    since = work.now - WINDOW
    for count in store.ended(work.tx, since):
        _note(work, count)
    store.drop_ended(work.tx, since)


def _count(work: Work, key: str, more: int = 1) -> int:
    before = store.count_of(work.tx, key)
    if before is not None and before.since <= work.now - WINDOW:
        _note(work, before)
    return store.add(work.tx, key, more, work.now, work.now - WINDOW)


def _left(work: Work, key: str) -> int:
    """Return the seconds until a bound that was reached is open again; 0 where it was not."""
    count = store.count_of(work.tx, key)
    if count is None or count.requests < _most(key):
        return 0
    return max(0, ceil((count.since + WINDOW - work.now).total_seconds()))


def _most(key: str) -> int:
    if key == _ALL:
        return MOST_OF_ALL
    return MOST_OF_SYSTEM if key.startswith(_SYSTEM) else MOST_OF_SOURCE


def _note(work: Work, count: store.Count) -> None:
    """Put on record how many requests of a window were past its bound, if any."""
    more = count.requests - _most(count.key)
    if more <= 0:
        return
    client, _, endpoint = count.key.removeprefix(_SYSTEM).partition(":")
    of_system = count.key.startswith(_SYSTEM)
    body = {
        "source": count.key.removeprefix(_SOURCE) if count.key.startswith(_SOURCE) else None,
        "client": client if of_system else None,
        "endpoint": endpoint if of_system else None,
        "since": count.since.isoformat(),
        "count": more,
    }
    record(work, "token.flooded", body)
