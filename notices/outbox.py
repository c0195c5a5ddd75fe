"""The outbox: who sends what now, what became of it, and when it is tried again.

A claim is a short transaction, the sending happens outside any, and what became of it is written in another.
Whoever loses the claim in between can neither begin nor settle the delivery, so two senders never send one
delivery twice. A webhook whose sender went away in the middle is sent again under the same id, by which its
receiver drops repeats; an e-mail in that place is uncertain for good (docs/decisions/0013).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from core.db import Database, Page
from core.ids import new_id
from core.text import Text
from core.times import local_iso
from core.work import Work
from notices.delivery import store
from notices.model import FAILED, RETRY, Delivery, Outcome

PAUSES = tuple(timedelta(minutes=m) for m in (1, 5, 30, 2 * 60, 12 * 60, 24 * 60))
"""How long after each failed try the next one comes; after the last of them there is none."""
CLAIM = timedelta(minutes=3)
"""How long a claim holds before its sending begins."""
SENDING = timedelta(minutes=1)
"""How long one sending may take: more than its own bounds allow."""
LONGEST_WAIT = timedelta(hours=24)
"""The most that the other side may make us wait."""
EACH, MOST = 10, 100
"""How many deliveries of one department and channel, and how many in all, are claimed at once."""
SENDER_LOST = "sender_lost"

STATES = {
    "waiting": Text("等待发送", "Waiting"),
    "claimed": Text("即将发送", "About to be sent"),
    "sending": Text("正在发送", "Being sent"),
    "sent": Text("已送达", "Sent"),
    "failed": Text("发送失败", "Failed"),
    "uncertain": Text("无法确认是否送达", "May have been sent"),
}


class Outbox:
    """The deliveries of one deployment, as a sender sees them."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self.clock = clock

    def claim(self) -> list[Delivery]:
        """Claim what is due now; nobody else gets it while the claim holds."""
        with self._database.read() as tx:
            if not store.any_due(tx, self.clock()):
                return []
        attempt_id = new_id()
        with self._database.begin() as tx:
            now = self.clock()
            store.set_uncertain(tx, now, SENDER_LOST)
            for due in store.due_deliveries(tx, now, EACH, MOST):
                store.claim(tx, due, attempt_id, now + CLAIM)
            return store.claimed(tx, attempt_id)

    def begin(self, delivery: Delivery) -> bool:
        """Note that a delivery is about to go out; False when it is not ours any more."""
        with self._database.begin() as tx:
            return store.begin(tx, delivery, self.clock() + SENDING)

    def settle(self, delivery: Delivery, outcome: Outcome) -> None:
        """Write what became of a delivery, and when it is tried again."""
        with self._database.begin() as tx:
            store.settle(tx, delivery, **_after(delivery, outcome, self.clock()))

    def postpone(self, rest: Sequence[Delivery], outcome: Outcome) -> None:
        """Count a try for deliveries to a place that does not answer just now."""
        with self._database.begin() as tx:
            for delivery in rest:
                store.settle(tx, delivery, **_after(delivery, outcome, self.clock()))

    def release(self, rest: Sequence[Delivery]) -> None:
        """Give claims back, to be sent by the next who looks."""
        with self._database.begin() as tx:
            for delivery in rest:
                store.release(tx, delivery, self.clock())


def _after(delivery: Delivery, outcome: Outcome, now: datetime) -> dict[str, Any]:
    """Return the columns of a delivery after a try."""
    reason = outcome.reason or None
    if outcome.result != RETRY:
        return {"state": outcome.result, "reason": reason, "due_at": None, "settled_at": now}
    if delivery.attempts >= len(PAUSES):
        return {"state": FAILED, "reason": reason, "due_at": None, "settled_at": now}
    asked = min(timedelta(seconds=outcome.after_seconds), LONGEST_WAIT)
    pause = max(PAUSES[delivery.attempts], asked)
    return {"state": store.WAITING, "reason": reason, "due_at": now + pause}


def status(work: Work) -> Mapping[str, int | str | None]:
    """Return how many deliveries stand in each state, and since when the oldest has waited."""
    found = store.counts(work.tx)
    oldest = store.oldest_waiting(work.tx)
    return {
        **{state: found.get(state, 0) for state in STATES},
        "oldest_waiting": local_iso(oldest) if oldest else None,
    }


def list_deliveries(work: Work, state: str, limit: int, cursor: str | None) -> Page:
    """Return one page of the deliveries in a state, the newest first."""
    return store.deliveries_in(work.tx, state, limit, cursor)
