"""The access log as auditors read it: searched, opened, verified, and each look at it on record itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
from flask import current_app

from audit.calls import records_of_call
from audit.checking.evidence import Step, examine
from audit.columns.coverage import coverage
from audit.columns.engine import attempted, engine_of
from audit.keeping.finding import find_anywhere, folder_of
from audit.keeping.gone import refuse_erased
from audit.keeping.past import past_log, past_logs
from audit.log import record
from audit.note import BadNote
from audit.place import log_folder
from audit.proofs import cosigned_checkpoint, not_sealed_yet, prove_inclusion, published_checkpoint
from audit.query import Filters, Found, FoundPage, envelope_of
from audit.questions.present import coverage_words
from audit.reading import QUERY, open_record, search_records
from audit.sealer import HEARTBEAT
from audit.searching import read_filters, shortcuts
from audit.signing import log_signers
from audit.stamping.stamps import read_authority
from audit.usage.parties import prove_as_party
from audit.witness.policy import policy_of
from audit.wording import DECISIONS, FIELDS, KINDS, NAMES, REASONS, TONES, told
from core.errors import ConfigError, Conflict, Gone, Invalid, NotFound
from core.text import Text
from core.work import Work
from web.pages import File, Page, Pages, Seen
from web.words import department

pages = Pages("audit")

AUDITOR = frozenset({"auditor"})
PAGE = 50
_PLACES = frozenset({"cursor", "lang"})
"""What an address holds that is no filter."""
ALL = "all"
"""The switch that shows heartbeats and one's own look-ups among the records."""


# --- search ---------------------------------------------------------------------------------------


@pages.show("/records", who=AUDITOR, summary=Text("访问日志", "Access log"))
def records(work: Work, seen: Seen) -> Page:
    """Search the records, the newest first; the search is put on record."""
    context: dict[str, Any] = {
        **words_of_records(work),
        "departments": {d.id: d.name for d in work.settings.departments.values()},
        "shortcuts": shortcuts(work.now),
        "logs": {log.slug: log.origin for log in past_logs(log_folder(work.settings))},
        "asked": {k: v for k, v in seen.query.items() if v and k not in _PLACES},
        "found": FoundPage((), None),
        "basis": None,
        "reach": reach(work),
    }
    try:
        cursor, wanted = seen.query.get("cursor") or None, _wanted(work, seen)
        context["found"] = found = search_records(work, wanted, limit=PAGE, cursor=cursor)
    except Invalid as wrong:
        again = Seen(seen.query, seen.form, wrong.errors)
        return Page("audit/records.html", {**context, "seen": again}, 422)
    return Page("audit/records.html", {**context, **_basis(work, wanted, found)})


def _wanted(work: Work, seen: Seen) -> Filters:
    """Read the form: one log or all; without heartbeats and one's own look-ups unless they are asked for.

    Raises Invalid, and NotFound for a closed log that there is none of.
    """
    wanted, log = read_filters(seen.query), seen.query.get("log") or None
    if log is not None:
        past_log(log_folder(work.settings), log)
    hidden = {} if shows_all(seen.query) else {HEARTBEAT: None, QUERY: work.actor.pseudonym}
    return replace(wanted, log=log, hidden=hidden)


def shows_all(query: Mapping[str, str]) -> bool:
    """Tell whether a search asks for heartbeats and one's own look-ups too, or for one kind or person."""
    return any(query.get(name, "").strip() for name in (ALL, "kind", "actor"))


def _basis(work: Work, wanted: Filters, found: FoundPage) -> dict[str, Any]:
    """Say which part of the logs was searched, and whether that is all of it."""
    engine = engine_of(work.settings)
    seen = attempted(lambda: coverage(engine, found.logs, wanted.since, wanted.until))
    return {"basis": coverage_words(seen), "complete": seen.complete}


def words_of_records(work: Work) -> dict[str, Any]:
    """Return what the templates need to say what records are about."""

    def sentence(kind: str, body: Mapping[str, Any]) -> Text:
        return told(kind, body, department, step_of(work, body))

    return {
        "kinds": KINDS,
        "decisions": DECISIONS,
        "tones": TONES,
        "reasons": current_app.extensions.get(REASONS, {}),
        "told": sentence,
    }


def names_of(work: Work, column: str, values: Sequence[str]) -> Mapping[str, str]:
    """Return what datasets or systems with these codes are called, as far as anybody knows."""
    known = current_app.extensions.get(NAMES, {})
    found: Mapping[str, str] = known[column](work, sorted(set(values))) if column in known else {}
    return found


def names_in(work: Work, rows: Sequence[Mapping[str, Any]], by: str | None = None) -> dict[str, Any]:
    """Return what the systems and datasets in some rows are called: column to value to name.

    `by` is the column that the rows' `name` comes from.
    """
    found = {}
    for column in ("client", "dataset"):
        values = [row.get(column) for row in rows] + [row.get("name") for row in rows if by == column]
        found[column] = names_of(work, column, [value for value in values if isinstance(value, str)])
    return found


def reach(work: Work) -> dict[str, Any]:
    """Return how many records the newest checkpoint covers, and how many one that witnesses cosigned."""
    folder = log_folder(work.settings)
    try:
        _, newest = published_checkpoint(folder)
        cosigned = cosigned_checkpoint(folder)
    except (NotFound, BadNote):
        return {"size": 0, "cosigned": None}
    return {"size": newest.size, "cosigned": cosigned[1].size if cosigned else None}


