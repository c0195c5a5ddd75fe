"""The product as shipped behind nginx over TLS: one profile, some systems, and a grant for each of them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

import schemas
from accounts.tokens import issue_token
from commands.place import Place
from core.settings import load_settings, read_yaml
from demo.http import Party, bearer
from demo.prepare import prepare
from tests import leaks
from tests.clients.authority import Authority, Issued
from tests.clients.front import OWN_ADDRESS, Front
from tests.servers.conftest import Deployment
from tests.tools import CLIENTS, need, need_npm, need_venv

DRAFT = Path(__file__).parents[2] / "demo" / "data" / "divisions.yaml"
ASKED = "rows?select=code,name&street_code=eq.429005001&limit=3"
WISH = {
    "kind": "table",
    "fields": ["code", "name", "street_code"],
    "purpose": "健康档案地址规范化",
    "reasons": "现有地址为手工录入",
    "duty_basis": "基本公共卫生服务职责",
    "networks": ["127.0.0.1/32"],
}
KEYS: Mapping[str, tuple[type[Any], Any]] = {
    "ES256": (ECKey, "P-256"),
    "PS256": (RSAKey, 2048),
    "Ed25519": (OKPKey, "Ed25519"),
}
TRUST = ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
"""Where Node, Python and requests are told which authority to trust."""

Outcome = dict[str, Any]


@dataclass
class System:
    """A department's system with what it shows; `facts` are what a task says of it."""

    method: str
    facts: dict[str, Any]
    number: str
    """Of its grant."""


