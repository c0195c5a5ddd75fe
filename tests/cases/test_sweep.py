"""The sweep tells of what falls due, once each, opens what a limit opens, and comes to an end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select

from audit.store import audit_outbox
from cases.model import Case
from cases.present import case_view
from cases.procedure import take
from cases.store import case_breaches, case_signals, cases
from cases.sweep import sweep
from core.errors import Invalid
from core.times import parse_instant
from core.work import SYSTEM
from notices.store import notices
from tests.cases.acts import (
    MANAGER_DECIDES,
    PARTIES,
    PROVIDER_DECIDES,
    clock_of,
    desk,
    opened,
    posted,
    seen,
    swept,
    taken,
    told,
    told_by,
    with_last_call,
)
from tests.cast import alice, bob, carol
from tests.conftest import World

RECTIFIER = replace(bob, login="rita", department="statistics", roles=frozenset({"rectifier"}))


def submitted(world: World, facts: dict[str, Any] = PROVIDER_DECIDES) -> Case:
    return taken(world, carol, opened(world, carol, "application", "consumer", facts), "submit")


def count(world: World, table: Any) -> int:
    with world.read(SYSTEM) as work:
        return int(work.tx.execute(select(func.count()).select_from(table)).scalar_one())


def past(world: World, case: Case, clock: str) -> datetime:
    """Return the first second after a limit."""
    due = clock_of(world, case, clock).due
    assert due is not None
    return due + timedelta(seconds=1)


# --- reminders ------------------------------------------------------------------------------------


def test_a_reminder_goes_out_with_one_full_working_day_left(world: World) -> None:
    """Three working days from Tuesday end on Friday; Thursday lies between the reminder and Friday."""
    case = submitted(world)
    assert swept(world, "2026-02-11T23:59:58") == 0
    due = "2026-02-13T23:59:59+08:00"
    assert told_by(world, case, lambda: swept(world, "2026-02-11T23:59:59")) == {
        ("warned", "platform_manager", "bigdata")
    }
    (reminder,) = [row for row in posted(world, case).values() if row.kind == "warned"]
    assert (reminder.due, reminder.body["zh"]) == (parse_instant(due), f"时限：{due}")
    assert reminder.subject["zh"].endswith("规范性检查即将到期")
    assert "19" in reminder.cite


def test_who_was_reminded_is_not_reminded_again(world: World) -> None:
    case = submitted(world)
    swept(world, "2026-02-12T09:00")
    for later in ("2026-02-12T09:00", "2026-02-12T18:00", "2026-02-13T23:59:59"):
        assert told_by(world, case, partial(swept, world, later)) == set()


def test_nobody_is_reminded_of_what_is_done(world: World) -> None:
    case = taken(world, bob, submitted(world), "refuse", reason_code="other", reason="材料不符")
    taken(world, bob, case, "inform")
    assert told_by(world, case, lambda: swept(world, "2026-02-12T09:00")) == set()


def test_a_sweep_that_comes_too_late_for_a_reminder_tells_of_the_breach_alone(world: World) -> None:
    case = submitted(world)
    assert told_by(world, case, lambda: swept(world, "2026-02-14T00:00:00")) == {
        ("breached", "platform_manager", "bigdata")
    }


def test_the_end_of_a_term_is_announced_to_both_sides_thirty_days_ahead(ganzhou: World) -> None:
    """GZ art. 5(二): further use takes a new application, so there must be time for one."""
    facts = {"grant": "G-1", "kind": "table", "term_days": 60, "valid_until": "2026-04-11T23:59:59+08:00"}
    case = opened(ganzhou, bob, "grant", facts=facts)
    both = {("consumer", "health"), ("provider", "civil_affairs")}
    assert told_by(ganzhou, case, lambda: swept(ganzhou, "2026-03-12T23:59:58")) == set()
    assert told_by(ganzhou, case, lambda: swept(ganzhou, "2026-03-13T00:00")) == {
        ("warned", *who) for who in both
    }
    assert told_by(ganzhou, case, lambda: swept(ganzhou, "2026-04-11T12:00")) == set()
    assert told_by(ganzhou, case, lambda: swept(ganzhou, "2026-04-12T00:00")) == {
        ("step", *who) for who in both
    }
    assert seen(ganzhou, case).state == "expired"


# --- breaches -------------------------------------------------------------------------------------


def test_a_breach_is_told_once_to_those_who_could_have_kept_the_limit(world: World) -> None:
    case = submitted(world)
    assert swept(world, "2026-02-13T23:59:59.900000") == 1  # the reminder; the day lasts to its end
    assert told_by(world, case, lambda: swept(world, "2026-02-14T00:00:00")) == {
        ("breached", "platform_manager", "bigdata")
    }
    records = count(world, audit_outbox)
    for days in (0, 1, 30, 400):
        again = parse_instant("2026-02-14T00:00:00") + timedelta(days=days)
        assert told_by(world, case, partial(swept, world, again)) == set()
    assert count(world, audit_outbox) == records
    assert count(world, case_breaches) == 1


def test_a_decision_that_is_late_is_told_to_the_manager_too_and_drafts_a_report(world: World) -> None:
    """QJ art. 26: what is not decided in time is reported; a person signs the report."""
    case = taken(world, bob, submitted(world), "accept")
    late = past(world, case, "decide")
    assert told_by(world, case, lambda: swept(world, late)) == {
        ("breached", "provider", "civil_affairs"),
        ("breached", "platform_manager", "bigdata"),
    }
    with world.read(SYSTEM) as work:
        drafts = (
            work.tx.execute(select(cases.c.id).where(cases.c.workflow == "breach_report")).scalars().all()
        )
    (draft,) = drafts
    assert draft in desk(world, bob)
    assert swept(world, late + timedelta(days=100)) == 0


def test_each_period_without_supply_is_a_breach_of_its_own(world: World) -> None:
    """QJ art. 17."""
    facts = {"dataset": "307001/000001", "update_limit": "weekly"}
    case = taken(world, alice, opened(world, alice, "dataset", "provider", facts), "publish")
    for period in (1, 2):
        late = past(world, case, "supply")
        assert told_by(world, case, partial(swept, world, late)) == {
            ("breached", "provider", "civil_affairs"),
            ("breached", "platform_manager", "bigdata"),
        }
        assert count(world, case_breaches) == period
        taken(world, alice, case, "supply")


def test_a_limit_that_has_passed_puts_the_next_step_on_the_desk(world: World) -> None:
    """QJ art. 31: what is not rectified in time goes up to the steering group."""
    parties = {"member": "civil_affairs", "rectifier": "statistics", "platform_manager": "bigdata"}
    case = opened(
        world,
        RECTIFIER,
        "rectification",
        "rectifier",
        parties=parties,
        deadline="2026-03-02T17:00:00+08:00",
        department="civil_affairs",
        breach="catalog",
        demand="补编目录",
    )
    assert desk(world, alice) == {case.id: ["报告已整改"]}
    assert desk(world, RECTIFIER) == {}
    assert told_by(world, case, lambda: swept(world, "2026-03-02T17:00:01")) == {
        ("breached", "", "civil_affairs"),  # everybody there
        ("breached", "rectifier", "statistics"),
    }
    assert desk(world, RECTIFIER) == {case.id: ["逾期未整改，签报领导小组"]}


# --- allowances -----------------------------------------------------------------------------------


def idle_api(world: World) -> Case:
    """A grant on an API, open since 10 February."""
    return opened(world, bob, "grant", facts={"grant": "G-1", "kind": "api", "decider": "provider"})


def test_the_provider_learns_once_that_an_api_lies_idle(ganzhou: World) -> None:
    """GZ art. 5(二): after three months without a call the provider may take it back."""
    case = idle_api(ganzhou)
    assert told_by(ganzhou, case, lambda: swept(ganzhou, "2026-05-10T23:59:59")) == set()
    assert told_by(ganzhou, case, lambda: swept(ganzhou, "2026-05-11T00:00")) == {
        ("passed", "provider", "civil_affairs")
    }
    assert count(ganzhou, case_breaches) == 0  # nobody failed a duty
    for later in ("2026-05-11T00:00", "2026-06-11T00:00", "2027-05-11T00:00"):
        assert told_by(ganzhou, case, partial(swept, ganzhou, later)) == set()
    assert taken(ganzhou, alice, case, "reclaim", reason="长期未用").state == "reclaimed"


def test_a_call_begins_the_three_months_anew(ganzhou: World) -> None:
    case = idle_api(ganzhou)
    called = parse_instant("2026-04-20T15:00")
    assert swept(ganzhou, "2026-05-11T00:00", called) == 1
    assert told(ganzhou, case) == []
    assert told_by(ganzhou, case, lambda: swept(ganzhou, "2026-07-20T23:59:59", called)) == set()
    assert told_by(ganzhou, case, lambda: swept(ganzhou, "2026-07-21T00:00", called)) == {
        ("passed", "provider", "civil_affairs")
    }
    called_again = parse_instant("2026-08-01T09:00")
    assert told_by(ganzhou, case, lambda: swept(ganzhou, "2026-08-02T09:00", called_again)) == set()


def test_a_grant_in_use_is_not_taken_back_as_idle(ganzhou: World) -> None:
    case = idle_api(ganzhou)
    ganzhou.now = parse_instant("2026-05-11T00:00")
    for last, demanded in ((None, False), (parse_instant("2026-04-20T15:00"), True)):
        with ganzhou.work(alice) as work:
            fields = case_view(with_last_call(work, last), case)["forms"]["reclaim"]["fields"]
        assert {f["name"]: f["required"] for f in fields} == {"reason": True, "evidence": demanded}
    with pytest.raises(Invalid), ganzhou.work(alice) as work:
        take(with_last_call(work, ganzhou.now), case, "reclaim", {"reason": "长期未用"})


# --- it comes to an end ---------------------------------------------------------------------------


def a_bit_of_everything(world: World) -> None:
    """One case for each procedure that a clock runs in, as far as the city's book has it."""
    flows = world.rulebooks.current("sharing").workflows
    dataset = {"dataset": "307001/000001", "update_limit": "weekly"}
    submitted(world)
    submitted(world, MANAGER_DECIDES)
    opened(world, alice, "dataset", "provider", dataset)
    terms = {"grant": "G-1", "kind": "api", "term_days": 90, "valid_until": "2026-05-11T23:59:59+08:00"}
    opened(world, bob, "grant", facts=terms)
    opened(world, bob, "grant", facts={"grant": "G-2", "kind": "api"})
    said = {
        "deadline": "2026-03-02T17:00:00.500000+08:00",
        "service_stop": "2026-03-07T20:00:00+08:00",
        "service_resume": "2026-03-08T20:00:00+08:00",
    }
    for name in flows.keys() - {"application", "dataset", "grant"}:
        parties = {**PARTIES, "member": "health", "rectifier": "statistics"}
        opened(world, carol, name, facts={"dataset": "307001/000001"}, parties=parties, **said)


