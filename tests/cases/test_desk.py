"""The desk shows each person what waits for them, and only that."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import event

from cases.desk import counts, list_cases
from cases.telling import link_of
from gateway.applications import act_on_application
from gateway.grants import act_on_grant
from tests.cases.acts import MANAGER_DECIDES, PARTIES, desk, opened, taken
from tests.cast import alice, ann, bill, bob, carol, chen, dave, mallory
from tests.stories import active_client, active_grant, offered, submitted_application


def listed(world, actor, which="tasks", limit=50, cursor=None):
    with world.read(actor) as work:
        return list_cases(work, which, limit, cursor)


def ids(world, actor, which="tasks"):
    return [line.case.id for line in listed(world, actor, which).lines]


def test_an_application_waits_for_whoever_has_the_turn(world):
    filed = submitted_application(world, offered(world, "workdays"), fields=["date"], operations=["day"])
    assert (ids(world, bob), ids(world, ann), ids(world, carol)) == ([filed.case.id], [], [])
    with world.work(bob) as work:
        act_on_application(work, filed.application.id, "accept", {})
    assert (ids(world, bob), ids(world, ann), ids(world, carol)) == ([], [filed.case.id], [])


def test_it_says_what_is_to_be_done_and_until_when(world):
    submitted_application(world)
    [line] = listed(world, bob).lines
    assert [step.zh for step in line.steps] == ["受理", "不予受理"]
    assert line.due.isoformat().startswith("2026-02-13T23:59:59")
    assert not line.late


def test_what_may_be_done_at_leisure_waits_for_nobody(world):
    active_grant(world)
    assert ids(world, alice) == []
    assert {line.case.kind for line in listed(world, bob).lines} == {"application"}


def test_a_suspended_grant_waits_for_nobody_but_is_among_the_latest_changes(world):
    held = active_grant(world)
    with world.work(bob) as work:
        act_on_grant(work, held.grant.id, "suspend", {"reason": "来源地址异常"})
    assert held.grant.id not in ids(world, bob)
    assert held.grant.id in ids(world, bob, "recent")


def test_under_another_rulebook_the_turn_is_elsewhere(ganzhou):
    on_condition = {"share_class": "conditional", "share_condition": "说明用途", "class_reason": "业务需要"}
    code = offered(ganzhou, "divisions", **on_condition)
    filed = submitted_application(ganzhou, code, term_days=90)
    assert ids(ganzhou, alice) == [filed.case.id]
    assert ids(ganzhou, bob) == []


def test_a_limit_that_passes_shows_as_overdue_from_the_next_second(world):
    submitted_application(world)
    [line] = listed(world, bob).lines
    world.now = line.due
    assert ids(world, bob, "late") == []
    world.now = line.due + timedelta(seconds=1)
    [late] = listed(world, bob, "late").lines
    assert late.late
    with world.read(bob) as work:
        assert counts(work) == {"tasks": 1, "late": 1}


def test_a_draft_is_on_the_desk_of_its_own_department_only(world):
    filed = submitted_application(world, submit=False)
    assert filed.case.id in ids(world, carol, "recent")
    for other in (alice, bob, dave):
        assert filed.case.id not in ids(world, other, "recent")


def test_nobody_sees_the_cases_of_others(world):
    filed = submitted_application(world)
    world.now += timedelta(days=30)
    for which in ("tasks", "late", "recent"):
        assert filed.case.id not in ids(world, mallory, which)
        assert filed.case.id not in ids(world, chen, which)


def test_an_auditor_sees_what_is_late_anywhere(world):
    filed = submitted_application(world)
    world.now += timedelta(days=30)
    assert ids(world, dave, "late") == [filed.case.id]
    assert ids(world, dave) == []


def test_a_list_turns_its_pages_without_loss_or_repetition(world):
    code, system = offered(world, "divisions"), active_client(world)
    made = set()
    for _ in range(7):
        world.now += timedelta(minutes=1)
        made.add(submitted_application(world, code, system).case.id)
    seen, cursor = [], None
    while True:
        page = listed(world, bob, limit=3, cursor=cursor)
        seen += [line.case.id for line in page.lines]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == 7
    assert set(seen) == made


def test_the_desk_asks_the_database_no_more_when_there_is_more_to_show(world):
    code, system = offered(world, "divisions"), active_client(world)
    submitted_application(world, code, system)
    browser = world.browser(bob)
    few = _statements(world, lambda: browser.get("/"))
    for _ in range(5):
        submitted_application(world, code, system)
    assert _statements(world, lambda: browser.get("/")) == few


def _statements(world, act):
    asked = []

    def note(*args):
        asked.append(args[2])

    event.listen(world.database.engine, "before_cursor_execute", note)
    assert act().status_code == 200
    event.remove(world.database.engine, "before_cursor_execute", note)
    return len(asked)


def test_the_page_names_the_dataset_and_links_to_the_case(world):
    filed = submitted_application(world)
    page = world.browser(bob).get("/").text
    assert f'href="{link_of(filed.case)}"' in page
    assert "行政区划" in page
    assert "潜江市卫生健康委员会" in page


def test_a_list_that_does_not_exist_shows_the_whole_desk(world):
    page = world.browser(bob).get("/?list=secrets").text
    assert "待我办理" in page
    assert "最近动态" in page


def test_who_asked_is_not_called_upon_to_decide(ganzhou):
    case = opened(
        ganzhou, bob, "application", "consumer", MANAGER_DECIDES, {**PARTIES, "consumer": "bigdata"}
    )
    asker = replace(bob, roles=bob.roles | {"consumer"})
    taken(ganzhou, asker, case, "submit")
    assert desk(ganzhou, asker) == {}
    assert set(desk(ganzhou, bill)) == {case.id}
