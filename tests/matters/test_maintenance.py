"""Maintenance is announced in good time, in principle on days off, and counts against nobody."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.errors import Invalid
from matters.acting import act_on_matter
from matters.maintenance import stopped_at
from matters.opening import open_matter
from notices.inbox import list_notices
from tests.cast import bob, carol
from tests.stories import active_grant

MAY_DAY = {"service_stop": "2026-05-01T22:00:00+08:00", "service_resume": "2026-05-02T06:00:00+08:00"}
REASON = {"reason": "数据库升级"}


def announced(world: Any, **more: Any) -> Any:
    with world.work(bob) as work:
        return open_matter(work, "maintenance", {**MAY_DAY, **REASON, **more})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_two_full_working_days_lie_between_notice_and_stop(ganzhou: Any) -> None:
    ganzhou.now = at("2026-04-29T00:00:00+08:00")
    with pytest.raises(Invalid) as refused:
        announced(ganzhou)
    assert refused.value.errors[0].pointer == "/service_stop"
    ganzhou.now = at("2026-04-28T23:59:59+08:00")
    assert announced(ganzhou).case.state == "announced"


def test_on_a_working_day_it_takes_a_reason(ganzhou: Any) -> None:
    ganzhou.now = at("2026-04-13T10:00:00+08:00")
    window = {"service_stop": "2026-04-22T01:00:00+08:00", "service_resume": "2026-04-22T05:00:00+08:00"}
    with pytest.raises(Invalid) as refused:
        announced(ganzhou, **window)
    assert refused.value.errors[0].pointer == "/override_reason"
    assert announced(ganzhou, **window, override_reason="故障隐患，不能拖延").case.state == "announced"


def test_it_stops_what_it_names_while_it_lasts_and_the_users_know(ganzhou: Any) -> None:
    code = active_grant(ganzhou, term_days=365).grant.dataset_code
    ganzhou.now = at("2026-04-20T10:00:00+08:00")
    held = announced(ganzhou)
    book = ganzhou.rulebooks.current("sharing")
    with ganzhou.read(bob) as work:
        assert stopped_at(work.tx, book, at("2026-05-01T23:00:00+08:00")).covers(code)
        assert not stopped_at(work.tx, book, at("2026-05-02T06:00:00+08:00")).covers(code)
    with ganzhou.read(carol) as work:
        assert any(
            held.matter.number in line.notice.subject.zh for line in list_notices(work, limit=50).lines
        )
    with ganzhou.work(bob) as work:
        act_on_matter(work, held.matter.id, "cancel", {"reason": "改期"})
    with ganzhou.read(bob) as work:
        assert not stopped_at(work.tx, book, at("2026-05-01T23:00:00+08:00")).covers(code)
