"""Other people's clients under `security_profile: standard`, over TLS and through nginx."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.authority import Issued, name_of
from tests.clients.expected import refused, served, spelled
from tests.clients.town import System, Town, running
from tests.tools import need

pytestmark = [pytest.mark.servers, pytest.mark.takes(40)]
BEARER = served("bearer", bound=False)
PROVEN = served("dpop", bound=True)
CERTIFIED = served("bearer", bound=True)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The deployment."""
    with running(tmp_path_factory.mktemp("standard"), "standard") as made:
        yield made


@pytest.fixture(scope="module")
def vouched(town: Town) -> System:
    """A system known by the subject of a certificate that the authority issued."""
    shown, subject = town.authority.issue("health-archive", rsa_bits=3072), name_of("health-archive")
    return town.with_certificate(shown, "tls_client_auth", subject=subject.rfc4514_string())


@pytest.fixture(scope="module")
def alone(town: Town) -> System:
    """A system whose certificate signed itself."""
    return town.with_certificate(town.authority.nobody("clinic"), "self_signed_tls_client_auth")


@pytest.mark.parametrize(
    "client",
    [
        "with_oauth4webapi.mjs",
        "with_openid_client.mjs",
        "with_requests_oauthlib.py",
        "with_authlib.py",
        "with_requests_oauth2client.py",
    ],
)
def test_every_client_gets_tokens_in_all_the_ways_that_it_knows(
    town: Town, vouched: System, alone: System, client: str
) -> None:
    secret = town.with_secret()
    wrong = System(secret.method, {**secret.facts, "secret": "not-the-secret"}, secret.number)
    basic, post = {"method": "client_secret_basic"}, {"method": "client_secret_post"}
    tasks: dict[str, Any] = {
        "basic": (town.task(secret, "basic", **basic), BEARER),
        "post": (town.task(secret, "post", by="resource", **post), BEARER),
        "wrong": (town.task(wrong, "wrong", **basic), refused("invalid_client")),
        "vouched": (town.task(vouched, "vouched", by="resource"), CERTIFIED),
        "alone": (town.task(alone, "alone"), CERTIFIED),
    }
    if client != "with_requests_oauthlib.py":
        for algorithm in ("ES256", "PS256", "Ed25519"):
            if (client, algorithm) == ("with_requests_oauth2client.py", "Ed25519"):
                continue  # it writes EdDSA, below
            tasks[algorithm] = (town.task(town.with_key(algorithm), algorithm), BEARER)
    if client in ("with_requests_oauth2client.py", "with_authlib.py"):
        tasks["EdDSA"] = (town.task(town.with_key("Ed25519"), "EdDSA", algorithm="EdDSA"), BEARER)
    if client not in ("with_requests_oauthlib.py", "with_authlib.py"):
        tasks["proven"] = (town.task(secret, "proven", dpop="ES256", **basic), PROVEN)
        tasks["both"] = (town.task(town.with_key("ES256", "dpop"), "both", dpop="PS256"), PROVEN)
    outcomes = spelled(town.do(client, (task for task, _ in tasks.values())))
    for name, (_, expected) in tasks.items():
        assert outcomes[name].pop("servers", [town.issuer]) == [town.issuer]
        assert outcomes[name] == expected, name


# --- curl -----------------------------------------------------------------------------------------


def curl(town: Town, *words: str) -> tuple[int, Any]:
    """Return the status and what a JSON answer says."""
    common = ("-sS", "--cacert", str(town.authority.file), "-w", "\n%{http_code}", "--max-time", "30")
    done = subprocess.run((need("curl"), *common, *words), capture_output=True, text=True, check=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body) if body.startswith("{") else body


def ask(base: str, *fields: str, endpoint: str = "token") -> list[str]:
    """The words for a form that asks an OAuth endpoint."""
    form = [*fields, *(["grant_type=client_credentials"] if endpoint == "token" else [])]
    return [f"{base}/oauth/{endpoint}", *(word for field in form for word in ("--data-urlencode", field))]


def test_curl_does_with_a_secret_what_the_documentation_says(town: Town) -> None:
    facts = town.with_secret().facts
    user = ("-u", f"{facts['client_id']}:{facts['secret']}")
    status, said = curl(town, *user, *ask(town.issuer))
    assert status == 200
    token = said["access_token"]
    call = (town.url, "-H", f"Authorization: Bearer {token}")
    status, rows = curl(town, *call)
    assert (status, len(rows["rows"])) == (200, 3)
    assert curl(town, *user, *ask(town.issuer, f"token={token}", endpoint="introspect"))[1]["active"]
    assert curl(town, *user, *ask(town.issuer, f"token={token}", endpoint="revoke"))[0] == 200
    assert curl(town, *call)[0] == 401


