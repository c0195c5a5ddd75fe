"""Who sees what of an application and a grant is said by the rulebook, for the API and the pages alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.datasets import find_dataset, list_revisions, revise_dataset
from core.codes import in_url
from core.errors import NotFound
from rules.rulebook import Rulebook, Rulebooks
from tests.cast import alice, bob, carol, dave, mallory
from tests.conftest import World, make_world
from tests.rules.books import shipped
from tests.stories import CONDITION, active_grant, offered, taken_offline


@pytest.fixture
def discreet(tmp_path: Path, template_database: Path) -> Iterator[World]:
    """Qianjiang, if its book kept purposes and networks from auditors and grants from them altogether."""
    made = make_world(tmp_path, template_database, "sharing/qianjiang")
    book = made.rulebooks.current("sharing")
    document: dict[str, Any] = json.loads(json.dumps(shipped().get("sharing/qianjiang").document))
    document["visibility"]["application"]["auditor"] = {
        "hide": ["purpose", "networks", "history"],
        "mask": ["reasons"],
        "cite": "parties_only",
    }
    del document["visibility"]["grant"]["auditor"]
    document["visibility"]["grant"]["provider"]["hide"] = ["fields", "row_filter", "parameters"]
    changed = Rulebook(book.id, document)
    books: Rulebooks = made.rulebooks
    made.rulebooks = replace(books, books={**books.books, book.id: changed}, archive={})
    made.app.extensions["shuxiang"] = replace(made.app.extensions["shuxiang"], rulebooks=made.rulebooks)
    yield made
    made.database.close()


def test_what_the_book_hides_from_a_reader_is_not_there(discreet: World) -> None:
    application = str(active_grant(discreet).grant.application_id)
    auditor = discreet.client(dave).get(f"/api/applications/{application}").get_json()
    assert {"purpose", "networks"}.isdisjoint(auditor)
    assert "*" in auditor["reasons"]
    assert discreet.client(carol).get(f"/api/applications/{application}").get_json()["purpose"]
    page = discreet.browser(dave).get(f"/applications/{application}")
    assert page.status_code == 200
    assert "健康档案地址规范化" not in page.text


def test_what_the_book_shows_to_nobody_does_not_exist_for_them(discreet: World) -> None:
    grant = active_grant(discreet).grant.id
    assert discreet.client(dave).get(f"/api/grants/{grant}").status_code == 404
    assert discreet.client(dave).get("/api/grants").get_json()["items"] == []
    assert discreet.browser(dave).get(f"/grants/{grant}").status_code == 404
    assert discreet.client(bob).get(f"/api/grants/{grant}").status_code == 200


def test_a_page_does_without_what_the_book_hides(discreet: World) -> None:
    grant = active_grant(discreet).grant.id
    shown = discreet.client(alice).get(f"/api/grants/{grant}").get_json()
    assert {"fields", "row_filter"}.isdisjoint(shown)
    page = discreet.browser(alice).get(f"/grants/{grant}")
    assert page.status_code == 200
    assert discreet.browser(alice).get("/grants").status_code == 200


@pytest.mark.parametrize("city", ["world", "ganzhou"])
def test_whoever_still_holds_a_grant_sees_the_entry_off_line_as_it_was_public(
    city: str, request: pytest.FixtureRequest
) -> None:
    place = request.getfixturevalue(city)
    code = offered(place, "divisions", None, share_class="conditional", **CONDITION)
    active_grant(place, code, term_days=90)
    place.now += timedelta(hours=1)
    taken_offline(place, code)
    place.now += timedelta(hours=1)
    with place.work(alice) as work:
        revise_dataset(work, code, {"title": "尚未公开的名称"}, "更名")
    with place.read(carol) as work:
        entry = find_dataset(work, code)
        assert (entry.is_public, entry.document["title"]) == (False, "行政区划")
        wordings = [revision.document["title"] for revision, _ in list_revisions(work, entry)]
        assert wordings == ["行政区划"]
    with place.read(mallory) as work, pytest.raises(NotFound):
        find_dataset(work, code)
    assert place.browser(carol).get(f"/datasets/{in_url(code)}").status_code == 200
