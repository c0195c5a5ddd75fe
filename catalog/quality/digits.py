"""Numbers with a check digit, as conditions in SQL: the resident ID and the unified social credit code. Pure.

Both are sums of weighted characters. A list for each place says what each character adds, so that DuckDB only
looks up and adds; the pattern before it has let no other character through.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from catalog.quality.days import day_pattern
from core.ids import USCC_ALPHABET, USCC_WEIGHTS

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2, 1)
"""The last is that of the check character: the sum, it included, leaves 1 when divided by 11."""
_ID_CHARACTERS = "0123456789X"
_PROVINCES = "1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]"
"""How division codes begin (GB/T 2260), and the residence permits for Hong Kong, Macao and Taiwan."""
_ID_SHAPE = f"({_PROVINCES})[0-9]{{4}}{day_pattern('')}[0-9]{{3}}[0-9X]"
_ID_FIRST_DAY = "18000101"
_USCC_SHAPE = f"[{USCC_ALPHABET}]{{18}}"


def resident_id(value: str, today: date) -> str:
    """Return the condition for a resident ID (GB 11643-1999).

    It holds for 18 characters with a division code's shape, a day of birth that exists and is not after
    `today`, and the right check character (a capital X for ten). The 15 digits of before 1999 do not pass.
    """
    total = _sum(value, _ID_CHARACTERS, _ID_WEIGHTS, 11)
    return (
        f"regexp_full_match({value}, '{_ID_SHAPE}') "
        f"AND {value}[7:14] BETWEEN '{_ID_FIRST_DAY}' AND '{today:%Y%m%d}' AND ({total}) % 11 = 1"
    )


def uscc(value: str) -> str:
    """Return the condition for a unified social credit code (GB 32100-2015), that of `core.ids.is_uscc`."""
    total = _sum(value, USCC_ALPHABET, [*USCC_WEIGHTS, 1], 31)
    return f"regexp_full_match({value}, '{_USCC_SHAPE}') AND ({total}) % 31 = 0"


def _sum(value: str, characters: str, weights: Sequence[int], modulus: int) -> str:
    """Return the sum of the places of `characters`, weighted, each part of it already reduced."""
    return " + ".join(
        f"{_parts(characters, weight, modulus)}[ascii({value}[{i}])]" for i, weight in enumerate(weights, 1)
    )


def _parts(characters: str, weight: int, modulus: int) -> str:
    """Return the list that says, by code point, what a character adds (lists count from 1)."""
    places = (max(0, characters.find(chr(point))) for point in range(1, ord("Z") + 1))
    return str([place * weight % modulus for place in places])
