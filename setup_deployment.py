"""First start and standing work of a deployment: folders, keys, database, accounts; the sweep."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from accounts.guessing import forget_tries
from accounts.keyring.checking import note_keys, refuse_wrong_keys
from accounts.keyring.model import ON_GATEWAYS
from accounts.keys import make_keys
from accounts.people import create_account, list_accounts
from audit.keeping.telling import tell_done
from audit.telling import tell_alarms
from cases.books import open_rulebooks
from cases.sweep import sweep
from cases.turns import retake_turns
from catalog.alike.find import note_all_items
from catalog.search.find import reindex
from core.db import Database
from core.migrate import migrate
from core.settings import Settings
from core.work import SYSTEM, Work
from gateway.issuing import forget_old
from gateway.quotas.counting import forget_counts
from hotline.knowledge.search.find import reindex as reindex_articles
from hotline.progress import forget_guesses
from notices.inbox import forget_old as forget_notices
from web.store import forget_answers

FOLDERS = ("run", "keys", "audit", "attachments")
KEPT_ANSWERS = timedelta(days=2)


def initialise(settings: Settings, now: datetime) -> dict[str, str]:
    """Make what a deployment needs and return login to one-time password of the accounts made just now."""
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.data.chmod(0o700)
    for name in FOLDERS:
        (settings.data / name).mkdir(parents=True, exist_ok=True)
    (settings.data / "keys").chmod(0o700)
    make_keys(settings)
    if settings.is_gateway:
        _initialise_log(settings)
        return {}
    database = Database(settings.database_url)
    try:
        migrate(database)
        books = open_rulebooks(settings, database, now)
        with database.begin() as tx:
            work = Work(tx, books, SYSTEM, now, settings)
            while reindex(work) or reindex_articles(work):
                pass
            note_keys(work)
            note_all_items(work)
            retake_turns(work)
            known = {a.login for a in list_accounts(work)}
            return {
                a.login: create_account(work, a.login, a.name, a.department, a.roles)
                for a in settings.accounts
                if a.login not in known
            }
    finally:
        database.close()


def _initialise_log(settings: Settings) -> None:
    """Make what goes with the log of a gateway host; it neither migrates the shared database nor fills it.

    Raises ConfigError while the keys that it shares with the control plane are not there, or are others.
    """
    for name in ON_GATEWAYS:
        settings.key(name)
    log, shared = Database(settings.log_database_url), Database(settings.database_url)
    try:
        with shared.read() as tx:
            refuse_wrong_keys(settings, tx)
        migrate(log)
    finally:
        log.close()
        shared.close()


def sweep_until_stopped(begin: Callable[[], AbstractContextManager[Work]], every_seconds: float) -> None:
    """Sweep again and again until SIGTERM; a full batch is followed by the next at once."""
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    while not stopped.is_set():
        try:
            with begin() as work:
                moved = sweep(work)
                forget_answers(work.tx, work.now - KEPT_ANSWERS)
                forget_old(work)
                forget_counts(work)
                forget_notices(work)
                forget_guesses(work)
                forget_tries(work)
                tell_alarms(work)
                tell_done(work)
        except Exception as wrong:
            print(f"sweep: {type(wrong).__name__}: {wrong}", file=sys.stderr, flush=True)
            moved = 0
        if moved == 0:
            stopped.wait(every_seconds)
