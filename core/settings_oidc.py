"""Identity providers that people may sign in with (`oidc` of security.yaml)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import Finding
from core.text import Text, text_of

ALGORITHMS = ("RS256", "PS256", "ES256", "Ed25519", "EdDSA")
"""What an ID token may be signed with, unless the deployment names fewer; RFC 9864 calls EdDSA Ed25519."""


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """An OpenID provider, and as whom the platform is registered there."""

    id: str
    name: Text
    issuer: str
    client_id: str
    client_secret: str | None
    """Reference (``env:NAME`` or ``file:PATH``) to the secret that the provider gave us."""
    private_key: str | None
    """Reference to our private key in PEM form, for `private_key_jwt` in place of a secret."""
    scopes: tuple[str, ...] = ("openid",)
    algorithms: tuple[str, ...] = ALGORITHMS
    hosts: tuple[str, ...] = ()
    """Further hosts, besides the issuer's, on which the provider keeps its endpoints."""
    ca_file: str | None = None
    """Certificates to trust in place of the system's, for a provider with an authority of its own."""
    second_factor: tuple[str, ...] = ()
    """Values of `acr` or `amr` by which the provider says that it asked for two factors."""
    acr_values: tuple[str, ...] = ()
    """What is asked of the provider: how it should have people sign in."""
    max_age: int | None = None
    """How many seconds ago people may have signed in there; None: a running session of theirs will do."""
    logout: bool = True
    """Whether whoever signs out here is offered to sign out there."""


def oidc_of(raw: Sequence[Mapping[str, Any]]) -> tuple[IdentityProvider, ...]:
    """Read what the file says."""
    return tuple(_provider(entry) for entry in raw)


def _provider(raw: Mapping[str, Any]) -> IdentityProvider:
    lists = ("scopes", "algorithms", "hosts", "second_factor", "acr_values")
    given: dict[str, Any] = {name: tuple(raw[name]) for name in lists if name in raw}
    given |= {name: raw[name] for name in ("ca_file", "max_age", "logout") if name in raw}
    return IdentityProvider(
        raw["id"],
        text_of(raw["name"]),
        raw["issuer"],
        raw["client_id"],
        raw.get("client_secret"),
        raw.get("private_key"),
        **given,
    )


def oidc_faults(file: Path, providers: Sequence[IdentityProvider], control_url: str) -> Iterable[Finding]:
    """Yield what no schema can say: two of one id or issuer, no way to authenticate or two, no TLS."""
    for i, provider in enumerate(providers):
        earlier = providers[:i]
        if any(provider.id == p.id or provider.issuer == p.issuer for p in earlier):
            yield _finding(file, i, "id 或 issuer 重复", "another entry has this id or this issuer")
        if (provider.client_secret is None) == (provider.private_key is None):
            yield _finding(
                file,
                i,
                "client_secret 与 private_key 须设置其一",
                "needs either client_secret or private_key",
            )
        if "openid" not in provider.scopes:
            yield _finding(file, i, "scopes 须含 openid", "scopes must hold openid")
    if providers and not control_url.startswith("https://"):
        yield _finding(
            file,
            0,
            "须先把 control_url 设为 https 地址，登录凭据才不会经明文返回",
            "control_url must be an https address, or what proves a sign-in would come back in the clear",
        )


def _finding(file: Path, index: int, zh: str, en: str) -> Finding:
    return Finding(str(file), f"/oidc/{index}", Text(zh, en))
