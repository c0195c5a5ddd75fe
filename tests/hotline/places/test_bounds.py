"""How often and how far: extensions, other handlings, vain calls the grace of an urge, at the bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.errors import Conflict, Invalid
from core.times import SHANGHAI
from hotline.model import Held
from tests.cast import beth, dora, hans, otto, sue, sven
from tests.conftest import World
from tests.hotline.kit import acted, taken
from tests.hotline.places.steps import FIVE_PARTS, at, due, supervised, swept, timed
from tests.hotline.places.test_counting_anew import end_of

RESULT = {"reply": "已修复", "told_caller": "已电话答复", "reviewed_by": "副局长"}
VAIN = {"channel_used": "phone", "attempt_result": "no_answer"}


def sent(world: World, place: str, when: str, facts: Mapping[str, str]) -> Held:
    """Take a ticket in, give it to the housing bureau and let it sign."""
    at(world, when)
    held = taken(world, facts=dict(facts), channel="state" if place == "yuanmou" else "phone").held
    held = acted(world, dora, held, "dispatch", unit="housing")
    return acted(world, hans, held, "sign_in")


def day(when: str, working_days: int) -> str:
    """Return the end of the n-th working day after an instant, as a clock tells it."""
    return end_of(datetime.fromisoformat(when).replace(tzinfo=SHANGHAI), working_days).replace("T", " ")


def second_after(text: str) -> str:
    """Return the first second that is late."""
    return f"{datetime.fromisoformat(text) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}"


def extended(world: World, place: str, held: Held, **said: Any) -> Held:
    """The unit asks for more time, and whoever decides gives it."""
    held = acted(world, hans, held, "request_extension", reason="需跨部门协调", **said)
    if place == "yuanmou":
        held = acted(world, dora, held, "forward_extension", note="情况属实")
    passed_on = {k: v for k, v in said.items() if k in ("by", "override_reason")}
    return acted(world, sue if place == "yuanmou" else dora, held, "extend", **passed_on)


# --- extensions -----------------------------------------------------------------------------------

START = "2026-02-10T09:00"
QJ, TH = {"level": "special"}, {"urgency": "complex"}
OD, GZ = {"type": "complaint", "assignment": "system"}, {"type": "complaint"}
REACHED = [
    ("qianjiang", QJ, 5, [1, 30, 10, 5, 2]),
    ("ordos", OD, 3, [15]),
    ("ordos", OD, 3, [1, 13, 1]),
    ("yuanmou", {"type": "consult"}, 5, [3]),
    ("yuanmou", {"type": "consult"}, 5, [1, 2]),
    ("yuanmou", {"type": "suggestion"}, 15, [5]),
    ("yuanmou", {"type": "help"}, 15, [2, 2, 1]),
    ("yuanmou", {"type": "complaint"}, 15, [10]),
    ("yuanmou", {"type": "report"}, 15, [9, 1]),
    ("ganzhou", GZ, 5, [5, 5]),
    ("ganzhou", GZ, 5, [1, 5]),
]
"""Place, class, days of the handling, and extensions that the text allows."""
PASSED = [
    ("ordos", OD, [], 16),
    ("ordos", OD, [14], 2),
    ("ordos", OD, [15], 1),
    ("yuanmou", {"type": "consult"}, [], 4),
    ("yuanmou", {"type": "consult"}, [2], 2),
    ("yuanmou", {"type": "suggestion"}, [], 6),
    ("yuanmou", {"type": "help"}, [5], 1),
    ("yuanmou", {"type": "complaint"}, [], 11),
    ("yuanmou", {"type": "report"}, [6], 5),
    ("ganzhou", GZ, [], 6),
    ("ganzhou", GZ, [5], 6),
    ("ganzhou", GZ, [1, 1], 1),
]
"""Place, class, extensions already given, and one that is too long or too many."""


@pytest.mark.parametrize(("place", "facts", "days", "given"), REACHED)
def test_as_much_time_is_given_as_the_text_allows(
    cities: Any, place: str, facts: Mapping[str, str], days: int, given: Sequence[int]
) -> None:
    world = cities(place)
    held = sent(world, place, START, facts)
    for n, by in enumerate(given, start=1):
        held = extended(world, place, held, by=by)
        assert due(world, held, "handle") == day(START, days + sum(given[:n]))


@pytest.mark.parametrize(("place", "facts", "given", "more"), PASSED)
def test_a_day_more_or_a_time_more_is_refused(
    cities: Any, place: str, facts: Mapping[str, str], given: Sequence[int], more: int
) -> None:
    world = cities(place)
    held = sent(world, place, START, facts)
    for by in given:
        held = extended(world, place, held, by=by)
    before = due(world, held, "handle")
    with pytest.raises((Conflict, Invalid)):
        extended(world, place, held, by=more)
    assert due(world, held, "handle") == before


def test_tonghua_gives_five_days_twice_and_nobody_chooses_another_length(cities: Any) -> None:
    world = cities("tonghua")
    held = sent(world, "tonghua", START, TH)
    with pytest.raises(Invalid):
        acted(world, hans, held, "request_extension", reason="需跨县协调", by=3)
    held = extended(world, "tonghua", held)
    assert due(world, held, "handle") == day(START, 10)
    at(world, f"{due(world, held, 'extend_apply_by')[:10]}T23:59:59")
    held = extended(world, "tonghua", held, deputy_signature="李副局长")
    assert due(world, held, "handle") == day(START, 15)
    with pytest.raises(Conflict):
        acted(world, hans, held, "request_extension", reason="三次", deputy_signature="李副局长")


def test_the_leader_hears_of_it_when_two_extensions_are_over_and_not_a_second_before(cities: Any) -> None:
    world = cities("tonghua")
    held = extended(world, "tonghua", sent(world, "tonghua", START, TH))
    held = extended(world, "tonghua", held, deputy_signature="李副局长")
    last = day(START, 15)
    at(world, last)
    with pytest.raises(Conflict):
        acted(world, hans, held, "report_to_leader", reason="两次延期仍未办结")
    at(world, second_after(last))
    acted(world, hans, held, "report_to_leader", reason="两次延期仍未办结")


def test_the_extended_limit_of_ganzhou_is_kept_to_the_second(cities: Any) -> None:
    world = cities("ganzhou")
    held, other = (extended(world, "ganzhou", sent(world, "ganzhou", START, GZ), by=5) for _ in range(2))
    at(world, day(START, 10))
    held = extended(world, "ganzhou", held, by=5)
    assert due(world, held, "handle") == day(START, 15)
    at(world, second_after(day(START, 10)))
    with pytest.raises(Conflict):
        extended(world, "ganzhou", other, by=5)
    assert timed(world, other)["handle"].breached


def test_yuanmou_names_no_last_moment_for_asking_and_what_is_late_stays_so_until_it_is_given(
    cities: Any,
) -> None:
    world = cities("yuanmou")
    in_time, late = (sent(world, "yuanmou", START, {"type": "consult"}) for _ in range(2))
    last = day(START, 5)
    at(world, last)
    in_time = acted(world, hans, in_time, "request_extension", reason="疑难", by=3)
    assert not timed(world, in_time)["handle"].breached
    at(world, second_after(last))
    late = acted(world, hans, late, "request_extension", reason="疑难", by=3)
    for held in (in_time, late):
        assert timed(world, held)["handle"].breached  # to ask is not to be given
        held = acted(world, dora, held, "forward_extension", note="情况属实")
        held = acted(world, sue, held, "extend", by=3)
        assert due(world, held, "handle") == day(START, 8)  # from the old end, not from the day it is given
        assert not timed(world, held)["handle"].breached


# --- other handlings ------------------------------------------------------------------------------


def rated(world: World, held: Held, satisfaction: str) -> Held:
    """The unit feeds back and the caller is asked, as the place has it."""
    place = world.settings.platform.rulebooks["hotline"].partition("/")[2]
    said = {"ganzhou": FIVE_PARTS, "tonghua": RESULT, "yuanmou": {"reply": "已处理。"}}[place]
    held = acted(world, hans, held, "feed_back", **said)
    if place == "yuanmou":
        held = acted(world, hans, held, "submit_paper", signed_by="李局长")
        held = acted(world, otto, held, "close")
    return acted(world, otto, held, "revisit", satisfaction=satisfaction, channel_used="phone")


def test_ganzhou_asks_for_the_form_after_the_second_handling_and_after_each_further_one(cities: Any) -> None:
    world = cities("ganzhou")
    held = rated(world, sent(world, "ganzhou", START, GZ), "dissatisfied")
    form = {k: v for k, v in FIVE_PARTS.items() if k != "caller_says"} | {"signed_by": "局长"}
    with pytest.raises(Conflict):
        acted(world, hans, held, "file_form", **form)
    held = rated(world, acted(world, dora, held, "redo", explanation="漏修一处"), "dissatisfied")
    with pytest.raises(Conflict):
        acted(world, dora, held, "redo", explanation="仍不到位")
    for handlings in (3, 4):
        held = acted(world, hans, held, "file_form", **form)
        held = acted(world, beth, held, "order_redo", explanation="答复不准确", limit_days=2)
        assert held.ticket.handlings == handlings
        held = rated(world, held, "very_dissatisfied")
        assert held.case.state == "review_form"


def test_who_is_satisfied_with_the_second_handling_calls_for_no_form(cities: Any) -> None:
    world = cities("ganzhou")
    held = rated(world, sent(world, "ganzhou", START, GZ), "dissatisfied")
    held = rated(world, acted(world, dora, held, "redo", explanation="漏修一处"), "fairly_satisfied")
    assert (held.case.state, held.ticket.satisfied) == ("closed", True)


def test_tonghua_investigates_the_second_dissatisfaction_and_bounds_no_handlings(cities: Any) -> None:
    world = cities("tonghua")
    held = rated(world, sent(world, "tonghua", START, TH), "dissatisfied")
    for drafts in ([], ["investigation"], ["investigation"]):
        assert [w for w in supervised(world) if w == "investigation"] == drafts
        held = acted(world, dora, held, "redo", explanation="诉求合理，应办未办")
        held = rated(world, held, "dissatisfied")
    assert held.ticket.handlings == 4


def test_a_satisfied_second_rating_is_not_investigated(cities: Any) -> None:
    world = cities("tonghua")
    held = rated(world, sent(world, "tonghua", START, TH), "dissatisfied")
    held = rated(world, acted(world, dora, held, "redo", explanation="应办未办"), "fairly_satisfied")
    assert held.case.state == "closed"
    assert supervised(world) == []


def test_yuanmou_supervises_from_the_second_dissatisfaction_on_and_not_before(cities: Any) -> None:
    world = cities("yuanmou")
    held = rated(world, sent(world, "yuanmou", START, {"type": "help"}), "dissatisfied")
    for action, said in (("redo_supervised", {"reason": "不力"}), ("order_study", {"notice": "请调研"})):
        with pytest.raises(Conflict):
            acted(world, dora, held, action, **said)
    held = rated(world, acted(world, dora, held, "redo", reason="未解决"), "dissatisfied")
    for _ in range(2):
        with pytest.raises(Conflict):
            acted(world, dora, held, "redo", reason="仍未解决")
        held = acted(world, dora, held, "redo_supervised", reason="办理不力")
        held = rated(world, held, "dissatisfied")
    assert "supervision" in supervised(world, sven)


# --- vain calls -----------------------------------------------------------------------------------


def test_three_vain_calls_of_ganzhou_close_a_ticket_once_a_day_of_calling_is_over(cities: Any) -> None:
    world = cities("ganzhou")
    held = acted(world, hans, sent(world, "ganzhou", START, GZ), "feed_back", **FIVE_PARTS)
    for when in ("2026-02-10T10:00:00", "2026-02-10T18:00:00"):
        at(world, when)
        held = acted(world, otto, held, "attempt", **VAIN)
    at(world, "2026-02-11T10:00:00")
    held = acted(world, otto, held, "attempt", **VAIN)
    with pytest.raises(Conflict):
        acted(world, otto, held, "close_unreached", explanation="三次未接")
    at(world, "2026-02-11T10:00:01")
    held = acted(world, otto, held, "close_unreached", explanation="三次未接")
    assert held.case.state == "closed"


def test_the_third_call_after_the_day_closes_at_once_and_the_second_never_does(cities: Any) -> None:
    world = cities("ganzhou")
    held = acted(world, hans, sent(world, "ganzhou", START, GZ), "feed_back", **FIVE_PARTS)
    for when in ("2026-02-10T10:00:00", "2026-02-12T10:00:00"):
        at(world, when)
        held = acted(world, otto, held, "attempt", **VAIN)
        with pytest.raises(Conflict):
            acted(world, otto, held, "close_unreached", explanation="未接")
    held = acted(world, otto, held, "attempt", **VAIN)
    assert acted(world, otto, held, "close_unreached", explanation="三次未接").case.state == "closed"


@pytest.mark.parametrize(("place", "facts"), [("tonghua", TH), ("ordos", OD)])
def test_elsewhere_three_vain_calls_are_enough_and_two_are_not(
    cities: Any, place: str, facts: Mapping[str, str]
) -> None:
    world = cities(place)
    said = RESULT if place == "tonghua" else {"reply": "已处理。"}
    held = acted(world, hans, sent(world, place, START, facts), "feed_back", **said)
    for _ in range(3):
        with pytest.raises(Conflict):
            acted(world, otto, held, "close_unreached", explanation="联系不上")
        held = acted(world, otto, held, "attempt", **VAIN)
    assert acted(world, otto, held, "close_unreached", explanation="联系不上").case.state == "closed"


# --- the grace of an urge -------------------------------------------------------------------------


def test_the_grace_of_an_urge_ends_with_its_second_working_day(cities: Any) -> None:
    world = cities("ganzhou")
    in_time, late = (sent(world, "ganzhou", "2025-10-09T10:00", GZ) for _ in range(2))
    at(world, "2025-10-15T23:59:59")
    with pytest.raises(Conflict):  # not late yet
        acted(world, sven, late, "urge", notice="请立即反馈", channel_used="phone")
    at(world, "2025-10-17T09:00")
    said = {"notice": "请立即反馈", "channel_used": "phone"}
    in_time, late = (acted(world, sven, held, "urge", **said) for held in (in_time, late))
    assert due(world, late, "urge_grace") == "2025-10-21 23:59:59"
    at(world, "2025-10-21T23:59:59")
    in_time = acted(world, hans, in_time, "feed_back", **FIVE_PARTS, overdue_reason="备件缺货")
    swept(world)
    assert supervised(world).count("accountability") == 0
    at(world, "2025-10-22T00:00:00")
    swept(world)
    swept(world)
    assert supervised(world).count("accountability") == 1
    assert not timed(world, in_time)["urge_grace"].breached
    assert timed(world, late)["urge_grace"].breached
