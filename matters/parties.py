"""Which department plays which role in a matter, as its rulebook says where each of them comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cases.model import in_role
from cases.procedure import seats
from core.work import Work
from matters.model import Subject
from rules.rulebook import Rulebook
from rules.workflow import Opening


def departments_of(
    work: Work, book: Rulebook, opening: Opening, subject: Subject, fields: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Return the roles of a new matter and who plays them; a role that nobody plays is left out."""
    found = {
        role: _from(source, role, work, book, opening, subject, fields)
        for role, source in opening.parties.items()
    }
    return {role: sorted(set(departments)) for role, departments in found.items() if departments}


def _from(
    source: str,
    role: str,
    work: Work,
    book: Rulebook,
    opening: Opening,
    subject: Subject,
    fields: Mapping[str, Any],
) -> tuple[str, ...]:
    if source == "seat":
        return seats(work, role)
    if source in ("named", "named_or_opener"):
        named = _named(book, opening, fields)
        return named if named or source == "named" else _opener(work, role)
    if source == "users":
        return _affected(work, role, subject)
    known = tuple(d for case in subject.cases for d in in_role(case.parties, role))
    if source == "subject" and known:
        return known
    return _opener(work, role)


def _named(book: Rulebook, opening: Opening, fields: Mapping[str, Any]) -> tuple[str, ...]:
    wanted = (n for n in (*opening.requires, *opening.accepts) if book.fields[n].type == "department")
    return tuple(fields[name] for name in wanted if name in fields)


def _opener(work: Work, role: str) -> tuple[str, ...]:
    """Return the department of who opens the matter, if it can play the role there."""
    held = work.settings.departments.get(work.actor.department)
    plays = role == "member" or work.actor.has(role)
    return (work.actor.department,) if held is not None and plays else ()


def _affected(work: Work, role: str, subject: Subject) -> tuple[str, ...]:
    """Return whom it concerns: users and providers of the datasets named, or of the whole platform."""
    if not subject.datasets:
        return tuple(d.id for d in work.settings.departments.values() if role in d.roles)
    if role == "consumer":
        return tuple(u for code in subject.datasets for u in work.users_of(work.tx, code))
    return tuple(d for case in subject.cases for d in in_role(case.parties, role))
