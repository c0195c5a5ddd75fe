"""Procedures of both places, walked through as people would."""

from __future__ import annotations

from typing import Any

import pytest

from rules.check_flow import ROLES
from rules.rulebook import Rulebook
from rules.workflow import Workflow
from tests.rules.books import shipped

CONDITIONAL = {"share_class": "conditional"}
UNCONDITIONAL = {"share_class": "unconditional", "controlled_params": False}
CONTROLLED = {"share_class": "unconditional", "controlled_params": True}


def qianjiang() -> Rulebook:
    return shipped().get("sharing/qianjiang")


def ganzhou() -> Rulebook:
    return shipped().get("sharing/ganzhou")


def walk(rules: Rulebook, workflow: str, steps: str, facts: dict[str, Any]) -> list[str]:
    """Return the states that steps (``role:action``) lead through; a step not open to its role fails."""
    flow = rules.workflow(workflow)
    known = rules.facts(facts)
    states = [flow.initial]
    for step in steps.split():
        role, action = step.split(":")
        offered = {t.action: t for t in flow.actions(states[-1], [role], known)}
        assert action in offered, f"{role} may {sorted(offered)} in {states[-1]}, not {action}"
        states.append(offered[action].target)
    return states


@pytest.mark.parametrize(
    ("rules", "facts", "steps", "states"),
    [
        (
            qianjiang(),
            CONDITIONAL,
            "consumer:submit platform_manager:accept provider:grant platform_manager:inform",
            "draft checking with_provider granted closed",
        ),
        (
            qianjiang(),
            CONTROLLED,
            "consumer:submit platform_manager:accept platform_manager:urge provider:refuse"
            " platform_manager:inform",
            "draft checking with_provider with_provider refused closed",
        ),
        (
            qianjiang(),
            UNCONDITIONAL,
            "consumer:submit platform_manager:accept platform_manager:grant",
            "draft checking with_manager granted",
        ),
        (qianjiang(), CONDITIONAL, "consumer:submit platform_manager:refuse", "draft checking refused"),
        (qianjiang(), CONDITIONAL, "consumer:submit consumer:withdraw", "draft checking withdrawn"),
        (ganzhou(), CONDITIONAL, "consumer:submit provider:grant", "draft with_provider granted"),
        (ganzhou(), UNCONDITIONAL, "consumer:submit platform_manager:grant", "draft with_manager granted"),
        (ganzhou(), CONTROLLED, "consumer:submit platform_manager:refuse", "draft with_manager refused"),
    ],
)
def test_an_application_goes_to_the_desk_that_the_regulation_names(
    rules: Rulebook, facts: dict[str, Any], steps: str, states: str
) -> None:
    assert walk(rules, "application", steps, facts) == states.split()


def test_qianjiang_publishes_without_review_and_ganzhou_does_not() -> None:
    assert walk(qianjiang(), "dataset", "provider:publish", {}) == ["draft", "published"]
    steps = "provider:submit platform_manager:return provider:submit platform_manager:approve"
    states = ["draft", "in_review", "draft", "in_review", "published"]
    assert walk(ganzhou(), "dataset", steps, {}) == states


def test_withdrawal_goes_off_line_first_and_needs_consent() -> None:
    steps = "provider:take_offline provider:request_withdrawal platform_manager:approve_withdrawal"
    unused = {"in_use": False, "users_told": True}
    for rules, start in (
        (qianjiang(), "provider:publish "),
        (ganzhou(), "provider:submit platform_manager:approve "),
    ):
        assert walk(rules, "dataset", start + steps, unused)[-3:] == [
            "offline",
            "withdraw_requested",
            "withdrawn",
        ]
        assert rules.workflow("dataset").find("published", "request_withdrawal", {}) is None


def test_users_of_data_in_use_are_told_before_it_goes_off_line() -> None:
    for rules in (qianjiang(), ganzhou()):
        flow = rules.workflow("dataset")
        assert flow.find("published", "take_offline", {}) is None  # in doubt nothing goes unannounced
        assert flow.find("published", "take_offline", {"in_use": True, "users_told": False}) is None
        announcement = flow.find("published", "announce_withdrawal", {"in_use": True})
        assert announcement is not None
        assert (announcement.requires, announcement.does) == (("notice",), "announce")
        assert "consumer" in announcement.tells
        told = flow.find("published", "take_offline", {"in_use": True, "users_told": True})
        unused = flow.find("published", "take_offline", {"in_use": False, "users_told": True})
        assert told is not None
        assert unused is not None
        assert (told.tells, unused.tells) == (("consumer",), ())


def test_more_time_is_given_to_who_asked_for_it_and_to_nobody_else() -> None:
    """GZ art. 6: the platform manager agrees to a request."""
    flow = ganzhou().workflow("dataset")
    for answer in ("extend", "refuse_extension"):
        for asked, due in ((False, True), (True, False)):
            facts = {"extension_requested": asked, "update_running": due}
            assert flow.find("published", answer, facts) is None
        step = flow.find("published", answer, {"extension_requested": True, "update_running": True})
        assert step is not None
        assert step.roles == {"platform_manager"}


