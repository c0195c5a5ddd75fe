"""Matters as JSON: one form for the API and for the console's pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cases.model import Attachment
from cases.present import case_row, case_view, department_view, field_view, label, parties_view
from cases.timing import book_of
from core.codes import in_url
from core.times import local_iso
from core.work import Work
from matters.acting import papers_of
from matters.model import PROCEDURES, Held
from matters.opening import procedures
from rules.rulebook import Leaf, Rulebook
from rules.workflow import Opening


def matter_view(work: Work, held: Held) -> dict[str, Any]:
    """Return a matter as JSON (schema response/matter): its parties, papers, steps and clocks."""
    return {
        **_matter(work, held),
        "parties": parties_view(work, held.case),
        "attachments": [paper_view(held.matter.id, a) for a in papers_of(work, held.case)],
        **case_view(work, held.case),
    }


def matter_row(work: Work, held: Held) -> dict[str, Any]:
    """Return a matter as a row of a list (schema response/matter_row)."""
    return {**_matter(work, held), **case_row(work, held.case)}


def _matter(work: Work, held: Held) -> dict[str, Any]:
    matter = held.matter
    _, flow = book_of(work, held.case)
    return {
        "id": matter.id,
        "number": matter.number,
        "kind": matter.workflow,
        "kind_title": label(flow.title),
        "datasets": [in_url(code) for code in matter.datasets],
        "grant": matter.grant,
        "application": matter.application,
        "client": matter.client,
        "origin": matter.origin,
        "opened_by": department_view(work, matter.opened_by) if matter.opened_by else None,
        "created_at": local_iso(matter.created_at),
    }


def paper_view(matter_id: str, paper: Attachment) -> dict[str, Any]:
    """Return a paper of a matter as JSON (schema response/application_attachment)."""
    return {
        "id": paper.id,
        "type": paper.type,
        "sealed": paper.sealed,
        "name": paper.name,
        "media_type": paper.media_type,
        "size": paper.size,
        "digest": paper.digest,
        "added_at": local_iso(paper.added_at),
        "url": f"/api/matters/{matter_id}/attachments/{paper.id}",
    }


def procedures_view(work: Work) -> list[dict[str, Any]]:
    """Return every procedure that the policies speak of: what it asks for, or that the text gives none.

    `may_open` tells whether the actor's roles can open it (schema response/procedures).
    """
    book: Rulebook = work.rulebooks.current("sharing")
    known = procedures(book)
    silent = _silent(book, known)
    return [
        *(
            _procedure(work, book, name, flow.title, flow.opens_by)
            for name, flow in known.items()
            if flow.opens_by
        ),
        *silent,
    ]


def _procedure(work: Work, book: Rulebook, name: str, title: Any, opening: Opening) -> dict[str, Any]:
    fields = (*opening.requires, *opening.accepts)
    return {
        "kind": name,
        "title": label(title),
        "open": label(opening.title),
        "may_open": not work.actor.roles.isdisjoint(opening.roles),
        "about": list(opening.about),
        "about_optional": list(opening.about_optional),
        "fields": [{**field_view(book.fields[f]), "required": f in opening.requires} for f in fields],
        "cite": opening.cite.as_json(),
    }


def _silent(book: Rulebook, known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the procedures that the text says nothing of, with the citation of its silence."""
    leaves: dict[str, Leaf] = {
        path.partition(".")[2]: leaf for path, leaf in book.policies.items() if path.startswith("procedures.")
    }
    return [
        {"kind": name, "title": label(PROCEDURES[name]), "may_open": False, "cite": leaf.cite.as_json()}
        for name, leaf in leaves.items()
        if name not in known
    ]
