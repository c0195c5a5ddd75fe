"""What a matter is about and what it came of, with the addresses that its reader may open."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from cases.procedure import find_case
from cases.telling import link_of, name_of
from catalog.titles import titles_of
from core.codes import in_url
from core.errors import NotFound
from core.text import Text
from core.work import Work
from gateway.store import client as find_system
from gateway.store import grant_by_number
from matters import store
from matters.model import Held

Place = tuple[Text | str, str]
"""What something is called, and the address of its page: empty where the reader may not open it."""


def surroundings(work: Work, held: Held) -> dict[str, Any]:
    """Return the datasets (`Place`s), grant, application and system of a matter, and the case it came of."""
    matter = held.matter
    titles = titles_of(work, matter.datasets)
    grant = grant_by_number(work.tx, matter.grant) if matter.grant else None
    application = store.application_id(work.tx, matter.application) if matter.application else None
    system = find_system(work.tx, matter.client) if matter.client else None
    return {
        "datasets": [(titles.get(c, c), f"/datasets/{in_url(c)}", in_url(c)) for c in matter.datasets],
        "grant": (matter.grant, _address(work, grant.id)) if grant else None,
        "application": (matter.application, _address(work, application)) if application else None,
        "system": system.name if system else None,
        "origin": _origin(work, matter.origin),
    }


def subjects_of(work: Work, rows: Collection[Held]) -> dict[str, str]:
    """Return in a line what each matter of a list is about, by its id: its datasets, else its system."""
    titles = titles_of(work, {code for held in rows for code in held.matter.datasets})
    systems = {id: find_system(work.tx, id) for id in {h.matter.client for h in rows if h.matter.client}}
    named = {}
    for matter, _ in rows:
        system = systems[matter.client] if matter.client else None
        about = [titles.get(code, code) for code in matter.datasets]
        named[matter.id] = "、".join(about or ([system.name] if system else []))
    return named


def _address(work: Work, case_id: str) -> str:
    try:
        return link_of(find_case(work, case_id))
    except NotFound:
        return ""


def _origin(work: Work, case_id: str | None) -> Place | None:
    """Return the case that called for the matter; nothing where the reader may not know of it."""
    if case_id is None:
        return None
    try:
        case = find_case(work, case_id)
    except NotFound:
        return None
    return name_of(work, case), link_of(case)
