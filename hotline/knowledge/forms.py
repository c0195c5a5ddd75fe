"""Reads the console's form of an article into what writing takes, and fills it in again. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from core.times import SHANGHAI, parse_instant

_LINES, _WORDS, _SEVERAL, _INSTANTS = "basis", "keywords", "categories", ("valid_from", "valid_until")
OPTIONAL = ("keywords", "dataset", *_INSTANTS)
"""What an emptied field takes away."""


def read_form(form: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return what was typed: the basis by line, keywords parted by commas or blanks; blank is not given."""
    typed = {name: values[0].strip() for name, values in form.items() if values}
    draft: dict[str, Any] = {
        name: typed[name]
        for name in ("question", "answer", "dataset", "answers", *_INSTANTS)
        if typed.get(name)
    }
    draft["basis"] = [line.strip() for line in typed.get(_LINES, "").splitlines() if line.strip()]
    draft[_SEVERAL] = [code for code in form.get(_SEVERAL, ()) if code]
    words = [word for word in re.split(r"[\s,;\uff0c\u3001\uff1b]+", typed.get(_WORDS, "")) if word]
    if words:
        draft[_WORDS] = list(dict.fromkeys(words))
    draft["public"] = typed.get("public") == "true"
    return draft


def write_form(document: Mapping[str, Any]) -> dict[str, str]:
    """Return a wording as its form shows it, but for the topics."""
    plain = {name: str(document[name]) for name in ("question", "answer", "dataset") if name in document}
    local = {
        name: parse_instant(document[name]).astimezone(SHANGHAI).strftime("%Y-%m-%dT%H:%M")
        for name in _INSTANTS
        if name in document
    }
    public = {"public": "true"} if document.get("public") else {}
    lines, words = "\n".join(document.get(_LINES, ())), "、".join(document.get(_WORDS, ()))
    return {**plain, **local, **public, _LINES: lines, _WORDS: words}
