"""Hostile requests at the OAuth endpoints: refused in the protocol's own words, never a fault of ours."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import schemas
from tests.conftest import make_world
from tests.stories import System, active_client, active_grant

pytestmark = pytest.mark.long

FORM = "application/x-www-form-urlencoded"
FLOW = "grant_type=client_credentials"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, template_database: Path) -> Iterator[Any]:
    """A world with one system and one grant; each test comes from an address of its own."""
    world = make_world(tmp_path_factory.mktemp("city"), template_database, "sharing/qianjiang")
    system = active_client(world)
    held = active_grant(world, None, system)
    yield world, system, held.grant
    world.database.close()


class Caller:
    """Where the requests come from."""

    address = "192.0.2.1"
    others = count(1)


@pytest.fixture(autouse=True)
def _another_address() -> None:
    """Let each test come from another address, so that failed attempts do not add up."""
    Caller.address = f"2001:db8:0:{next(Caller.others):x}::1"


def send(world: Any, body: str | bytes = FLOW, *, path: str = "/oauth/token", **more: Any) -> Any:
    """Send a form to an OAuth endpoint; `auth` is the Authorization header."""
    headers = [("Authorization", a) for a in more.pop("auths", [])]
    if "auth" in more:
        headers.append(("Authorization", more.pop("auth")))
    options = {"content_type": FORM, "environ_base": {"REMOTE_ADDR": Caller.address}, **more}
    answer = world.app.test_client().post(path, data=body, headers=headers, **options)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400 and answer.mimetype == "application/json":
        schemas.validate("response/token_error", answer.json)
        assert answer.headers["Cache-Control"] == "no-store"
    return answer


def b64(pair: str | bytes) -> str:
    """A Basic header of a pair."""
    raw = pair if isinstance(pair, bytes) else pair.encode()
    return "Basic " + base64.b64encode(raw).decode()


def good(system: System) -> str:
    """The right Basic header."""
    return b64(f"{system.client.id}:{system.secret}")


def test_the_honest_request_passes(city: Any) -> None:
    world, system, _ = city
    assert send(world, auth=good(system)).status_code == 200


def test_parameters_in_the_address_are_refused(city: Any) -> None:
    world, system, _ = city
    query = f"/oauth/token?{FLOW}&client_id={system.client.id}&client_secret={system.secret}"
    assert send(world, "", path=query).json["error"] == "invalid_request"
    assert send(world, path="/oauth/token?x=1", auth=good(system)).json["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (f"{FLOW}&{FLOW}", "invalid_request"),
        (f"{FLOW}&scope=a&scope=b", "invalid_request"),
        (f"{FLOW}&resource=a&resource=b", "invalid_target"),
        ("scope=a", "invalid_request"),
        ("grant_type=", "invalid_request"),
        ("grant_type", "invalid_request"),
        ("", "invalid_request"),
        ("&&&", "invalid_request"),
        ("grant_type=password&username=a&password=b", "unsupported_grant_type"),
        ("grant_type=%E4%BB%A4", "unsupported_grant_type"),
        ("grant_type=%ff%fe", "invalid_request"),
        ("&".join(f"p{i}=1" for i in range(60)), "invalid_request"),
        (b"grant_type=\xe4\xbb\xa4", "invalid_request"),
        ("resource=%00&" + FLOW, "invalid_target"),
    ],
)
def test_a_malformed_form_is_refused(city: Any, body: str | bytes, error: str) -> None:
    world, system, _ = city
    answer = send(world, body, auth=good(system))
    assert (answer.status_code, answer.json["error"]) == (400, error)


@pytest.mark.parametrize(
    "media_type", ["multipart/form-data; boundary=x", "application/json", "text/plain", ""]
)
def test_no_other_media_type_is_read(city: Any, media_type: str) -> None:
    world, system, _ = city
    answer = send(world, auth=good(system), content_type=media_type)
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


def test_two_ways_of_authentication_at_once_are_refused(city: Any) -> None:
    world, system, _ = city
    pair = f"{FLOW}&client_id={system.client.id}&client_secret={system.secret}"
    assert send(world, pair, auth=good(system)).json["error"] == "invalid_request"
    other = f"{FLOW}&client_id=somebody-else"
    assert send(world, other, auth=good(system)).json["error"] == "invalid_request"
    assert send(world, f"{FLOW}&client_id={system.client.id}", auth=good(system)).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "Basic ",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"nocolon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Basic " + base64.b64encode(b"%ff:%ff").decode(),
        "Basic " + base64.b64encode(b":secret").decode(),
        "Basic " + base64.b64encode("系统：密码".encode()).decode(),
        "Basic " + base64.b64encode(b"a\0b:c\0d").decode(),
        "Basic " + base64.b64encode(b"a:" + b"x" * 65536).decode(),
        "Bearer abc",
        "Digest username=a",
        "é",
    ],
)
def test_broken_credentials_are_wrong_credentials(city: Any, header: str) -> None:
    world, _, _ = city
    answer = send(world, auth=header)
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("secret", ["", "%E5%AF%86", "%00", "%", "x" * 65536, "%zz"])
def test_a_wrong_secret_in_the_body_is_a_wrong_secret(city: Any, secret: str) -> None:
    world, system, _ = city
    answer = send(world, f"{FLOW}&client_id={system.client.id}&client_secret={secret}")
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


def test_an_oversized_body_is_refused(city: Any) -> None:
    world, system, _ = city
    assert send(world, FLOW + "&x=" + "y" * 200_000, auth=good(system)).status_code == 413


def test_an_assertion_of_nobody_is_refused(city: Any) -> None:
    world, _, _ = city
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    answer = send(world, f"{FLOW}&client_assertion_type={kind}&client_assertion=a.b.c")
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


def test_an_unknown_system_and_a_wrong_secret_get_one_answer(city: Any) -> None:
    world, system, _ = city
    unknown = send(world, auth=b64(f"{'0' * 8}-0000-7000-8000-{'0' * 12}:{system.secret}"))
    wrong = send(world, auth=b64(f"{system.client.id}:{'x' * 43}"))
    assert unknown.data == wrong.data
    assert unknown.status_code == wrong.status_code == 401
    assert dict(unknown.headers) == dict(wrong.headers)


def test_an_unknown_system_and_a_wrong_secret_take_alike_long(city: Any) -> None:
    world, system, _ = city
    world.now += timedelta(days=1)

    headers = {
        "known": b64(f"{system.client.id}:{'x' * 43}"),
        "unknown": b64(f"{'0' * 8}-0000-7000-8000-{'0' * 12}:{'x' * 43}"),
    }
    address = iter(range(1, 250))

    def seconds(header: str) -> float:
        Caller.address = f"198.51.100.{next(address)}"
        start = time.perf_counter()
        send(world, auth=header)
        return time.perf_counter() - start

    def apart() -> float:
        spent = [(seconds(headers["known"]), seconds(headers["unknown"])) for _ in range(25)]
        known, unknown = (min(times) for times in zip(*spent, strict=True))
        return abs(known - unknown)

    assert any(apart() < 0.005 for _ in range(3)), "what else the machine does only adds to it, now and then"


def test_a_deployment_reached_by_plain_http_issues_nothing(city: Any) -> None:
    world, system, _ = city
    kit = world.app.extensions["shuxiang"]
    platform = replace(world.settings.platform, control_url="http://10.0.0.1:8001")
    world.app.extensions["shuxiang"] = replace(kit, settings=replace(world.settings, platform=platform))
    try:
        answer = send(world, auth=good(system))
    finally:
        world.app.extensions["shuxiang"] = kit
    assert (answer.status_code, answer.json["error"]) == (400, "insecure_transport")


@pytest.mark.parametrize(
    "details",
    [
        "not json",
        "NaN",
        "null",
        "1",
        "{}",
        "[]",
        "[1]",
        '["data_grant"]',
        '[{"type":"data_grant"}]',
        '[{"identifier":"NUMBER"}]',
        '[{"type":"other","identifier":"NUMBER"}]',
        '[{"type":["data_grant"],"identifier":"NUMBER"}]',
        '[{"type":"data_grant","identifier":["NUMBER"]}]',
        '[{"type":"data_grant","identifier":"NUMBER","actions":["write"]}]',
        '[{"type":"data_grant","identifier":"NUMBER","locations":[]}]',
        '[{"type":"data_grant","identifier":"NUMBER","locations":["http://evil.example/"]}]',
        '[{"type":"data_grant","identifier":"G-2020-000001","identifier":"NUMBER"}]',
        '[{"type":"data_grant","identifier":"NUMBER"},{"type":"data_grant","identifier":"NUMBER"}]',
        '[{"type":"data_grant","identifier":"\u0000"}]',
        "[" * 2000,
        '[{"type":"data_grant","identifier":"NUMBER"}' + " " * 8192 + "]",
    ],
)
def test_authorization_details_name_one_grant_or_nothing(city: Any, details: str) -> None:
    from urllib.parse import urlencode

    world, system, grant = city
    form = urlencode({"authorization_details": details.replace("NUMBER", grant.number)})
    answer = send(world, f"{FLOW}&{form}", auth=good(system))
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_authorization_details")


def test_guessing_is_slowed_down_for_the_guesser_only(city: Any) -> None:
    world, system, _ = city
    world.now += timedelta(days=2)
    wrong = b64(f"{system.client.id}:wrong")
    Caller.address = "203.0.113.7"
    statuses = [send(world, auth=wrong).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    locked = send(world, auth=good(system))
    assert locked.status_code == 429
    assert 0 < int(locked.headers["Retry-After"]) <= 300
    Caller.address = "203.0.113.8"
    assert send(world, auth=good(system)).status_code == 200
    Caller.address = "203.0.113.7"
    world.now += timedelta(seconds=int(locked.headers["Retry-After"]))
    assert send(world, auth=good(system)).status_code == 200


@pytest.mark.parametrize("path", ["/oauth/introspect", "/oauth/revoke"])
def test_the_other_endpoints_are_as_strict(city: Any, path: str) -> None:
    world, system, _ = city
    assert send(world, "", path=path, auth=good(system)).json["error"] == "invalid_request"
    assert send(world, "token=a&token=b", path=path, auth=good(system)).json["error"] == "invalid_request"
    assert send(world, "token=a", path=path).status_code == 401
    assert send(world, "token=a", path=path, auth=b64("a:b")).status_code == 401
    assert send(world, "token=a", path=f"{path}?token=a", auth=good(system)).status_code == 400
    assert send(world, "token=%00%F0%9F%98%80", path=path, auth=good(system)).status_code == 200


def test_the_issuer_never_follows_the_host_header(city: Any) -> None:
    world, system, _ = city
    client = world.app.test_client()
    for host in ("evil.example", "127.0.0.1:8001"):
        found = client.get("/.well-known/oauth-authorization-server", headers={"Host": host})
        assert found.json["issuer"] == world.settings.platform.control_url
    answer = send(world, auth=good(system), base_url="http://evil.example")
    assert "evil" not in answer.text


texts = st.text(max_size=40)
words = ["client_credentials", "[]", "%", "\0", "dataset:1/1", "=", "&"]
odd = st.one_of(texts, st.sampled_from(words))
names = st.sampled_from(
    ["grant_type", "scope", "resource", "authorization_details", "client_id", "client_secret", "token", "x"]
)


def no_word_as_secret(pair: tuple[str, str]) -> bool:
    """Whether a pair is none of a secret and a word that every answer may hold: it would seem to leak."""
    return pair[0] not in ("client_secret", "token") or pair[1] not in words


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["/oauth/token", "/oauth/introspect", "/oauth/revoke"]),
    body=st.one_of(
        st.binary(max_size=60), st.lists(st.tuples(names, odd).filter(no_word_as_secret), max_size=6)
    ),
    pair=st.one_of(st.none(), st.binary(max_size=40), st.just(b"good")),
    scheme=st.sampled_from(["Basic ", "basic ", "Bearer ", ""]),
)
def test_whatever_comes_the_answer_is_one_of_the_protocols(
    city: Any, path: str, body: Any, pair: bytes | None, scheme: str
) -> None:
    from urllib.parse import urlencode

    world, system, _ = city
    more: dict[str, Any] = {}
    if pair is not None:
        more["auth"] = good(system) if pair == b"good" else scheme + base64.b64encode(pair).decode()
    answer = send(world, body if isinstance(body, bytes) else urlencode(body), path=path, **more)
    assert answer.status_code in (200, 400, 401, 413, 429)
    assert isinstance(json.loads(answer.data), dict)
