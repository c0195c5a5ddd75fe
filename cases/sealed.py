"""Fields that may hold personal data: kept sealed in the history of a case, opened for its parties alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cases import store
from cases.model import Case, roles_in
from cases.timing import book_of
from core.envelope import open_sealed, rewrap, seal
from core.text import Text
from core.work import Work
from rules.rulebook import Rulebook

SEALED = "sealed"
HIDDEN = Text("（已加密）", "(sealed)")
"""What whoever is no party of a case sees in place of a sealed field."""


def seal_fields(work: Work, case_id: str, book: Rulebook, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a step as they are kept: sealed where the book says so."""
    return {
        name: {SEALED: seal(work.settings, json.dumps(value, ensure_ascii=False), _place(case_id, name))}
        if _is_sealed(book, name)
        else value
        for name, value in fields.items()
    }


def open_fields(work: Work, case: Case, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of one of the case's steps in the clear; the caller has checked who asks.

    Raises Unavailable when one was changed, moved here from elsewhere, or its key is missing.
    """
    book, _ = book_of(work, case)
    return {
        name: json.loads(open_sealed(work.settings, value[SEALED], _place(case.id, name)))
        if _is_sealed(book, name)
        else value
        for name, value in fields.items()
    }


def fields_seen(work: Work, case: Case, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of one of the case's steps as the actor may see them."""
    if roles_in(case, work.actor):
        return open_fields(work, case, fields)
    book, _ = book_of(work, case)
    return {name: " / ".join(HIDDEN) if _is_sealed(book, name) else v for name, v in fields.items()}


def rewrap_fields(work: Work, after: str, limit: int = 200) -> tuple[int, str | None]:
    """Wrap the keys of sealed fields by the platform's newest key, in the next `limit` cases behind `after`.

    Returns how many steps were written anew, and the last case looked at: None when there is none left.
    """
    ids = store.cases_after(work.tx, after, limit)
    written = 0
    for case in store.cases_by_id(work.tx, ids).values():
        book, _ = book_of(work, case)
        for event in case.events:
            again = {n: _rewrapped(work, book, n, value) for n, value in event.fields.items()}
            if again != event.fields:
                store.set_fields(work.tx, case.id, event.seq, again)
                written += 1
    return written, ids[-1] if ids else None


def _rewrapped(work: Work, book: Rulebook, name: str, value: Any) -> Any:
    return {SEALED: rewrap(work.settings, value[SEALED])} if _is_sealed(book, name) else value


def _is_sealed(book: Rulebook, name: str) -> bool:
    return name in book.fields and book.fields[name].sealed


def _place(case_id: str, name: str) -> str:
    return f"{case_id}:{name}"
