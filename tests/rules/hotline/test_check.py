"""What a rulebook of the hotline must hold so that the platform does not stumble over it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from rules.check import check
from rules.check_hotline import PARTS, WHOLE, WORDS_OF_PEOPLE
from rules.rulebook import Rulebook
from schemas import errors, schema
from tests.rules.books import of_domain
from tests.rules.hotline.asking import hotline

pytestmark = pytest.mark.long

Document = dict[str, Any]


def faults(change: Callable[[Document], object], place: str = "ganzhou") -> list[str]:
    """Return the pointers of the faults that a change of a place's book makes."""
    document = json.loads(json.dumps(hotline(place).document))
    change(document)
    wrong = [e.pointer for e in errors("rulebook/hotline", document)]
    return wrong or [f.pointer for f in check(Rulebook(f"hotline/{place}", document))]


def step(document: Document, action: str) -> Document:
    found: Document = next(t for t in document["workflows"]["ticket"]["transitions"] if t["action"] == action)
    return found


@pytest.mark.parametrize("book", of_domain("hotline"), ids=lambda book: str(book.id))
def test_the_shipped_books_are_sound(book: Rulebook) -> None:
    assert errors("rulebook/hotline", json.loads(json.dumps(book.document))) == []
    assert check(book) == []


def set_flags(state: str, *flags: str) -> Callable[[Document], object]:
    return lambda d: d["workflows"]["ticket"]["states"][state].update(flags=list(flags))


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (set_flags("handling", "public"), "/workflows/ticket/states/handling/flags"),
        (set_flags("archived", "resting"), "/workflows/ticket/states/archived/flags"),
        (set_flags("registered", "handling"), "/workflows/ticket/states/registered/flags"),
        (lambda d: step(d, "sign_in").update(does="grant"), "/workflows/ticket/transitions/10/does"),
        (lambda d: step(d, "dispatch").pop("does"), "/workflows/ticket/transitions/8/does"),
        (lambda d: step(d, "dispatch").update(to="fed_back"), "/workflows/ticket/transitions/8/to"),
        (
            lambda d: step(d, "refuse").update(requires=["explanation"], accepts=["refusal"]),
            "/workflows/ticket/transitions/4/requires",
        ),
        (lambda d: step(d, "merge").pop("does"), "/workflows/ticket/transitions/7/does"),
        (lambda d: d["facts"].update(weather=dict(d["facts"]["major"])), "/facts/weather"),
        (lambda d: d["facts"]["extended_count"].update(type="boolean"), "/facts/extended_count/type"),
        (lambda d: d["fields"]["suggested_unit"].update(type="text"), "/fields/suggested_unit/type"),
        (lambda d: d["fields"]["reply"].pop("sealed"), "/fields/reply/sealed"),
        (lambda d: d["fields"]["satisfaction"]["choices"].pop("satisfied"), "/fields/satisfaction/choices"),
        (lambda d: d["fields"]["major"].update(type="text"), "/fields/major/type"),
        (lambda d: d["policies"]["urge"]["then"].update(value="nothing"), "/policies/urge/then/value"),
        (lambda d: d["policies"]["urge"]["then"].update(value="ticket"), "/policies/urge/then/value"),
        (
            lambda d: d["policies"]["supervise"]["ladder"]["value"][1].update(opens="nothing"),
            "/policies/supervise/ladder/value/1/opens",
        ),
        (
            lambda d: d["policies"]["categories"]["value"][0].update(parent="nothing"),
            "/policies/categories/value/0/parent",
        ),
        (
            lambda d: d["policies"]["categories"]["value"][0].update(code="roads"),
            "/policies/categories/value",
        ),
        (
            lambda d: d["policies"]["refuse"]["requires"]["value"].append("oath"),
            "/policies/refuse/requires/value",
        ),
        (lambda d: d["visibility"]["ticket"].pop("accused"), "/visibility/ticket"),
        (
            lambda d: d["visibility"]["ticket"]["auditor"].update(hide=["descripton"]),
            "/visibility/ticket/auditor",
        ),
        (
            lambda d: d["visibility"]["ticket"]["auditor"].update(mask=["caller.fone"]),
            "/visibility/ticket/auditor",
        ),
        (lambda d: d["visibility"]["ticket"]["leader"].update(mask=["accused"]), "/visibility/ticket/leader"),
        (
            lambda d: d["visibility"]["caller"]["handler"].update(hide=["caller.ip"]),
            "/visibility/caller/handler",
        ),
        (
            lambda d: d["workflows"]["circular"]["open"].update(prefix="HS"),
            "/workflows/circular/open/prefix",
        ),
        (
            lambda d: d["workflows"]["written_supervision"]["open"].pop("about"),
            "/workflows/written_supervision/open/about",
        ),
        (
            lambda d: d["policies"]["refuse"]["requires"]["value"].append("basis"),
            "/workflows/ticket/transitions/4/requires",
        ),
        (
            lambda d: d["policies"]["reply"]["requires"]["value"].append("progress"),
            "/workflows/ticket/transitions/37/requires",
        ),
        (
            lambda d: d["policies"]["close"]["requires"]["value"].append("signed_by"),
            "/policies/close/requires/value",
        ),
        (lambda d: d["policies"]["withdraw"].update(value=None), "/policies/withdraw/value"),
        (lambda d: d["policies"]["lights"].update(value=None), "/policies/lights/cite"),
        (lambda d: d["policies"]["hang"]["approver"].update(value=None), "/policies/hang/approver/value"),
        (
            lambda d: d["policies"]["extension"]["max_count"].update(value=3),
            "/policies/extension/max_count/value",
        ),
        (lambda d: d["policies"]["urge"]["grace"].update(value="3wd"), "/policies/urge/grace/value"),
        (lambda d: d["clocks"][6]["when"].update(limit=["d1", "d3"]), "/clocks/4/when"),
        (lambda d: d["clocks"][7].update(when={"statutory": True, "major": True}), "/clocks/4/when"),
    ],
)
def test_a_wrong_book_is_told_where_it_is_wrong(change: Callable[[Document], object], pointer: str) -> None:
    assert pointer in faults(change)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (lambda d: d.update(status="dormant"), "/status"),
        (lambda d: d.pop("status"), "/status"),
        (lambda d: d["workflows"].pop("ticket"), "/workflows/ticket"),
        (lambda d: d["workflows"]["circular"].pop("open"), "/workflows/circular/open"),
        (lambda d: d["policies"].pop("lights"), "/policies/lights"),
        (lambda d: d["policies"]["urge"]["grace"].update(value="2 days"), "/policies/urge/grace/value"),
        (lambda d: d["clocks"][1].update(lasts="1 hour"), "/clocks/1/lasts"),
        (
            lambda d: d["policies"]["reports"]["rates"]["value"][0].update(numerator="luck"),
            "/policies/reports/rates/value/0/numerator",
        ),
    ],
)
def test_a_book_that_does_not_fit_its_schema_is_told_where(
    change: Callable[[Document], object], pointer: str
) -> None:
    assert faults(change) == [pointer]


