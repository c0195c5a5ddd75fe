"""The inbox: what a department was told, as each of its people finds it, and who has read what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from audit.log import record
from core.errors import NotFound, invalid
from core.times import local_iso
from core.work import Work
from notices import store
from notices.delivery import store as deliveries
from notices.model import Reader
from notices.store import Line

MOST_COUNTED = 100
"""The count on every page stops here: ninety-nine and more."""
JUST_NOW = timedelta(minutes=1)
"""Longer than any transaction: what was posted before it can be seen by everybody now."""
FORGET_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of an inbox, and the cursor of the next."""

    lines: Sequence[Line]
    next_cursor: str | None


def reader_of(work: Work) -> Reader:
    """Return the actor as a reader of the inbox."""
    return Reader(work.actor.login, work.actor.department, work.actor.roles)


def list_notices(
    work: Work, *, kind: str | None = None, unread: bool = False, limit: int, cursor: str | None = None
) -> Listed:
    """Return a page of the actor's inbox, the newest first."""
    if kind is not None and not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", kind):
        raise invalid("/kind", "没有这类通知", "is not a kind of notice")
    return Listed(*store.inbox(work.tx, reader_of(work), kind, unread, limit, cursor))


def count_unread(work: Work) -> int:
    """Return how many notices the actor has not read, at most `MOST_COUNTED`."""
    return store.count_unread(work.tx, reader_of(work), MOST_COUNTED)


def read_notice(work: Work, notice_id: str) -> Line:
    """Note that the actor has read a notice. Raises NotFound when it is not in the actor's inbox."""
    notice = store.visible_notice(work.tx, reader_of(work), notice_id)
    if notice is None:
        raise NotFound("没有这条通知", "there is no such notice")
    store.insert_read(work.tx, work.actor.login, notice_id, work.now)
    _tidy(work)
    record(work, "notice.read", {"notice": notice_id, "case": notice.about or None})
    return Line(notice, True)


def read_all(work: Work) -> None:
    """Note that the actor has read whatever is in the inbox now, not what is being posted meanwhile."""
    reader = reader_of(work)
    settled = work.now - JUST_NOW
    mark = store.mark_of(work.tx, reader.login)
    since = max(settled, mark) if mark else settled
    store.read_since(work.tx, reader, since, work.now)
    store.move_mark(work.tx, reader.login, since)
    record(work, "notice.read", {"notice": "all"})


def _tidy(work: Work) -> None:
    """Move the mark up to the oldest unread notice, so that no list walks over what was read long ago."""
    oldest = store.oldest_unread(work.tx, reader_of(work))
    settled = work.now - JUST_NOW
    before = settled if oldest is None else min(oldest, settled)
    mark = store.mark_of(work.tx, work.actor.login)
    if mark is None or before > mark:
        store.move_mark(work.tx, work.actor.login, before)


def forget_old(work: Work) -> int:
    """Drop notices older than the platform keeps them, some at a time; return how many."""
    before = work.now - timedelta(days=work.settings.platform.notice_days)
    ids = store.old_notices(work.tx, before, FORGET_AT_ONCE)
    if ids:
        deliveries.delete_deliveries(work.tx, ids)
        store.delete_notices(work.tx, ids)
    return len(ids)


def view(line: Line) -> dict[str, Any]:
    """Return a notice as JSON."""
    n = line.notice
    return {
        "id": n.id,
        "kind": n.kind,
        "posted_at": local_iso(n.posted_at),
        "about": n.about or None,
        "link": n.link,
        "role": n.role or None,
        "subject": n.subject._asdict(),
        "body": n.body._asdict(),
        "due": local_iso(n.due) if n.due else None,
        "cite": n.cite,
        "read": line.read,
    }
