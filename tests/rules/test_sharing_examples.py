"""The worked examples of both sharing regulations, asked the way a script asks them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from core.times import parse_instant
from rules.due import what_is_due
from rules.rulebook import Rulebook
from tests.rules.books import calendar, dues, shipped

CONDITIONAL = {"share_class": "conditional"}
UNCONDITIONAL = {"share_class": "unconditional"}


def qianjiang() -> Rulebook:
    return shipped().get("sharing/qianjiang")


def ganzhou() -> Rulebook:
    return shipped().get("sharing/ganzhou")


def test_a_conditional_application_passes_three_desks_in_qianjiang() -> None:
    events = {
        "submitted": "2026-02-10T10:00",
        "forwarded": "2026-02-13T15:00",
        "answered": "2026-03-05T16:00",
    }
    assert dues(qianjiang(), events, CONDITIONAL) == {
        "check": "2026-02-13 23:59:59",
        "decide": "2026-03-05 23:59:59",
        "inform": "2026-03-06 23:59:59",
    }


def test_controlled_parameters_send_unconditional_data_to_the_provider() -> None:
    events = {"submitted": "2026-02-14T09:30", "forwarded": "2026-02-14T16:00"}
    assert dues(qianjiang(), events, UNCONDITIONAL | {"controlled_params": True}) == {
        "check": "2026-02-26 23:59:59",
        "decide": "2026-03-06 23:59:59",
    }


def test_a_direct_grant_in_qianjiang_takes_three_days_after_acceptance() -> None:
    facts = UNCONDITIONAL | {"controlled_params": False}
    events = {
        "submitted": "2026-02-10T10:00",
        "accepted": "2026-02-13T15:00",
        "forwarded": "2026-02-13T15:00",
    }
    assert dues(qianjiang(), events, facts) == {
        "check": "2026-02-13 23:59:59",
        "decide": "2026-02-25 23:59:59",
    }


def test_unconditional_data_in_ganzhou_are_decided_within_three_days() -> None:
    assert dues(ganzhou(), {"submitted": "2026-02-13T10:00"}, UNCONDITIONAL) == {
        "decide": "2026-02-25 23:59:59"
    }


def test_conditional_data_in_ganzhou_are_decided_within_ten_days_of_submission() -> None:
    events = {"submitted": "2026-02-13T10:00", "forwarded": "2026-02-14T10:00"}
    assert dues(ganzhou(), events, CONDITIONAL) == {"decide": "2026-03-05 23:59:59"}


@pytest.mark.parametrize(
    ("granted", "days", "last", "longest"),
    [
        ("2026-02-13T15:20", 365, "2027-02-13 23:59:59", "2029-02-13 23:59:59"),
        ("2024-02-29T15:20", 1, "2024-03-01 23:59:59", "2027-02-28 23:59:59"),
        ("2026-02-13T15:20", 1096, "2029-02-13 23:59:59", "2029-02-13 23:59:59"),
    ],
)
def test_a_grant_in_ganzhou_ends_on_its_last_day(granted: str, days: int, last: str, longest: str) -> None:
    due = dues(ganzhou(), {"granted": granted}, {"term_days": days})
    assert (due["expire"], due["term_limit"]) == (last, longest)


def test_the_end_of_a_term_is_exact_even_in_a_year_without_a_calendar() -> None:
    answer = ask(ganzhou(), {"granted": "2026-12-01T10:00"}, {"term_days": 365})
    assert answer["expire"]["due"] == "2027-12-01T23:59:59+08:00"
    assert not answer["expire"]["provisional"]


def test_an_unused_api_can_be_taken_back_after_three_full_months() -> None:
    assert dues(ganzhou(), {"granted": "2026-11-30T10:00"}, {"kind": "api"})["idle"] == "2027-02-28 23:59:59"
    assert "idle" not in dues(ganzhou(), {"granted": "2026-11-30T10:00"}, {"kind": "table"})


def test_two_working_days_lie_between_the_notice_and_the_maintenance() -> None:
    assert dues(ganzhou(), {"service_stop": "2026-05-01T22:00"}) == {
        "maintenance_notice": "2026-04-28 23:59:59"
    }


def test_a_catalog_update_in_ganzhou_takes_ten_days_and_twenty_with_consent() -> None:
    changed = {"changed": "2026-02-10T10:00"}
    answer = ask(ganzhou(), changed, {})["update"]
    assert answer["due"] == "2026-03-02T23:59:59+08:00"
    assert answer["extendable_to"] == "2026-03-16T23:59:59+08:00"
    assert dues(ganzhou(), changed | {"extended": "2026-02-27T10:00"}) == {"update": "2026-03-16 23:59:59"}


def test_a_catalog_update_in_qianjiang_has_no_day_because_the_text_names_none() -> None:
    answer = ask(qianjiang(), {"changed": "2026-02-10T10:00"}, {})["update"]
    assert answer["due"] is None
    assert answer["cite"]["article"] == "6"


def test_no_grant_ends_by_itself_in_qianjiang() -> None:
    assert dues(qianjiang(), {"granted": "2026-02-10T10:00"}) == {}


def test_facts_and_events_may_be_called_by_their_chinese_titles() -> None:
    in_chinese = dues(
        qianjiang(), {"提交": "2026-02-10T10:00", "转交": "2026-02-13T15:00"}, {"共享类型": "有条件共享"}
    )
    assert in_chinese == {"check": "2026-02-13 23:59:59", "decide": "2026-03-05 23:59:59"}
    yes = {"共享类型": "无条件", "需要管控参数": "是", "资源类型": "服务接口"}
    assert dues(qianjiang(), {"forwarded": "2026-02-14T16:00"}, yes) == {"decide": "2026-03-06 23:59:59"}


def test_every_answer_names_its_article() -> None:
    events = {
        "submitted": "2026-02-10T10:00",
        "forwarded": "2026-02-13T15:00",
        "answered": "2026-03-05T16:00",
    }
    answer = ask(qianjiang(), events, CONDITIONAL)
    assert {name: entry["cite"]["article"] for name, entry in answer.items()} == {
        "check": "19",
        "decide": "20",
        "inform": "20",
    }
    assert answer["check"]["cite"]["label"] == {
        "zh": "《潜江市政务信息资源共享管理办法》第19条",
        "en": "Art. 19, Qianjiang Measures for Sharing Government Information Resources",
    }


def test_what_the_platform_adds_is_not_put_in_the_regulation_s_mouth() -> None:
    cite = qianjiang().policy("catalog.many_files").cite
    assert (str(cite), cite.in_language("en")) == ("平台缺省（非条文）", "product default, not in the text")


@pytest.mark.parametrize(
    ("submitted", "provisional"),
    [("2026-12-25T10:00", False), ("2026-12-29T10:00", True), ("2027-03-01T10:00", True)],
)
def test_a_day_in_an_unpublished_year_is_provisional(submitted: str, provisional: bool) -> None:
    assert ask(qianjiang(), {"submitted": submitted}, {})["check"]["provisional"] is provisional


def ask(book: Rulebook, events: Mapping[str, str], facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return what_is_due(book, calendar(), facts, {name: parse_instant(at) for name, at in events.items()})
