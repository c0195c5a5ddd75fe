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

FAPI2, STANDARD = "fapi2", "standard"

COMMANDING = frozenset({"platform_manager", "security_admin", "administrator", "auditor"})
"""The roles that manage the platform and review it (GB/T 22239-2019, 8.1.5)."""


@dataclass(frozen=True, slots=True)
class Security:
    """What `security.yaml` says, with the defaults filled in."""

    security_profile: str = STANDARD
    """`fapi2`: systems do what the FAPI 2.0 Security Profile demands (section 5.3.2)."""

    second_factor: frozenset[str] = COMMANDING
    """Who holds one of these roles must sign in with a second factor."""
    admin_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Where people with the roles of `COMMANDING` may come from; nothing: from anywhere."""
    password_max_days: int | None = 90
    """How long a password serves before it must be changed; None: for ever."""
    account_idle_days: int | None = 90
    """After how long without a sign-in an account is shut; None: never."""


def security_of(raw: Mapping[str, Any] | None) -> Security:
    """Read what the file says."""
    raw = raw or {}
    return Security(
        security_profile=raw.get("security_profile", STANDARD),
        second_factor=frozenset(raw.get("second_factor", COMMANDING)),
        admin_networks=tuple(ip_network(n) for n in raw.get("admin_networks", ())),
        password_max_days=raw.get("password_max_days", 90),
        account_idle_days=raw.get("account_idle_days", 90),
    )


def security_faults(file: Path, security: Security) -> Iterable[Finding]:
    """Yield what no schema can say."""
    return ()