def test_who_decides_in_ganzhou_confirms_that_the_least_is_granted() -> None:
    """GZ art. 5(一): the least that the work needs, by somebody else than whoever asked."""
    for state, decider in (("with_provider", "provider"), ("with_manager", "platform_manager")):
        step = ganzhou().workflow("application").find(state, "grant", {"decider": decider})
        assert step is not None
        assert step.by_another
        assert step.confirms is not None
        assert "最小范围" in step.confirms.zh


def test_data_that_are_not_shared_cannot_be_applied_for() -> None:
    for rules in (qianjiang(), ganzhou()):
        facts = rules.facts({"share_class": "none"})
        assert rules.workflow("application").find("draft", "submit", facts) is None


@pytest.mark.parametrize(
    ("rules", "state", "facts", "requires"),
    [
        (qianjiang(), "checking", CONDITIONAL, {"reason_code", "reason"}),
        (qianjiang(), "with_provider", CONDITIONAL, {"reason_code", "reason"}),
        (qianjiang(), "with_manager", UNCONDITIONAL, {"reason_code", "reason"}),
        (ganzhou(), "with_manager", UNCONDITIONAL, {"reason_code", "basis"}),
        (ganzhou(), "with_provider", CONDITIONAL, {"reason_code", "basis", "reason"}),
    ],
)
def test_a_refusal_says_why_and_never_for_want_of_paper(
    rules: Rulebook, state: str, facts: dict[str, Any], requires: set[str]
) -> None:
    refusal = rules.workflow("application").find(state, "refuse", rules.facts(facts))
    assert refusal is not None
    assert set(refusal.requires) == requires
    paper, *waiting = refusal.forbids["reason_code"]
    assert paper.values == ("no_paper",)
    # The articles bind the provider; for the platform manager they are read so.
    assert (paper.cite.article, paper.cite.kind) == (
        "22" if rules is qianjiang() else "4",
        "text" if refusal.roles == {"provider"} else "interpretation",
    )
    found = [(one.values, one.cite.article) for one in waiting]
    assert found == ([(("awaiting_correction",), "23")] if rules is qianjiang() else [])


def test_only_the_platform_manager_blocks_in_qianjiang_and_only_the_provider_in_ganzhou() -> None:
    def may(rules: Rulebook, role: str) -> set[str]:
        return {t.action for t in rules.workflow("grant").actions("active", [role], {"decider": "provider"})}

    report = {"report_misuse"}
    assert may(qianjiang(), "platform_manager") == {"suspend", "terminate"} | report
    assert may(qianjiang(), "provider") == {"reclaim"} | report
    direct = qianjiang().workflow("grant").actions("active", ["provider"], {"decider": "platform_manager"})
    assert {t.action for t in direct} == report
    assert may(ganzhou(), "provider") == {"suspend", "reclaim", "terminate"} | report
    assert may(ganzhou(), "platform_manager") == report
    assert may(ganzhou(), "consumer") == set()


def test_a_measure_in_ganzhou_is_told_to_the_platform_manager_with_evidence() -> None:
    for action in ("suspend", "terminate"):
        step = ganzhou().workflow("grant").find("active", action, {})
        assert step is not None
        assert "evidence" in step.requires
        assert "platform_manager" in step.tells
        assert step.opens is not None
        assert (step.opens.workflow, step.opens.taken) == ("filing", {"basis": "reason"})


def test_a_grant_lapses_only_when_an_end_is_set() -> None:
    for rules in (qianjiang(), ganzhou()):
        flow = rules.workflow("grant")
        assert flow.lapse("active", {}) is None
        assert flow.lapse("active", {"valid_until": None}) is None
        for state in ("active", "suspended"):
            step = flow.lapse(state, {"valid_until": "2027-02-13T23:59:59+08:00"})
            assert step is not None
            assert step.target == "expired"
        assert flow.lapse("terminated", {"valid_until": "2027-02-13T23:59:59+08:00"}) is None


def test_nobody_may_let_a_grant_expire_by_hand() -> None:
    facts = {"valid_until": "2027-02-13T23:59:59+08:00"}
    everybody = ["provider", "consumer", "platform_manager", "auditor"]
    for rules in (qianjiang(), ganzhou()):
        assert "expire" not in {t.action for t in rules.workflow("grant").actions("active", everybody, facts)}


def every_flow() -> list[Workflow]:
    return [flow for rules in shipped().books.values() for flow in rules.workflows.values()]


@pytest.mark.parametrize("flow", every_flow(), ids=lambda flow: flow.title.en)
def test_nothing_can_be_done_in_a_final_state_and_nothing_by_a_stranger(flow: Workflow) -> None:
    for name, state in flow.states.items():
        assert not (state.final and flow.actions(name, ROLES, {"decider": "provider"}))
        assert flow.actions(name, [], {}) == ()
