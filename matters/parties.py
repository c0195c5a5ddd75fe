"""Which department plays which role in a matter, as its rulebook says where each of them comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cases.model import in_role
from cases.procedure import seats
from core.errors import invalid
from core.work import Work
from matters.model import Subject
from rules.rulebook import Rulebook
from rules.values import pointer_to
from rules.workflow import Opening

_LACKS = {
    "provider": ("该部门不是数据提供部门", "the department is no provider of data"),
    "consumer": ("该部门不是数据使用部门", "the department is no consumer of data"),
}


def departments_of(
    work: Work, book: Rulebook, opening: Opening, subject: Subject, fields: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Return the roles of a new matter and who plays them; a role that nobody plays is left out.

    Raises Invalid at the field that names a department which cannot play the role.
    """
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
        named = _named(role, work, book, opening, fields)
        return named if named or source == "named" else _opener(work, role)
    if source == "users":
        return _affected(work, role, subject)
    played = source in ("subject", "origin")
    known = tuple(d for case in subject.cases for d in in_role(case.parties, role)) if played else ()
    if known or source == "origin":
        return known
    return _opener(work, role)


def _named(
    role: str, work: Work, book: Rulebook, opening: Opening, fields: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the departments named, if each can play the role. Raises Invalid at the field."""
    wanted = (n for n in (*opening.requires, *opening.accepts) if book.fields[n].type == "department")
    named = {name: fields[name] for name in wanted if name in fields}
    for name, department in named.items():
        held = work.settings.departments.get(department)
        if role in ("provider", "consumer") and held is not None and role not in held.roles:
            raise invalid(pointer_to(name), *_LACKS[role], code="not_the_departments")
        if "opener" in opening.parties.values() and department == work.actor.department:
            raise invalid(
                pointer_to(name), "不能是本部门", "must be another department than your own", code="own"
            )
    return tuple(named.values())


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
