"""Reports on the command line."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from core.work import Work
from hotline.reports import store
from hotline.reports.keeping import BATCH, keep_again
from hotline.statistics.publishing import publish_statistics, read_statistics

Begin = Callable[[], AbstractContextManager[Work]]


def rebuild(begin: Begin, told: Callable[[int, int], object]) -> dict[str, int]:
    """Work out the turns of all tickets anew, a few in each transaction, then the statistics.

    `told` hears after each piece how many tickets are done, and of how many.
    """
    with begin() as work:
        all_ = store.count_tickets(work.tx)
    after: str | None = ""
    done = 0
    while after is not None:
        with begin() as work:
            after = keep_again(work, after)
        done = min(done + BATCH, all_)
        told(done, all_)
    with begin() as work:
        rows, settings = read_statistics(work), work.settings
    return {"tickets": all_, "rows": publish_statistics(settings, rows)}
