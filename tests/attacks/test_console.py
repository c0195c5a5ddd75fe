"""What somebody with an account, or a browser that was led astray, tries at the console (list 54-59)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from catalog.datasets import register_dataset
from core.errors import Invalid
from core.work import Actor
from gateway.clients import register_client
from schemas import validate
from tests.attacks.test_hotline_pages import POISON
from tests.cast import adam, alice, bob, carol, dave, mallory, sally
from tests.conftest import World
from tests.hotline.conftest import make_city
from tests.stories import OFFERS, STATEMENT, active_grant, offered, submitted_application
from web.http import Route

pytestmark = pytest.mark.long

RAW = ("<script>alert", "<img src=x", "9359$", "$9359", "onerror=alert(1)>{")
"""What poison becomes where it works."""
MADE_UP = "01999999-9999-7999-8999-999999999999"
EVERY_ROLE = (alice, bob, carol, dave, adam, sally)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, template_database: Path) -> Iterator[World]:
    """Qianjiang with its hotline."""
    made = make_city(tmp_path_factory.mktemp("console"), template_database, "qianjiang")
    yield made
    made.database.close()


def routes(city: World, kind: str) -> list[Route]:
    return list(city.app.extensions[kind].values())


def filled(rule: str) -> str:
    """An address of this form that names nothing."""
    return re.sub(r"<[^>]+>", MADE_UP, rule)


# --- 58: what is stored is shown as words -----------------------------------------------------------


@pytest.fixture(scope="module")
def poisoned(city: World) -> list[str]:
    """A dataset, a system, an application and a grant full of poison; returns the pages that show them."""
    provider, entry, _ = OFFERS["divisions"]
    words: dict[str, Any] = {
        "title": POISON[:80],
        "summary": POISON,
        "use_terms": POISON,
        "keywords": [POISON[:30]],
    }
    attributes = [{**a, "title": POISON[:60]} for a in entry["attributes"]]
    with city.work(provider) as work:
        draft = register_dataset(work, {**entry, **words, "attributes": attributes})
    code = offered(city, "divisions", **words, attributes=attributes)
    with city.work(carol) as work:
        system = register_client(work, {"name": POISON[:80], "networks": ["127.0.0.1/32"]})
    wish: dict[str, Any] = {**STATEMENT, **dict.fromkeys(STATEMENT, POISON)}
    filed = submitted_application(city, code, **wish)
    held = active_grant(city, code, **wish)
    paper = city.client(carol).post(
        f"/api/applications/{filed.application.id}/attachments?name={POISON}.html",
        data=b"<script>alert(1)</script>",
    )
    assert paper.status_code in (201, 400, 409), paper.text
    return [
        *(
            f"/datasets/{c}{rest}"
            for c in (draft.code.replace("/", "-"), code.replace("/", "-"))
            for rest in ("", "/revise", "/attach", "/revisions")
        ),
        *(f"/systems/{system.id}", f"/applications/{filed.application.id}", f"/grants/{held.grant.id}"),
        *(
            "/",
            "/datasets",
            f"/datasets?q={POISON}",
            "/systems",
            "/applications",
            "/grants",
            "/inbox",
            "/notices",
        ),
        *(f"/audit?q={POISON}", f"/audit/records?q={POISON}", "/usage", "/matters", f"/nowhere/{POISON}"),
    ]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_58_what_is_stored_is_shown_as_words(city: World, poisoned: list[str], language: str) -> None:
    found = 0
    for actor in EVERY_ROLE:
        browser = city.browser(actor)
        for page in poisoned:
            answer = browser.get(f"{page}{'&' if '?' in page else '?'}lang={language}")
            assert answer.status_code < 500, page
            if answer.mimetype == "text/html":
                found += "&lt;script&gt;alert" in answer.text
                assert [raw for raw in RAW if raw in answer.text] == [], (actor.login, page)
                assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert found > 12, "the poison was shown"


class Tags(HTMLParser):
    """Notes what a browser would run or dress by the page's own word."""

    def __init__(self) -> None:
        super().__init__()
        self.active: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        links = [names.get(name) or "" for name in ("href", "src", "action", "formaction")]
        if tag in ("style", "iframe", "object", "embed", "base") or (tag == "script" and "src" not in names):
            self.active.append(tag)
        if any(name.startswith("on") or name in ("style", "srcdoc") for name in names):
            self.active.append(str(attrs))
        self.active += [link for link in links if not re.match(r"[/?#]|$|data:image/png;", link)]


def test_58_no_page_holds_script_or_style_of_its_own(city: World, poisoned: list[str]) -> None:
    """What the policy would stop in a browser is not there to begin with; nor do links lead elsewhere."""
    browser = city.browser(bob)
    for page in poisoned:
        tags = Tags()
        tags.feed(browser.get(page).text)
        assert tags.active == [], page


