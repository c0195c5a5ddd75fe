"""A second factor of a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from accounts.model import PASSKEY, TOTP
from core.text import Text

KINDS = {TOTP: Text("验证器", "Authenticator app"), PASSKEY: Text("通行密钥", "Passkey")}

MOST = 5
"""Factors that a person may have."""


@dataclass(frozen=True, slots=True)
class Factor:
    """Something that a person has: an app that makes codes (RFC 6238), or a passkey (WebAuthn)."""

    id: str
    login: str
    kind: str
    name: str
    """What the person calls it."""
    secret: str
    """Of an app the shared secret, sealed; of a passkey the public key (COSE), base64url."""
    credential: str | None
    """The id of a passkey, base64url."""
    counter: int
    """Of an app the last step that a code was taken for; of a passkey how often it signed."""
    created_at: datetime
    proven_at: datetime | None
    """When the person first showed that it works; until then it opens nothing."""
    used_at: datetime | None
