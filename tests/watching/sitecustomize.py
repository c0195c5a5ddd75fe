"""Notes the secrets that a process of a test's deployment makes, so that tests/leaks.py can look for them.

Python loads this file by itself where `PYTHONPATH` names its folder; nothing of the product knows of it.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NOTES = os.environ.get("SHUXIANG_TEST_NOTES", "")
"""The file that the notes are added to, a line each."""
_noted: set[str] = set()


def note(value: str, what: str) -> None:
    """Add a note; one write for each line, since several processes add to the file."""
    if value in _noted:
        return
    _noted.add(value)
    with open(NOTES, "ab", buffering=0) as notes:
        notes.write(json.dumps([value, what]).encode() + b"\n")


def _random() -> None:
    make = secrets.token_urlsafe

    def made(nbytes: int | None = None) -> str:
        value = make(nbytes)
        note(value, "a random secret of a process")
        return value

    secrets.token_urlsafe = made


def _tokens(module: Any) -> None:
    check = module._check

    def checked(key: bytes, random: bytes) -> Any:
        note(base64.urlsafe_b64encode(random).decode()[:42], "an access token of a process")
        return check(key, random)

    module._check = checked


def _sealed(module: Any) -> None:
    encrypt = module._encrypt

    def sealed(suite: Any, key: bytes, plain: bytes, aad: bytes) -> Any:
        if aad.endswith(b":caller"):
            from tests.leaks import personal

            for value in personal(plain):
                note(value, "what a caller said")
        return encrypt(suite, key, plain, aad)

    module._encrypt = sealed


_AFTER: dict[str, Callable[[Any], None]] = {"gateway.tokens": _tokens, "core.envelope": _sealed}


class _After(MetaPathFinder):
    """Lets the functions of `_AFTER` have their modules once these are loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module as ever, with a loader that does one thing more."""
        change = _AFTER.pop(name, None)
        found = importlib.util.find_spec(name) if change else None
        if change is None or found is None or found.loader is None:
            return None
        loader: Any = found.loader
        load = loader.exec_module

        def loaded(module: ModuleType) -> None:
            load(module)
            change(module)

        loader.exec_module = loaded
        return found


if NOTES:
    _random()
    sys.meta_path.insert(0, _After())
