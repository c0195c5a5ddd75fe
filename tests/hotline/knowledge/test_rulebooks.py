"""Every hotline's rulebook carries the workflow of articles; one that would not work is named."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from core.errors import Conflict
from hotline.knowledge.articles import edit_article
from rules.check import check
from rules.citation import Citation
from rules.rulebook import SHIPPED, Rulebook, load_rulebooks
from tests.conftest import World
from tests.hotline.knowledge.conftest import make_hotline
from tests.hotline.knowledge.kit import acted, hana, hugo, sue, written

pytestmark = pytest.mark.long

PLACES = sorted(path.stem for path in (SHIPPED / "hotline").glob("*.yaml"))

Break = Callable[[dict[str, Any]], object]


def book(place: str = "qianjiang") -> Rulebook:
    return load_rulebooks(SHIPPED, {"sharing": "sharing/qianjiang"}).books[f"hotline/{place}"]


def states(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["workflows"]["article"]["states"]
    return found


def step(document: dict[str, Any], action: str) -> Any:
    steps = document["workflows"]["article"]["transitions"]
    return next(s for s in steps if s["action"] == action)


def ending(document: dict[str, Any]) -> Any:
    """The step that ends an article which is being revised."""
    steps = document["workflows"]["article"]["transitions"]
    return next(s for s in steps if "timer" in s and s["from"] == ["revising"])


@pytest.mark.parametrize(
    ("pointer", "spoil"),
    [
        ("/workflows/article/states/draft/flags", lambda d: states(d)["draft"].pop("flags")),
        (
            "/workflows/article/states/in_review/flags",
            lambda d: states(d)["in_review"].update(flags=["hung"]),
        ),
        ("/workflows/article/transitions/2/does", lambda d: step(d, "approve").update(does="dispatch")),
        ("/workflows/article/transitions/2/does", lambda d: step(d, "approve").pop("does")),
        ("/workflows/article/transitions/2/from", lambda d: step(d, "approve")["from"].append("draft")),
        ("/workflows/article/transitions/5/to", lambda d: step(d, "revise").update(to="revision_review")),
        ("/workflows/article/states/revising", lambda d: ending(d).update(to="published")),
    ],
)
def test_a_workflow_that_the_platform_would_stumble_over_is_named(pointer: str, spoil: Break) -> None:
    document = copy.deepcopy(dict(book().document))
    spoil(document)
    assert pointer in {fault.pointer for fault in check(Rulebook("hotline/qianjiang", document))}


def test_a_book_without_articles_is_no_fault() -> None:
    assert check(book()) == []


@pytest.mark.parametrize("place", PLACES)
def test_every_place_says_by_which_provision_its_units_keep_knowledge(place: str) -> None:
    opening = book(place).workflow("article").opens_by
    assert opening is not None
    assert (opening.cite.kind, opening.prefix) == ("text", "K")
    assert isinstance(opening.cite, Citation)


@pytest.mark.parametrize("place", PLACES)
def test_an_article_goes_through_its_life_in_every_place(
    place: str, tmp_path: Any, template_database: Any
) -> None:
    world: World = make_hotline(tmp_path, template_database, place)
    steps = world.rulebooks.current("hotline").workflow("article").transitions
    by_office = any(t.does == "publish" and "supervisor" in t.roles for t in steps)
    reviewer = sue if by_office else hugo
    code = written(world).code
    acted(world, hana, code, "submit")
    assert acted(world, reviewer, code, "approve").is_live(world.now)
    with world.work(hana) as work:
        edit_article(work, code, {"answer": "新的答复"})
    acted(world, hana, code, "submit")
    acted(world, reviewer, code, "send_back", reason="依据不对")
    acted(world, hana, code, "discard")
    acted(world, hana, code, "confirm")
    acted(world, hana, code, "withdraw", reason="政策已废止")
    with pytest.raises(Conflict):
        acted(world, hana, code, "submit")
    world.database.close()
