"""How fast calls may come is asked for, decided and shown with the other terms."""

from __future__ import annotations

from typing import Any

import pytest

import schemas
from core.errors import Invalid
from gateway.applications import act_on_application
from gateway.forms import read_application, read_decision, write_application
from tests.cast import alice, bob, carol
from tests.stories import STATEMENT, active_client, active_grant, offered, submitted_application

ASKED = {"calls_per_second": 20, "calls_at_once": 4}


def test_what_is_asked_for_is_granted_and_shown_unless_decided_otherwise(world: Any) -> None:
    code, system = offered(world, "divisions"), active_client(world)
    wish = {"dataset": code, "client": system.client.id, "fields": ["code"], **STATEMENT, **ASKED}
    consumer, manager = world.client(carol), world.client(bob)
    made = consumer.post("/api/applications", json=wish)
    assert made.status_code == 201, made.text
    schemas.validate("response/application", made.json)
    address = made.headers["Location"]
    manager.post(f"{address}/actions/accept", json={}, headers={"If-Match": made.headers["ETag"]})
    granted = manager.post(f"{address}/actions/grant", json={"calls_per_second": 5})
    assert granted.status_code == 200, granted.text
    grant = consumer.get(f"/api/grants/{granted.json['grant']['id']}").json
    schemas.validate("response/grant", grant)
    assert (made.json["calls_per_second"], made.json["calls_at_once"]) == (20, 4)
    assert (grant["calls_per_second"], grant["calls_at_once"]) == (5, 4)
    page = world.browser(carol).get(f"/grants/{grant['id']}").text
    assert "每秒最多调用次数" in page


@pytest.mark.parametrize("decision", [{"calls_per_second": 21}, {"calls_at_once": 5}, {"calls_at_once": 0}])
def test_a_decision_never_lets_calls_come_faster(shared_world: Any, decision: dict[str, int]) -> None:
    world = shared_world
    filed = submitted_application(world, offered(world, "divisions"), active_client(world), **ASKED)
    decider = {"provider": alice, "platform_manager": bob}[filed.case.facts["decider"]]
    with world.work(bob) as work:
        act_on_application(work, filed.application.id, "accept", {})
    with pytest.raises(Invalid) as refused, world.work(decider) as work:
        act_on_application(work, filed.application.id, "grant", decision)
    assert [error.pointer for error in refused.value.errors] == [f"/{name}" for name in decision]


def test_forms_carry_the_bounds_there_and_back(world: Any) -> None:
    held = active_grant(world, decision=dict(ASKED))
    typed: dict[str, list[str]] = {}
    for name, value in write_application(held.grant, {}, None):
        typed.setdefault(name, []).append(value)
    assert {name: read_application(typed)[name] for name in ASKED} == ASKED
    assert {name: read_decision(typed)[name] for name in ASKED} == ASKED


@pytest.mark.parametrize(
    ("typed", "said"),
    [("-3", "at least"), ("9" * 25, "at most"), ("2.5", "whole number"), ("twenty", "whole number")],
)
def test_a_form_says_what_is_wrong_with_a_number(typed: str, said: str) -> None:
    asked = read_decision({"fields": ["code"], "calls_at_once": [typed]})
    (error,) = schemas.errors("request/decision", asked)
    assert (error.pointer, said in error.message.en) == ("/calls_at_once", True), error.message.en


def test_the_page_of_an_application_shows_the_bounds_asked_for(shared_world: Any) -> None:
    world = shared_world
    filed = submitted_application(world, offered(world, "divisions"), active_client(world), **ASKED)
    page = world.browser(carol).get(f"/applications/{filed.application.id}?lang=en")
    assert page.status_code == 200
    for words in ("Most calls of one second", "Most calls at once", "No limit"):
        assert words in page.text
