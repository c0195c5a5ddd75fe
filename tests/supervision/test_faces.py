"""Statistics as people and scripts meet them: page, JSON, CSV and command line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from rules.rulebook import Rulebook
from supervision import store
from supervision.figures import FAMILIES, FIGURES, UNITS
from supervision.store import CallKey
from tests.cast import alice, bob, carol, dave, stella
from tests.catalog.entries import WITHHELD
from tests.stories import active_grant, offered

pytestmark = pytest.mark.long

FEBRUARY = "period=month&from=2026-02"


def told(client: Any, address: str = f"/api/statistics?{FEBRUARY}") -> Any:
    answer = client.get(address)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return {f["family"]: f for f in answer.get_json()["families"]}


def anybody(world: Any) -> Any:
    return world.app.test_client()


def called(world: Any, dataset: str, provider: str, consumer: str, decision: str, calls: int) -> None:
    key = CallKey("2026-02-09", dataset, provider, consumer, "sys-1", "SQ-1", decision)
    with world.database.begin() as tx:
        store.add_calls(tx, {key: [calls, calls * 2, calls * 100, calls]})


# --- who sees what --------------------------------------------------------------------------------


def test_in_qianjiang_anybody_reads_all_three_families_with_their_article(world: Any) -> None:
    active_grant(world)
    families = told(anybody(world))
    assert list(families) == ["authorisation", "calls", "availability"]
    assert all(f["published"] for f in families.values())
    assert {f["cite"]["article"] for f in families.values()} == {"26"}
    assert families["authorisation"]["total"]["granted"] == 1


def test_in_ganzhou_departments_read_the_usage_and_nobody_else_anything(ganzhou: Any) -> None:
    assert anybody(ganzhou).get("/api/statistics").status_code == 401
    assert anybody(ganzhou).get("/api/statistics.csv").status_code == 401
    page = anybody(ganzhou).get("/statistics")
    assert (page.status_code, page.headers["Location"]) == (303, "/sign-in?next=%2Fstatistics")
    families = told(ganzhou.client(carol))
    assert list(families) == ["calls"]
    assert families["calls"]["cite"]["article"] == "14"


@pytest.mark.parametrize("overseer", [bob, stella])
def test_who_oversees_sees_the_rest_as_product_default(ganzhou: Any, overseer: Any) -> None:
    families = told(ganzhou.client(overseer))
    assert {key: (f["published"], f["cite"] is None) for key, f in families.items()} == {
        "authorisation": (False, True),
        "calls": (True, False),
        "availability": (False, True),
    }
    assert "平台缺省" in ganzhou.browser(overseer).get("/statistics").get_data(as_text=True)


def test_a_book_that_names_no_statistics_publishes_none(world: Any) -> None:
    book = world.rulebooks.current("sharing")
    policies = {**book.document["policies"]}
    statistics = {**policies["supervision"]["statistics"], "value": None}
    policies["supervision"] = {**policies["supervision"], "statistics": statistics}
    silent = Rulebook(book.id, {**book.document, "policies": policies})
    world.rulebooks = replace(world.rulebooks, books={**world.rulebooks.books, book.id: silent})
    world.app.extensions["shuxiang"] = replace(world.app.extensions["shuxiang"], rulebooks=world.rulebooks)
    assert anybody(world).get("/api/statistics").status_code == 401
    assert told(world.client(carol)) == {}
    assert list(told(world.client(bob))) == list(FAMILIES)


def test_nothing_public_names_a_system_or_a_person(world: Any) -> None:
    held = active_grant(world)
    called(world, held.grant.dataset_code, "civil_affairs", "health", "permitted", 5)
    for address in (
        f"/api/statistics?{FEBRUARY}",
        f"/statistics?{FEBRUARY}",
        f"/api/statistics.csv?{FEBRUARY}",
    ):
        text = anybody(world).get(address).get_data(as_text=True)
        assert held.grant.dataset_code in text
        for secret in (held.grant.client_id, held.grant.client_name, held.grant.number, "carol", "Carol"):
            assert secret not in text, address


def test_what_is_not_shared_is_not_listed_in_public(world: Any) -> None:
    changes: dict[str, Any] = {**WITHHELD}
    hidden = offered(world, "divisions", **changes)
    assert [d["id"] for d in told(anybody(world))["calls"]["datasets"]] == []
    assert anybody(world).get(f"/api/statistics?dataset={hidden}").status_code == 400
    assert [d["id"] for d in told(world.client(carol))["calls"]["datasets"]] == [hidden]


# --- what it says ---------------------------------------------------------------------------------


def test_calls_are_told_by_department_and_dataset(world: Any) -> None:
    code = offered(world, "divisions")
    for decision, calls in (("permitted", 90), ("failed", 8), ("aborted", 2), ("refused", 50)):
        called(world, code, "civil_affairs", "health", decision, calls)
    called(world, "", "", "", "refused", 7)
    families = told(anybody(world))
    total = families["calls"]["total"]
    assert (total["calls_permitted"], total["calls_refused"], total["calls_failed"]) == (90, 57, 8)
    assert (total["systems"], total["datasets_used"], total["bytes"]) == (1, 1, 9200)
    departments = {d["id"]: d["values"] for d in families["calls"]["departments"]}
    assert departments["civil_affairs"]["calls_permitted"] == departments["health"]["calls_made"] == 90
    assert departments["civil_affairs"]["calls_made"] == departments["health"]["calls_permitted"] == 0
    assert families["calls"]["datasets"][0]["values"]["calls_refused"] == 50
    assert families["availability"]["total"]["failed_rate"] == 8


def test_the_periods_of_a_call_all_know_it(world: Any) -> None:
    called(world, offered(world, "divisions"), "civil_affairs", "health", "permitted", 3)
    for asked in ("period=day&from=2026-02-09", "period=week", FEBRUARY, "period=quarter", "period=year"):
        family = told(anybody(world), f"/api/statistics?{asked}")["calls"]
        assert family["total"]["calls_permitted"] == 3, asked
        assert sum(v or 0 for v in family["lines"][0]["values"]) == 3, asked
    assert told(anybody(world), "/api/statistics?period=day&from=2026-02-10")["calls"]["total"]["rows"] == 0


def test_a_filter_leaves_what_concerns_a_department_or_a_dataset(world: Any) -> None:
    mine, other = offered(world, "divisions"), offered(world, "calendars")
    called(world, mine, "civil_affairs", "health", "permitted", 3)
    called(world, other, "hr_social", "health", "permitted", 4)
    for asked, calls, shown in (
        ("department=civil_affairs", 3, [mine]),
        ("department=hr_social", 4, [other]),
        (f"dataset={other}", 4, [other]),
        (f"dataset={mine.replace('/', '-')}", 3, [mine]),
    ):
        family = told(anybody(world), f"/api/statistics?{FEBRUARY}&{asked}")["calls"]
        assert family["total"]["calls_permitted"] == calls, asked
        assert [d["id"] for d in family["datasets"]] == shown, asked


def test_datasets_come_in_pages(world: Any) -> None:
    codes = sorted(offered(world, name) for name in ("divisions", "workdays", "calendars"))
    client, found = world.client(carol), []
    address: str | None = f"/api/statistics?{FEBRUARY}&limit=2"
    while address:
        answer = client.get(address).get_json()
        found.append([d["id"] for d in answer["families"][0]["datasets"]])
        address = answer["next"]
    assert found == [codes[:2], codes[2:]]


@pytest.mark.parametrize("asked", ["period=decade", "from=heute", "department=x", "dataset=9/9", "limit=0"])
def test_a_question_that_makes_no_sense_is_told_where(world: Any, asked: str) -> None:
    answer = world.client(carol).get(f"/api/statistics?{asked}")
    assert answer.status_code == 400
    assert answer.get_json()["errors"][0]["pointer"] == f"/{asked.partition('=')[0]}"
    if not asked.startswith("limit"):
        assert anybody(world).get(f"/statistics?{asked}").status_code == 422


def test_every_figure_is_defined_once_with_words_for_people_and_machines() -> None:
    keys = [figure.key for figure in FIGURES]
    assert len(set(keys)) == len(keys)
    for figure in FIGURES:
        assert figure.family in FAMILIES
        assert figure.unit in UNITS
        assert all((*figure.title, *figure.formula, figure.expression, figure.sources)), figure.key


# --- faces ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_shows_each_figure_with_its_formula(world: Any, language: str) -> None:
    active_grant(world)
    text = anybody(world).get(f"/statistics?{FEBRUARY}&lang={language}").get_data(as_text=True)
    for figure in FIGURES:
        assert figure.title.in_language(language) in text, figure.key
        assert figure.formula.in_language(language).replace("'", "&#39;") in text, figure.key
    article = "第26条" if language == "zh" else "Art. 26"
    assert text.count(article) >= len(FIGURES)


def test_the_charts_of_the_page_are_sound_xml_with_a_table_beside_them(world: Any) -> None:
    code = offered(world, "divisions", title="行政区划 <b>&")
    called(world, code, "civil_affairs", "health", "permitted", 3)
    called(world, offered(world, "calendars"), "hr_social", "health", "permitted", 1)
    text = anybody(world).get(f"/statistics?{FEBRUARY}").get_data(as_text=True)
    charts = re.findall(r"<svg xmlns.*?</svg>", text, flags=re.DOTALL)
    assert len(charts) == 4  # a line for each family, and bars for the calls
    for chart in charts:
        ElementTree.fromstring(chart)
    assert "<b>&" not in text
    assert "style=" not in text


def test_what_anybody_may_see_may_be_kept_for_a_minute(world: Any) -> None:
    client = anybody(world)
    first = client.get(f"/api/statistics?{FEBRUARY}")
    assert first.headers["Cache-Control"] == "public, max-age=60"
    tag = {"If-None-Match": first.headers["ETag"]}
    again = client.get(f"/api/statistics?{FEBRUARY}", headers=tag)
    assert (again.status_code, again.get_data()) == (304, b"")
    called(world, offered(world, "divisions"), "civil_affairs", "health", "permitted", 3)
    assert client.get(f"/api/statistics?{FEBRUARY}", headers=tag).status_code == 200
    assert client.get(f"/api/statistics.csv?{FEBRUARY}", headers=tag).status_code == 200


@pytest.mark.parametrize("who", [alice, bob, carol, dave])
def test_what_a_person_sees_is_kept_by_nobody(world: Any, who: Any) -> None:
    answer = world.client(who).get(f"/api/statistics?{FEBRUARY}")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers


def test_the_table_says_what_the_document_says(world: Any) -> None:
    active_grant(world)
    answer = anybody(world).get(f"/api/statistics.csv?{FEBRUARY}")
    assert answer.mimetype == "text/csv"
    assert answer.get_data().startswith("\ufeff".encode())
    assert answer.headers["Content-Disposition"] == 'attachment; filename="statistics-2026-02.csv"'
    head, total = (line.split(",") for line in answer.get_data(as_text=True).splitlines()[:2])
    totals = {k: v for f in told(anybody(world)).values() for k, v in f["total"].items()}
    cells = dict(zip([name.split()[-1] for name in head], total, strict=True))
    assert {k: cells[k] for k in totals} == {k: "" if v is None else str(v) for k, v in totals.items()}


def test_the_documents_hold_the_definition_of_each_figure() -> None:
    text = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text(encoding="utf-8")
    for figure in FIGURES:
        row = f"| `{figure.key}` | {figure.title.zh} / {figure.title.en} | {UNITS[figure.unit].en} |"
        assert f"{row} {figure.formula.en} | `{figure.expression}` |" in text, figure.key


def test_the_files_linked_on_the_page_open_under_the_session(ganzhou: Any) -> None:
    browser = ganzhou.browser(carol)
    page = browser.get(f"/statistics?{FEBRUARY}").get_data(as_text=True)
    links = {found.replace("&amp;", "&") for found in re.findall(r'href="(/[a-z/]*statistics\.[^"]*)"', page)}
    assert sorted(link.partition("?")[0] for link in links) == ["/statistics.csv", "/statistics.json"]
    for link in links:
        answer = browser.get(link)
        assert answer.status_code == 200, link
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert anybody(ganzhou).get(link).status_code == 303
    saved = browser.get(f"/statistics.json?{FEBRUARY}").get_json(force=True)
    assert [f["family"] for f in saved["families"]] == ["calls"]
    assert saved["period"]["name"] == "2026-02"
    assert browser.get(f"/statistics.csv?{FEBRUARY}").data.startswith(b"\xef\xbb\xbf")


def test_a_file_of_no_period_is_refused(world: Any) -> None:
    assert anybody(world).get("/statistics.csv?period=month&from=x").status_code == 400
