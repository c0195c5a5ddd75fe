"""Business systems: registered by a department, approved by the manager, with a secret shown once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import schemas
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.work import Actor
from gateway.authenticating import check_secret
from gateway.clients import approve_client, disable_client, find_client, list_clients, register_client
from gateway.credentials import issue_credential, revoke_credential
from gateway.store import client_credentials, policy_version
from tests.cast import bill, bob, carol, chen, dave, mallory
from tests.stories import LOCAL, active_client

WISH = {"name": "居民健康档案系统", "networks": LOCAL}


def test_a_system_is_registered_approved_and_authenticates(world: Any) -> None:
    system = active_client(world)
    with world.read(carol) as work:
        assert check_secret(work, system.client.id, system.secret).client == system.client


def test_a_system_that_nobody_approved_is_refused_in_silence(world: Any) -> None:
    with world.work(carol) as work:
        client = register_client(work, WISH)
        _, secret = issue_credential(work, client.id)
        checked = check_secret(work, client.id, secret)
    assert (checked.client, checked.reason) == (None, "client_not_active")


def test_nobody_approves_a_system_that_they_registered(world: Any) -> None:
    both = Actor("bo", "bigdata", "bigdata", frozenset({"consumer", "platform_manager"}), "bo")
    with world.work(both) as work:
        client = register_client(work, WISH)
    with pytest.raises(NotPermitted), world.work(both) as work:
        approve_client(work, client.id)


def test_a_system_does_not_exist_for_other_departments(world: Any) -> None:
    system = active_client(world)
    for stranger in (mallory, chen):
        with world.read(stranger) as work:
            with pytest.raises(NotFound):
                find_client(work, system.client.id)
            assert list_clients(work, None, 50, None).rows == []
    for reader in (bob, dave, carol):
        with world.read(reader) as work:
            assert [c.id for c in list_clients(work, None, 50, None).rows] == [system.client.id]


def test_a_secret_is_kept_as_a_digest_only(world: Any) -> None:
    system = active_client(world)
    with world.read(carol) as work:
        (row,) = work.tx.execute(client_credentials.select()).all()
    assert system.secret not in str(row)
    assert len(system.secret) == 43  # 256 bits in base64url


def test_two_secrets_overlap_and_a_third_is_refused(world: Any) -> None:
    system = active_client(world)
    with world.work(carol) as work:
        _, second = issue_credential(work, system.client.id, retire_after_hours=24)
    with pytest.raises(Conflict), world.work(carol) as work:
        issue_credential(work, system.client.id)
    world.now += timedelta(hours=24) - timedelta(seconds=1)
    with world.read(carol) as work:
        assert check_secret(work, system.client.id, system.secret).client
        assert check_secret(work, system.client.id, second).client
    world.now += timedelta(seconds=1)
    with world.read(carol) as work:
        assert check_secret(work, system.client.id, system.secret).client is None
        assert check_secret(work, system.client.id, second).client


def test_the_old_secrets_can_end_at_once(world: Any) -> None:
    system = active_client(world)
    with world.work(carol) as work:
        issue_credential(work, system.client.id)
        _, newest = issue_credential(work, system.client.id, retire_after_hours=0)
        assert check_secret(work, system.client.id, newest).client
        assert check_secret(work, system.client.id, system.secret).client is None


def test_a_revoked_secret_is_dead_and_the_policy_changes(world: Any) -> None:
    system = active_client(world)
    with world.work(carol) as work:
        before = policy_version(work.tx)
        (credential,) = work.tx.execute(client_credentials.select()).all()
        revoke_credential(work, system.client.id, credential.id)
        assert check_secret(work, system.client.id, system.secret).client is None
        assert policy_version(work.tx) == before + 1
    with pytest.raises(Conflict), world.work(carol) as work:
        revoke_credential(work, system.client.id, credential.id)
    with pytest.raises(NotFound), world.work(mallory) as work:
        revoke_credential(work, system.client.id, credential.id)


def test_a_disabled_system_is_shut_out_and_can_be_let_in_again(world: Any) -> None:
    system = active_client(world)
    with world.work(bob) as work:
        assert disable_client(work, system.client.id).state == "disabled"
        assert check_secret(work, system.client.id, system.secret).client is None
    with pytest.raises(Conflict), world.work(carol) as work:
        issue_credential(work, system.client.id)
    with world.work(bill) as work:
        assert approve_client(work, system.client.id).state == "active"
        assert check_secret(work, system.client.id, system.secret).client


def test_every_address_is_no_network(world: Any) -> None:
    with pytest.raises(Invalid) as refused, world.work(carol) as work:
        register_client(work, {**WISH, "networks": ["10.0.0.0/8", "0.0.0.0/0"]})
    assert refused.value.errors[0].pointer == "/networks/1"


def test_the_api_shows_a_secret_once_and_keeps_no_answer_with_it(world: Any) -> None:
    consumer, manager = world.client(carol), world.client(bob)
    made = consumer.post("/api/clients", json=WISH)
    assert made.status_code == 201
    schemas.validate("response/client", made.json)
    address = made.headers["Location"]
    assert made.json["actions"] == ["issue_credential", "change_authentication"]
    assert manager.get(address).json["actions"] == ["approve", "disable"]
    assert manager.post(f"{address}/actions/approve").json["state"] == "active"
    issued = consumer.post(f"{address}/credentials", json={})
    schemas.validate("response/credential_issued", issued.json)
    shown = consumer.get(address)
    assert issued.json["client_secret"] not in shown.text
    assert shown.json["credentials"][0]["active"] is True
    again = consumer.post(f"{address}/credentials", json={}, headers={"Idempotency-Key": "x"})
    assert again.status_code == 400
    schemas.validate("response/clients", consumer.get("/api/clients?state=active&limit=1").json)


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        ({"name": "系统"}, "/networks"),
        ({"name": "系统", "networks": []}, "/networks"),
        ({"name": "系统", "networks": ["10.0.0.1/8"]}, "/networks/0"),
        ({"name": "系统", "networks": LOCAL, "department": "education"}, "/department"),
        ({"name": "系统", "networks": LOCAL, "state": "active"}, "/state"),
    ],
)
def test_a_wrong_registration_names_the_field(shared_world: Any, wish: dict[str, Any], pointer: str) -> None:
    answer = shared_world.client(carol).post("/api/clients", json=wish)
    assert answer.status_code == 400
    assert pointer in [e["pointer"] for e in answer.json["errors"]]
