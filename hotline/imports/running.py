"""Deals with imports: reads a table once, then its rows piece by piece, each piece in one transaction.

What is yet to be dealt with lies in pieces beside the import. A piece is taken out in the transaction that
makes its tickets, so after a sudden end nothing is lost and nothing is done twice.
"""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

from sqlalchemy.exc import OperationalError

from accounts.people import active_account
from audit.log import record
from core.envelope import open_bytes, open_sealed, seal
from core.errors import Invalid, Refusal
from core.text import Text
from core.work import SYSTEM, Actor, Work
from hotline import store as tickets
from hotline.imports import store
from hotline.imports.columns import Column, columns_of, match_header
from hotline.imports.jobs import chunk_place, file_place, value_place
from hotline.imports.model import CHUNK, DONE, FAILED, WAITING, Fault, Import, Row
from hotline.imports.rows import draft_of, faults_of
from hotline.imports.sheets import read_table
from hotline.intake import take_in
from schemas import errors as schema_errors

Begin = Callable[[], AbstractContextManager[Work]]

PAUSE_SECONDS = 1.0
BETWEEN_SECONDS = 0.02
"""How long others get the database to themselves between two pieces."""
_log = logging.getLogger(__name__)


def import_until_stopped(begin: Begin) -> None:
    """Deal with imports until SIGTERM or SIGINT; what fails is logged by its class and tried again."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.is_set():
        try:
            busy = step(begin)
        except Exception as wrong:  # what it says might quote a cell
            _log.error("an import could not go on: %s; trying again", type(wrong).__name__)
            busy = False
        stop.wait(BETWEEN_SECONDS if busy else PAUSE_SECONDS)


def step(begin: Begin, only: str | None = None) -> bool:
    """Deal with the next piece of the import that has waited longest, or of `only`; False when none waits."""
    with begin() as work:
        due = store.find(work.tx, only) if only else store.next_unfinished(work.tx)
        if due is None or due.is_finished:
            return False
    if due.state == WAITING:
        _read(begin, due)
    else:
        _deal(begin, due)
    return True


# --- reading the table ------------------------------------------------------------------------------


def _read(begin: Begin, due: Import) -> None:
    """Read a table into pieces; the table itself is deleted. Reading holds up nobody else."""
    try:
        with begin() as work:
            columns = columns_of(work)
            sealed = store.file_of(work.tx, due.id)
            if sealed is None:  # somebody else has read it meanwhile
                return
            content = open_bytes(work.settings, *sealed, file_place(due.id))
        rows = _rows(columns, content)
    except Refusal as wrong:
        with begin() as work:
            _end(work, due, FAILED, _sentence(wrong))
        return
    with begin() as work:
        if store.begin_running(work.tx, due.id, len(rows)):
            for start in range(0, len(rows), CHUNK):
                _keep_piece(work, due, rows[start : start + CHUNK])
            store.forget_file(work.tx, due.id)


def _rows(columns: Sequence[Column], content: bytes) -> list[Row]:
    """Return the rows of a table behind its header. Raises Invalid for a table that cannot be read."""
    table = read_table(content)
    header = match_header(columns, next(table, (1, []))[1])
    first_with: dict[str, int] = {}
    rows = []
    for number, cells in table:
        given = {c.key: cells[i] for i, c in header.items() if i < len(cells) and cells[i]}
        named = given.get("external_id", "")
        earlier = first_with.setdefault(named, number) if named else number
        rows.append(Row(number, given, earlier if earlier != number else None))
    return rows


def _sentence(wrong: Refusal) -> Text:
    """Return all that is wrong with a table, in one sentence."""
    if not isinstance(wrong, Invalid):
        return wrong.message
    words = [e.message for e in wrong.errors]
    return Text("；".join(w.zh for w in words), "; ".join(w.en for w in words))


def _keep_piece(work: Work, due: Import, rows: Sequence[Row]) -> None:
    first = rows[0].number
    plain = json.dumps([[r.number, r.cells, r.repeats] for r in rows], ensure_ascii=False)
    store.insert_chunk(work.tx, due.id, first, seal(work.settings, plain, chunk_place(due.id, first)))


# --- dealing with rows ------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What became of one row."""

    taken: bool = False
    repeated: bool = False
    faults: tuple[Fault, ...] = ()


