"""The knowledge base over HTTP and on its pages."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from tests.cast import carol
from tests.hotline.knowledge.kit import (
    CARD,
    acted,
    della,
    draft,
    hana,
    henry,
    opal,
    published,
    sue,
    vera,
    written,
)

pytestmark = pytest.mark.long


def words(answer: Any) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def send(browser: Any, page: str, action: str, form: dict[str, Any]) -> Any:
    """Fill in the form of a page that posts to `action`, and send it."""
    html = browser.get(page).text
    found = re.search(rf'<form method="post" action="{re.escape(action)}".*?</form>', html, re.DOTALL)
    assert found, f"{page} offers no {action}: {re.findall('<form[^>]+action=.([^ ]+).', html)}"
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', found[0]))
    assert set(form) <= set(re.findall(r' name="(\w+)"', found[0]))
    return browser.post(action, data={**hidden, **form})


# --- HTTP -----------------------------------------------------------------------------------------


def test_an_article_is_written_reviewed_and_found_over_http(city: Any) -> None:
    unit, office, desk = city.client(hana), city.client(sue), city.client(opal)
    made = unit.post("/api/knowledge", json=draft(city))
    assert made.status_code == 201
    where = made.headers["Location"]
    step = unit.post(
        f"{where}/actions/submit", json={}, headers={"If-Match": made.headers["ETag"]}
    ).get_json()
    assert step["state"] == "in_review"
    assert office.post(f"{where}/actions/approve", json={}).get_json()["live"]
    listed = desk.get("/api/knowledge?q=社保卡").get_json()
    assert (listed["total"], listed["items"][0]["code"]) == (1, "K-2026-000001")
    assert {"text": "社保", "hit": True} in listed["items"][0]["excerpt"]
    shown = desk.get(where).get_json()
    assert (shown["document"]["question"], shown["history"], shown["forms"]) == (CARD["question"], [], {})


def test_a_change_needs_the_version_that_was_read(city: Any) -> None:
    unit, code = city.client(hana), published(city).code
    seen = unit.get(f"/api/knowledge/{code}")
    assert seen.get_json()["may_edit"]
    header = {"If-Match": seen.headers["ETag"]}
    changed = unit.patch(
        f"/api/knowledge/{code}", json={"answer": "新的答复", "keywords": None}, headers=header
    )
    assert changed.get_json()["state"] == "revising"
    assert "keywords" not in changed.get_json()["document"]
    again = unit.patch(f"/api/knowledge/{code}", json={"answer": "又一个"}, headers=header)
    assert (again.status_code, again.get_json()["code"]) == (412, "changed_meanwhile")
    kept = unit.get(f"/api/knowledge/{code}/revisions").get_json()["items"]
    assert [(r["revision"], [c["field"] for c in r["changes"]]) for r in kept] == [
        (2, ["answer", "keywords"]),
        (1, []),
    ]
    assert city.client(opal).get(f"/api/knowledge/{code}/revisions").get_json()["items"] == []


def test_wrong_members_are_named_and_bodies_are_bounded(city: Any) -> None:
    unit = city.client(hana)
    wrong = unit.post("/api/knowledge", json={**draft(city), "basis": [], "answer": " ", "more": 1})
    assert {e["pointer"] for e in wrong.get_json()["errors"]} == {"/basis", "/answer", "/more"}
    long = unit.post("/api/knowledge", json=draft(city, answer="长" * 8001))
    assert long.get_json()["errors"][0]["pointer"] == "/answer"
    desk = city.client(opal)
    assert desk.post("/api/knowledge/lookup", json={"q": "长" * 201}).status_code == 400
    assert desk.get(f"/api/knowledge?q={'长' * 201}").status_code == 400


def test_a_look_up_is_answered_and_its_gap_goes_its_way_over_http(city: Any) -> None:
    published(city)
    desk, dispatcher = city.client(opal), city.client(della)
    answer = desk.post("/api/knowledge/lookup", json={"q": "社保卡补办"}).get_json()
    assert (answer["items"][0]["answer"], answer["noted"]) == (CARD["answer"], False)
    nothing = desk.post("/api/knowledge/lookup", json={"q": "充电桩补贴", "hide": ["张三"]}).get_json()
    assert nothing["noted"]
    (gap,) = desk.get("/api/knowledge/unanswered").get_json()["items"]
    where = f"/api/knowledge/unanswered/{gap['id']}"
    assert desk.post(f"{where}/close", json={}).status_code == 403
    given = dispatcher.post(f"{where}/assign", json={"unit": "housing"})
    assert given.get_json()["unit"]["id"] == "housing"
    stale = dispatcher.post(f"{where}/close", json={}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert city.client(henry).get("/api/knowledge/unanswered").get_json()["items"][0]["words"] == "充电桩补贴"
    assert dispatcher.post(f"{where}/close", json={}).get_json()["outcome"] == "dismissed"
    assert len(city.client(vera).get("/api/knowledge/unanswered?open=false").get_json()["items"]) == 1


def test_without_a_hotline_every_address_answers_404(world: Any) -> None:
    client = world.client(sue)
    for path in ("/api/knowledge", "/api/knowledge/K-2026-000001", "/api/knowledge/unanswered"):
        assert client.get(path).status_code == 404, path
    assert world.client(hana).post("/api/knowledge", json={**CARD, "categories": ["x"]}).status_code == 404
    browser = world.browser(sue)
    for path in ("/knowledge", "/knowledge/unanswered", "/hotline/knowledge", "/knowledge/K-2026-000001"):
        assert browser.get(path).status_code == 404, path


# --- pages ----------------------------------------------------------------------------------------


def test_an_article_is_written_through_its_form_and_shown_again_where_it_is_wrong(city: Any) -> None:
    browser, topic = city.browser(hana), draft(city)["categories"]
    form = {
        "question": CARD["question"],
        "answer": CARD["answer"],
        "basis": "《社会保障卡管理办法》第十二条\n《社会保险法》",
        "keywords": "社会保障卡、挂失，补卡",
        "categories": topic,
        "valid_until": "2027-12-31T23:59",
        "public": "true",
    }
    wrong = send(browser, "/knowledge/new", "/knowledge/new", {**form, "basis": "", "dataset": "1/1"})
    assert wrong.status_code == 422
    assert "依据：" in words(wrong)
    assert CARD["answer"] in wrong.text
    made = send(browser, "/knowledge/new", "/knowledge/new", form)
    assert made.headers["Location"] == "/knowledge/K-2026-000001"
    page = browser.get("/knowledge/K-2026-000001")
    assert "2027-12-31 23:59" in words(page)
    assert "社会保障卡、挂失、补卡" in words(page)
    edit = "/knowledge/K-2026-000001/edit"
    assert 'value="2027-12-31T23:59"' in browser.get(edit).text
    saved = send(
        browser, edit, edit, {**form, "valid_until": "", "basis": "《社会保险法》", "public": "true"}
    )
    assert saved.status_code == 303
    assert "2027-12-31" not in words(browser.get("/knowledge/K-2026-000001")).split("历次内容")[0]


def test_who_wrote_it_is_offered_no_approval_and_who_did_not_is(city: Any) -> None:
    code = written(city).code
    acted(city, hana, code, "submit")
    approve = f"/knowledge/{code}/actions/approve"
    assert approve not in city.browser(hana).get(f"/knowledge/{code}").text
    done = send(city.browser(sue), f"/knowledge/{code}", approve, {})
    assert done.status_code == 303
    assert "正在使用" in words(city.browser(opal).get(f"/knowledge/{code}"))


def test_an_operator_looks_up_by_a_form_whose_words_stay_out_of_the_address(city: Any) -> None:
    published(city)
    browser = city.browser(opal)
    found = send(browser, "/knowledge", "/knowledge/actions/lookup", {"q": "社保卡补办"})
    assert found.status_code == 200
    assert CARD["answer"] in found.text
    html = found.text
    token = re.search(r'name="csrf_token" value="([^"]*)"', html)
    assert token
    noted = browser.post(
        "/knowledge/actions/lookup",
        data={"csrf_token": token[1], "q": "社保卡补办", "unanswered": "true"},
    )
    assert "已记为未答问题" in words(noted)
    assert "社保卡补办" in words(browser.get("/knowledge/unanswered"))
    blank = send(browser, "/knowledge", "/knowledge/actions/lookup", {"q": " "})
    assert blank.status_code == 422


def test_a_question_is_assigned_and_closed_on_its_page(city: Any) -> None:
    code = published(city).code
    with city.work(opal) as work:
        from hotline.knowledge.lookup import look_up

        look_up(work, "充电桩补贴")
    browser, page = city.browser(della), "/knowledge/unanswered"
    assert send(browser, page, f"{page}/actions/assign", {"unit": ""}).status_code == 422
    assert send(browser, page, f"{page}/actions/assign", {"unit": "housing"}).status_code == 303
    unit = city.browser(henry).get(page)
    link = re.search(r'href="(/knowledge/new\?answers=[^"]+)"', unit.text)
    assert link
    assert "为未答问题编写：充电桩补贴" in words(city.browser(henry).get(link[1]))
    assert send(browser, page, f"{page}/actions/close", {"article": "K-1999-000001"}).status_code == 422
    assert send(browser, page, f"{page}/actions/close", {"article": code}).status_code == 303
    assert code in words(browser.get(f"{page}?open=false"))


def test_the_public_reads_what_is_open_without_signing_in(city: Any) -> None:
    inside = published(city).code
    outside = published(city, henry, question="供热几点开始", answer="<b>零时</b>开始。", public=True).code
    nobody = city.app.test_client()
    listed = nobody.get("/hotline/knowledge?q=供热")
    assert listed.status_code == 200
    assert outside in listed.text
    assert "&lt;b&gt;" in listed.text
    assert inside not in nobody.get("/hotline/knowledge").text
    assert "《社会保障卡管理办法》" in words(nobody.get(f"/hotline/knowledge/{outside}"))
    assert nobody.get(f"/hotline/knowledge/{inside}").status_code == 404
    assert nobody.get(f"/knowledge/{outside}").status_code == 303
    assert city.browser(carol).get(f"/knowledge/{outside}").status_code == 200
    assert "Nothing was found" in words(nobody.get("/hotline/knowledge?q=没有这个&lang=en"))
