"""A ticket and the data that it is about: corrections, purposes, look-ups over the gateway."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cases.sealed import fields_seen
from core.errors import Conflict, Invalid, NotFound
from core.work import Actor
from gateway.applications import find_application
from gateway.dpop import Nonces
from gateway.prover import Prover
from hotline.inquiries.asking import prepare_lookup
from hotline.inquiries.model import Question, lookup_of
from hotline.inquiries.road import ask
from hotline.links import outcome_of
from hotline.tickets import act_on_ticket, find_ticket
from matters.acting import act_on_matter, find_matter
from tests.cast import alice, dora, hans, otto
from tests.conftest import World
from tests.gateway.plane_kit import Kit
from tests.hotline.kit import dispatched_ticket, step_doing, taken
from tests.stories import active_client, active_grant, offered, submitted_application

pytestmark = pytest.mark.long

pytest_plugins = ["tests.gateway.plane_fixtures"]

desk_system = Actor("desk", "Desk", "hotline_office", frozenset({"consumer"}), "pseudonym-of-desk")
"""Who registers the system of the hotline's office."""
STREETS: dict[str, Any] = {
    "code": "communities",
    "title": {"zh": "查社区", "en": "Look up a community"},
    "client": "居民健康档案系统",
    "dataset": "307001/000001",
    "fields": ["code", "name"],
    "asks": [
        {"name": "street_code", "title": {"zh": "街道代码", "en": "Street code"}, "pattern": "[0-9]{9}"},
        {
            "name": "name",
            "title": {"zh": "名称", "en": "Name"},
            "pattern": ".{1,20}",
            "operator": "ilike",
            "optional": True,
        },
    ],
}


def offering(desk: World, **changes: Any) -> None:
    """Let the deployment offer a look-up."""
    hotline = replace(desk.settings.hotline, inquiries=({**STREETS, **changes},))
    desk.settings = replace(desk.settings, hotline=hotline)


# --- corrections ----------------------------------------------------------------------------------


def test_a_complaint_about_data_opens_a_correction_and_shows_how_it_ended(desk: World) -> None:
    code = offered(desk, "divisions")
    held = taken(desk, dataset=code, summary="社区名称写错").held
    with desk.work(otto) as work:
        step = step_doing(desk, held, "correct")
        held = act_on_ticket(work, held.ticket.id, step, {"dataset": code, "doubt": "王建国称社区名称已改"})
    with desk.read(otto) as work:
        first = outcome_of(work, held)
    assert first is not None
    assert (first.closed_at, first.result) == (None, None)
    with pytest.raises(Conflict, match="open already"), desk.work(otto) as work:
        act_on_ticket(work, held.ticket.id, step, {"dataset": code, "doubt": "又来电"})
    with desk.work(alice) as work:
        act_on_matter(work, first.id, "correct", {"result": "名称已更正"})
    with desk.read(otto) as work:
        last = outcome_of(work, find_ticket(work, held.ticket.id))
    assert last is not None
    assert last.closed_at == desk.now
    assert last.result == "名称已更正"


@pytest.mark.parametrize(
    ("caller", "told"),
    [
        ({}, "王建国（13987654321）称社区名称已改"),
        ({"confidential": True}, "***（***）称社区名称已改"),
        ({"confidential": True, "consent": True}, "王建国（13987654321）称社区名称已改"),
        ({"accused": "civil_affairs"}, "***（***）称社区名称已改"),
    ],
)
def test_the_provider_learns_no_name_that_is_kept_from_units(
    desk: World, caller: dict[str, Any], told: str
) -> None:
    code = offered(desk, "divisions")
    held = taken(desk, dataset=code, **caller).held
    doubt = {"dataset": code, "doubt": "王建国（13987654321）称社区名称已改"}
    with desk.work(otto) as work:
        held = act_on_ticket(work, held.ticket.id, step_doing(desk, held, "correct"), doubt)
    with desk.read(alice) as work:
        found = find_matter(work, held.ticket.correction or "")
        opened = fields_seen(work, found.case, found.case.events[0].fields)
    assert opened["doubt"] == told


def test_a_correction_needs_to_know_which_data_are_meant(desk: World) -> None:
    held = taken(desk).held
    with pytest.raises(Invalid) as refused, desk.work(otto) as work:
        act_on_ticket(work, held.ticket.id, step_doing(desk, held, "correct"), {"doubt": "数据不对"})
    assert [e.pointer for e in refused.value.errors] == ["/dataset"]


# --- a ticket as the purpose ------------------------------------------------------------------------


