"""Floods at the OAuth endpoints: they leave few traces, are on record for what they are, shut nobody out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

import gateway.bounds.requests as bounds
from audit.store import audit_outbox
from gateway.bounds.store import oauth_counts
from gateway.issuing import forget_old
from gateway.model import Client
from gateway.store import access_tokens, seen_proofs, token_failures
from tests.cast import bob
from tests.conftest import World
from tests.gateway.proofs import ec_prover
from tests.gateway.signing import ask, assertion, form_of, fronted, keyed
from tests.gateway.test_oauth import basic, records
from tests.stories import System, active_client, active_grant

pytestmark = pytest.mark.long

EC, OTHER = ec_prover(), ec_prover()
FLOODER, NEIGHBOUR = "2001:db8:1:2::666", "2001:db8:1:2::7"
"""Two machines of one network."""
ELSEWHERE = "198.51.100.1"
TRACES = (audit_outbox, oauth_counts, token_failures, seen_proofs, access_tokens)


@pytest.fixture
def city(tmp_path: Path, template_database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A city with a system that signs and one with a secret, and bounds that a test reaches."""
    monkeypatch.setattr(bounds, "MOST_OF_SOURCE", 20)
    monkeypatch.setattr(bounds, "MOST_OF_ALL", 60)
    monkeypatch.setattr(bounds, "MOST_OF_SYSTEM", 30)
    made = fronted(tmp_path, template_database)
    signing, secret = keyed(made, EC), active_client(made)
    for system in (System(signing, ""), secret):
        active_grant(made, system=system)
    yield made, signing, secret
    made.database.close()


def traces(world: World) -> int:
    with world.database.read() as tx:
        return sum(tx.execute(select(func.count()).select_from(table)).scalar_one() for table in TRACES)


def unknown() -> str:
    """A request of a system that nobody knows."""
    return f"grant_type=client_credentials&client_id={uuid4()}&client_secret=guessed"


def flood(world: World, number: int, peer: str = FLOODER) -> list[int]:
    """Send malformed requests and such of unknown systems in turn, and return how they were answered."""
    bodies = (unknown() if i % 2 else "scope=&&" for i in range(number))
    return [ask(world, body, peer=peer).status_code for body in bodies]


def by_signature(world: World, client: Client, peer: str) -> int:
    return int(ask(world, form_of(assertion(world, EC, client.id)), peer=peer).status_code)


def by_secret(world: World, system: System, peer: str) -> int:
    headers = list(basic(system).items())
    return int(ask(world, "grant_type=client_credentials", headers=headers, peer=peer).status_code)


def test_7_one_source_leaves_as_many_traces_as_its_bound_allows(city: Any) -> None:
    world, _, _ = city
    statuses = flood(world, 20)
    assert set(statuses) == {400, 401}
    before = traces(world)
    statuses = flood(world, 100)
    assert set(statuses) == {429}
    assert traces(world) == before


def test_7_another_address_of_the_same_network_is_the_same_source(city: Any) -> None:
    world, _, _ = city
    flood(world, 20)
    assert set(flood(world, 2, NEIGHBOUR)) == {429}
    assert set(flood(world, 2, ELSEWHERE)) == {400, 401}


def test_7_whoever_proves_itself_gets_in_from_the_flooded_network_too(city: Any) -> None:
    world, signing, secret = city
    flood(world, 25)
    for peer in (FLOODER, NEIGHBOUR, ELSEWHERE):
        assert by_signature(world, signing, peer) == 200
        assert by_secret(world, secret, peer) == 200


def test_7_a_neighbour_who_guesses_shuts_nobody_out(city: Any) -> None:
    world, _, secret = city
    wrong = list(basic(secret, "wrong").items())
    statuses = [
        ask(world, "grant_type=client_credentials", headers=wrong, peer=FLOODER).status_code
        for _ in range(12)
    ]
    assert statuses == [401] * 10 + [429] * 2
    assert by_secret(world, secret, FLOODER) == 429
    assert by_secret(world, secret, NEIGHBOUR) == 200


