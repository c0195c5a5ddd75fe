"""The hotline of Yuanmou: from the prefecture to the unit, extensions by type, supervised tickets."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Conflict, Invalid
from core.times import parse_instant
from rules.clocks import extended_due
from rules.rulebook import Rulebook
from rules.visibility import visible
from tests.rules.books import calendar, dues
from tests.rules.hotline.asking import ask, happened, hotline, instants, states, step, way

CALLER = {
    "name": "王小明",
    "phone": "13800138000",
    "address": "园林路1号",
    "contact": "wx1234",
    "ip": "192.0.2.7",
}
RUNNING = {"handle_running": True, "extension_requested": False, "extension_forwarded": False}
FREE = {"extension_requested": False, "extension_forwarded": False}


def yuanmou() -> Rulebook:
    return hotline("yuanmou")


# --- worked examples --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "accepted", "dispatched", "due", "furthest"),
    [
        (
            "咨询",
            "2026-02-13T15:00",
            "2026-02-14T10:00",
            {
                "transfer": "2026-02-14 23:59:59",
                "sign_in": "2026-02-24 23:59:59",
                "contact": "2026-02-25 23:59:59",
                "return": "2026-02-24 23:59:59",
                "return_site_check": "2026-02-26 23:59:59",
                "handle": "2026-02-28 23:59:59",
            },
            "2026-03-04 23:59:59",
        ),
        (
            "投诉",
            "2026-09-18T17:45",
            "2026-09-20T09:00",
            {
                "transfer": "2026-09-20 23:59:59",
                "sign_in": "2026-09-21 23:59:59",
                "contact": "2026-09-22 23:59:59",
                "return": "2026-09-21 23:59:59",
                "return_site_check": "2026-09-23 23:59:59",
                "handle": "2026-10-16 23:59:59",
            },
            "2026-10-30 23:59:59",
        ),
        (
            "建议",
            "2025-01-29T10:00",
            "2025-02-05T09:10",
            {
                "transfer": "2025-02-05 23:59:59",
                "sign_in": "2025-02-06 23:59:59",
                "contact": "2025-02-07 23:59:59",
                "return": "2025-02-06 23:59:59",
                "return_site_check": "2025-02-08 23:59:59",
                "handle": "2025-02-25 23:59:59",
            },
            "2025-03-04 23:59:59",
        ),
    ],
)
def test_a_ticket_passes_from_the_prefecture_to_the_unit(
    type_: str, accepted: str, dispatched: str, due: dict[str, str], furthest: str
) -> None:
    events = {"accepted": accepted, "dispatched": dispatched}
    assert dues(yuanmou(), events, {"type": type_}) == due
    answer = ask(yuanmou(), events, {"type": type_})["handle"]
    assert answer["extendable_to"] == f"{furthest.replace(' ', 'T')}+08:00"
    extended = {**events, "extended": f"{due['handle'][:10]}T10:00"}
    assert dues(yuanmou(), extended, {"type": type_})["handle"] == furthest


# --- limits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "dispatched", "due"),
    [
        ("consult", "2026-02-11T09:00", "2026-02-25 23:59:59"),
        ("help", "2026-09-25T12:00", "2026-10-22 23:59:59"),  # Mid-Autumn and National Day
        ("report", "2025-09-28T09:00", "2025-10-24 23:59:59"),
        ("consult", "2026-05-01T08:00", "2026-05-11 23:59:59"),  # Labour Day, a working Saturday behind it
    ],
)
def test_the_type_sets_the_limit(type_: str, dispatched: str, due: str) -> None:
    assert dues(yuanmou(), {"dispatched": dispatched}, {"type": type_})["handle"] == due


@pytest.mark.parametrize(
    ("type_", "due", "provisional"),
    [
        ("consult", "2026-12-21T23:59:59+08:00", False),
        ("complaint", "2027-01-04T23:59:59+08:00", True),
    ],
)
def test_a_limit_over_the_turn_to_2027_is_provisional(type_: str, due: str, provisional: bool) -> None:
    answer = ask(yuanmou(), {"dispatched": "2026-12-14T10:00"}, {"type": type_})["handle"]
    assert (answer["due"], answer["provisional"]) == (due, provisional)


def test_the_county_s_own_day_starts_on_receipt_alone() -> None:
    assert dues(yuanmou(), {"accepted": "2026-09-30T16:00"}) == {"transfer": "2026-10-08 23:59:59"}


def test_a_ticket_of_nobody_known_needs_no_contact() -> None:
    found = instants(yuanmou(), {"dispatched": "2026-03-02T09:00"}, {"type": "report", "anonymous": True})
    assert "contact" not in found


@pytest.mark.parametrize(("type_", "most"), [("consult", 3), ("suggestion", 5), ("help", 5), ("report", 10)])
def test_the_type_sets_the_longest_extension(type_: str, most: int) -> None:
    rules, facts = yuanmou(), yuanmou().facts({"type": type_})
    events, now = [happened("dispatched", "2026-03-02T09:00")], parse_instant("2026-03-05T09:00")

    def more(by: int) -> Any:
        return extended_due(rules, "ticket", facts, events, calendar(), now, "handle", {"by": by})

    assert more(most) > more(most - 1)
    with pytest.raises(Invalid):
        more(most + 1)


def test_extensions_together_do_not_pass_the_bound() -> None:
    rules, facts = yuanmou(), yuanmou().facts({"type": "consult"})
    events = [happened("dispatched", "2026-03-02T09:00"), happened("extended", "2026-03-04T09:00", by=3)]
    with pytest.raises(Conflict):
        extended_due(
            rules, "ticket", facts, events, calendar(), parse_instant("2026-03-10T09:00"), "handle", {"by": 1}
        )


def test_an_extension_passes_the_county_and_the_prefecture() -> None:
    rules = yuanmou()
    assert step(rules, "handling", "request_extension", **RUNNING) is not None
    assert step(rules, "handling", "extend", **{**RUNNING, "extension_requested": True}) is None
    forward = step(rules, "handling", "forward_extension", extension_requested=True)
    approve = step(rules, "handling", "extend", **{**RUNNING, "extension_forwarded": True})
    assert forward is not None
    assert approve is not None
    assert [sorted(t.roles) for t in (forward, approve)] == [["dispatcher"], ["superior"]]
    assert rules.policy("extension.approver_chain").value == ["dispatcher", "superior"]


def test_a_return_names_a_unit_and_a_site_check_gives_two_days_more() -> None:
    rules = yuanmou()
    first = step(rules, "handling", "return", **FREE, **{"return": False, "return_site_check": False})
    checked = step(rules, "handling", "return", **FREE, **{"return": True, "return_site_check": False})
    late = step(rules, "handling", "return", **FREE, **{"return": True, "return_site_check": True})
    assert [set(t.requires) if t else None for t in (first, checked, late)] == [
        {"reason", "suggested_unit"},
        {"reason", "suggested_unit", "site_check"},
        {"reason", "suggested_unit", "overdue_reason"},
    ]


def test_a_refused_return_has_stopped_no_limit() -> None:
    events = [
        happened("dispatched", "2026-03-02T09:00"),
        happened("returned", "2026-03-03T09:00"),
        happened("return_refused", "2026-03-05T09:00"),
    ]
    found = states(yuanmou(), {"type": "consult"}, *events, now="2026-03-06T09:00")
    assert found["handle"].due == parse_instant("2026-03-09T23:59:59")
    assert found["handle"].running


def test_lateness_is_explained_with_the_result() -> None:
    late, in_time = (
        step(yuanmou(), "handling", "feed_back", handle=passed, **FREE) for passed in (True, False)
    )
    assert late is not None
    assert in_time is not None
    assert set(late.requires) - set(in_time.requires) == {"overdue_reason"}


# --- the ways of a ticket ---------------------------------------------------------------------------

BACK = ("return", {"return": False, **FREE})
GOOD, BAD = ("revisit", {"is_satisfied": True}), ("revisit", {"is_satisfied": False})
DONE = ["dispatch", "sign_in", "contact", "feed_back", "submit_paper", "close"]
REDONE = ["feed_back", "submit_paper", "close"]
FIRST, SECOND = {"dissatisfied_count": 1}, {"dissatisfied_count": 2}


@pytest.mark.parametrize(
    ("actions", "state"),
    [
        (["refuse"], "refused"),
        (["hand_off"], "handed_off"),
        (["merge"], "merged"),
        (["answer", "archive"], "archived"),
        ([("answer_uniformly", {"type": "help"})], "closed"),
        (["request_state_return", "accept_state_return"], "returned_to_state"),
        (["request_state_return", "refuse_state_return", "dispatch"], "dispatched"),
        (["dispatch", BACK, "accept_return", "request_state_return"], "state_return"),
        (["dispatch", BACK, "refuse_return", "feed_back"], "fed_back"),
        ([*DONE, "archive"], "archived"),
        ([*DONE, GOOD, "archive"], "archived"),
        ([*DONE, BAD, ("redo", FIRST), *REDONE, BAD, ("redo_supervised", SECOND), *REDONE], "closed"),
        ([*DONE, BAD, ("order_study", SECOND), "close_explained", "reopen"], "registered"),
        (["dispatch", "sign_in", "feed_back", "submit_paper", "send_back"], "handling"),
        (["dispatch", "sign_in", "withdraw"], "withdrawn"),
    ],
)
def test_a_ticket_finds_its_way(actions: list[Any], state: str) -> None:
    assert way(yuanmou(), *actions) == state


@pytest.mark.parametrize("origin", ["county_leader", "deputy", "enterprise", "serious"])
def test_some_origins_are_supervised_from_the_dispatch(origin: str) -> None:
    dispatch = step(yuanmou(), "registered", "dispatch", origin=origin)
    assert dispatch is not None
    assert dispatch.opens is not None
    assert dispatch.opens.taken == {"trigger": "origin"}
    assert origin in yuanmou().fields["trigger"].choices
    assert origin in {e["code"] for e in yuanmou().policy("supervise.origins").value}


def test_any_other_ticket_is_not() -> None:
    dispatch = step(yuanmou(), "registered", "dispatch")
    assert dispatch is not None
    assert dispatch.opens is None


def test_joint_handling_names_who_else_takes_part_and_tells_the_lead_alone() -> None:
    dispatch = step(yuanmou(), "registered", "dispatch", mode="joint")
    assert dispatch is not None
    assert "co_units" in dispatch.requires
    assert dispatch.tells == ("handler",)


def test_the_second_dissatisfaction_is_sent_back_as_supervised() -> None:
    assert step(yuanmou(), "dissatisfied", "redo", **SECOND) is None
    assert step(yuanmou(), "dissatisfied", "redo_supervised", **FIRST) is None
    again = step(yuanmou(), "dissatisfied", "redo_supervised", **SECOND)
    assert again is not None
    assert again.opens is not None
    assert again.opens.given == {"trigger": "second_dissatisfied"}


def test_nothing_is_closed_without_the_principal_the_seal_and_the_paper() -> None:
    assert step(yuanmou(), "fed_back", "close") is None
    paper = step(yuanmou(), "fed_back", "submit_paper")
    assert paper is not None
    assert "signed_by" in paper.requires
    assert paper.confirms is not None
    assert step(yuanmou(), "paper_submitted", "close") is not None


def test_archives_are_kept_for_two_years_and_revisits_are_samples() -> None:
    rules = yuanmou()
    assert rules.policy("archive.retention").value == "2y"
    assert rules.policy("revisit.coverage").value == "sample"
    assert rules.policy("revisit.sample_percent").value is None
    assert rules.document["status"] == "trial"
    assert len(rules.policy("accountability").value) == 10


def test_nobody_sees_the_caller_in_the_clear() -> None:
    views = yuanmou().views["caller"]
    for relation in views:
        shown = visible(views, relation, CALLER)
        assert not set(shown.values()) & set(CALLER.values())
    assert "accused" not in views
