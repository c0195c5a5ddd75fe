"""Two hosts of the data plane on one PostgreSQL: what was revoked both refuse, whatever becomes of a line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from gateway.hosts.lease import LEASE_SECONDS, SERVE_SECONDS
from tests import postgresql
from tests.gateway.plane_kit import Access
from tests.gateway.proofs import ec_prover
from tests.processes import wait_until
from tests.shared.hosts import Caller, Host, Town, town

pytestmark = [pytest.mark.servers, pytest.mark.takes(40)]

ROWS = "/share/307001-000001/rows?limit=1"
NETWORKS = ["127.0.0.0/8", "10.77.0.0/16"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A town whose lines are whole at the beginning of each story."""
    with town(tmp_path_factory.mktemp("town")) as made:
        yield made


@pytest.fixture
def hosts(place: Town) -> list[Host]:
    for host in place.hosts:
        wait_until(host.is_ready, "a host is not ready", 30)
    return place.hosts


def access(place: Town, **terms: object) -> Access:
    return place.kit.grant("table", networks=NETWORKS, **terms)


def called(host: Host, token: Access) -> Caller:
    """A caller inside a host who has had data."""
    caller = host.caller(ROWS, token)
    wait_until(lambda: any(call.status == 200 for call in caller.calls()), "no call succeeded", 20)
    return caller


def test_from_the_answer_to_a_revocation_no_call_succeeds_on_any_host(place: Town, hosts: list[Host]) -> None:
    for _ in range(5):
        token = access(place)
        callers = [called(host, token) for host in hosts]
        began, answered = place.revoke(token)
        for caller in callers:
            wait_until(
                lambda caller=caller, since=answered: len(caller.refused_since(since)) > 10,
                "nobody was refused",
                20,
            )
            caller.stop()
        assert [caller.succeeded_since(answered) for caller in callers] == [[], []]
        assert answered - began < 1.0


def test_a_host_whose_line_is_cut_serves_no_more_when_the_answer_leaves(
    place: Town, hosts: list[Host]
) -> None:
    whole, cut = hosts
    token, other = access(place), access(place)
    callers = [called(whole, token), called(cut, token)]
    bystanders = [called(whole, other), called(cut, other)]
    cut.cut()
    try:
        began, answered = place.revoke(token)
        wait_until(
            lambda: len(callers[1].refused_since(answered)) > 10, "the host that is cut off serves on", 20
        )
        assert [caller.succeeded_since(answered) for caller in callers] == [[], []]
        assert SERVE_SECONDS - 1.5 < answered - began < LEASE_SECONDS + 2
        assert bystanders[0].succeeded_since(answered)
        assert not bystanders[1].succeeded_since(answered)
        began, answered = place.revoke(access(place))
        assert answered - began < 1.0
    finally:
        cut.mend()
    wait_until(lambda: bystanders[1].succeeded_since(answered), "the host did not come back", 40)
    assert not callers[1].succeeded_since(answered)
    for caller in (*callers, *bystanders):
        caller.stop()


def test_a_host_that_is_cut_off_says_that_it_is_not_ready(place: Town, hosts: list[Host]) -> None:
    cut = hosts[1]
    caller = called(cut, access(place))
    began = time.monotonic()
    cut.cut()
    try:
        wait_until(
            lambda: [c for c in caller.calls() if c.began > began and c.status == 503], "it serves on", 20
        )
        first = next(c for c in caller.calls() if c.began > began and c.status == 503)
        assert first.began - began < SERVE_SECONDS + 0.5
        assert not caller.succeeded_since(first.began)
    finally:
        cut.mend()
        caller.stop()
    wait_until(cut.is_ready, "the host did not come back", 40)


def test_the_calls_of_a_day_are_counted_over_all_hosts(place: Town, hosts: list[Host]) -> None:
    token = access(place, calls_per_day=5)
    statuses = [host.get(ROWS, token).status for _ in range(5) for host in hosts]
    assert sorted(statuses) == [200] * 5 + [429] * 5


def test_a_proof_that_one_host_has_seen_is_refused_by_the_other(place: Town, hosts: list[Host]) -> None:
    prover = ec_prover()
    token = place.kit.grant("table", networks=NETWORKS, cnf=f"jkt:{prover.thumbprint}")
    url = place.kit.settings.platform.gateway_url + ROWS.partition("?")[0]

    def proof(nonce: str | None) -> dict[str, str]:
        made = prover.proof("GET", url, datetime.now(UTC), token=token.token, nonce=nonce)
        return {"Authorization": f"DPoP {token.token}", "DPoP": made}

    nonce = hosts[0].get(ROWS, **proof(None)).headers["dpop-nonce"]
    same = proof(nonce)
    answers = [hosts[0].get(ROWS, **same), hosts[1].get(ROWS, **same)]
    assert [answer.status for answer in answers] == [200, 401]
    assert answers[1].code == "proof_replayed"


def test_a_worker_that_was_killed_is_waited_for_once(place: Town, hosts: list[Host]) -> None:
    killed = hosts[1]
    killed.kill()
    took = []
    for _ in range(2):
        began, answered = place.revoke(access(place))
        took.append(answered - began)
    assert took[0] < LEASE_SECONDS + 2
    assert took[1] < 1.0
    killed.start()
    assert killed.get(ROWS, access(place)).status == 200


def test_while_the_database_is_gone_nothing_is_let_through_and_then_all_goes_on(
    place: Town, hosts: list[Host]
) -> None:
    token = access(place)
    callers = [called(host, token) for host in hosts]
    place.server.stop()
    gone = time.monotonic()
    try:
        for caller in callers:
            wait_until(lambda caller=caller: caller.refused_since(gone), "it serves on", 20)
            assert not caller.succeeded_since(gone + SERVE_SECONDS + 0.5)
    finally:
        place.server.start()
    back = time.monotonic()
    for caller in callers:
        wait_until(lambda caller=caller: caller.succeeded_since(back), "it did not come back", 30)
        caller.stop()


def test_a_gateway_may_read_what_calls_are_judged_by_and_write_nothing_else(place: Town) -> None:
    url = place.kit.database.engine.url.set(username="shuxiang_gateway")
    with postgresql.connect(url) as gateway:
        for refused in (
            "UPDATE policy SET version = 0",
            "UPDATE cases SET serves = true",
            "DELETE FROM seen_proofs",
            "INSERT INTO access_tokens SELECT * FROM access_tokens",
            "SELECT * FROM accounts",
            "SELECT * FROM audit_outbox",
            "SELECT summary FROM tickets",
            "SELECT digest FROM client_credentials",
            "CREATE TABLE mine (id int)",
        ):
            with pytest.raises(postgresql.psycopg.errors.InsufficientPrivilege):
                gateway.execute(refused)


def test_the_control_plane_changes_no_table(place: Town) -> None:
    with postgresql.connect(place.kit.database.engine.url) as control:
        for refused in (
            "DROP TABLE grants",
            "CREATE TABLE mine (id int)",
            "UPDATE alembic_version SET version_num='0'",
        ):
            with pytest.raises(postgresql.psycopg.errors.InsufficientPrivilege):
                control.execute(refused)
