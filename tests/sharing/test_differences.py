"""The twenty lines on which the two cities differ (D1-D20): the same question asked of both books."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rules.rulebook import Rulebook
from tests.rules.books import shipped
from tests.sharing.test_table import DIFFERENCES, GANZHOU, QIANJIANG

UNCONDITIONAL = {"share_class": "unconditional", "controlled_params": False}
CONTROLLED = {"share_class": "unconditional", "controlled_params": True}
CONDITIONAL = {"share_class": "conditional", "controlled_params": False}
Ask = Callable[[Rulebook], Any]


def policy(*names: str) -> Ask:
    """What the book holds at some leaves, the one or all of them."""

    def found(book: Rulebook) -> Any:
        held = [book.policy(name).value for name in names]
        return held if len(held) > 1 else held[0]

    return found


def chain(facts: dict[str, Any]) -> Ask:
    """The limits of an application one after the other, each with what starts it."""

    def found(book: Rulebook) -> list[tuple[str, str]]:
        known = book.facts(facts)
        rules = [r for r in book.clocks if r.workflow == "application"]
        held = [r for r in rules if all(known.get(k) == v for k, v in r.when.items())]
        if known["decider"] != "provider":
            held = [r for r in held if r.name != "inform"]  # it starts with the provider's answer
        return [(r.starts[0], str(r.lasts)) for r in held]

    return found


def decider(facts: dict[str, Any]) -> Ask:
    return lambda book: book.facts(facts)["decider"]


def refusing(facts: dict[str, Any], state: str) -> Ask:
    """What a refusal must carry."""

    def found(book: Rulebook) -> Any:
        step = book.workflow("application").find(state, "refuse", book.facts(facts))
        return sorted(step.requires) if step else None

    return found


def steps(workflow: str, *actions: str) -> Ask:
    """Which of some steps a workflow has."""

    def found(book: Rulebook) -> Any:
        flow = book.workflows.get(workflow)
        return [a for a in actions if flow and any(t.action == a for t in flow.transitions)]

    return found


def update(book: Rulebook) -> Any:
    [rule] = [r for r in book.clocks if (r.workflow, r.name) == ("dataset", "update")]
    to = rule.extension.to if rule.extension else None
    return (str(rule.lasts) if rule.lasts else None, str(to) if to else None)


def withdrawing(book: Rulebook) -> Any:
    step = next(t for t in book.workflow("dataset").transitions if t.action == "request_withdrawal")
    return (sorted(step.requires), step.cite.kind)


def informing(book: Rulebook) -> Any:
    """Whether a step and a day are set for telling the applicant of the result."""
    known = {t.action for t in book.workflow("application").transitions}
    return ("inform" in known, any(rule.name == "inform" for rule in book.clocks))


LINES: list[tuple[str, Ask, Any, Any]] = [
    (
        "D1",
        policy("deployment.platform", "deployment.standalone_platform"),
        ["own", "allowed"],
        ["city_tenant", "forbidden"],
    ),
    ("D2", decider(CONTROLLED), "provider", "platform_manager"),
    ("D3", chain(UNCONDITIONAL), [("submitted", "3wd"), ("accepted", "3wd")], [("submitted", "3wd")]),
    (
        "D4",
        chain(CONDITIONAL),
        [("submitted", "3wd"), ("forwarded", "10wd"), ("answered", "1wd")],
        [("submitted", "10wd")],
    ),
    ("D5", refusing(UNCONDITIONAL, "with_manager"), ["reason", "reason_code"], ["basis", "reason_code"]),
    (
        "D5",
        refusing(CONDITIONAL, "with_provider"),
        ["reason", "reason_code"],
        ["basis", "reason", "reason_code"],
    ),
    ("D6", lambda book: set(book.policy("application.attachments").value or ()), set(), {"api"}),
    ("D6", policy("catalog.required_materials"), None, True),
    ("D7", lambda book: len(book.policy("catalog.no_share_basis").value["levels"] or ()), 7, 0),
    ("D7", policy("procedures.filing"), None, True),
    ("D8", lambda book: len((book.policy("catalog.base_registers").value or {}).get("names", ())), 6, 0),
    ("D9", update, (None, None), ("10wd", "20wd")),
    ("D9", policy("catalog.supply_within"), "update_limit", None),
    ("D10", policy("catalog.review"), False, True),
    ("D11", withdrawing, (["basis", "ground"], "product_default"), (["basis"], "text")),
    ("D12", policy("grant.max_term", "grant.on_expiry"), [None, None], ["3y", "terminate"]),
    ("D12", lambda book: bool(book.policy("grant.idle").value), False, True),
    ("D12", policy("grant.suspension"), "security_only", "misuse"),
    ("D13", policy("procedures.demand"), None, True),
    ("D14", steps("dispute", "settle", "refer", "decide"), ["settle", "refer", "decide"], ["settle"]),
    ("D15", policy("use.offline_feedback", "use.served_as_usual"), [None, True], [True, None]),
    (
        "D16",
        steps("cascade", "forward_up", "collect", "submit_up", "publish_here"),
        ["forward_up"],
        ["collect", "submit_up", "publish_here"],
    ),
    (
        "D17",
        lambda book: book.policy("supervision.statistics").value["families"],
        ["authorisation", "calls", "availability"],
        ["calls"],
    ),
    ("D18", policy("procedures.breach_report", "procedures.rectification"), [True, True], [None, None]),
    (
        "D19",
        policy("procedures.maintenance", "procedures.handover", "accounts.allocated_by"),
        [None, None, None],
        [True, True, "platform_manager"],
    ),
    ("D20", informing, (True, True), (False, False)),
]


@pytest.mark.parametrize(("line", "ask", "qianjiang", "ganzhou"), LINES, ids=[line[0] for line in LINES])
def test_the_two_books_differ(line: str, ask: Ask, qianjiang: Any, ganzhou: Any) -> None:
    assert ask(shipped().get(QIANJIANG)) == qianjiang
    assert ask(shipped().get(GANZHOU)) == ganzhou
    assert qianjiang != ganzhou


def test_every_line_is_asked() -> None:
    assert {line for line, *_ in LINES} == DIFFERENCES


@pytest.mark.parametrize("book", [QIANJIANG, GANZHOU])
def test_what_a_text_leaves_open_stays_open(book: str) -> None:
    """No clock has a length that its book does not cite from the text or say how it reads it."""
    for rule in shipped().get(book).clocks:
        if rule.lasts is not None:
            assert rule.cite.kind in ("text", "interpretation"), rule.name
        if rule.cite.kind == "product_default":
            assert not rule.obliges, rule.name