def test_a_certificate_opens_only_with_its_key_and_where_certificates_are_asked_for(
    town: Town, vouched: System
) -> None:
    facts = vouched.facts
    asked = (f"client_id={facts['client_id']}",)
    systems = town.front.url(town.front.systems)
    shown = ("--cert", facts["certificate"], "--key", facts["certificate_key"])
    assert curl(town, *shown, *ask(systems, *asked))[0] == 200
    assert curl(town, *ask(systems, *asked))[0] == 401
    status, said = curl(town, *shown, *ask(town.issuer, *asked))
    assert (status, said["error"]) == (401, "invalid_client"), "people's address asks for no certificate"
    assert curl(town, f"{systems}/sign-in")[0] == 404
    assert curl(town, "--path-as-is", f"{systems}/oauth/../sign-in")[0] == 404
    assert curl(town, "--path-as-is", f"{systems}/oauth/%2e%2e/sign-in")[0] == 404


def test_the_same_subject_from_another_authority_is_nobody(town: Town, vouched: System) -> None:
    other: Issued = town.authority.nobody("health-archive")
    shown = ("--cert", str(other.certificate), "--key", str(other.key))
    asked = ask(town.front.url(town.front.systems), f"client_id={vouched.facts['client_id']}")
    status, said = curl(town, *shown, *asked)
    assert (status, said["error"]) == (401, "invalid_client")


def test_fields_that_a_caller_writes_never_get_past_the_front(town: Town, vouched: System) -> None:
    with open(vouched.facts["certificate"], encoding="ascii") as file:
        escaped = file.read().replace("\n", "%0A").replace("+", "%2B").replace(" ", "%20")
    forged = ("-H", f"X-Client-Cert: {escaped}", "-H", "X-Client-Verify: SUCCESS")
    asked = (f"client_id={vouched.facts['client_id']}",)
    underscored = tuple(word.replace("X-Client-", "X_Client_") for word in forged)  # one name in WSGI
    for base in (town.issuer, town.front.url(town.front.systems)):
        for fields in (forged, underscored):
            status, said = curl(town, *fields, *ask(base, *asked))
            assert (status, said["error"]) == (401, "invalid_client")
    host, port = town.place.settings.platform.control_listen
    status, said = curl(town, *forged, *ask(f"http://{host}:{port}", *asked))
    assert (status, said["error"]) == (400, "invalid_request"), "nobody but the front may write them"


def test_the_front_speaks_nothing_that_fapi2_does_not_name(town: Town) -> None:
    """Versions, and every suite of TLS 1.2 that this OpenSSL knows, one by one (section 5.2.2)."""
    for port in (town.front.people, town.front.systems, town.front.data):
        assert handshake(town, port, ssl.TLSVersion.TLSv1_3) is not None
        assert handshake(town, port, ssl.TLSVersion.TLSv1_1) is None
        assert handshake(town, port, ssl.TLSVersion.TLSv1) is None
    known = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    known.set_ciphers("ALL:@SECLEVEL=0")
    suites = {c["name"] for c in known.get_ciphers() if c["protocol"] != "TLSv1.3"}
    assert len(suites) > 50
    taken = {s for s in suites if handshake(town, town.front.data, ssl.TLSVersion.TLSv1_2, s) is not None}
    assert taken == {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"}


def handshake(town: Town, port: int, version: ssl.TLSVersion, suites: str = "ALL") -> str | None:
    """Return the version that was agreed on, None for none."""
    context = ssl.create_default_context(cafile=str(town.authority.file))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are what is tried
        context.minimum_version = context.maximum_version = version
    context.set_ciphers(f"{suites}:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="localhost") as agreed:
                return agreed.version()
        except (ssl.SSLError, ConnectionResetError):
            return None


def test_a_name_that_is_not_ours_gets_no_answer(town: Town) -> None:
    port = town.front.people
    words = ("--resolve", f"evil.example:{port}:127.0.0.1", f"https://evil.example:{port}/")
    done = subprocess.run((need("curl"), "-sS", "-k", *words), capture_output=True, text=True, check=False)
    assert "unrecognized name" in done.stderr
    assert curl(town, "-H", "Host: evil.example", f"{town.issuer}/")[0] == 421
