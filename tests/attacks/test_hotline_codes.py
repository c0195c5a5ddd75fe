"""No face lets anybody guess query codes unseen, or try telephone numbers without a seat at the desk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hotline.duplicates import hints
from tests.cast import dora, otto, sue
from tests.conftest import World
from tests.hotline.conftest import make_city
from tests.hotline.kit import WANG, answered_ticket, taken
from tests.hotline.test_console import token


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
