"""The table of deliveries and every statement on it.

waiting -> claimed -> sending -> sent | failed | uncertain | waiting again
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    delete,
    func,
    select,
    update,
)

from core.db import Instant, Page, metadata, page
from core.ids import new_id
from core.times import millis
from notices.model import EMAIL, UNCERTAIN, Delivery
from notices.store import notice_columns, notice_of, notices

deliveries = Table(
    "notice_deliveries",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("notice_id", ForeignKey(notices.c.id), nullable=False, index=True),
    Column("department", String(80), nullable=False),
    Column("channel", String(20), nullable=False),
    Column("target", String(254), nullable=False),
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    # The next try of a waiting delivery, the end of the claim of a claimed one, nothing once it is settled.
    Column("due_at", Instant),
    Column("attempt_id", String(36)),
    Column("reason", String(200)),
    Column("settled_at", Instant),
    Index("ix_notice_deliveries_due", "state", "due_at"),
)

_c = deliveries.c

WAITING, CLAIMED, SENDING = "waiting", "claimed", "sending"


def insert_deliveries(
    tx: Connection,
    notice_id: str,
    department: str,
    ways: Iterable[tuple[str, str]],
    now: datetime,
    due_at: datetime,
) -> None:
    """Add one delivery for each way (channel, target), to be tried from `due_at` on."""
    rows = [
        {
            "id": new_id(millis(now)),
            "notice_id": notice_id,
            "department": department,
            "channel": channel,
            "target": target,
            "state": WAITING,
            "attempts": 0,
            "due_at": due_at,
        }
        for channel, target in ways
    ]
    if rows:
        tx.execute(deliveries.insert(), rows)


# --- sending --------------------------------------------------------------------------------------


class Due(NamedTuple):
    """A delivery that may be claimed, and when it fell due."""

    id: str
    due_at: datetime


def due_deliveries(tx: Connection, now: datetime, each: int, most: int) -> Sequence[Due]:
    """Return what is due, the oldest first, but no more than `each` for one department and channel.

    That includes what somebody claimed and has not settled in time. So one department whose system is slow
    does not keep the others waiting.
    """
    rank = func.row_number().over(partition_by=(_c.department, _c.channel), order_by=(_c.due_at, _c.id))
    open_now = _c.state.in_((WAITING, CLAIMED, SENDING))
    ranked = select(_c.id, _c.due_at, rank.label("rank")).where(open_now, _c.due_at <= now).subquery()
    query = select(ranked.c.id, ranked.c.due_at).where(ranked.c.rank <= each)
    return [Due(*row) for row in tx.execute(query.order_by(ranked.c.due_at, ranked.c.id).limit(most))]


def claim(tx: Connection, due: Due, attempt_id: str, until: datetime) -> bool:
    """Claim a delivery unless somebody else has meanwhile; return whether it is ours."""
    ours = update(deliveries).where(_c.id == due.id, _c.due_at == due.due_at)
    return tx.execute(ours.values(state=CLAIMED, attempt_id=attempt_id, due_at=until)).rowcount == 1


def claimed(tx: Connection, attempt_id: str) -> list[Delivery]:
    """Return what was claimed under an attempt, the oldest first."""
    notice = [c.label(f"of_{c.name}") for c in notice_columns()]
    query = select(deliveries, *notice).join(notices).where(_c.attempt_id == attempt_id, _c.state == CLAIMED)
    return [_delivery(row._mapping) for row in tx.execute(query.order_by(_c.id))]


def _delivery(row: Mapping[Any, Any]) -> Delivery:
    return Delivery(
        id=row["id"],
        notice=notice_of({c.name: row[f"of_{c.name}"] for c in notice_columns()}),
        channel=row["channel"],
        target=row["target"],
        attempts=row["attempts"],
        attempt_id=row["attempt_id"],
    )


def begin(tx: Connection, delivery: Delivery, until: datetime) -> bool:
    """Note that the delivery is about to go out; return False when the claim is somebody else's by now."""
    ours = update(deliveries).where(_own(delivery), _c.state == CLAIMED)
    values = {"state": SENDING, "attempts": delivery.attempts + 1, "due_at": until}
    return tx.execute(ours.values(**values)).rowcount == 1


def settle(tx: Connection, delivery: Delivery, **values: Any) -> None:
    """Write what became of a delivery, unless the claim is somebody else's by now."""
    tx.execute(update(deliveries).where(_own(delivery)).values(attempts=delivery.attempts + 1, **values))


def release(tx: Connection, delivery: Delivery, now: datetime) -> None:
    """Give a claim back without a try."""
    ours = update(deliveries).where(_own(delivery), _c.state == CLAIMED)
    tx.execute(ours.values(state=WAITING, due_at=now))


def _own(delivery: Delivery) -> Any:
    return (_c.id == delivery.id) & (_c.attempt_id == delivery.attempt_id)


def set_uncertain(tx: Connection, now: datetime, reason: str) -> int:
    """Give up on e-mails whose sender went away in the middle; return how many."""
    lost = update(deliveries).where(_c.state == SENDING, _c.due_at <= now, _c.channel == EMAIL)
    values = {"state": UNCERTAIN, "due_at": None, "reason": reason, "settled_at": now}
    return tx.execute(lost.values(**values)).rowcount


def any_due(tx: Connection, now: datetime) -> bool:
    """Tell whether anything is due."""
    query = select(_c.id).where(_c.state.in_((WAITING, CLAIMED, SENDING)), _c.due_at <= now).limit(1)
    return tx.execute(query).first() is not None


# --- looking at it --------------------------------------------------------------------------------


def counts(tx: Connection) -> dict[str, int]:
    """Return how many deliveries there are in each state."""
    rows = tx.execute(select(_c.state, func.count()).group_by(_c.state))
    return {state: int(count) for state, count in rows}


def oldest_waiting(tx: Connection) -> datetime | None:
    """Return when the notice was posted that has waited longest to go out."""
    query = select(func.min(notices.c.posted_at)).join(deliveries)
    return tx.execute(query.where(_c.state.in_((WAITING, CLAIMED, SENDING)))).scalar_one_or_none()


def deliveries_in(tx: Connection, state: str, limit: int, cursor: str | None) -> Page:
    """Return one page of the deliveries in a state with their notices' subjects, the newest first."""
    columns = (_c.id, _c.department, _c.channel, _c.attempts, _c.reason, _c.due_at, _c.settled_at)
    query = select(*columns, notices.c.subject, notices.c.posted_at).join(notices).where(_c.state == state)
    return page(tx, query, [_c.id], limit=limit, cursor=cursor)


def delete_deliveries(tx: Connection, notice_ids: Sequence[str]) -> None:
    """Delete the deliveries of notices."""
    tx.execute(delete(deliveries).where(_c.notice_id.in_(notice_ids)))
