"""The log's questions on pages: each can be asked, a person's record by a value that is kept nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from audit.questions.catalogue import QUESTIONS
from audit.questions.subject import subject_digest, subject_key
from audit.record import make_record
from audit.store import insert_outbox
from tests.audit.console.calls import MORNING, Calls, call, send, text_of
from tests.audit.console.test_records import newest_query

NEEDED = {"readers_of_dataset": "&dataset=307001-000001", "accesses_of_citizen": f"&subject={'0' * 32}"}
SHAPES = {"unused_grants", "refusals_by_reason", "readers_of_dataset", "searches_by_auditors"}
"""Questions whose answers have columns of every sort; the others are asked when there is time."""


def test_every_question_is_listed_with_what_it_cannot_find(auditor: Any) -> None:
    shown = text_of(auditor.get("/records/questions").text)
    assert all(q.title.zh in shown and q.misses.zh in shown for q in QUESTIONS.values())


@pytest.mark.parametrize(
    "code", [pytest.param(c, marks=() if c in SHAPES else pytest.mark.long) for c in sorted(QUESTIONS)]
)
def test_every_question_is_answered_with_what_the_answer_rests_on(auditor: Any, code: str) -> None:
    answer = auditor.get(f"/records/questions/{code}?asked=yes{NEEDED.get(code, '')}")
    assert answer.status_code == 200, text_of(answer.text)
    assert "依据：" in text_of(answer.text)


def test_a_series_is_drawn_and_a_ranking_too(auditor: Any) -> None:
    for asked in ("calls_per_day?asked=yes", "top_consumers?asked=yes&by=client"):
        html = auditor.get(f"/records/questions/{asked}&since=2026-02-01").text
        assert ("<svg" in html.split('id="answer-title"')[1]) == ("top" in asked)


def test_a_wrong_parameter_is_named_at_its_field(auditor: Any) -> None:
    answer = auditor.get("/records/questions/unused_grants?asked=yes&days=0")
    assert answer.status_code == 422
    assert 'id="f-days-error"' in answer.text


def test_an_answer_can_be_saved_as_it_was_asked(auditor: Any) -> None:
    html = auditor.get("/records/questions/top_consumers?asked=yes&by=client&since=2026-02-01").text
    address = "/records/questions/top_consumers/file/csv?by=client&amp;since=2026-02-01"
    assert address in html
    saved = auditor.get(address.replace("&amp;", "&"))
    assert saved.mimetype == "text/csv"
    assert "sys-night" in saved.text


def test_who_asked_for_a_person_is_found_by_a_value_that_is_kept_nowhere(calls: Calls, auditor: Any) -> None:
    world, number = calls.world, "429005199001011234"
    digest = subject_digest(subject_key(world.settings.key("pseudonym.key")), "id_number", number)
    made = call(MORNING, subject=digest, consumer="education")
    with world.database.begin() as tx:
        insert_outbox(tx, made)
        insert_outbox(tx, make_record("access", MORNING, "gw", {"subject": "f" * 32}))
    page = "/records/questions/accesses_of_citizen"
    answer = send(auditor, page, f"{page}/subject", name="id_number", value=number)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{page}?subject={digest}&asked=yes"
    assert number not in answer.headers["Location"]
    html = auditor.get(answer.headers["Location"]).text
    assert made.id in html
    assert number not in html
    assert newest_query(calls)["subject"] == digest


def test_a_person_needs_a_field_and_a_value(auditor: Any) -> None:
    page = "/records/questions/accesses_of_citizen"
    answer = send(auditor, page, f"{page}/subject", name=" ", value="1")
    assert answer.status_code == 422
    assert 'id="f-name-error"' in answer.text
