"""The rulebooks of a deployment, with every version that a case was opened under."""

from __future__ import annotations

from datetime import datetime

from cases.store import archive_rulebook, archived_rulebooks
from core.db import Database
from core.errors import ConfigError, Finding
from core.settings import Settings
from core.text import Text
from rules.rulebook import SHIPPED, Rulebook, Rulebooks, load_rulebooks

LAPSED = "lapsed"
"""The status of a rulebook whose regulation is in force no longer."""


def tenancy_warning(settings: Settings, book: Rulebook) -> Text | None:
    """Return what to tell who runs a platform of its own where the text knows tenants only (GZ art. 3)."""
    leaf = book.policy("deployment.standalone_platform")
    if leaf.value != "forbidden" or settings.platform.tenant_of is not None:
        return None
    zh, en = leaf.cite.in_language("zh"), leaf.cite.in_language("en")
    return Text(
        f"规定不允许单独建设平台（{zh}），请在 platform.yaml 写明所依托的上级平台 tenant_of",
        f"no platform of its own is allowed ({en}): name the upper platform as tenant_of in platform.yaml",
    )


def refuse_lapsed(settings: Settings, books: Rulebooks) -> None:
    """Refuse a book that is in force no longer, but for a demonstration. Raises ConfigError."""
    lapsed = [
        id for id in settings.platform.rulebooks.values() if books.get(id).document.get("status") == LAPSED
    ]
    if lapsed and not settings.platform.demo:
        raise ConfigError(
            Finding("platform.yaml", "/rulebooks", Text(f"“{id}”已失效，只能用于演示", f"{id!r} has lapsed"))
            for id in lapsed
        )


def open_rulebooks(settings: Settings, database: Database, now: datetime) -> Rulebooks:
    """Return the books that the deployment chose and the archived versions.

    The versions in force are put into the archive, so that no case outlives its own rules. Raises
    ConfigError with every fault of a book or a calendar.
    """
    selected = settings.platform.rulebooks
    with database.begin() as tx:
        archive, day_end = archived_rulebooks(tx), settings.platform.day_end
        books = load_rulebooks(SHIPPED, selected, archive, day_end=day_end, every=False)
        refuse_lapsed(settings, books)
        for domain in selected:
            book = books.current(domain)
            archive_rulebook(tx, book.id, book.version, book.document, now)
    return books
