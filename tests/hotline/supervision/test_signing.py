"""A rulebook that would let something go out unsigned is refused before anybody works by it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from core.settings import read_yaml
from rules.check import check
from rules.rulebook import SHIPPED, Rulebook

Change = Callable[[dict[str, Any]], None]


def faults(change: Change, place: str = "ganzhou") -> list[str]:
    document = copy.deepcopy(read_yaml(SHIPPED / "hotline" / f"{place}.yaml"))
    change(document)
    return [fault.pointer for fault in check(Rulebook(f"hotline/{place}", document))]


def nothing(document: dict[str, Any]) -> None:
    """Leave the book as it is."""


@pytest.mark.parametrize("place", sorted(path.stem for path in (SHIPPED / "hotline").glob("*.yaml")))
def test_the_books_that_are_shipped_send_nothing_unsigned(place: str) -> None:
    assert faults(nothing, place) == []


def papers(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["workflows"]["accountability"]
    return found


def told_at_once(document: dict[str, Any]) -> None:
    opening = papers(document)["open"]
    opening["parties"]["discipline"] = "seat"
    opening["tells"] = ["discipline"]


def drafted_by_discipline(document: dict[str, Any]) -> None:
    papers(document)["transitions"][0]["roles"] = ["discipline"]


def told_to_the_unit(document: dict[str, Any]) -> None:
    opening = papers(document)["open"]
    opening["parties"]["handler"] = "origin"
    opening["tells"] = ["supervisor", "handler"]


def by_timer(document: dict[str, Any], **changes: Any) -> None:
    document["facts"]["sent_at"] = {"title": {"zh": "送", "en": "sent"}, "type": "instant", "optional": True}
    steps = papers(document)["transitions"]
    step = next(t for t in steps if "discipline" in t.get("joins", ()))
    steps.append({**step, "action": "send_by_itself", "roles": ["system"], "timer": "sent_at", **changes})


def sent_by_timer(document: dict[str, Any]) -> None:
    by_timer(document)


def left_to_discipline_by_timer(document: dict[str, Any]) -> None:
    by_timer(document, joins=["leader"], tells=["leader"])


def signed_by_timer(document: dict[str, Any]) -> None:
    flow = papers(document)
    by_timer(
        document, **{"from": [flow["initial"]], "to": "signed", "joins": ["leader"], "tells": ["leader"]}
    )


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (told_at_once, "/workflows/accountability/open"),
        (drafted_by_discipline, "/workflows/accountability/open"),
        (told_to_the_unit, "/workflows/accountability/open/tells"),
        (sent_by_timer, "/workflows/accountability/transitions/"),
        (left_to_discipline_by_timer, "/workflows/accountability/transitions/"),
        (signed_by_timer, "/workflows/accountability/transitions/"),
    ],
)
def test_a_book_that_sends_by_itself_is_refused(change: Change, pointer: str) -> None:
    assert [f for f in faults(change) if f.startswith(pointer)]


def test_words_of_people_are_sealed() -> None:
    def in_the_clear(document: dict[str, Any]) -> None:
        del document["fields"]["notice"]["sealed"]

    assert faults(in_the_clear) == ["/fields/notice/sealed"]
