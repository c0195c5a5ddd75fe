"""Codes of an authenticator app (RFC 6238): SHA-1, six digits, steps of 30 seconds, as all apps make them."""

from __future__ import annotations

import hmac
import io
import re
from datetime import datetime

import pyotp
import segno

STEP_SECONDS = 30
WINDOW = 1
"""Steps before and after the present one whose codes are taken: clocks differ, and typing takes a while."""

_SIX_DIGITS = re.compile(r"[0-9]{6}")


def new_secret() -> str:
    """Return a shared secret of 160 bits in base32 (RFC 4226 section 4, R6)."""
    return pyotp.random_base32(32)


def step_of(secret: str, code: str, now: datetime, after: int) -> int | None:
    """Return the step, later than `after`, whose code this is at `now`; None when it is none of them.

    A code is good for one step and once: what was taken is not taken again (RFC 6238 section 5.2).
    """
    code = code.replace(" ", "")
    if not _SIX_DIGITS.fullmatch(code):
        return None
    present = int(now.timestamp()) // STEP_SECONDS
    maker = pyotp.TOTP(secret)
    steps = [present + d for d in range(-WINDOW, WINDOW + 1)]
    fitting = [s for s in steps if hmac.compare_digest(maker.generate_otp(s), code)]
    return next((s for s in fitting if s > after), None)


def address(secret: str, login: str, platform: str) -> str:
    """Return the ``otpauth:`` address that an app reads from the picture."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=platform)


def picture(address: str) -> str:
    """Return an address as a QR code: an SVG element to be put into a page, made here and nowhere else."""
    drawn = io.BytesIO()
    # Without a size of its own the picture fills the place that the page gives it.
    segno.make(address, error="m", micro=False).save(
        drawn, kind="svg", xmldecl=False, svgns=True, border=4, light="#fff", omitsize=True
    )
    return drawn.getvalue().decode("utf-8").strip()


def in_groups(secret: str) -> str:
    """Return a secret as people type it: four characters at a time."""
    return " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))