def _deal(begin: Begin, due: Import) -> None:
    """Deal with the next piece of an import in one transaction, or end it when there is none left."""
    with begin() as work:
        actor = _actor(work, due)
        if actor is None:
            _end(work, due, FAILED, Text("提交人的账号已停用", "the account of who handed it in is disabled"))
            return
        piece = store.take_chunk(work.tx, due.id)
        if piece is None:
            _end(work, due, DONE)
            return
        first, sealed = piece
        plain = json.loads(open_sealed(work.settings, sealed, chunk_place(due.id, first)))
        columns = columns_of(work)
        outcomes = [_one(work.acting_as(actor), due, columns, Row(*raw)) for raw in plain]
        store.insert_faults(work.tx, _kept(work, due, [f for o in outcomes for f in o.faults]))
        taken, repeated = sum(o.taken for o in outcomes), sum(o.repeated for o in outcomes)
        store.add_counts(work.tx, due.id, taken, repeated, len(outcomes) - taken - repeated)


def _actor(work: Work, due: Import) -> Actor | None:
    """Return who handed the table in, with the roles that they have now; the platform for its own."""
    if due.created_by == SYSTEM.login:
        return SYSTEM
    known = active_account(work, due.created_by)
    return known.actor if known is not None else None


def _one(work: Work, due: Import, columns: Sequence[Column], row: Row) -> Outcome:
    if row.repeats is not None:
        words = Text(
            f"与第 {row.repeats} 行的来源编号相同", f"has the same id at its origin as row {row.repeats}"
        )
        return Outcome(faults=(Fault(row.number, "external_id", "repeated", words),))
    try:
        draft = draft_of(row, columns, due.source)
        if tickets.ticket_by_external_id(work.tx, due.source, draft["external_id"]) is not None:
            return Outcome(repeated=True)
        found = schema_errors("request/ticket", {k: v for k, v in draft.items() if k != "source"})
        if found:
            raise Invalid(found)
        with _undone(work, due.dry_run):
            take_in(work, draft)
    except Refusal as refusal:
        return Outcome(faults=tuple(faults_of(row, columns, refusal)))
    except OperationalError:
        raise
    except Exception as fault:  # one row never holds up the others
        _log.error("row %d of import %s: %s", row.number, due.id, type(fault).__name__)
        words = Text("平台内部错误，该行未处理", "a fault of the platform; this row was not dealt with")
        return Outcome(faults=(Fault(row.number, "", "internal", words),))
    return Outcome(taken=True)


class _OnlyChecked(Exception):
    """Ends a savepoint of a dry run."""


@contextmanager
def _undone(work: Work, dry_run: bool) -> Iterator[None]:
    """Run within a savepoint: undone when it fails and in a dry run, with what it left to the commit."""
    listed: list[Any] = work.tx.info.setdefault("on_commit", [])
    known = len(listed)
    try:
        with work.tx.begin_nested():
            yield
            if dry_run:
                raise _OnlyChecked
    except _OnlyChecked:
        del listed[known:]
    except BaseException:
        del listed[known:]
        raise


def _kept(work: Work, due: Import, found: Sequence[Fault]) -> list[dict[str, Any]]:
    return [_kept_fault(work, due, seq, fault) for seq, fault in enumerate(found, start=1)]


def _kept_fault(work: Work, due: Import, seq: int, fault: Fault) -> dict[str, Any]:
    row: dict[str, Any] = {
        "import_id": due.id,
        "row": fault.row,
        "seq": seq,
        "column": fault.column,
        "code": fault.code,
        "reason_zh": fault.reason.zh,
        "reason_en": fault.reason.en,
    }
    sealed = seal(work.settings, fault.value, value_place(row)) if fault.value else None
    return {**row, "sealed": sealed}


def _end(work: Work, due: Import, state: str, failure: Text | None = None) -> None:
    if not store.finish(work.tx, due.id, state, work.now, failure):
        return
    ended = store.find(work.tx, due.id) or due
    body = {"import": ended.id, "state": state, "rows": ended.rows, "dry_run": ended.dry_run}
    counts = {"taken": ended.taken, "repeated": ended.repeated, "refused": ended.refused}
    record(work, "import.finished", {**body, **counts})
