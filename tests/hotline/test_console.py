"""The pages of tickets as the people of a hotline use them: calls, queues, steps, callers, replies."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest

from core.work import Actor
from tests.cast import alice, dave, dora, hans, hugo, lena, otto, sven
from tests.conftest import World
from tests.gateway.providers import Provider, json_answer
from tests.hotline.kit import (
    WANG,
    acted,
    answered_ticket,
    classified,
    dispatched_ticket,
    seen,
    step_doing,
    step_emitting,
    taken,
)
from tests.hotline.test_links import desk_system, offering
from tests.stories import active_grant


def token(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


def sent(browser: Any, address: str, fields: dict[str, Any], shown: str = "/tickets") -> Any:
    """Send a form as a browser would that was shown a page before."""
    return browser.post(address, data={"csrf_token": token(browser.get(shown).text), **fields})


CALL = {
    "channel": "phone",
    "caller.phone": "139 8765 4321",
    "caller.name": "王建国",
    "caller.address": "园林街道东方路 8 号 3 单元",
    "summary": "东方路路灯不亮",
    "description": "东方路路灯三天不亮，晚上出行不便。",
    "category": "路灯",
    "location": "东方路 8 号门口",
}


def call(world: World, **changes: Any) -> dict[str, Any]:
    facts = {f"facts.{name}": value for name, value in classified(world).items()}
    return {**CALL, **facts, **changes}


def numbers(page: str) -> list[str]:
    return re.findall(r'<a href="/tickets/[^"]+">(T-\d{4}-\d+)</a>', page)


# --- a call becomes a ticket ----------------------------------------------------------------------


def test_a_call_is_taken_in_and_its_number_and_code_are_shown_once(desk: World) -> None:
    browser = desk.browser(otto)
    made = sent(browser, "/tickets/new", call(desk), "/tickets/new")
    assert made.status_code == 200
    assert "T-2026-000001" in made.text
    code = re.search(r"<dd>(\w{5} \w{5})</dd>", made.text)
    assert code is not None
    ticket = re.search(r'href="(/tickets/[0-9a-f-]{36})"', made.text)
    assert ticket is not None
    shown = browser.get(ticket[1]).text
    assert code[1] not in shown
    assert code[1].replace(" ", "") not in shown


def test_a_topic_is_typed_by_code_by_title_or_by_a_part_of_one(desk: World) -> None:
    browser = desk.browser(otto)
    for typed in ("street_lights", "路灯", "street li"):
        made = sent(browser, "/tickets/new", call(desk, category=typed), "/tickets/new")
        assert made.status_code == 200, typed
    wrong = sent(browser, "/tickets/new", call(desk, category="飞碟"), "/tickets/new")
    assert wrong.status_code == 422
    assert "没有“飞碟”" in wrong.text


def test_what_was_typed_is_there_again_with_what_is_missing(desk: World) -> None:
    browser = desk.browser(otto)
    nameless = {"caller.name": "", "caller.phone": ""}
    again = sent(browser, "/tickets/new", call(desk, **nameless), "/tickets/new")
    assert again.status_code == 422
    assert "东方路路灯三天不亮" in again.text
    assert 'value="东方路 8 号门口"' in again.text
    assert 'href="#f-caller-name"' in again.text
    assert 'href="#f-caller-phone"' in again.text
    wordless = sent(browser, "/tickets/new", call(desk, summary=""), "/tickets/new")
    assert 'href="#f-summary"' in wordless.text
    assert numbers(browser.get("/tickets?tab=all").text) == []


def test_a_call_is_given_to_a_unit_at_once(desk: World) -> None:
    held = taken(desk, facts=classified(desk)).held
    dispatch = step_doing(desk, held, "dispatch")
    fields = call(desk, **{"then": dispatch, f"{dispatch}.unit": "housing"})
    made = sent(desk.browser(otto), "/tickets/new", fields, "/tickets/new")
    assert made.status_code == 200, made.text
    assert "T-2026-000002" in made.text
    assert numbers(desk.browser(hans).get("/tickets").text) == ["T-2026-000002"]


def test_a_step_that_lacks_something_keeps_nothing_and_says_what(desk: World) -> None:
    held = taken(desk).held
    refuse = step_doing(desk, held, "refuse")
    browser = desk.browser(otto)
    again = sent(browser, "/tickets/new", call(desk, then=refuse), "/tickets/new")
    assert again.status_code == 422
    assert f'href="#f-{refuse}-refusal"' in again.text
    assert "T-2026-000002" not in browser.get("/tickets?tab=all").text


def test_a_step_that_this_kind_of_call_has_not_loses_nothing_that_was_typed(desk: World) -> None:
    answer = "answer"  # of this rulebook: open to questions alone
    fields = call(desk, **{"then": answer, f"{answer}.reply": "请等待。", "facts.type": "complaint"})
    again = sent(desk.browser(otto), "/tickets/new", fields, "/tickets/new")
    assert again.status_code == 422
    assert "东方路路灯三天不亮" in again.text
    assert "请等待。" in again.text


def test_nobody_takes_a_step_at_intake_that_is_not_theirs(desk: World) -> None:
    again = sent(desk.browser(otto), "/tickets/new", call(desk, then="sign_in"), "/tickets/new")
    assert again.status_code == 422


def test_what_is_known_meanwhile_is_shown_without_a_script_and_to_it(desk: World) -> None:
    taken(desk, summary="东方路路灯不亮", place="429005001000")
    browser = desk.browser(otto)
    typed = call(desk, place="园林街道")
    whole = sent(browser, "/tickets/new/actions/hints", typed, "/tickets/new")
    assert whole.status_code == 200
    assert "T-2026-000001" in whole.text
    assert "东方路路灯三天不亮" in whole.text
    assert re.search(r'<option value="housing" selected', whole.text)
    part = sent(browser, "/tickets/new/actions/hints", {**typed, "part": "known"}, "/tickets/new")
    assert "T-2026-000001" in part.text
    assert "<html" not in part.text


def test_only_the_page_of_calls_may_run_a_script_and_that_of_our_own(desk: World) -> None:
    browser = desk.browser(otto)
    assert "script-src 'self'" in browser.get("/tickets/new").headers["Content-Security-Policy"]
    assert "script" not in browser.get("/tickets").headers["Content-Security-Policy"]


def test_units_and_strangers_take_no_calls(desk: World) -> None:
    for actor in (hans, lena, dave, alice):
        assert desk.browser(actor).get("/tickets/new").status_code == 403


# --- queues ---------------------------------------------------------------------------------------


def test_each_role_begins_with_its_own_queue(desk: World) -> None:
    dispatched_ticket(desk)
    waiting = taken(desk, summary="下水道堵塞").held
    assert numbers(desk.browser(dora).get("/tickets?tab=to_dispatch").text) == [waiting.ticket.number]
    assert numbers(desk.browser(hans).get("/tickets").text) == ["T-2026-000001"]
    assert numbers(desk.browser(hugo).get("/tickets").text) == []
    assert len(numbers(desk.browser(lena).get("/tickets?tab=all").text)) == 2


def test_what_a_unit_gives_back_is_a_queue_of_the_dispatchers(desk: World) -> None:
    held = dispatched_ticket(desk)
    dispatched_ticket(desk)
    back = step_emitting(desk, held, "returned")
    acted(desk, hans, held, back, reason="不属于本单位职责", basis="三定方案")
    assert numbers(desk.browser(dora).get("/tickets?tab=returned").text) == [held.ticket.number]
    assert held.ticket.number in numbers(desk.browser(dora).get("/tickets?tab=turn").text)


def test_a_request_for_more_time_is_a_queue_until_it_is_answered(desk: World) -> None:
    held = dispatched_ticket(desk, facts={**classified(desk), "level": "special"})
    dispatched_ticket(desk)
    acted(desk, hans, held, step_emitting(desk, held, "signed_in"))
    held = acted(desk, hans, held, "request_extension", reason="需要跨部门核实", by=3)
    browser = desk.browser(dora)
    assert numbers(browser.get("/tickets?tab=extension").text) == [held.ticket.number]
    acted(desk, dora, held, "refuse_extension", reason="期限足够")
    assert numbers(browser.get("/tickets?tab=extension").text) == []


def test_what_is_due_soon_what_is_late_and_what_waits_for_a_revisit_are_told_apart(desk: World) -> None:
    held = dispatched_ticket(desk)
    answered_ticket(desk, summary="已答复的路灯")
    due = seen(desk, dora, held).ticket.due_at
    assert due is not None
    desk.now = due - timedelta(minutes=30)
    browser = desk.browser(dora)
    assert held.ticket.number in numbers(browser.get("/tickets?tab=due_soon").text)
    assert held.ticket.number not in numbers(browser.get("/tickets?tab=overdue").text)
    desk.now = due + timedelta(seconds=2)
    browser = desk.browser(dora)
    assert held.ticket.number in numbers(browser.get("/tickets?tab=overdue").text)
    assert held.ticket.number not in numbers(browser.get("/tickets?tab=due_soon").text)
    assert numbers(browser.get("/tickets?tab=revisit").text) == ["T-2026-000002"]


def test_a_queue_is_narrowed_down_by_its_address(desk: World) -> None:
    taken(desk, summary="路灯不亮", place="429005001000")
    taken(desk, summary="下水道堵塞", category="water")
    browser = desk.browser(dora)
    assert numbers(browser.get("/tickets?tab=all&q=路灯").text) == ["T-2026-000001"]
    assert numbers(browser.get("/tickets?tab=all&category=water").text) == ["T-2026-000002"]
    assert numbers(browser.get("/tickets?tab=all&place=429005001000").text) == ["T-2026-000001"]
    assert numbers(browser.get("/tickets?tab=all&until=2026-02-09").text) == []
    assert len(numbers(browser.get("/tickets?tab=all&from=2026-02-10&until=2026-02-10").text)) == 2
    assert len(numbers(browser.get("/tickets?tab=nonsense&category=nonsense&from=nonsense").text)) == 2


def test_several_are_dispatched_at_once_and_each_says_what_became_of_it(desk: World) -> None:
    first = taken(desk, facts=classified(desk)).held
    second = taken(desk, facts=classified(desk), accused="housing").held
    dispatch = step_doing(desk, first, "dispatch")
    ids = [first.ticket.id, second.ticket.id]
    fields = {"ids": ids, "action": dispatch, "unit": "housing"}
    done = sent(
        desk.browser(dora), "/tickets/actions/batch?tab=to_dispatch", fields, "/tickets?tab=to_dispatch"
    )
    assert done.status_code == 200, done.text
    assert "2 件中 1 件已办理" in done.text
    assert "该单位是被反映的单位" in done.text
    assert numbers(desk.browser(hans).get("/tickets").text) == [first.ticket.number]
    nothing = sent(desk.browser(dora), "/tickets/actions/batch", {"action": dispatch, "unit": "housing"})
    assert nothing.status_code == 422
    assert "请勾选工单" in nothing.text


def test_a_number_is_looked_up_without_standing_in_the_address(desk: World) -> None:
    taken(desk)
    browser = desk.browser(otto)
    found = sent(browser, "/tickets/actions/lookup", {"phone": "+86 139-8765-4321"})
    assert numbers(found.text) == ["T-2026-000001"]
    assert sent(browser, "/tickets/actions/lookup", {"phone": "1"}).status_code == 422
    assert sent(desk.browser(lena), "/tickets/actions/lookup", {"phone": "13987654321"}).status_code == 403


# --- one ticket -----------------------------------------------------------------------------------


def test_a_ticket_shows_its_caller_masked_and_in_the_clear_for_a_reason(desk: World) -> None:
    held = dispatched_ticket(desk)
    browser, address = desk.browser(hans), f"/tickets/{held.ticket.id}"
    page = browser.get(address).text
    assert "王**" in page
    assert WANG["phone"] not in page
    refused = sent(browser, f"{address}/caller", {"reason": " "}, address)
    assert refused.status_code == 422
    assert WANG["phone"] not in refused.text
    clear = sent(browser, f"{address}/caller", {"reason": "上门核实，需电话联系"}, address)
    assert WANG["phone"] in clear.text
    assert WANG["phone"] not in browser.get(address).text
    assert "上门核实，需电话联系" in desk.browser(sven).get(address).text
    assert "上门核实，需电话联系" not in desk.browser(lena).get(address).text


def test_steps_are_taken_on_the_page_and_errors_keep_what_was_typed(desk: World) -> None:
    held = dispatched_ticket(desk)
    browser, address = desk.browser(hans), f"/tickets/{held.ticket.id}"
    signed = sent(browser, f"{address}/actions/{step_emitting(desk, held, 'signed_in')}", {}, address)
    assert signed.status_code == 303
    back = step_emitting(desk, held, "returned")
    again = sent(browser, f"{address}/actions/{back}", {"reason": "不属于本单位职责"}, address)
    assert again.status_code == 422
    assert "不属于本单位职责" in again.text
    assert 'href="#f-basis"' in again.text


def test_a_page_that_was_left_open_does_not_act_on_what_changed_meanwhile(desk: World) -> None:
    held = dispatched_ticket(desk)
    browser, address = desk.browser(hans), f"/tickets/{held.ticket.id}"
    step = step_emitting(desk, held, "signed_in")
    stale = sent(browser, f"{address}/actions/{step}", {"version": held.case.version - 1}, address)
    assert stale.status_code == 412


def test_whoever_gives_a_ticket_away_goes_back_to_the_list(desk: World) -> None:
    held = dispatched_ticket(desk)
    dispatch = step_emitting(desk, held, "dispatched")
    address = f"/tickets/{held.ticket.id}"
    fields = {"unit": "police", "reason": "属地调整", "co_units": ["market", "health"]}
    moved = sent(desk.browser(dora), f"{address}/actions/{dispatch}", fields, address)
    assert moved.headers["Location"] == address
    assert desk.browser(hans).get(address).status_code == 404
    assert "公安局" in desk.browser(hugo).get(address).text
    assert list(seen(desk, dora, held).case.parties["co_handler"]) == ["market", "health"]


def test_a_unit_that_the_ticket_complains_about_sees_no_caller_and_no_words(desk: World) -> None:
    held = taken(desk, facts=classified(desk), accused="housing").held
    step = step_doing(desk, held, "dispatch")
    told = {"masked": "true", "content_for_unit": "请核实路灯维护情况", "decided_reason": "属地唯一单位"}
    acted(desk, dora, held, step, unit="housing", **told)
    page = desk.browser(hans).get(f"/tickets/{held.ticket.id}").text
    assert page.index("请核实路灯维护情况") < page.index("办理经过")
    for personal in ("王*", "4321", "东方路 8 号", "晚上出行不便"):
        assert personal not in page


def test_a_paper_is_added_and_read_by_those_who_work_on_it(desk: World) -> None:
    held = dispatched_ticket(desk)
    browser, address = desk.browser(hans), f"/tickets/{held.ticket.id}"
    assert sent(browser, f"{address}/attachments", {}, address).status_code == 422
    picture = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
    assert sent(browser, f"{address}/attachments", {"content": (BytesIO(picture), "灯.png")}, address)
    page = browser.get(address).text
    link = re.search(r'href="(/tickets/[^"]+/attachments/[^"]+)"', page)
    assert link is not None
    with browser.get(link[1]) as got:
        assert got.data == picture
    assert desk.browser(hugo).get(link[1]).status_code == 404


def test_a_reply_is_printed_in_the_form_of_the_rulebook(desk: World) -> None:
    held = dispatched_ticket(desk)
    assert desk.browser(hans).get(f"/tickets/{held.ticket.id}/reply").status_code == 404
    held = answered_ticket(desk, reply="路灯已于当日修复。")
    sheet = desk.browser(otto).get(f"/tickets/{held.ticket.id}/reply").text
    assert "路灯已于当日修复。" in sheet
    assert "住房和城乡建设局" in sheet
    assert WANG["name"] not in sheet


@pytest.mark.parametrize("actor", [otto, dora, sven, lena, hans, dave], ids=lambda a: a.login)
def test_everybody_of_the_hotline_finds_the_tickets_in_the_navigation(desk: World, actor: Actor) -> None:
    assert 'href="/tickets"' in desk.browser(actor).get("/").text


def test_nobody_else_finds_the_hotline_in_the_navigation(desk: World) -> None:
    page = desk.browser(alice).get("/").text
    assert not [
        path for path in ("/tickets", "/supervisions", "/hotline/reports") if f'href="{path}"' in page
    ]


def test_the_desk_names_tickets_by_number(desk: World) -> None:
    held = dispatched_ticket(desk)
    page = desk.browser(hans).get("/").text
    assert f'<a href="/tickets/{held.ticket.id}">{held.ticket.number}</a>' in page


def test_a_deployment_without_a_hotline_shows_none_of_it(world: World) -> None:
    browser = world.browser(otto)
    for path in ("/tickets", "/tickets/new", "/hotline/submit", "/hotline/progress"):
        assert browser.get(path).status_code == 404, path
    assert 'href="/tickets"' not in browser.get("/").text


def test_the_language_is_switched_on_what_a_form_answered(desk: World) -> None:
    held = dispatched_ticket(desk)
    browser, address = desk.browser(hans), f"/tickets/{held.ticket.id}"
    clear = sent(browser, f"{address}/caller", {"reason": "电话核实"}, address)
    assert f'href="{address}?lang=en"' in clear.text
    found = sent(desk.browser(otto), "/tickets/actions/lookup", {"phone": "13987654321"})
    assert 'href="/tickets?lang=en"' in found.text


# --- data looked up for a ticket --------------------------------------------------------------------


def test_an_operator_looks_data_up_on_the_page_of_the_ticket(desk: World) -> None:
    plane = Provider()
    rows = [{"code": "429005001001", "name": "新河社区"}]
    plane.answers["/share/307001-000001/rows"] = json_answer({"rows": rows})
    platform = replace(desk.settings.platform, gateway_url=f"http://127.0.0.1:{plane.port}")
    desk.settings = replace(desk.settings, platform=platform)
    offering(desk)
    held = taken(desk).held
    browser, address = desk.browser(otto), f"/tickets/{held.ticket.id}"
    asked = {"ticket": held.ticket.id, "lookup": "communities", "ask.street_code": "429005001"}
    assert sent(browser, f"{address}/lookups", asked, address).status_code == 409
    active_grant(desk, actor=desk_system, fields=["code", "name", "street_code"])
    wrong = sent(browser, f"{address}/lookups", {**asked, "ask.street_code": "园林"}, address)
    assert wrong.status_code == 422
    assert 'href="#f-street_code"' in wrong.text
    found = sent(browser, f"{address}/lookups", asked, address)
    assert "新河社区" in found.text
    assert plane.headers_of()["purpose-ticket"] == held.ticket.number
    assert plane.count == 1
    assert sent(desk.browser(hans), f"{address}/lookups", asked).status_code == 403
