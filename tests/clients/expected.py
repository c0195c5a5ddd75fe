"""What comes of a task: a token of some type, rows, and nothing more once it is revoked."""

from __future__ import annotations

from typing import Any


def served(scheme: str, *, bound: bool) -> dict[str, Any]:
    """All went well; a token that is bound is of no use to who has found it."""
    return {
        "type": scheme,
        "first": {"status": 200, "rows": 3},
        "stolen": 401 if bound else 200,
        "active": True,
        "after": 401,
        "active_after": False,
    }


def refused(error: str, status: int = 401) -> dict[str, Any]:
    """The token endpoint refused."""
    return {"refused": error, "status": status}


def spelled(outcomes: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Spell token types in one way: they are not case-sensitive (RFC 6749 section 5.1)."""
    return {n: {**o, "type": o["type"].lower()} if "type" in o else o for n, o in outcomes.items()}
