"""Posting a notice: one row for the inbox and one for each way out, in the transaction of the act."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from core.ids import new_id
from core.times import millis
from core.work import Work
from notices import store
from notices.delivery import store as deliveries
from notices.model import EMAIL, WEBHOOK, Draft

__all__ = ["Draft", "post_notice", "told"]


def post_notice(work: Work, notice: Draft) -> bool:
    """Post a notice in the caller's transaction; return False when its key was posted before.

    It lies in the inbox at once, and goes out over the channels that the deployment names for the department.
    """
    notice_id = new_id(millis(work.now))
    if not store.insert_notice(work.tx, notice_id, notice, work.now):
        return False
    department = work.settings.departments.get(notice.department)
    if department is not None:
        ways = [(EMAIL, address) for address in department.notify.email]
        ways += [(WEBHOOK, "")] if department.notify.webhook is not None else []
        due = notice.not_before or work.now
        deliveries.insert_deliveries(work.tx, notice_id, notice.department, ways, work.now, due)
    return True


def told(
    tx: Connection, about: str, kind: str | None = None, since: datetime | None = None
) -> frozenset[str]:
    """Return the departments that were posted a notice about a case, of one kind, since an instant."""
    return store.departments_told(tx, about, kind, since)
