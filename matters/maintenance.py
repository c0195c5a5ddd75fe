"""Maintenance that stops a service: announced in good time, in principle on days off (GZ art. 14)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from cases.store import cases_by_id
from core.errors import invalid
from core.times import SHANGHAI, local_iso, parse_instant
from core.work import Work
from matters import store
from rules.clocks import clock_states, is_past
from rules.limits import Recorded
from rules.rulebook import Rulebook

STOP, RESUME = "service_stop", "service_resume"
"""The fields of an opening that announce from when until when a service stops."""
LONGEST = timedelta(days=30)


def check_maintenance(work: Work, book: Rulebook, workflow: str, fields: Mapping[str, Any]) -> None:
    """Refuse an announcement that comes too late, is not a span, or lies on working days without a reason.

    The clock that counts back from the announced event says how early it must be; a procedure without such a
    clock is none of this. Raises Invalid at the field.
    """
    if STOP not in fields or RESUME not in fields:
        return
    stop, resume = parse_instant(fields[STOP]), parse_instant(fields[RESUME])
    if not work.now < stop < resume <= stop + LONGEST:
        raise invalid(
            f"/{RESUME}",
            "恢复时间应晚于停止时间且不超过 30 天，停止时间应在将来",
            "the service must stop in the future and resume after that, within 30 days",
        )
    _check_notice(work, book, workflow, fields)
    _check_window(work, book, fields, stop, resume)


def _check_notice(work: Work, book: Rulebook, workflow: str, fields: Mapping[str, Any]) -> None:
    """The clock before the stop must not have run out when the notice is published."""
    events = [Recorded(name, work.now, fields) for name in book.workflow(workflow).opening]
    for clock in clock_states(book, workflow, {}, events, work.rulebooks.calendar, work.now):
        if clock.due is not None and is_past(clock.due, work.now):
            until = local_iso(clock.due)
            raise invalid(
                f"/{STOP}",
                f"通知晚了：最迟应于 {until} 发布",
                f"announced too late: the notice was due by {until}",
                code="too_late",
                cite=str(clock.cite),
            )


def _check_window(
    work: Work, book: Rulebook, fields: Mapping[str, Any], stop: datetime, resume: datetime
) -> None:
    leaf = book.policy("supervision.maintenance_window")
    if leaf.value is None or fields.get("override_reason"):
        return
    day = stop.astimezone(SHANGHAI).date()
    last = (resume - timedelta(microseconds=1)).astimezone(SHANGHAI).date()
    while day <= last:
        if work.rulebooks.calendar.is_workday(day):
            raise invalid(
                "/override_reason",
                f"{day} 是工作日，维护原则上安排在节假日或公休日，请说明理由",
                f"{day} is a working day; say why maintenance is not on a day off",
                code="required",
                cite=str(leaf.cite),
            )
        day += timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Stopped:
    """What announced maintenance stops at an instant."""

    everything: bool
    datasets: frozenset[str]

    def covers(self, dataset: str) -> bool:
        """Tell whether a dataset is not to be had for it."""
        return self.everything or dataset in self.datasets


def stopped_at(tx: Connection, book: Rulebook, at: datetime) -> Stopped:
    """Return what announced maintenance stops at an instant: named datasets, or the platform as a whole."""
    running = [m for m in store.matters_in(tx, announced_states(book)) if _is_on(tx, m.id, at)]
    return Stopped(any(not m.datasets for m in running), frozenset(c for m in running for c in m.datasets))


def _is_on(tx: Connection, case_id: str, at: datetime) -> bool:
    said = cases_by_id(tx, [case_id])[case_id].events[0].fields
    return STOP in said and parse_instant(said[STOP]) <= at < parse_instant(said[RESUME])


def announced_states(book: Rulebook) -> list[tuple[str, str]]:
    """Return the (workflow, state) pairs in which maintenance is announced."""
    return [
        (name, state.name)
        for name, flow in book.workflows.items()
        for state in flow.states.values()
        if "announced" in state.flags
    ]
