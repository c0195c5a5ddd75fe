"""Passkeys (WebAuthn Level 3): what a browser is asked, and whether what it answers is sound.

The challenge is made from the session, the purpose and the time: it belongs to one browser, is good for a few
minutes, and dies with the session, which ends as soon as something is proven.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from accounts.factors.model import Factor
from core.settings import Settings

REGISTERING, CONFIRMING = "register", "confirm"

CHALLENGE_SECONDS = 300
LONGEST = 20_000
"""Characters that an answer may have."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A passkey as a browser registered it: its id, its public key (COSE), base64url, and its count."""

    credential: str
    public_key: str
    counter: int


@dataclass(frozen=True, slots=True)
class Asking:
    """One browser that is asked: its session, and when."""

    settings: Settings
    session: str
    now: datetime

    @property
    def origin(self) -> str:
        """The one origin that answers may come from."""
        parts = urlsplit(self.settings.platform.control_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def party(self) -> str:
        """The id under which passkeys are made for this platform: its host name."""
        return urlsplit(self.settings.platform.control_url).hostname or ""

    def challenges(self, purpose: str) -> tuple[bytes, bytes]:
        """Return the challenge of now, and the one before it that may still be answered."""
        slot = int(self.now.timestamp()) // CHALLENGE_SECONDS
        return self._challenge(purpose, slot), self._challenge(purpose, slot - 1)

    def _challenge(self, purpose: str, slot: int) -> bytes:
        asked = f"passkey\n{purpose}\n{self.session}\n{slot}".encode()
        return hmac.new(self.settings.key("session.key"), asked, hashlib.sha256).digest()


def are_possible(settings: Settings) -> bool:
    """Tell whether browsers make passkeys for the platform's address: a name by TLS, or this host."""
    parts = urlsplit(settings.platform.control_url)
    host = parts.hostname or ""
    if host == "localhost":
        return True
    return parts.scheme == "https" and not _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def registration_options(asking: Asking, login: str, pseudonym: str, known: Iterable[Factor]) -> str:
    """Return, as JSON, what a browser needs to make a passkey; it knows the person by a pseudonym."""
    options = webauthn.generate_registration_options(
        rp_id=asking.party,
        rp_name=asking.settings.platform.title.zh,
        user_id=bytes.fromhex(pseudonym) if _is_hex(pseudonym) else pseudonym.encode(),
        user_name=login,
        challenge=asking.challenges(REGISTERING)[0],
        exclude_credentials=_descriptors(known),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.DISCOURAGED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
    )
    return webauthn.options_to_json(options)


def confirmation_options(asking: Asking, known: Iterable[Factor]) -> str:
    """Return, as JSON, what a browser needs to sign with a passkey of a person."""
    options = webauthn.generate_authentication_options(
        rp_id=asking.party,
        challenge=asking.challenges(CONFIRMING)[0],
        allow_credentials=_descriptors(known),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


def registered(asking: Asking, answer: str) -> Registered | None:
    """Return the passkey that a browser registered; None when the answer is not sound."""
    for challenge in asking.challenges(REGISTERING):
        try:
            found = webauthn.verify_registration_response(
                credential=_document(answer),
                expected_challenge=challenge,
                expected_rp_id=asking.party,
                expected_origin=asking.origin,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError):
            continue
        return Registered(
            bytes_to_base64url(found.credential_id),
            bytes_to_base64url(found.credential_public_key),
            found.sign_count,
        )
    return None


def signed(asking: Asking, factor: Factor, answer: str) -> int | None:
    """Return the count with which a passkey signed the challenge; None when the answer is not sound.

    A count that does not grow tells of a copy (WebAuthn section 6.1.1) and is refused.
    """
    for challenge in asking.challenges(CONFIRMING):
        try:
            found = webauthn.verify_authentication_response(
                credential=_document(answer),
                expected_challenge=challenge,
                expected_rp_id=asking.party,
                expected_origin=asking.origin,
                credential_public_key=base64url_to_bytes(factor.secret),
                credential_current_sign_count=factor.counter,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError):
            continue
        return found.new_sign_count
    return None


def credential_of(answer: str) -> str | None:
    """Return the id of the passkey that an answer claims to be of."""
    try:
        claimed = _document(answer).get("id")
    except ValueError:
        return None
    return claimed if isinstance(claimed, str) else None


def credential_digest(credential: str) -> str:
    """Return what a passkey's id is looked up by."""
    return hashlib.sha256(credential.encode()).hexdigest()


def _document(answer: str) -> dict[str, object]:
    document = json.loads(answer) if len(answer) <= LONGEST else None
    if not isinstance(document, dict):
        raise ValueError("a passkey answers with a JSON object")
    return document


def _descriptors(known: Iterable[Factor]) -> list[PublicKeyCredentialDescriptor]:
    ids = (factor.credential for factor in known if factor.credential is not None)
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(id)) for id in ids]


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return True
