"""Tokens: one for one grant, for five minutes at most, gone when grant, system or owner says so."""

from __future__ import annotations

import base64
import json
import logging
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

import schemas
from audit.store import audit_outbox
from core.times import SHANGHAI
from gateway.clients import disable_client
from gateway.grants import act_on_grant
from gateway.issuing import forget_old
from gateway.store import access_tokens, permit
from gateway.tokens import token_digest, well_formed
from tests.cast import bob, mallory
from tests.stories import System, active_client, active_grant, offered, taken_offline

FLOW = {"grant_type": "client_credentials"}


def basic(system: System, secret: str | None = None) -> dict[str, str]:
    """The Authorization header of a system."""
    pair = f"{system.client.id}:{secret or system.secret}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def ask(world: Any, system: System, **form: str) -> Any:
    """Ask for a token with the secret in the header."""
    return world.app.test_client().post("/oauth/token", data={**FLOW, **form}, headers=basic(system))


def details(number: str, **more: Any) -> str:
    """Authorization details that name a grant."""
    return json.dumps([{"type": "data_grant", "identifier": number, **more}])


def records(world: Any, kind: str) -> list[dict[str, Any]]:
    """The bodies on record of one kind, in order."""
    with world.database.read() as tx:
        rows = tx.execute(select(audit_outbox).order_by(audit_outbox.c.seq)).all()
    bodies = [json.loads(row.body) for row in rows]
    return [b for b in bodies if b["k"] == kind]


def test_a_token_stands_for_one_grant_and_is_kept_as_a_digest(world: Any) -> None:
    system = active_client(world)
    held = active_grant(world, None, system)
    answer = ask(world, system)
    assert answer.status_code == 200, answer.text
    schemas.validate("response/token", answer.json)
    assert answer.json["expires_in"] == 300
    assert answer.json["scope"] == f"dataset:{held.grant.dataset_code}"
    assert answer.json["authorization_details"][0]["identifier"] == held.grant.number
    assert answer.headers["Cache-Control"] == "no-store"
    token = answer.json["access_token"]
    assert well_formed(world.settings.key("token.key"), token)
    with world.database.read() as tx:
        assert token not in str(tx.execute(select(access_tokens)).all())
        found = permit(tx, token_digest(token))
    assert found is not None
    assert found.grant_number == held.grant.number


def test_the_secret_may_come_in_the_body_instead(world: Any) -> None:
    system = active_client(world)
    active_grant(world, None, system)
    form = {**FLOW, "client_id": system.client.id, "client_secret": system.secret}
    assert world.app.test_client().post("/oauth/token", data=form).status_code == 200


@pytest.fixture
def two_grants(world: Any) -> Any:
    """A system with a table of one dataset and an API of another."""
    system = active_client(world)
    table = active_grant(world, offered(world, "divisions"), system)
    service = active_grant(world, offered(world, "workdays"), system, fields=["date"])
    return world, system, table.grant, service.grant


def test_with_two_grants_a_request_says_which_it_means(two_grants: Any) -> None:
    world, system, table, service = two_grants
    assert ask(world, system).json["error"] == "invalid_target"
    place = f"{world.settings.platform.gateway_url}/share/"
    for grant, kind in ((table, "rows"), (service, "call")):
        code = grant.dataset_code.replace("/", "-")
        for form in (
            {"resource": place + code},
            {"resource": f"{place}{code}/{kind}"},
            {"scope": f"dataset:{grant.dataset_code}"},
            {"authorization_details": details(grant.number)},
            {"authorization_details": details(grant.number, locations=[place + code])},
            {"resource": place + code, "authorization_details": details(grant.number)},
        ):
            answer = ask(world, system, **form)
            assert answer.status_code == 200, (form, answer.text)
            assert answer.json["authorization_details"][0]["identifier"] == grant.number


