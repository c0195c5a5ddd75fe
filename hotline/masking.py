"""What must not stand in a text that lists show and searches find: people's numbers, the caller's name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

STARS = "***"
_NUMBERS = (
    re.compile(r"(?<![0-9A-Za-z])[1-9]\d{5}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])\d{5}[\dXx](?![0-9A-Za-z])"),
    re.compile(r"(?<!\d)(?:\+?86[-\s]?)?1[3-9]\d(?:[-\s]?\d){8}(?!\d)"),
    re.compile(r"(?<!\d)\(?0\d{2,3}\)?[-\s]?\d{7,8}(?:[-\s转]{1,2}\d{1,6})?(?!\d)"),
    re.compile(r"(?<!\d)[2-8]\d{6,7}(?!\d)"),
    re.compile(r"(?<!\d)\d{15,19}(?!\d)"),
    re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
)
"""Identity numbers (GB 11643), mobile and fixed-line numbers, long numbers such as cards, mail addresses."""
_LEAST_NAME = 2


def masked_text(text: str, personal: Iterable[str] = ()) -> str:
    """Return a text with stars in place of numbers of people and of `personal`, the caller's own words.

    Full-width digits count as digits. A name of one character is left alone: it would star half of the text.
    """
    plain = unicodedata.normalize("NFKC", text) if _has_wide_digits(text) else text
    for word in sorted({w.strip() for w in personal}, key=len, reverse=True):
        if len(word) >= _LEAST_NAME:
            plain = re.sub(re.escape(word), STARS, plain, flags=re.IGNORECASE)
    for pattern in _NUMBERS:
        plain = pattern.sub(STARS, plain)
    return plain


def _has_wide_digits(text: str) -> bool:
    return any("０" <= c <= "９" for c in text)