class Town:
    """One deployment behind its front."""

    def __init__(self, folder: Path, profile: str) -> None:
        front, town = folder / "front", folder / "town"
        front.mkdir()
        town.mkdir()
        self.place = Deployment(town)
        self.authority = Authority(front)
        self.front = Front(front, self.authority)
        self.issuer, self.gateway = self.front.url(self.front.people), self.front.url(self.front.data)
        self._configure(profile)
        self.passwords: dict[str, str] = {}
        """The one-time passwords of people, by their logins."""
        self.code = ""
        self.systems: dict[str, System] = {}

    def _configure(self, profile: str) -> None:
        """Say to the platform what docs/systems.md says under "Behind nginx"."""
        place, platform = self.place, self.place.settings.platform
        self._listens = [
            f"{host}:{port}" for host, port in (platform.control_listen, platform.gateway_listen)
        ]
        file = place.config / "platform.yaml"
        text = file.read_text(encoding="utf-8")
        for old, new in ((platform.control_url, self.issuer), (platform.gateway_url, self.gateway)):
            assert text.count(old) == 1
            text = text.replace(old, new)
        file.write_text(text + f"trusted_proxies: [{OWN_ADDRESS}/32]\n", encoding="utf-8")
        security = (
            f"security_profile: {profile}\n"
            "client_certificate_header: X-Client-Cert\n"
            "client_certificate_verdict_header: X-Client-Verify\n"
            f"client_certificate_url: {self.front.url(self.front.systems)}\n"
            "second_factor: []\n"
        )
        (place.config / "security.yaml").write_text(security, encoding="utf-8")
        place.settings = load_settings(place.config, place.data, schemas.errors)

    def start(self) -> None:
        """Start everything, and publish a dataset that systems may have."""
        self.passwords = json.loads(self.place.run("init", "--json"))
        prepare(self.place.settings)
        self.place.start("serve")
        self.front.start(*self._listens)
        for listen in self._listens:
            self.place.wait_for(f"http://{listen}/readyz")
        people = ("zhao.min", "qian.wei", "li.na")
        with Place(self.place.config, self.place.data).work() as work:
            tokens = [issue_token(work, login, hours=1) for login in people]
        self.provider, self.manager, self.consumer = (bearer(self.issuer, token) for token in tokens)
        self.code = published(self.provider)

    def stop(self) -> None:
        """Stop everything."""
        self.front.stop()
        self.place.stop()

    @property
    def url(self) -> str:
        """Some rows that every system here may have."""
        return f"{self.gateway}/share/{self.code}/{ASKED}"

    @property
    def resource(self) -> str:
        """The dataset as tokens are asked for it (RFC 8707)."""
        return f"{self.gateway}/share/{self.code}/rows"

    # --- systems ------------------------------------------------------------------------------------

    def with_secret(self) -> System:
        """A system with a secret."""
        return self._system("secret", {"auth_method": "client_secret"}, {})

    def with_key(self, algorithm: str, binding: str = "none") -> System:
        """A system that signs."""
        kind, size = KEYS[algorithm]
        key: Key = kind.generate_key(size)
        draft = {
            "auth_method": "private_key_jwt",
            "token_binding": binding,
            "public_key": key.as_dict(private=False),
        }
        facts = {"key": key.as_dict(private=True), "kid": key.thumbprint(), "algorithm": algorithm}
        return self._system(f"{algorithm}-{binding}", draft, facts)

    def with_certificate(self, shown: Issued, method: str, *, subject: str | None = None) -> System:
        """A system that shows a certificate; its tokens are bound to it."""
        named = {"tls_subject": subject} if subject else {"certificate": shown.pem}
        draft = {"auth_method": method, "token_binding": "certificate", **named}
        facts = {"certificate": str(shown.certificate), "certificate_key": str(shown.key)}
        return self._system(method, draft, facts)

    def _system(self, name: str, draft: dict[str, Any], facts: dict[str, Any]) -> System:
        if name not in self.systems:
            wish = {"name": f"居民健康档案系统 {name}", "networks": ["127.0.0.1/32"], **draft}
            made = self.consumer.call("POST", "/api/clients", wish, expect=201).json["id"]
            self.manager.call("POST", f"/api/clients/{made}/actions/approve", {})
            if draft["auth_method"] == "client_secret":
                issued = self.consumer.call("POST", f"/api/clients/{made}/credentials", {}, expect=201).json
                facts = {"secret": issued["client_secret"]}
                leaks.LEDGER.note(issued["client_secret"], "a client secret")
            number = granted(self.consumer, self.manager, self.code, made)
            self.systems[name] = System(draft["auth_method"], {"client_id": made, **facts}, number)
        return self.systems[name]

    # --- what they do -------------------------------------------------------------------------------

    def task(self, system: System, name: str, *, by: str = "details", **more: Any) -> dict[str, Any]:
        """What a client is told: who it is, and how it names the grant."""
        details = [{"type": "data_grant", "identifier": system.number}]
        words = {"authorization_details": json.dumps(details)}
        parameters = words if by == "details" else {"resource": self.resource}
        return {"name": name, "method": system.method, **system.facts, "parameters": parameters, **more}

    def do(self, client: str, tasks: Iterable[dict[str, Any]]) -> dict[str, Outcome]:
        """Have somebody else's client do tasks; return what came of each."""
        told = {"issuer": self.issuer, "gateway": self.gateway, "url": self.url, "tasks": list(tasks)}
        authority = str(self.authority.file)
        if client.endswith(".mjs"):
            runner, script = need("node"), need_npm("systems") / client
        else:
            runner, script = need_venv("systems"), CLIENTS / "systems" / client
            told["ca"] = authority
        done = subprocess.run(
            [runner, str(script)],
            input=json.dumps(told),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            env={**os.environ, **dict.fromkeys(TRUST, authority), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        assert done.returncode == 0, f"{done.stderr}\n{self.front.log()}\n{self.place.log()}"
        return dict(json.loads(done.stdout))


@contextmanager
def running(folder: Path, profile: str) -> Iterator[Town]:
    """Yield a town that is stopped in the end; until then this process trusts its authority."""
    need("/usr/sbin/nginx")
    town = Town(folder, profile)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(town.authority.file))
        try:
            town.start()
            yield town
        finally:
            town.stop()


def published(provider: Party) -> str:
    """Register, mount and publish the divisions; return the code in URL form."""
    manifest = read_yaml(DRAFT)
    mount = manifest["distributions"][0]
    code = provider.call("POST", "/api/datasets", manifest["dataset"], expect=201).json["code"]
    code = str(code).replace("/", "-")
    provider.call("PUT", f"/api/datasets/{code}/distributions/{mount['kind']}", mount)
    provider.call("POST", f"/api/datasets/{code}/actions/publish", {})
    return code


def granted(consumer: Party, manager: Party, code: str, client: str) -> str:
    """Apply and be granted; return the grant's number."""
    wish = {"dataset": code, "client": client, **WISH}
    address = f"/api/applications/{consumer.call('POST', '/api/applications', wish, expect=201).json['id']}"
    manager.call("POST", f"{address}/actions/accept", {})
    return str(manager.call("POST", f"{address}/actions/grant", {}).json["grant"]["number"])