# --- 59: what a body must not set ---------------------------------------------------------------------


OPEN = {"request/dataset_revision", "request/lookup", "request/supervision"}
"""Bodies that a rulebook or the catalog's own schema closes; they are tried below."""


def test_59_no_body_sets_what_its_address_does_not_ask_for(city: World) -> None:
    """Every address that takes JSON refuses members of ours by name."""
    tried = set()
    for route in routes(city, "shuxiang_routes"):
        if route.request is None or route.takes_bytes or route.request in OPEN:
            continue
        with pytest.raises(Invalid) as refused:
            validate(route.request, {"approved_by": "x", "department_id": "x", "__proto__": {}})
        named = {e.pointer for e in refused.value.errors}
        assert {"/approved_by", "/department_id", "/__proto__"} <= named, route.rule
        tried.add(route.request)
    assert len(tried) > 25


def test_59_nor_does_a_body_that_the_catalog_closes(city: World) -> None:
    code = offered(city, "divisions").replace("/", "-")
    extras: list[dict[str, object]] = [{"approved_by": "x"}, {"state": "offline"}, {"__proto__": {}}]
    for extra in extras:
        answer = city.client(alice).patch(f"/api/datasets/{code}", json={"reason": "改", **extra})
        assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("actor", [alice, carol, mallory])
def test_59_nobody_writes_themselves_into_a_system(city: World, actor: Actor) -> None:
    client = city.client(actor)
    for extra in (
        {"department": "civil_affairs"},
        {"state": "active"},
        {"id": MADE_UP},
        {"approved_by": "bob"},
    ):
        answer = client.post("/api/clients", json={"name": "x", "networks": ["127.0.0.1/32"], **extra})
        assert answer.status_code in (400, 403), answer.text


# --- forms that somebody else's page sends ------------------------------------------------------------


def test_59_no_form_of_another_site_is_taken(city: World) -> None:
    """Every address that a form is sent to refuses one without the token that its page had."""
    browsers = {actor.login: city.browser(actor) for actor in EVERY_ROLE}
    tried = 0
    for route in routes(city, "shuxiang_pages"):
        if route.method != "POST":
            continue
        for login, browser in browsers.items():
            for token in (None, "", "forged", "Ii4uLiI.x.y"):
                form = {} if token is None else {"csrf_token": token}
                answer = browser.post(
                    filled(route.rule), data=form, headers={"Origin": "https://evil.example"}
                )
                assert answer.status_code in (400, 404, 409), (login, route.rule, answer.status_code)
        tried += 1
    assert tried > 60


def test_59_a_session_is_no_key_to_what_scripts_ask(city: World) -> None:
    """The JSON face knows tokens only: a browser that is led there is nobody, so it needs no form token."""
    browser = city.browser(bob)
    for route in routes(city, "shuxiang_routes"):
        if "public" not in route.who and route.method != "GET":
            answer = browser.open(filled(route.rule), method=route.method, json={})
            assert answer.status_code in (400, 401, 404), (route.rule, answer.status_code)


# --- 54: lists ----------------------------------------------------------------------------------------

ODD = (
    *(
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=1e3",
        "limit=٣",
        "limit=1&limit=2",
        "limit=99999999999999999999",
    ),
    *(
        "offset=1000000000000",
        "sort=password_hash",
        "order=1;drop",
        "cursor=x",
        "cursor=%00",
        "cursor=" + "A" * 900,
    ),
    *("cursor=eyJhIjoxfQ", "cursor=../../etc", "cursor=%E2%80%AE", "__proto__=1", "limit[]=1", "cursor=-1"),
)


@pytest.mark.parametrize("query", ODD)
def test_54_a_page_that_cannot_be_is_refused(city: World, query: str) -> None:
    clients = {actor.login: city.client(actor) for actor in (alice, bob, dave)}
    tried = 0
    for route in routes(city, "shuxiang_routes"):
        if route.rule.startswith("/api/statistics") and query.startswith("cursor"):
            continue  # its cursor is a code that everybody may read: any text has its place in the order
        if route.method == "GET" and "cursor" in route.query and "<" not in route.rule:
            answers = [client.get(f"{route.rule}?{query}").status_code for client in clients.values()]
            assert set(answers) <= {400, 403, 404}, (route.rule, query, answers)
            tried += 1
    assert tried > 10


def test_54_a_cursor_of_one_persons_list_shows_nobody_elses(city: World) -> None:
    for _ in range(3):
        submitted_application(city)
    page = city.client(carol).get("/api/applications?limit=1").get_json()
    assert page["next"]
    assert city.client(mallory).get(page["next"]).get_json()["items"] == []