def test_a_word_that_names_no_live_grant_gets_its_own_error(two_grants: Any) -> None:
    world, system, table, service = two_grants
    place = f"{world.settings.platform.gateway_url}/share/"
    code = table.dataset_code.replace("/", "-")
    for form, error in (
        ({"resource": f"{place}{code}/call"}, "invalid_target"),
        ({"resource": f"{place}999999-000001"}, "invalid_target"),
        ({"resource": f"https://evil.example/share/{code}"}, "invalid_target"),
        ({"resource": f"{place}{code}/../../x"}, "invalid_target"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"scope": "dataset:999999/000001"}, "invalid_scope"),
        ({"scope": f"dataset:{table.dataset_code} dataset:{service.dataset_code}"}, "invalid_scope"),
        ({"authorization_details": details("G-2020-000001")}, "invalid_authorization_details"),
        (
            {"authorization_details": details(table.number), "resource": f"{place}{code}/files"},
            "invalid_authorization_details",
        ),
    ):
        answer = ask(world, system, **form)
        assert (answer.status_code, answer.json["error"]) == (400, error), form


def test_the_grant_of_another_system_is_out_of_reach(world: Any) -> None:
    code = offered(world, "divisions")
    held = active_grant(world, code, active_client(world))
    other = active_client(world, mallory)
    answer = ask(world, other, authorization_details=details(held.grant.number))
    assert answer.json["error"] == "invalid_authorization_details"


def test_a_token_ends_no_later_than_its_grant(ganzhou: Any) -> None:
    system = active_client(ganzhou)
    active_grant(ganzhou, None, system, term_days=1)
    ganzhou.now = datetime(2026, 2, 11, 23, 59, 50, tzinfo=SHANGHAI)
    assert ask(ganzhou, system).json["expires_in"] == 9
    ganzhou.now = datetime(2026, 2, 12, tzinfo=SHANGHAI)
    assert ask(ganzhou, system).json["error"] == "invalid_target"


def test_no_token_for_a_grant_that_is_suspended(world: Any) -> None:
    system = active_client(world)
    held = active_grant(world, None, system)
    with world.work(bob) as work:
        act_on_grant(work, held.grant.id, "suspend", {"reason": "异常调用"})
    assert ask(world, system).json["error"] == "invalid_target"
    with world.work(bob) as work:
        act_on_grant(work, held.grant.id, "resume", {})
    assert ask(world, system).status_code == 200


def test_no_token_for_a_dataset_that_is_off_line(world: Any) -> None:
    code, system = offered(world, "divisions"), active_client(world)
    active_grant(world, code, system)
    taken_offline(world, code)
    assert ask(world, system).json["error"] == "invalid_target"


# --- introspection and revocation -----------------------------------------------------------------


def test_a_system_learns_about_its_own_tokens_and_no_others(world: Any) -> None:
    code = offered(world, "divisions")
    system, other = active_client(world), active_client(world, mallory)
    held = active_grant(world, code, system)
    token = ask(world, system).json["access_token"]
    client = world.app.test_client()
    own = client.post("/oauth/introspect", data={"token": token}, headers=basic(system))
    schemas.validate("response/token_introspection", own.json)
    assert own.json["active"] is True
    assert own.json["exp"] - own.json["iat"] == 300
    foreign = client.post("/oauth/introspect", data={"token": token}, headers=basic(other))
    assert foreign.json == {"active": False}
    for noise in ("", "sx_" + "A" * 48, f"sx_{token_digest(token)}", token + "x", "令牌"):
        answer = client.post("/oauth/introspect", data={"token": noise or "-"}, headers=basic(system))
        assert (answer.status_code, answer.json) == (200, {"active": False})
    world.now += timedelta(seconds=300)
    assert client.post("/oauth/introspect", data={"token": token}, headers=basic(system)).json == {
        "active": False
    }
    assert held.grant.number


