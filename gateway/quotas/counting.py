"""How many calls of today are used up under a grant, for those who look after it."""

from __future__ import annotations

from core.periods import day_of
from core.work import Work
from gateway.model import Grant
from gateway.quotas import store


def calls_today(work: Work, grant: Grant) -> int | None:
    """Return how many calls of today are counted under a grant; None where it has no bound to count for."""
    if grant.terms.calls_per_day is None:
        return None
    return store.calls_on(work.tx, grant.id, day_of(work.now))


def forget_counts(work: Work) -> int:
    """Drop the counts of the days before today; return how many."""
    return store.forget_calls(work.tx, day_of(work.now))