def test_what_can_be_kept_back_is_what_an_answer_may_leave_out() -> None:
    shape = schema("response/ticket")
    assert {*WORDS_OF_PEOPLE, *WHOLE} == shape["properties"].keys() - {*shape["required"]}
    assert {*PARTS} < shape["properties"]["caller"]["properties"].keys()
    assert {shape["properties"][part].get("type") for part in WORDS_OF_PEOPLE} == {"string"}


def test_every_part_that_can_be_kept_back_may_be_named() -> None:
    kept = [*WORDS_OF_PEOPLE, *WHOLE, *(f"caller.{part}" for part in PARTS)]
    assert faults(lambda d: d["visibility"]["ticket"]["auditor"].update(hide=kept)) == []
    assert (
        faults(lambda d: d["visibility"]["ticket"]["auditor"].update(mask=["summary", "caller.name"])) == []
    )


def test_a_bad_rating_needs_a_way_as_a_good_one_does() -> None:
    def only_good(document: Document) -> None:
        twice, once, other = (
            t for t in document["workflows"]["ticket"]["transitions"] if t["action"] == "revisit"
        )
        twice["when"]["is_satisfied"] = True
        once["when"] = {"is_satisfied": True, "major": True}
        other["when"] = {"is_satisfied": True}

    assert "/workflows/ticket/states/replied" in faults(only_good)


def test_a_ticket_is_accepted_when_it_is_taken_in() -> None:
    def later(document: Document) -> None:
        document["workflows"]["ticket"]["opening"] = ["answered"]
        step(document, "classify")["emits"] = ["accepted"]

    assert faults(later) == ["/workflows/ticket/opening"]
