"""Whose record it is: of a call, the department that used data and the one that provided them."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from audit.keeping.finding import find_anywhere, folder_of, place_of
from audit.keeping.ids import kept_index
from audit.keeping.past import past_logs
from audit.log import record
from audit.place import log_folder
from audit.proofs import not_sealed_yet, prove_inclusion
from audit.query import Found
from audit.reading import QUERY, open_record
from core.errors import Gone, NotFound
from core.work import Actor, Work
from web.kit import before_answering

PARTIES = frozenset({"consumer", "provider"})
"""The roles of the departments that are party to a call, and the fields of its record that name them."""


def is_party(actor: Actor, found: Found) -> bool:
    """Tell whether a record is of a call that the actor's department made or answered.

    A consumer's role opens what the department used, a provider's what it provided.
    """
    body = found.body
    return bool(actor.department) and any(
        actor.has(role) and body.get(role) == actor.department for role in PARTIES
    )


def open_as_party(work: Work, record_id: str) -> Found:
    """Return a record for an auditor or a party to it, and put that on record.

    It may be of a closed log. Raises NotFound for everybody else, as for a record that there is none of, and
    Gone where nobody can tell any more whose it was.
    """
    if work.actor.has("auditor"):
        return open_record(work, record_id)
    folder = log_folder(work.settings)
    try:
        _, found = find_anywhere(work.tx, folder, record_id)
    except NotFound:
        if any(kept_index(place, record_id) is not None for place in _folders(folder)):
            raise _only_public(record_id) from None
        raise
    if found.erased:
        raise _only_public(found.id)
    if not is_party(work.actor, found):
        raise NotFound("没有这条记录", "no such record")
    _put_on_record(work, found.id)
    return found


def _folders(folder: Path) -> list[Path]:
    return [folder, *(log.folder for log in past_logs(folder))]


def _only_public(record_id: str) -> Gone:
    return Gone(
        f"正文已删除，无法再核实属于哪个部门；证明可公开获取：/audit/proof/{record_id}",
        f"the body is gone, and with it whose record it was; its proof is public: /audit/proof/{record_id}",
    )


def place_as_party(work: Work, record_id: str) -> tuple[Path, int | None]:
    """Return the folder and index of a record for an auditor or a party to it, and put that on record.

    Auditors get those of records whose body is gone too; whose these were nobody can tell any more. The index
    is None until the record is sealed. Raises as `open_as_party`.
    """
    folder = log_folder(work.settings)
    if not work.actor.has("auditor"):
        found = open_as_party(work, record_id)
        return folder_of(folder, found.log), found.log_index
    place = place_of(work.tx, folder, record_id)
    _put_on_record(work, record_id)
    return place


def prove_as_party(work: Work, text: str) -> tuple[str, str]:
    """Return the name of a file and the C2SP tlog-proof that it holds, for an auditor or a party to a record.

    That is put on record. Raises as `open_as_party`, and Conflict until the record is sealed.
    """
    record_id = read_id(text)
    folder, index = place_as_party(work, record_id)
    if index is None:
        raise not_sealed_yet()
    return f"{record_id}.tlog-proof", prove_inclusion(folder, index)


def read_id(text: str) -> str:
    """Return the id of a record as it is written. Raises NotFound for what is none."""
    try:
        return str(UUID(text))
    except ValueError:
        raise NotFound("没有这条记录", "no such record") from None


def _put_on_record(work: Work, record_id: str) -> None:
    before_answering(work, lambda later: record(later, QUERY, {"query": {"id": record_id}, "rows": 1}))
