"""A system as its developer writes it: it signs assertions, proves keys and shows certificates."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from core.settings_security import Security
from gateway.changing import approve_change, ask_for_change
from gateway.clients import approve_client
from gateway.credentials import register_key, register_system
from gateway.model import Client
from tests.cast import bob, carol
from tests.conftest import World, make_world
from tests.gateway.proofs import Prover
from tests.stories import LOCAL

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CERTIFICATE, VERDICT = "X-Client-Cert", "X-Client-Verify"
FRONT = "127.0.0.9"
"""Where the trusted front of these stories stands."""


def fronted(tmp_path: Path, template: Path, **security: Any) -> World:
    """A world behind a trusted front that hands certificates over."""
    world = make_world(tmp_path, template, "sharing/qianjiang")
    given = {
        "client_certificate_header": CERTIFICATE,
        "client_certificate_verdict_header": VERDICT,
        **security,
    }
    platform = replace(world.settings.platform, trusted_proxies=(ip_network(f"{FRONT}/32"),))
    world.settings = replace(world.settings, platform=platform, security=Security(**given))
    return world


def registered(world: World, actor: Any = carol, **draft: Any) -> Client:
    """Register and approve a system with its key, certificate or subject."""
    with world.work(actor) as work:
        made = register_system(work, {"name": "居民健康档案系统", "networks": LOCAL, **draft})
    with world.work(bob) as work:
        return approve_client(work, made.id)


def keyed(world: World, prover: Prover, **draft: Any) -> Client:
    """Register and approve a system that signs with the prover's key."""
    return registered(world, **{"auth_method": "private_key_jwt", "public_key": dict(prover.jwk), **draft})


def changed_over(world: World, client: Client, key: Mapping[str, Any], **wanted: Any) -> Client:
    """Let a system change to another way of authentication, with a first key or certificate for it."""
    with world.work(carol) as work:
        ask_for_change(work, client.id, wanted)
        register_key(work, client.id, key)
    with world.work(bob) as work:
        return approve_change(work, client.id)


def assertion(
    world: World,
    prover: Prover,
    client_id: str,
    header: Mapping[str, Any] | None = None,
    **claims: Any,
) -> str:
    """Return a client assertion; what is given is put over what is right, None drops."""
    now = int(world.now.timestamp())
    said = {
        "iss": client_id,
        "sub": client_id,
        "aud": world.settings.platform.control_url,
        "jti": secrets.token_urlsafe(16),
        "iat": now,
        "exp": now + 60,
        **claims,
    }
    return prover.signed({"alg": prover.alg, "typ": "JWT", **(header or {})}, said)


def form_of(text: str, **more: str) -> str:
    """Return the form of a token request with an assertion."""
    said = {"client_assertion_type": ASSERTION, "client_assertion": text}
    return urlencode({"grant_type": "client_credentials", **said, **more})


def ask(world: World, form: str, path: str = "/oauth/token", **more: Any) -> Any:
    """Send a form to an OAuth endpoint; `peer` and `headers` among the rest."""
    base = {"REMOTE_ADDR": more.pop("peer", "192.0.2.7")}
    kind = "application/x-www-form-urlencoded"
    client = world.app.test_client()
    return client.post(path, data=form, content_type=kind, environ_base=base, headers=more.get("headers", ()))


def signed_in(world: World, prover: Prover, client: Client, **more: Any) -> Any:
    """Ask for a token with a good assertion."""
    return ask(world, form_of(assertion(world, prover, client.id)), **more)


def proven(world: World, prover: Prover, client: Client, holder: Prover, **changed: Any) -> Any:
    """Ask for a token that is bound to the holder's key, with the nonce that a first answer names."""
    url = f"{world.settings.platform.control_url}/oauth/token"

    def once(nonce: str | None) -> Any:
        proof = holder.proof("POST", url, world.now, nonce=nonce, **changed)
        return signed_in(world, prover, client, headers=[("DPoP", proof)])

    first = once(None)
    return once(first.headers["DPoP-Nonce"]) if first.json.get("error") == "use_dpop_nonce" else first


# --- certificates -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Paper:
    """A certificate and the key behind it."""

    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        """As a developer pastes it."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def shown(self, verdict: str = "SUCCESS") -> list[tuple[str, str]]:
        """The fields in which the front hands it over."""
        return [(CERTIFICATE, quote(self.pem)), (VERDICT, verdict)]


def paper(prover: Prover, name: str, now: datetime, days: int = 365) -> Paper:
    """Make a certificate that signs itself, for a subject such as ``CN=a,O=b``, from yesterday on."""
    subject = x509.Name.from_rfc4514_string(name)
    begin = now - timedelta(days=1)
    made = x509.CertificateBuilder(subject, subject, prover.private.public_key(), x509.random_serial_number())
    made = made.not_valid_before(begin).not_valid_after(begin + timedelta(days=days))
    return Paper(made.sign(prover.private, SHA256()))


def details(number: str) -> str:
    """Authorization details that name a grant."""
    return json.dumps([{"type": "data_grant", "identifier": number}])