def test_7_past_the_bound_an_assertion_still_counts_once(city: Any) -> None:
    world, signing, _ = city
    flood(world, 25)
    form = form_of(assertion(world, EC, signing.id))
    assert [ask(world, form, peer=FLOODER).status_code for _ in range(2)] == [200, 401]
    assert ask(world, form_of(assertion(world, OTHER, signing.id)), peer=FLOODER).status_code == 429


def test_7_many_sources_together_leave_no_more_than_all_may(city: Any) -> None:
    world, signing, secret = city
    for i in range(60):
        ask(world, unknown(), peer=f"2001:db8:2:{i:x}::1")
    before = traces(world)
    statuses = [ask(world, unknown(), peer=f"2001:db8:3:{i:x}::1").status_code for i in range(60)]
    assert (set(statuses), traces(world)) == ({429}, before)
    assert by_signature(world, signing, "203.0.113.1") == 200
    assert by_secret(world, secret, "203.0.113.2") == 200


def test_7_past_the_bounds_a_system_is_still_told_its_nonce(city: Any) -> None:
    world, signing, _ = city
    for i in range(60):
        ask(world, unknown(), peer=f"2001:db8:2:{i:x}::1")
    before = traces(world)
    url = f"{world.settings.platform.control_url}/oauth/token"
    form = form_of(assertion(world, EC, signing.id))
    told = ask(world, form, headers=[("DPoP", EC.proof("POST", url, world.now))], peer=ELSEWHERE)
    assert (told.status_code, told.json["error"]) == (400, "use_dpop_nonce")
    assert traces(world) == before
    proof = EC.proof("POST", url, world.now, nonce=told.headers["DPoP-Nonce"])
    assert ask(world, form, headers=[("DPoP", proof)], peer=ELSEWHERE).status_code == 200


def test_7_a_flood_is_on_record_once_with_how_many_it_was(city: Any) -> None:
    world, _, _ = city
    flood(world, 20)
    for _ in range(15):
        world.now += timedelta(seconds=bounds.Tally.SECONDS)  # what a process counts is written every second
        flood(world, 2)
    assert records(world, "token.flooded") == []
    world.now += bounds.WINDOW
    with world.work(bob) as work:
        forget_old(work)
        forget_old(work)
    (record,) = records(world, "token.flooded")
    assert (record["source"], record["client"]) == ("2001:db8:1:2::/64", None)
    assert 25 <= record["count"] <= 30
    assert set(flood(world, 2)) == {400, 401}


def test_7_a_flood_that_goes_on_is_on_record_once_for_each_window(city: Any) -> None:
    world, _, _ = city
    for _ in range(3):
        for _ in range(30):
            world.now += timedelta(seconds=bounds.Tally.SECONDS)
            flood(world, 1)
        world.now += bounds.WINDOW
    assert len(records(world, "token.flooded")) == 2


def test_7_a_system_may_ask_so_often_and_nobody_else_can_use_that_up(city: Any) -> None:
    world, signing, secret = city
    used = form_of(assertion(world, EC, signing.id))
    assert ask(world, used, peer=ELSEWHERE).status_code == 200
    for _ in range(50):  # somebody who overheard it
        assert ask(world, used, peer=FLOODER).status_code in (401, 429)
    statuses = [by_signature(world, signing, ELSEWHERE) for _ in range(31)]
    assert statuses == [200] * 29 + [429] * 2
    before = traces(world)
    assert by_signature(world, signing, NEIGHBOUR) == 429
    assert traces(world) == before
    assert by_secret(world, secret, ELSEWHERE) == 200
    revoking = form_of(assertion(world, EC, signing.id), token="sx_x")
    assert ask(world, revoking, "/oauth/revoke", peer=ELSEWHERE).status_code == 200
    world.now += bounds.WINDOW
    assert by_signature(world, signing, ELSEWHERE) == 200
    (record,) = [r for r in records(world, "token.flooded") if r["client"]]
    assert (record["client"], record["endpoint"], record["count"]) == (signing.id, "token", 3)
