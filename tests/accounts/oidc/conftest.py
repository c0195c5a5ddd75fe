"""A platform that trusts a small identity provider, and somebody at a browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.settings_oidc import IdentityProvider
from core.text import Text
from core.work import SYSTEM
from tests.accounts.oidc.issuer import CLIENT, SECRET, Issuer, certificate, serve
from tests.cast import alice


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that every issuer here shows."""
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def issuer(world: Any, tls: Path) -> Iterator[Issuer]:
    """The provider that the platform knows as `city`."""
    made = Issuer(lambda: world.now)
    server = serve(made, tls)
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def provider(world: Any, issuer: Issuer, tls: Path, monkeypatch: Any) -> IdentityProvider:
    """How the deployment names it."""
    monkeypatch.setenv("CITY_SECRET", SECRET)
    named = IdentityProvider(
        "city",
        Text("市统一身份认证", "City sign-in"),
        issuer.url,
        CLIENT,
        "env:CITY_SECRET",
        None,
        ca_file=str(tls),
    )
    trust(world, named)
    return named


def trust(world: Any, *providers: IdentityProvider) -> None:
    """Have the platform know these providers; before its application is first used."""
    security = replace(world.settings.security, oidc=providers)
    platform = replace(world.settings.platform, control_url="https://share.example")
    world.settings = replace(world.settings, security=security, platform=platform)


@pytest.fixture
def linked(world: Any, provider: IdentityProvider, issuer: Issuer) -> IdentityProvider:
    """The provider's `u-1` is alice."""
    from accounts.oidc.identities import link_for
    from accounts.people import ensure_account

    with world.work(SYSTEM) as work:
        ensure_account(work, alice.login, alice.name, alice.department, alice.roles)
        link_for(work, alice.login, "city", "u-1")
    return provider