def step_of(work: Work, body: Mapping[str, Any]) -> tuple[Text, Text] | None:
    """Return what a record's step and the state after it are called in the rulebook of its time."""
    try:
        book = work.rulebooks.get(body["rulebook"], body["rulebook_version"])
        flow = book.workflow(body["case_kind"])
        state = flow.states[body["to_state"]].title
    except (KeyError, ConfigError):
        return None
    steps = {t.action: t.title for t in flow.transitions}
    return steps.get(body.get("action"), Text("建立", "Open")), state


# --- one record -----------------------------------------------------------------------------------


@pages.show("/records/<id>", who=AUDITOR, summary=Text("一条记录", "One record"))
def one_record(work: Work, seen: Seen, id: str) -> Page:
    """Show a record with its body, and what proves that it stands in the log; that is put on record too."""
    return _record_page(work, open_record(work, id))


@pages.form("/records/<id>/verify", who=AUDITOR, summary=Text("核对一条记录", "Verify one record"))
def verify_record(work: Work, seen: Seen, id: str) -> Page:
    """Check a record from its body up to the witnesses, and show each step; that is put on record."""
    _, found = find_anywhere(work.tx, log_folder(work.settings), id)
    steps = _examined(work, found)
    sound = all(step.ok for step in steps)
    record(work, QUERY, {"query": {"verify": found.id, "sound": sound}, "rows": 1})
    return _record_page(work, found, steps)


def _examined(work: Work, found: Found) -> list[Step]:
    settings = work.settings
    stamps = settings.audit.timestamps
    authority = read_authority(stamps.certificates) if stamps is not None else None
    folder, policy = log_folder(settings), policy_of(settings)
    if found.log is None:
        return examine(folder, log_signers(settings).verifiers, policy, found, authority)
    log = past_log(folder, found.log)
    return examine(log.folder, log.verifiers, policy, found, authority)


def _record_page(work: Work, found: Found, steps: list[Step] | None = None) -> Page:
    body = {k: v for k, v in found.body.items() if v is not None}
    context = {
        **words_of_records(work),
        "found": found,
        "body": body,
        "named": [(title, name, body[name]) for name, title in FIELDS.items() if name in body],
        "pretty": pretty(body),
        "names": names_in(work, [body]),
        "related": records_of_call(work.tx, engine_of(work.settings), found),
        "erasure": _erasure(work, found),
        "steps": steps,
        **_evidence(work, found),
    }
    return Page("audit/record.html", context)


def pretty(body: Mapping[str, Any]) -> str:
    """Return a body as JSON to be read; signs that do not show are escaped, as JSON may have it."""
    text = orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()
    return "".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text)


def _escaped(sign: str) -> str:
    """Return a sign as JSON escapes it: in UTF-16, so some take two."""
    raw = sign.encode("utf-16-be")
    return "".join(f"\\u{raw[at : at + 2].hex()}" for at in range(0, len(raw), 2))


def _erasure(work: Work, found: Found) -> Mapping[str, Any] | None:
    """Return the record that says why a body was erased, with its id; None for a body that is there."""
    statement = found.body.get("erased") if found.erased else None
    if statement is None:
        return None
    try:
        body = find_anywhere(work.tx, log_folder(work.settings), str(statement))[1].body
    except (NotFound, Gone):
        return {"id": statement}
    return {**body, "id": statement}


def _evidence(work: Work, found: Found) -> dict[str, Any]:
    """Return envelope, proof and checkpoint of a sealed record; nothing while no checkpoint covers it."""
    folder = folder_of(log_folder(work.settings), found.log)
    if found.log_index is None:
        return {"envelope": None, "proof": None, "reach": reach(work)}
    try:
        envelope = envelope_of(folder, found)
        proof = prove_inclusion(folder, found.log_index)
    except (Conflict, NotFound, BadNote):
        return {"envelope": None, "proof": None, "reach": reach(work)}
    return {"envelope": envelope.decode() if envelope else None, "proof": proof, "reach": reach(work)}


# --- what can be taken away -----------------------------------------------------------------------


@pages.show(
    "/records/<id>/proof", who=AUDITOR, summary=Text("下载存在性证明", "Save the proof of one record")
)
def save_proof(work: Work, seen: Seen, id: str) -> File:
    """Save the record's C2SP tlog-proof, its body gone or not; that is put on record."""
    name, text = prove_as_party(work, id)
    return File(name, "text/plain; charset=utf-8", text.encode())


@pages.show("/records/<id>/body", who=AUDITOR, summary=Text("下载正文", "Save the body of one record"))
def save_body(work: Work, seen: Seen, id: str) -> File:
    """Save the body byte for byte as it was digested; that is put on record."""
    found = open_record(work, id)
    refuse_erased(work.tx, log_folder(work.settings), found)
    return File(f"{found.id}.body.json", "application/json", found.raw)


@pages.show(
    "/records/<id>/envelope", who=AUDITOR, summary=Text("下载信封", "Save the log entry of one record")
)
def save_envelope(work: Work, seen: Seen, id: str) -> File:
    """Save the envelope byte for byte as it stands in the log; that is put on record."""
    found = open_record(work, id)
    envelope = envelope_of(folder_of(log_folder(work.settings), found.log), found)
    if envelope is None:
        raise not_sealed_yet()
    return File(f"{found.id}.envelope.json", "application/json", envelope)
