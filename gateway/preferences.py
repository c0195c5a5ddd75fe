"""The Prefer field of a table call (RFC 7240): `count=exact`, answered in PostgREST's style. Pure."""

from __future__ import annotations

from gateway import objections as no
from gateway.answers import Headers
from gateway.objections import Refused

COUNT, STRICT = "count=exact", "handling=strict"
_KNOWN = frozenset({COUNT, STRICT, "handling=lenient"})


def counted(prefer: str) -> bool:
    """Tell whether the rows are to be counted.

    A preference that is not known is ignored, as are `count=planned` and `count=estimated`: there are no
    estimates here. Raises Refused (400) for one under strict handling (RFC 7240 section 4.4).
    """
    asked: dict[str, str] = {}
    for part in prefer.split(","):
        token = part.partition(";")[0].replace(" ", "").replace('"', "").lower()
        if token:
            asked.setdefault(token.partition("=")[0], token)  # the first of a name counts (section 2)
    wanted = set(asked.values())
    if STRICT in wanted and not wanted <= _KNOWN:
        raise Refused(no.PREFERENCE_NOT_MET)
    return COUNT in wanted


def content_range(offset: int, rows: int, total: int) -> Headers:
    """Return what says which rows of how many an answer holds, and that they were counted."""
    held = f"{offset}-{offset + rows - 1}" if rows > 0 else "*"
    return (("Content-Range", f"{held}/{total}"), ("Preference-Applied", COUNT))
