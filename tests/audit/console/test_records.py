"""Searching the log on its pages, opening a record, verifying it, and taking its files away."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any

import orjson
import pytest

from audit.api import FILTERS
from audit.bodies import bodies_path
from audit.columns.engine import engine_of
from audit.columns.logs import began_at
from audit.note import NoteVerifier
from audit.proofs import check_inclusion
from audit.query import Filters, Found, search_all
from audit.store import insert_outbox
from core.times import SHANGHAI
from gateway.clients import register_client
from tests.audit.console.calls import DIVISIONS, MORNING, POISON, Calls, call, send, text_of
from tests.audit.questions.story import event
from tests.cast import carol, dave

pytestmark = pytest.mark.long


def newest_query(calls: Calls) -> Any:
    """What the newest `audit.query` record says."""
    return newest_record(calls).body["query"]


def newest_record(calls: Calls) -> Found:
    """The newest `audit.query` record."""
    filters = Filters(until=calls.world.now + timedelta(seconds=1), equal={"kind": "audit.query"})
    with calls.world.database.read() as tx:
        found = search_all(tx, engine_of(calls.world.settings), filters, limit=1)
    return found.items[0]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("decision=refused", {"refused"}),
        ("reason=field_not_granted", {"refused"}),
        ("client=sys-night", {"night"}),
        ("grant=QJ-2", {"night"}),
        ("dataset=307001-000002", {"others"}),
        ("department=market", {"others"}),
        ("kind=access.intent", {"intent"}),
        ("since=2026-02-09T20:00&kind=access", {"night"}),
        ("until=2026-02-09T09:30", {"intent"}),
    ],
)
def test_a_search_finds_what_its_conditions_say(
    calls: Calls, auditor: Any, query: str, names: set[str]
) -> None:
    html = auditor.get(f"/records?{query}").text
    assert {name for name in Calls._fields[1:] if getattr(calls, name) in html} == names


def test_a_row_says_in_words_what_happened_in_both_languages(auditor: Any) -> None:
    zh = text_of(auditor.get("/records?client=sys-night&lang=zh").text)
    assert f"潜江市卫生健康委员会调用潜江市民政局的 {DIVISIONS}（rows），得到 25 行" in zh
    assert "完整" in zh
    en = text_of(auditor.get("/records?decision=refused&lang=en").text)
    assert "called" in en
    assert "and was refused" in en
    assert "the grant does not name the field" in en
    auditor.get("/?lang=zh")


def test_a_wrong_time_and_an_endless_word_are_named_at_their_fields(auditor: Any) -> None:
    answer = auditor.get("/records?since=yesterday")
    assert answer.status_code == 422
    assert 'id="f-since-error"' in answer.text
    long = auditor.get("/records?operation=" + "x" * 201)
    assert long.status_code == 422
    assert 'id="f-operation-error"' in long.text


@pytest.mark.parametrize(
    "page",
    [
        "/records?decision=failed",
        "/records/{poison}",
        "/records/questions/find_records?asked=yes&since=2026-02-01",
        "/records?operation=%3Cscript%3Ealert(1)%3C/script%3E",
    ],
)
def test_what_callers_put_into_a_record_is_shown_and_never_run(calls: Calls, auditor: Any, page: str) -> None:
    html = auditor.get(page.format(poison=calls.poison)).text
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_a_condition_that_is_no_code_is_not_offered_for_an_export(auditor: Any) -> None:
    answer = auditor.get("/records/export?client=%3Cscript%3Ealert(1)%3C/script%3E")
    assert answer.status_code in (400, 422)
    assert "<script" not in answer.text


def test_a_sign_that_turns_a_line_around_is_shown_as_what_it_is(calls: Calls, auditor: Any) -> None:
    html = auditor.get(f"/records/{calls.poison}").text
    assert "\u202e" not in html
    assert "\\u202e" in html
    for page in ("?decision=failed", "/questions/top_consumers?asked=yes&by=grant&since=2026-02-01"):
        assert "\u202e" not in auditor.get(f"/records{page}").text


def test_a_record_shows_the_others_of_its_call(calls: Calls, auditor: Any) -> None:
    for one, others in (
        ("intent", ("start", "end")),
        ("start", ("intent", "end")),
        ("end", ("start", "intent")),
    ):
        html = auditor.get(f"/records/{getattr(calls, one)}").text
        assert all(f'href="/records/{getattr(calls, other)}"' in html for other in others), one
    assert "同一次调用的其他记录" not in auditor.get(f"/records/{calls.given}").text


def test_verifying_goes_from_the_body_to_the_signatures_and_is_on_record(calls: Calls, auditor: Any) -> None:
    page = f"/records/{calls.given}"
    shown = text_of(send(auditor, page, f"{page}/verify").text)
    assert "各步都通过" in shown
    for step in ("日志签名", "记录在日志中", "正文与信封相符"):
        assert f"✓ {step}" in shown
    assert newest_query(calls) == {"verify": calls.given, "sound": True}


def test_a_body_that_was_changed_on_the_disk_is_found_out(calls: Calls, auditor: Any) -> None:
    path = bodies_path(calls.world.settings.data / "audit" / "bodies", 0)
    sound = path.read_bytes()
    page = f"/records/{calls.night}"
    try:
        path.write_bytes(sound.replace(b'"sys-night"', b'"sys-NIGHT"'))
        shown = text_of(send(auditor, page, f"{page}/verify").text)
    finally:
        path.write_bytes(sound)
    assert "没有通过" in shown
    assert "✗ 正文与信封相符" in shown
    assert newest_query(calls)["sound"] is False


def test_the_files_of_a_record_check_each_other_byte_for_byte(calls: Calls, auditor: Any) -> None:
    body, envelope, proof = (
        auditor.get(f"/records/{calls.given}/{name}") for name in ("body", "envelope", "proof")
    )
    assert "attachment" in body.headers["Content-Disposition"]
    digest = base64.b64encode(hashlib.sha256(body.data).digest()).decode()
    assert orjson.loads(envelope.data)["b"] == digest
    key = NoteVerifier.parse(calls.world.settings.key_file("log.vkey").read_text())
    assert check_inclusion(proof.text, envelope.data, key) >= 0
    assert newest_query(calls) == {"id": calls.given}


def test_an_export_says_how_many_before_it_is_taken_away(calls: Calls, auditor: Any) -> None:
    page = auditor.get("/records/export?department=health&kind=access")
    assert "下载 4 条" in page.text
    file = auditor.get("/records/export/csv?department=health&kind=access&until=2026-02-10")
    lines = file.data.decode("utf-8-sig").splitlines()
    assert sum(line.startswith("019") for line in lines) == 4
    assert POISON.replace('"', '""') in file.data.decode()
    bundle = auditor.get("/records/export/zip?decision=refused")
    assert bundle.mimetype == "application/zip"
    assert auditor.get("/records/export/exe").status_code == 400


def test_what_is_not_there_is_not_found(auditor: Any) -> None:
    for page in ("/records/x", "/records/019c0000-0000-7000-8000-000000000000/proof", "/records/questions/x"):
        assert auditor.get(page).status_code == 404


def test_heartbeats_and_ones_own_look_ups_are_shown_on_demand_only(calls: Calls, auditor: Any) -> None:
    beat = event(calls.world.now, "heartbeat", size=1)
    with calls.world.database.begin() as tx:
        insert_outbox(tx, beat)
    auditor.get("/records?decision=refused")
    usual, whole = auditor.get("/records").text, auditor.get("/records?all=yes").text
    for said in (beat.id, "潜江市审计局：查询日志，得到"):
        assert said not in usual
        assert said in whole
    assert beat.id in auditor.get("/records?kind=heartbeat").text


def test_an_export_holds_what_the_page_shows_and_says_what_it_leaves_out(calls: Calls, auditor: Any) -> None:
    beat = event(calls.world.now, "heartbeat", size=1)
    with calls.world.database.begin() as tx:
        insert_outbox(tx, beat)
    auditor.get("/records?decision=refused")
    own = newest_record(calls).id
    address = f"/records/export/csv?until={calls.world.now + timedelta(days=1):%Y-%m-%d}"
    usual, whole, kind = (
        auditor.get(address + more).data.decode() for more in ("", "&all=yes", "&kind=audit.query")
    )
    assert [(beat.id in file, own in file) for file in (usual, whole, kind)] == [
        (False, False),
        (True, True),
        (False, True),
    ]
    assert ["\r\nwithout," in file for file in (usual, whole, kind)] == [True, False, False]


def test_every_condition_of_the_api_is_on_the_form(auditor: Any) -> None:
    html = auditor.get("/records").text
    for name in FILTERS:
        assert f'name="{name}"' in html


def test_a_period_that_ends_before_it_begins_is_named_everywhere(calls: Calls, auditor: Any) -> None:
    period = "since=2026-02-10T10:00&until=2026-02-09T10:00"
    page = auditor.get(f"/records?{period}")
    assert page.status_code == 422
    assert 'id="f-until-error"' in page.text
    assert "应晚于起始时刻" in page.text
    answer = calls.world.client(dave).get(f"/api/audit/records?{period}".replace("T10:00", "T10:00%2B08:00"))
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (400, "/until")
    assert answer.json["errors"][0]["detail_en"] == "must be later than the start"


def test_an_export_of_all_times_names_the_day_of_the_first_record(calls: Calls, auditor: Any) -> None:
    shown = text_of(auditor.get("/records/export?kind=access").text)
    assert "2016" not in shown
    first = began_at(calls.world.settings.data / "audit")
    assert first is not None
    assert first.astimezone(SHANGHAI).strftime("%Y-%m-%d 00:00") in shown


def test_a_system_is_called_by_its_name_wherever_it_is_shown(calls: Calls, auditor: Any) -> None:
    world = calls.world
    with world.work(carol) as work:
        system = register_client(work, {"name": "居民健康档案系统", "networks": ["127.0.0.1/32"]}).id
    made = call(MORNING - timedelta(days=40), client=system, grant="QJ-9")
    with world.database.begin() as tx:
        insert_outbox(tx, made)
    period = "since=2025-12-25&until=2026-01-05&asked=yes"
    for page in (
        f"/records/{made.id}",
        f"/records/questions/find_records?{period}",
        f"/records/questions/top_consumers?by=client&{period}",
    ):
        html = auditor.get(page).text
        assert "居民健康档案系统" in html, page
        assert system in html, page