@pytest.mark.parametrize("event", ["suspended", "disabled", "revoked"])
def test_whatever_ends_a_permit_ends_its_tokens(world: Any, event: str) -> None:
    system = active_client(world)
    held = active_grant(world, None, system)
    token = ask(world, system).json["access_token"]
    before = world.counter.read()
    client = world.app.test_client()
    if event == "revoked":
        form = {"token": token, "token_type_hint": "refresh_token"}
        assert client.post("/oauth/revoke", data=form, headers=basic(system)).status_code == 200
        assert client.post("/oauth/revoke", data=form, headers=basic(system)).status_code == 200
    with world.work(bob) as work:
        if event == "suspended":
            act_on_grant(work, held.grant.id, "suspend", {"reason": "异常调用"})
        if event == "disabled":
            disable_client(work, system.client.id)
    assert world.counter.read() > before
    with world.database.read() as tx:
        found = permit(tx, token_digest(token))
    assert found is not None
    assert found.token_revoked or not found.grant_usable or found.client_state != "active"
    if event != "disabled":
        answer = client.post("/oauth/introspect", data={"token": token}, headers=basic(system))
        assert answer.json == {"active": False}


def test_another_systems_token_survives_an_attempt_to_revoke_it(world: Any) -> None:
    code = offered(world, "divisions")
    system, other = active_client(world), active_client(world, mallory)
    active_grant(world, code, system)
    token = ask(world, system).json["access_token"]
    client = world.app.test_client()
    refused = client.post("/oauth/revoke", data={"token": token}, headers=basic(other))
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_grant")
    own = client.post("/oauth/introspect", data={"token": token}, headers=basic(system))
    assert own.json["active"] is True
    unknown = client.post("/oauth/revoke", data={"token": "sx_unknown"}, headers=basic(other))
    assert unknown.status_code == 200


# --- on record ------------------------------------------------------------------------------------


def test_issues_refusals_and_revocations_are_on_record_without_secrets(world: Any) -> None:
    system = active_client(world)
    held = active_grant(world, None, system)
    client = world.app.test_client()
    token = ask(world, system).json["access_token"]
    client.post("/oauth/token", data=FLOW, headers=basic(system, "wrong-secret-of-somebody"))
    client.post("/oauth/token?grant_type=client_credentials", data={})
    client.post("/oauth/revoke", data={"token": token}, headers=basic(system))
    (issued,) = records(world, "token.issued")
    assert (issued["grant"], issued["client"]) == (held.grant.number, system.client.id)
    assert [r["reason"] for r in records(world, "token.refused")] == ["wrong_secret", "query_parameters"]
    assert len(records(world, "token.revoked")) == 1
    with world.database.read() as tx:
        everything = str(tx.execute(select(audit_outbox)).all())
    for secret in (token, system.secret, "wrong-secret-of-somebody", basic(system)["Authorization"][6:]):
        assert secret not in everything


def test_no_line_of_the_log_holds_a_token(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    system = active_client(world)
    active_grant(world, None, system)
    with caplog.at_level(logging.DEBUG):
        token = ask(world, system).json["access_token"]
    assert token not in caplog.text
    assert system.secret not in caplog.text


def test_old_tokens_and_counts_are_forgotten(world: Any) -> None:
    system = active_client(world)
    active_grant(world, None, system)
    ask(world, system)
    world.app.test_client().post("/oauth/token", data=FLOW, headers=basic(system, "x"))
    with world.work(bob) as work:
        assert forget_old(work) == 0
    world.now += timedelta(days=2)
    with world.work(bob) as work:
        assert forget_old(work) == 2


# --- metadata -------------------------------------------------------------------------------------


def test_the_metadata_name_endpoints_that_answer(world: Any) -> None:
    client = world.app.test_client()
    server = client.get("/.well-known/oauth-authorization-server")
    schemas.validate("response/token_server", server.json)
    assert server.json["issuer"] == world.settings.platform.control_url
    for name in ("token_endpoint", "introspection_endpoint", "revocation_endpoint"):
        path = server.json[name].removeprefix(server.json["issuer"])
        assert client.post(path).status_code == 400
        assert client.get(path).status_code == 405
    resource = client.get("/.well-known/oauth-protected-resource")
    schemas.validate("response/token_resource", resource.json)
    assert resource.json["authorization_servers"] == [server.json["issuer"]]
