"""What an operator types in a hurry, read as one of the values that a list has. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import invalid
from core.text import Text

MOST_NAMED = 5


def pick(typed: str, options: Mapping[str, Text], pointer: str) -> str:
    """Return the code that was meant: by code, by title in either language, or by a part of just one.

    An empty text means none and is returned as it is. Raises Invalid, naming what may have been meant.
    """
    text = typed.strip()
    if not text or text in options:
        return text
    plain = text.casefold()
    exact = [code for code, title in options.items() if plain in _names(code, title)]
    found = exact or [c for c, title in options.items() if any(plain in name for name in _names(c, title))]
    if len(found) == 1:
        return found[0]
    if not found:
        raise invalid(pointer, f"没有“{text}”", f"there is no {text!r}", code="enum")
    named = [f"{options[code].zh} {code}" for code in found[:MOST_NAMED]]
    raise invalid(
        pointer,
        f"“{text}”有多个：{'、'.join(named)}",
        f"{text!r} may be {', '.join(f'{options[code].en} {code}' for code in found[:MOST_NAMED])}",
        code="ambiguous",
    )


def _names(code: str, title: Text) -> tuple[str, ...]:
    return (code.casefold(), title.zh.casefold(), title.en.casefold())
