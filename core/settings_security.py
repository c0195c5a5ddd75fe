"""What a deployment demands of those who come in: of systems (OAuth) and of people.

config/<name>/security.yaml     may be left out, and every key in it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import Finding

FAPI2, STANDARD = "fapi2", "standard"


@dataclass(frozen=True, slots=True)
class Security:
    """What `security.yaml` says, with the defaults filled in."""

    security_profile: str = STANDARD
    """`fapi2`: systems do what the FAPI 2.0 Security Profile demands (section 5.3.2)."""


def security_of(raw: Mapping[str, Any] | None) -> Security:
    """Read what the file says."""
    raw = raw or {}
    return Security(raw.get("security_profile", STANDARD))


def security_faults(file: Path, security: Security) -> Iterable[Finding]:
    """Yield what no schema can say."""
    return ()
