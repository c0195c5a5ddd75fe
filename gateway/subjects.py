"""Whose record a call asks for, as its record says it: keyed digests, never the value. Pure.

Looked at are the filters and parameters that bear the name of a personal attribute of the dataset and name
its value. A call that reads many rows without naming one has no subject.
"""

from __future__ import annotations

from collections.abc import Iterator

from audit.questions.subject import joined, subject_digest
from gateway.calls import Call
from gateway.filters import flat, named_values
from gateway.model import Permit
from gateway.objections import Refused

PERSONAL = frozenset({"personal", "sensitive_personal"})


def subject_field(key: bytes, permit: Permit, call: Call) -> dict[str, str]:
    """Return the field `subject` of a call's record; nothing where the call names nobody."""
    if not call.query or call.code != permit.dataset_code:
        return {}
    found = joined(subject_digest(key, name, value) for name, value in _named(permit, call))
    return {} if found is None else {"subject": found}


def _named(permit: Permit, call: Call) -> Iterator[tuple[str, str]]:
    personal = {a["name"] for a in permit.attributes if a.get("sensitivity") in PERSONAL}
    asked = [(name, text) for name, text in _conditions(call) if name in personal]
    for name, text in asked:
        yield from ((name, value) for value in (_values(text) if call.kind == "table" else (text,)))
    bounds = set(asked)
    for name, text in asked:  # a range of one value
        if text.startswith("gte.") and (name, f"lte.{text[4:]}") in bounds:
            yield name, text[4:]


def _conditions(call: Call) -> Iterator[tuple[str, str]]:
    for name, text in call.query:
        if call.kind != "table":
            yield name, text
            continue
        try:
            yield from tuple(flat(name, text))
        except Refused:  # the call itself will be, in its turn
            continue


def _values(text: str) -> tuple[str, ...]:
    try:
        return named_values(text)
    except Refused:  # the call itself will be, in its turn
        return ()
