"""No face lets anybody guess query codes unseen, or try telephone numbers without a seat at the desk."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hotline.duplicates import NUMBERS_AN_HOUR, hints, tickets_of_phone
from tests.cast import dora, otto, sue
from tests.conftest import World
from tests.hotline.conftest import make_city
from tests.hotline.kit import WANG, answered_ticket, taken
from tests.hotline.test_console import token

pytestmark = pytest.mark.long


@pytest.fixture
def city(tmp_path: Path, template_database: Path) -> Iterator[World]:
    """The hotline of Yuanmou, where the agency above takes part in every ticket."""
    made = make_city(tmp_path, template_database, "yuanmou")
    yield made
    made.database.close()


@pytest.mark.parametrize("satisfaction", ["", "satisfied", "nonsense"])
@pytest.mark.parametrize("page", ["/hotline/progress", "/hotline/progress/actions/rating"])
def test_each_wrong_code_counts_whatever_else_the_form_says(
    city: World, page: str, satisfaction: str
) -> None:
    made = taken(city)
    browser = city.app.test_client()
    fields = {"number": made.held.ticket.number, "code": "AAAAAAAAAA", "satisfaction": satisfaction}
    fields["csrf_token"] = token(browser.get("/hotline/progress").text)
    answers = [browser.post(page, data=fields).status_code for _ in range(11)]
    assert answers == [404] * 10 + [429]


def test_only_the_desk_learns_what_else_came_from_a_number(city: World) -> None:
    held = answered_ticket(city)
    for actor, why in ((sue, []), (otto, [("phone",)]), (dora, [("phone",)])):
        with city.work(actor) as work:
            found = hints(work, {"phone": WANG["phone"]})
            assert [hint.why for hint in found if hint.ticket.id == held.ticket.id] == why


def test_no_word_of_an_address_gets_into_the_record(city: World) -> None:
    held = taken(city).held
    answer = city.client(otto).post("/api/tickets/batch/王建国13987654321", json={"ids": [held.ticket.id]})
    assert answer.get_json()["done"] == 0
    city.database.close()
    raw = b"".join(path.read_bytes() for path in city.settings.data.rglob("*") if path.is_file())
    assert "13987654321" not in raw.decode(errors="replace")


@pytest.mark.long
def test_70_nobody_tries_the_numbers_of_a_town(city: World) -> None:
    """Each look-up is on record, and there is an end to them; what was asked before may be asked again."""
    answered_ticket(city)
    with city.work(otto) as work:
        for last in range(NUMBERS_AN_HOUR - 1):
            tickets_of_phone(work, f"1380000{last:04}")
    client = city.client(otto)
    assert client.post("/api/tickets/lookup", json={"phone": WANG["phone"]}).get_json()["items"]
    assert client.post("/api/tickets/lookup", json={"phone": WANG["phone"]}).get_json()["items"]
    stopped = client.post("/api/tickets/lookup", json={"phone": "13900000000"})
    assert (stopped.status_code, stopped.headers["Retry-After"]) == (429, "3600")
    with city.work(otto) as work:
        assert all("phone" not in hint.why for hint in hints(work, {"phone": "13900000001"}))
    assert city.client(dora).post("/api/tickets/lookup", json={"phone": WANG["phone"]}).status_code == 200
    city.now += timedelta(hours=1, seconds=1)
    assert client.post("/api/tickets/lookup", json={"phone": "13900000000"}).status_code == 200


@pytest.mark.parametrize("phone", ["138%", "1380000____", "*", "'; --", "1380", "%%%%%%%%%%%"])
def test_70_no_wildcard_finds_anybody(city: World, phone: str) -> None:
    answered_ticket(city)
    answer = city.client(otto).post("/api/tickets/lookup", json={"phone": phone})
    assert answer.status_code == 400 or answer.get_json()["items"] == []
