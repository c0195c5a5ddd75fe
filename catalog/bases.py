"""What is withheld from sharing, and on which basis: listed for whoever may see it, filing included."""

from __future__ import annotations

from typing import NamedTuple

from catalog.model import LEVELS, Dataset, Filing
from catalog.search.store import Asked, find_ids
from catalog.store import datasets_by_id
from core.db import Page
from core.errors import invalid
from core.work import Work


class Withheld(NamedTuple):
    """A dataset of which all or some items are not shared, and the filing of its basis, if there is one."""

    dataset: Dataset
    filing: Filing | None


def list_bases(work: Work, level: str | None, limit: int, cursor: str | None) -> Page:
    """Return one page of what is withheld (`Withheld`), as far as the actor may see it, last changed first.

    A dataset is of the class of its strictest item, so one withheld item brings it here (QJ art. 8 (一); GZ
    art. 4 (一)). Raises Invalid for a level that does not exist.
    """
    if level is not None and level not in LEVELS:
        raise invalid(
            "/level",
            f"应为以下之一：{'、'.join(LEVELS)}",
            f"must be one of {', '.join(LEVELS)}",
            code="enum",
        )
    actor = work.actor
    asked = Asked(
        share_class="none",
        level=level,
        sees_all=actor.has("platform_manager") and actor.department == work.settings.platform.manager,
        sees_own=actor.department if actor.has("provider") else None,
        sees_past=actor.has("auditor"),
    )
    found = find_ids(work.tx, asked, limit, cursor)
    ids = [row.id for row in found.rows]
    filings = work.filings_of(work, ids)
    rows = [Withheld(d, filings.get(d.id)) for d in datasets_by_id(work.tx, ids)]
    return Page(rows, found.next_cursor)
