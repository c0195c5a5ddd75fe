"""The citizen follows a ticket by its number and code; guessing leads nowhere."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.errors import TooMany
from hotline.progress import ROOM, count_guess, progress_of
from tests.cast import hans, otto
from tests.conftest import World
from tests.hotline.kit import acted, classified, dispatched_ticket, step_doing, step_emitting, taken

pytestmark = pytest.mark.long


def asked(world: World, number: str, code: str) -> tuple[int, dict[str, object]]:
    client = world.app.test_client()
    answer = client.get("/api/hotline/progress", query_string={"number": number, "code": code})
    return answer.status_code, answer.get_json()


def test_the_citizen_sees_how_far_it_is_and_nobody(desk: World) -> None:
    made = taken(desk)
    status, told = asked(desk, made.held.ticket.number, made.code)
    assert status == 200
    assert told["number"] == made.held.ticket.number
    assert told["reply"] is None
    assert "王建国" not in str(told)
    assert "housing" not in str(told)


def test_a_code_is_known_however_it_is_spelt(desk: World) -> None:
    made = taken(desk)
    spelt = f" {made.code[:5].lower()}-{made.code[5:]} "
    assert asked(desk, made.held.ticket.number.lower(), spelt)[0] == 200


def test_a_wrong_code_and_an_unknown_number_have_one_answer(desk: World) -> None:
    made = taken(desk)
    first = asked(desk, made.held.ticket.number, "AAAAAAAAAA")
    second = asked(desk, "T-1999-000001", made.code)
    assert first == second
    assert first[0] == 404


def test_guessing_ends_after_a_few_wrong_codes_and_may_go_on_an_hour_later(desk: World) -> None:
    made = taken(desk)
    number = made.held.ticket.number
    most = desk.settings.hotline.code_guesses
    for _ in range(most):
        assert asked(desk, number, "AAAAAAAAAA")[0] == 404
    assert asked(desk, number, made.code)[0] == 429
    desk.now += timedelta(hours=1, seconds=1)
    assert asked(desk, number, made.code)[0] == 200


def test_one_address_cannot_try_the_numbers_one_by_one(desk: World) -> None:
    made = taken(desk)
    for number in range(ROOM * desk.settings.hotline.code_guesses):
        assert asked(desk, f"T-2026-{number:06}", "AAAAAAAAAA")[0] == 404
    assert asked(desk, made.held.ticket.number, made.code)[0] == 429


def test_nobody_shuts_the_rightful_citizen_out_by_guessing_from_elsewhere(desk: World) -> None:
    made = taken(desk)
    number = made.held.ticket.number
    for at in range(3 * desk.settings.hotline.code_guesses):
        with desk.work(otto) as work:
            count_guess(work, number, f"192.0.2.{at % 3}")
            count_guess(work, number, f"2001:db8:0:1::{at:x}")
    assert asked(desk, number, made.code)[0] == 200
    for elsewhere in ("192.0.2.1", "2001:db8:0:1:ffff::1"):  # a whole IPv6 line counts as one address
        with desk.read(otto) as work, pytest.raises(TooMany):
            progress_of(work, number, made.code, elsewhere)


def test_the_answer_is_shown_once_it_is_fed_back_and_can_be_rated(desk: World) -> None:
    made = taken(desk, facts=classified(desk))
    held = acted(desk, otto, made.held, step_doing(desk, made.held, "dispatch"), unit="housing")
    held = acted(desk, hans, held, step_emitting(desk, held, "signed_in"))
    held = acted(desk, hans, held, step_emitting(desk, held, "fed_back"), reply="路灯已修复，感谢监督。")
    told = asked(desk, held.ticket.number, made.code)[1]
    assert told["reply"] == "路灯已修复，感谢监督。"
    assert told["may_rate"] is True
    client = desk.client(otto)
    body = {"number": held.ticket.number, "code": made.code, "satisfaction": "satisfied", "note": "很快"}
    rated = client.post("/api/hotline/progress/rating", json=body)
    assert rated.status_code == 200, rated.get_json()
    assert rated.get_json()["may_rate"] is False
    assert client.post("/api/hotline/progress/rating", json=body).status_code == 409


def test_a_rating_needs_the_code_and_a_word_of_the_scale(desk: World) -> None:
    made = taken(desk)
    client = desk.app.test_client()
    body = {"number": made.held.ticket.number, "code": "AAAAAAAAAA", "satisfaction": "satisfied"}
    assert client.post("/api/hotline/progress/rating", json=body).status_code == 404
    early = client.post("/api/hotline/progress/rating", json={**body, "code": made.code})
    assert early.status_code == 409


def test_wrong_ratings_count_as_guesses(desk: World) -> None:
    made = taken(desk)
    client = desk.app.test_client()
    body = {"number": made.held.ticket.number, "code": "AAAAAAAAAA", "satisfaction": "satisfied"}
    for _ in range(desk.settings.hotline.code_guesses):
        assert client.post("/api/hotline/progress/rating", json=body).status_code == 404
    assert client.post("/api/hotline/progress/rating", json={**body, "code": made.code}).status_code == 429


def test_what_is_still_open_shows_its_limit(desk: World) -> None:
    held = dispatched_ticket(desk)
    assert held.ticket.due_at is not None