def test_an_application_names_a_ticket_of_its_own_department_or_is_refused(desk: World) -> None:
    held = dispatched_ticket(desk, "health")
    filed = submitted_application(desk, ticket=held.ticket.number, needs_ticket=True)
    with desk.read(Actor("carol", "Carol", "health", frozenset({"consumer"}), "p")) as work:
        assert (
            find_application(work, filed.application.id).application.document["ticket"] == held.ticket.number
        )
    for number in ("T-2026-999999", dispatched_ticket(desk, "housing").ticket.number):
        with pytest.raises(Invalid) as refused:
            submitted_application(desk, filed.application.dataset_code, ticket=number)
        assert [e.pointer for e in refused.value.errors] == ["/ticket"]


def test_a_grant_keeps_that_each_call_must_name_a_ticket(desk: World) -> None:
    assert not active_grant(desk).grant.terms.needs_ticket
    code = offered(desk, "calendars")
    held = active_grant(desk, code, fields=["date", "workday"], decision={"needs_ticket": True})
    assert held.grant.terms.needs_ticket


# --- look-ups ---------------------------------------------------------------------------------------


def test_a_look_up_goes_by_the_grant_of_the_offices_own_system(desk: World) -> None:
    offering(desk)
    held = taken(desk).held
    given = {"street_code": "429005001", "name": "*新*"}
    with pytest.raises(Conflict) as refused, desk.work(otto) as work:
        prepare_lookup(work, held.ticket.id, "communities", given)
    assert refused.value.code == "no_grant"
    active_grant(desk, actor=desk_system, fields=["code", "name", "street_code"])
    with desk.work(otto) as work:
        question = prepare_lookup(work, held.ticket.id, "communities", given)
    assert question.ticket == held.ticket.number
    assert question.path == (
        "/share/307001-000001/rows?select=code%2Cname&street_code=eq.429005001&name=ilike.%2A%E6%96%B0%2A&limit=20"
    )


def test_what_is_typed_for_a_look_up_has_to_fit(desk: World) -> None:
    offering(desk)
    held = taken(desk).held
    with pytest.raises(Invalid) as refused, desk.work(otto) as work:
        prepare_lookup(work, held.ticket.id, "communities", {"name": "x" * 21, "other": "1"})
    assert {e.pointer: e.code for e in refused.value.errors} == {
        "/other": "unknown",
        "/street_code": "required",
        "/name": "pattern",
    }


def test_nobody_looks_data_up_for_a_ticket_that_is_not_theirs(desk: World) -> None:
    offering(desk)
    held = taken(desk).held
    with pytest.raises(NotFound), desk.work(hans) as work:
        prepare_lookup(work, held.ticket.id, "communities", {"street_code": "429005001"})
    with pytest.raises(NotFound), desk.work(dora) as work:
        prepare_lookup(work, held.ticket.id, "unheard", {})


def test_the_data_plane_answers_a_look_up_and_says_where_it_is_on_record(kit: Kit) -> None:
    prover = Prover()
    access = kit.grant("table", needs_ticket=True, cnf=prover.cnf)
    kit.ticket("T-2026-000077", "civil_affairs")
    asks = [{"name": "code", "title": {"zh": "代码", "en": "Code"}, "pattern": ".+"}]
    lookup = lookup_of({**STREETS, "asks": asks})
    with_ticket = ask_for(kit, prover, access.token, "T-2026-000077", lookup)
    assert with_ticket.status == 200
    assert kit.record(with_ticket.record)["ticket"] == "T-2026-000077"
    without = ask_for(kit, prover, access.token, "T-2026-000078", lookup)
    assert (without.status, without.document["code"]) == (403, "ticket_not_open")
    assert kit.record(without.record)["reason"] == "ticket_not_open"


def ask_for(kit: Kit, prover: Prover, token: str, number: str, lookup: Any) -> Any:
    """Ask the worker of the kit for one code."""
    now, path, address = datetime.now(UTC), lookup.path({"code": "a"}), kit.settings.platform.gateway_url
    nonce = Nonces(kit.settings.key("token.key")).current(now)
    proof = prover.proof("GET", address + path, now, nonce=nonce, token=token)
    return ask(address, Question(number, lookup, path, token, proof))


def test_a_system_of_the_office_is_needed_by_its_name(desk: World) -> None:
    offering(desk, client="另一个系统")
    active_client(desk, desk_system)
    held = taken(desk).held
    with pytest.raises(Conflict), desk.work(otto) as work:
        prepare_lookup(work, held.ticket.id, "communities", {"street_code": "429005001"})
