"""Ganzhou's book held against its text: fifteen articles, the numbers that they name, and no others."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.cast import alice, bob, carol, chen
from tests.sharing.beginnings import api_granted
from tests.sharing.telling import at
from tests.stories import active_client, active_grant, offered

NUMBERS = {
    ("dataset", "review"): (None, "6"),
    ("dataset", "update"): ("10wd", "6"),
    ("application", "decide"): ("3wd 10wd", "11"),
    ("grant", "expire"): (None, "5"),
    (None, "term_limit"): ("3y", "5"),
    ("grant", "idle"): ("3mo", "5"),
    ("maintenance", "maintenance_notice"): ("2wd", "14"),
    ("demand", "demand_forward"): ("3wd", "10"),
    ("demand", "demand_fulfil"): ("10wd", "10"),
    ("correction", "correct"): (None, "4"),
}
"""Every limit of the text: how long it is, where the text names a number at all, and its article."""


def test_every_limit_is_one_of_the_text_and_every_number_too(cities: Any) -> None:
    found: dict[tuple[str | None, str], set[str | None]] = {}
    for rule in cities.ganzhou.clocks:
        found.setdefault((rule.workflow, rule.name), set()).add(str(rule.lasts) if rule.lasts else None)
        assert (rule.cite.article, rule.cite.kind) == (NUMBERS[rule.workflow, rule.name][1], "text")
    assert found == {name: set(number.split()) if number else {None} for name, (number, _) in NUMBERS.items()}


def test_the_only_extension_is_that_of_the_catalog(cities: Any) -> None:
    [rule] = [r for r in cities.ganzhou.clocks if r.extension]
    extension = rule.extension
    assert (str(extension.to), extension.roles, extension.cite.article) == (
        "20wd",
        ("platform_manager",),
        "6",
    )


def test_articles_are_those_of_the_text(cities: Any) -> None:
    """Fifteen articles, of which 4 has six items and 5 has five."""
    items = {"4": "一二三四五六", "5": "一二三四五"}
    for name, cite in cities.ganzhou.document["citations"].items():
        article = cite["article"]
        assert article is None or 1 <= article <= 15, name
        if "item" in cite:
            assert cite["item"].strip("()（）") in items[str(article)], name


def test_what_is_ours_is_not_put_in_the_regulations_mouth(cities: Any) -> None:
    """Whatever has no article is a product default; whatever is read into an article says how."""
    for name, cite in cities.ganzhou.document["citations"].items():
        if cite["article"] is None:
            assert cite["kind"] == "product_default", name
        if cite["kind"] == "interpretation":
            assert "reading" in cite, name


def test_no_sentence_of_the_book_holds_a_number_that_the_limits_do_not(cities: Any) -> None:
    """Each length in a summary of the text is one of those above."""
    known = {"三个工作日", "十个工作日", "二十个工作日", "两个工作日", "三个月", "三年"}
    for name, cite in cities.ganzhou.document["citations"].items():
        if cite["kind"] == "text":
            said = re.findall(r"[一二两三四五六七八九十百]+(?:个工作日|个月|年|天)", cite["summary"]["zh"])
            assert set(said) <= known, name


@pytest.mark.parametrize(
    ("workflow", "action", "roles"),
    [
        ("dataset", "approve", {"platform_manager"}),
        ("dataset", "extend", {"platform_manager"}),
        ("dataset", "approve_withdrawal", {"platform_manager"}),
        ("dataset", "take_offline_by_law", {"provider"}),
        ("grant", "suspend", {"provider"}),
        ("grant", "reclaim", {"provider"}),
        ("grant", "terminate", {"provider"}),
        ("grant", "expire", {"system"}),
        ("demand", "forward", {"platform_manager"}),
        ("demand", "share", {"provider"}),
        ("cascade", "submit_up", {"platform_manager"}),
    ],
)
def test_each_act_belongs_to_whom_the_text_gives_it(
    cities: Any, workflow: str, action: str, roles: set[str]
) -> None:
    steps = [t for t in cities.ganzhou.workflow(workflow).transitions if t.action == action]
    assert steps
    assert {role for step in steps for role in step.roles} == roles


def test_a_measure_against_misuse_always_reaches_the_manager(cities: Any) -> None:
    """GZ art. 4(五): filing it is no choice."""
    steps = [
        t
        for t in cities.ganzhou.workflow("grant").transitions
        if t.action in ("suspend", "reclaim", "terminate")
    ]
    for step in steps:
        assert "platform_manager" in step.tells
        if "idle" not in step.when:
            assert step.opens is not None
            assert step.opens.workflow == "filing"


# --- a quarter in the life of one department --------------------------------------------------------------


def test_every_hand_that_touches_a_case_leaves_its_own_record(ganzhou: Any) -> None:
    """One department, three ways to data; every state agrees with what was recorded, whoever looks."""
    ganzhou.now = at("2026-02-10T10:00")
    system = active_client(ganzhou)
    held = [
        active_grant(ganzhou, offered(ganzhou, "divisions"), system, term_days=30),
        active_grant(ganzhou, offered(ganzhou, "calendars"), system, fields=None, term_days=90),
        api_granted(ganzhou, system=system, term_days=365),
    ]
    assert [h.case.facts["decider"] for h in held] == ["platform_manager", "platform_manager", "provider"]
    for when, active in (("2026-03-12T23:59:59", 3), ("2026-03-13T00:00", 2), ("2026-05-12T00:00", 1)):
        ganzhou.now = at(when)
        answer = ganzhou.client(carol).get("/api/grants?state=active").get_json()
        assert len(answer["items"]) == active
    expired = ganzhou.client(carol).get("/api/grants?state=expired").get_json()["items"]
    assert {g["number"] for g in expired} == {h.grant.number for h in held[:2]}
    for stranger in (chen, alice, bob):
        seen = ganzhou.client(stranger).get("/api/grants").get_json()["items"]
        assert len(seen) == {"chen": 0, "alice": 1, "bob": 3}[stranger.login]
