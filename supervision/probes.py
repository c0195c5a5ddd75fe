"""Looks, again and again, whether the data of every published dataset can be had.

A look is the self-check of the catalog: an address answers, a table can be read, files are there. It says
nothing about what a consumer may do, and asks for nothing that could change anything. Providers are never
waited for inside a transaction.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection as Transaction

from catalog.selfcheck import self_check
from core.db import Database
from core.periods import day_of
from core.settings import Settings
from supervision import store
from supervision.model import Seen, Target

LOOK_SECONDS = 5.0
"""What one look may take."""
THREADS = 4
KEPT = timedelta(days=90)
"""How long single looks are kept; the sums of their days are kept for ever."""

Excused = Callable[[Transaction, datetime], Callable[[str], bool]]
"""At an instant, whether announced maintenance covers a dataset, by its code."""
_log = logging.getLogger(__name__)


def nothing_excused(tx: Transaction, at: datetime) -> Callable[[str], bool]:
    """Answer where nobody announces maintenance."""
    return lambda dataset: False


def probe(
    database: Database, settings: Settings, now: datetime, excused: Excused = nothing_excused
) -> Sequence[Seen]:
    """Look at what is published and was not looked at for `probe_seconds`; return what was found.

    Hold no transaction.
    """
    since = now - timedelta(seconds=settings.platform.probe_seconds)
    with database.read() as tx:
        due = store.targets(tx, since)
    if not due:
        return ()
    seen = _look_at_all(settings, due, now)
    with database.begin() as tx:
        covers = excused(tx, now)
        seen = [look._replace(excused=covers(look.dataset)) for look in seen]
        store.add_looks(tx, seen, day_of(now).isoformat())
        store.forget_looks(tx, now - KEPT)
    return seen


def _look_at_all(settings: Settings, targets: Sequence[Target], now: datetime) -> list[Seen]:
    """Look at several at a time; whoever lets us wait beyond all bounds counts as not to be had."""
    pool = ThreadPoolExecutor(THREADS)
    asked = [(target, pool.submit(look_at, settings, target, now)) for target in targets]
    rounds = -(-len(targets) // THREADS)
    wait([future for _, future in asked], timeout=LOOK_SECONDS * (rounds + 1))
    pool.shutdown(wait=False, cancel_futures=True)
    return [_result(target, future, now) for target, future in asked]


def _result(target: Target, future: Future[Seen], now: datetime) -> Seen:
    if future.done() and not future.cancelled():
        return future.result()
    return Seen(target.dataset, target.kind, now, False, int(LOOK_SECONDS * 1000), "timeout", False)


def look_at(settings: Settings, target: Target, now: datetime) -> Seen:
    """Look at one distribution; never raises."""
    began = time.monotonic()
    reason = _reason(settings, target)
    milliseconds = round((time.monotonic() - began) * 1000)
    return Seen(target.dataset, target.kind, now, reason is None, milliseconds, reason, False)


def _reason(settings: Settings, target: Target) -> str | None:
    """Return what stands in the way, None when nothing does."""
    connection = settings.connections.get(target.connection)
    if connection is None:
        return "no_connection"
    bounded = replace(
        connection,
        connect_seconds=min(connection.connect_seconds, LOOK_SECONDS),
        total_seconds=min(connection.total_seconds, LOOK_SECONDS),
    )
    try:
        report = self_check(bounded, target.detail, target.document)
    except Exception:
        _log.exception("the look at %s (%s) failed", target.dataset, target.kind)
        return "error"
    wrong = next((item.name for item in report.items if not item.passed), None)
    return None if wrong is None else wrong.partition(" ")[0][:40]