# --- what is kept for repeated requests -----------------------------------------------------------------


def test_59_an_idempotency_key_opens_nobody_elses_answer(city: World) -> None:
    body = {"name": "系统甲", "networks": ["127.0.0.1/32"]}
    first = city.client(carol).post("/api/clients", json=body, headers={"Idempotency-Key": "k-1"})
    assert first.status_code == 201
    again = city.client(carol).post("/api/clients", json=body, headers={"Idempotency-Key": "k-1"})
    assert again.get_json()["id"] == first.get_json()["id"]
    others = city.client(mallory).post("/api/clients", json=body, headers={"Idempotency-Key": "k-1"})
    assert others.status_code != 201 or others.get_json()["id"] != first.get_json()["id"]
    assert "Idempotency-Replayed" not in others.headers
    for twin in ("K-1", "k-1 ", "ｋ-1", "k‐1"):
        twins = city.client(carol).post("/api/clients", json=body, headers={"Idempotency-Key": twin})
        assert "Idempotency-Replayed" not in twins.headers or twin.strip() == "k-1", twin


def test_59_a_condition_tells_nothing_of_what_one_may_not_see(city: World) -> None:
    filed = submitted_application(city)
    client = city.client(mallory)
    for tag in ("*", '"1"', '"999"', "x"):
        said = []
        for id in (filed.application.id, MADE_UP):
            answer = client.get(f"/api/applications/{id}", headers={"If-None-Match": tag, "If-Match": tag})
            assert "ETag" not in answer.headers
            said.append((answer.status_code, answer.get_json()["code"]))
        assert said[0] == said[1]
        assert said[0][0] in (404, 412)


# --- what caches and ranges do --------------------------------------------------------------------------


def test_50_nothing_that_is_somebodys_is_kept_by_a_cache(city: World) -> None:
    browser, client = city.browser(bob), city.client(bob)
    for page in ("/", "/datasets", "/account", "/nowhere", "/systems"):
        assert browser.get(page).headers["Cache-Control"] == "no-store", page
    for address in ("/api/datasets", "/api/clients", "/api/nowhere"):
        assert client.get(address).headers.get("Cache-Control") == "no-store", address


def test_50_what_a_cache_may_keep_is_the_same_for_everybody(city: World) -> None:
    rules = [r for r in city.app.url_map.iter_rules() if "GET" in (r.methods or ()) and not r.arguments]
    stranger, browser, kept = city.app.test_client(), city.browser(bob), []
    for rule in rules:
        with browser.get(rule.rule, buffered=True) as hers, stranger.get(rule.rule, buffered=True) as theirs:
            if all("no-store" in answer.headers.get("Cache-Control", "") for answer in (hers, theirs)):
                continue
            assert "Set-Cookie" not in {*hers.headers.keys(), *theirs.headers.keys()}, rule.rule
            assert "Cookie" in hers.headers.get("Vary", "") or hers.data == theirs.data, rule.rule
            kept.append(rule.rule)
    assert 0 < len(kept) < len(rules) / 4, kept


@pytest.mark.parametrize(
    "wanted",
    ["bytes=0-0", "bytes=0-,0-,0-,0-", "bytes=-1", "bytes=99999999999999999999-", "bytes=a-b", "x=1"],
)
def test_50_ranges_are_no_way_to_multiply_an_answer(city: World, wanted: str) -> None:
    for path in ("/static/app.css", "/bootstrap/static/css/bootstrap.min.css", "/openapi.json"):
        with city.app.test_client().get(path, headers={"Range": wanted}, buffered=True) as answer:
            assert answer.status_code in (200, 206, 416)
            assert len(answer.data) < 1_000_000


# --- 13: JSON that means two things ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b'{"name":"a","name":"b","networks":["127.0.0.1/32"]}',
        b'{"name":"a","n\\u0061me":"b","networks":["127.0.0.1/32"]}',
        b'{"name":"\\ud800","networks":["127.0.0.1/32"]}',
        b'{"name":"a\\u0000","networks":["127.0.0.1/32"]}',
        b'{"name":NaN,"networks":["127.0.0.1/32"]}',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b'{"name":"a","networks":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"name":' + b"9" * 5_000 + b"}",
        b'{"name":1e999999}',
        b'{"name":"a","networks":["127.0.0.1/32"]} {}',
    ],
)
def test_13_json_that_means_two_things_means_nothing(city: World, raw: bytes) -> None:
    answer = city.client(carol).post("/api/clients", data=raw, content_type="application/json")
    assert answer.status_code == 400, answer.text
    assert len(json.dumps(answer.get_json())) < 5_000
