"""What a deployment demands of those who come in: of systems (OAuth) and of people.

config/<name>/security.yaml     may be left out, and every key in it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from core.errors import Finding
from core.settings_oidc import IdentityProvider, oidc_of
from core.text import Text

FAPI2, STANDARD = "fapi2", "standard"

COMMANDING = frozenset({"platform_manager", "security_admin", "administrator", "auditor"})
"""The roles that manage the platform and review it (GB/T 22239-2019, 8.1.5)."""


@dataclass(frozen=True, slots=True)
class Security:
    """What `security.yaml` says, with the defaults filled in."""

    security_profile: str = STANDARD
    """`fapi2`: systems do what the FAPI 2.0 Security Profile demands (section 5.3.2)."""
    client_certificate_header: str | None = None
    """Where the trusted front puts a caller's certificate, URL-encoded PEM; None: it hands none over."""
    client_certificate_verdict_header: str | None = None
    """Where it says whether an authority vouches for the certificate: `SUCCESS`, or anything else."""
    client_certificate_url: str | None = None
    """The control plane's address for callers with a certificate; None: the same as for everybody."""

    second_factor: frozenset[str] = COMMANDING
    """Who holds one of these roles must sign in with a second factor."""
    admin_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Where people with the roles of `COMMANDING` may come from; nothing: from anywhere."""
    password_max_days: int | None = 90
    """How long a password serves before it must be changed; None: for ever."""
    account_idle_days: int | None = 90
    """After how long without a sign-in an account is shut; None: never."""
    index_digest: str = "sha256"
    """The digest of the index of callers' numbers and query codes: sha256, or sm3 (GB/T 32905)."""
    oidc: tuple[IdentityProvider, ...] = ()
    """With whom else people may sign in."""


def security_of(raw: Mapping[str, Any] | None) -> Security:
    """Read what the file says."""
    raw = raw or {}
    return Security(
        security_profile=raw.get("security_profile", STANDARD),
        client_certificate_header=raw.get("client_certificate_header"),
        client_certificate_verdict_header=raw.get("client_certificate_verdict_header"),
        client_certificate_url=raw.get("client_certificate_url"),
        second_factor=frozenset(raw.get("second_factor", COMMANDING)),
        admin_networks=tuple(ip_network(n) for n in raw.get("admin_networks", ())),
        password_max_days=raw.get("password_max_days", 90),
        account_idle_days=raw.get("account_idle_days", 90),
        index_digest=raw.get("index_digest", "sha256"),
        oidc=oidc_of(raw.get("oidc", ())),
    )


def security_faults(file: Path, security: Security, *, has_front: bool) -> Iterable[Finding]:
    """Yield what no schema can say; `has_front`: whether the deployment trusts a proxy in front of it."""
    header = "client_certificate_header"
    if security.client_certificate_header is not None and not has_front:
        yield _finding(
            file,
            header,
            "没有可信的前置代理（platform.yaml 的 trusted_proxies）,任何人都能伪造该请求头",
            "needs trusted_proxies in platform.yaml: without a trusted front anybody could write this field",
        )
    for name in ("client_certificate_verdict_header", "client_certificate_url"):
        if getattr(security, name) is not None and security.client_certificate_header is None:
            yield _finding(file, name, f"须与 {header} 一并设置", f"goes together with {header}")


def _finding(file: Path, key: str, zh: str, en: str) -> Finding:
    return Finding(str(file), f"/{key}", Text(zh, en))
