"""Reads the forms of systems into the documents that the API takes. Pure.

A key is pasted whole: a JSON Web Key begins with a brace, everything else is taken for a certificate in PEM.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from core.errors import FieldError, invalid
from gateway.forms import lines
from gateway.methods import PRIVATE_KEY_JWT, SELF_SIGNED_TLS

_WAY = ("auth_method", "token_binding", "tls_subject")
_TAKES_KEY = (PRIVATE_KEY_JWT, SELF_SIGNED_TLS)


def read_system(typed: Mapping[str, str]) -> dict[str, Any]:
    """Return what was typed as a system to register (schema request/client). Raises Invalid at /key."""
    texts = {name: _text(typed, name) for name in ("name", "description", *_WAY)}
    draft = {name: text for name, text in texts.items() if text}
    key = read_key(typed) if _text(typed, "key") and draft.get("auth_method") in (None, *_TAKES_KEY) else {}
    return {**draft, **key, "networks": lines(_text(typed, "networks"))}


def read_way(typed: Mapping[str, str]) -> dict[str, Any]:
    """Return what was chosen as another authentication (schema request/client_authentication)."""
    said = {name: _text(typed, name) for name in _WAY}
    return {name: text for name, text in said.items() if text}


def read_key(typed: Mapping[str, str]) -> dict[str, Any]:
    """Return what was pasted as a key or a certificate (request/client_key). Raises Invalid at /key."""
    text, hours = _text(typed, "key"), _text(typed, "retire_after_hours")
    if not text:
        raise invalid("/key", "请粘贴公钥或证书", "paste a public key or a certificate", code="required")
    retire = {"retire_after_hours": int(hours)} if re.fullmatch("[0-9]{1,4}", hours) else {}
    if not text.startswith("{"):
        return {"certificate": text, **retire}
    try:
        return {"public_key": json.loads(text), **retire}
    except (ValueError, RecursionError) as wrong:
        raise invalid("/key", "不是完整的 JSON Web Key", "is not a whole JSON Web Key") from wrong


def at_fields(errors: Iterable[FieldError]) -> tuple[FieldError, ...]:
    """Return errors of a document at the fields of the form that it was read from, one for each."""
    fields = {"public_key": "key", "certificate": "key"}
    found: dict[str, FieldError] = {}
    for error in errors:
        first = error.pointer.split("/")[1] if "/" in error.pointer else error.pointer
        pointer = f"/{fields.get(first, first)}"
        found.setdefault(pointer, FieldError(pointer, error.message, error.code))
    return tuple(found.values())


def _text(typed: Mapping[str, str], name: str) -> str:
    return typed.get(name, "").strip()
