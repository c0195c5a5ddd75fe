"""The rulebooks of a deployment, with every version that a case was opened under."""

from __future__ import annotations

from datetime import datetime

from cases.store import archive_rulebook, archived_rulebooks
from core.db import Database
from core.settings import Settings
from rules.rulebook import SHIPPED, Rulebooks, load_rulebooks


def open_rulebooks(settings: Settings, database: Database, now: datetime) -> Rulebooks:
    """Return the books that the deployment chose and the archived versions.

    The versions in force are put into the archive, so that no case outlives its own rules. Raises
    ConfigError with every fault of a book or a calendar.
    """
    selected = settings.platform.rulebooks
    with database.begin() as tx:
        books = load_rulebooks(SHIPPED, selected, archived_rulebooks(tx), day_end=settings.platform.day_end)
        for domain in selected:
            book = books.current(domain)
            archive_rulebook(tx, book.id, book.version, book.document, now)
    return books