@pytest.mark.parametrize("city", ["world", "ganzhou"])
def test_whatever_the_hour_a_second_sweep_finds_nothing_to_do(
    city: str, request: pytest.FixtureRequest
) -> None:
    world = request.getfixturevalue(city)
    a_bit_of_everything(world)
    hours = [world.now + timedelta(hours=18 * n) for n in range(40)]
    hours += [parse_instant(f"2026-{month:02}-10T23:59:59.999") for month in range(3, 13)]
    for hour in sorted({*hours, *_edges(world)}):
        swept(world, hour)
        marks = [count(world, table) for table in (audit_outbox, case_breaches, case_signals, notices)]
        assert swept(world, hour) == 0, hour
        assert marks == [count(world, t) for t in (audit_outbox, case_breaches, case_signals, notices)]


def _edges(world: World) -> list[datetime]:
    """Return the instants at which the sweep means to look, each with what lies around it."""
    with world.read(SYSTEM) as work:
        watched = (
            work.tx.execute(select(cases.c.watch_at).where(cases.c.watch_at.is_not(None))).scalars().all()
        )
    return [at + timedelta(milliseconds=ms) for at in watched for ms in (-500, 0, 500)]


def test_a_few_cases_at_a_time_are_all_looked_at(world: World) -> None:
    made = [submitted(world) for _ in range(7)]
    world.now = parse_instant("2026-02-16T09:00")
    looked = []
    for _ in range(4):
        with world.work(SYSTEM) as work:
            looked.append(sweep(work, 3))
    assert looked == [3, 3, 1, 0]
    assert [told(world, case).count(("breached", "platform_manager", "bigdata")) for case in made] == [1] * 7
