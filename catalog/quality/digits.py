"""Numbers with a check digit, as conditions in SQL: the resident ID and the unified social credit code. Pure.

Both are sums of weighted characters; as plain arithmetic they cost DuckDB a microsecond a value.
"""

from __future__ import annotations

from datetime import date

from core.ids import USCC_ALPHABET, USCC_WEIGHTS

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_DIGITS = "10X98765432"
_PROVINCES = "1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]"
"""How division codes begin (GB/T 2260), and the residence permits for Hong Kong, Macao and Taiwan."""
_ID_SHAPE = f"({_PROVINCES})[0-9]{{4}}(1[89]|20)[0-9]{{9}}[0-9X]"
_USCC_SHAPE = f"[{USCC_ALPHABET}]{{18}}"


def resident_id(value: str, today: date) -> str:
    """Return the condition for a resident ID (GB 11643-1999).

    It holds for 18 characters with a division code's shape, a day of birth that exists and is not after
    `today`, and the right check character (a capital X for ten). The 15 digits of before 1999 do not pass.
    """
    born = f"try_cast(concat({value}[7:10], '-', {value}[11:12], '-', {value}[13:14]) AS DATE)"
    total = " + ".join(f"(ascii({value}[{i}]) - 48) * {w}" for i, w in enumerate(_ID_WEIGHTS, 1))
    return (
        f"regexp_full_match({value}, '{_ID_SHAPE}') AND {born} <= DATE '{today.isoformat()}' "
        f"AND substr('{_ID_DIGITS}', ({total}) % 11 + 1, 1) = {value}[18]"
    )


def uscc(value: str) -> str:
    """Return the condition for a unified social credit code (GB 32100-2015), that of `core.ids.is_uscc`."""
    place = f"(instr('{USCC_ALPHABET}', {value}[{{}}]) - 1)"
    total = " + ".join(f"{place.format(i)} * {w}" for i, w in enumerate(USCC_WEIGHTS, 1))
    return f"regexp_full_match({value}, '{_USCC_SHAPE}') AND (({total}) + {place.format(18)}) % 31 = 0"
