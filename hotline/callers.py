"""Who called: kept sealed, shown as far as the rulebook lets the viewer see, in the clear for a reason."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256, SM3
from cryptography.hazmat.primitives.hmac import HMAC

from audit.log import record
from cases.model import Case, roles_in
from cases.store import cases_by_id
from core.envelope import open_sealed, rewrap, seal
from core.errors import NotPermitted, invalid
from core.ids import new_id
from core.settings import Settings
from core.times import millis
from core.work import Actor, Work
from hotline import store
from hotline.book import UNITS
from hotline.masking import masked_text
from hotline.model import KIND, Caller, Held, Ticket
from rules.rulebook import Rulebook
from rules.visibility import masked, visible

INDEX_KEY = "phone-index.key"
LONGEST_REASON = 500
_NOT_DIGITS = re.compile(r"[^\d+]")
_ORDER = (
    "dispatcher",
    "operator",
    "supervisor",
    "leader",
    "superior",
    "business_environment",
    "discipline",
    "emergency_office",
    "handler",
    "co_handler",
)
"""Of several roles that somebody plays in a ticket the first counts."""


# --- the index of phone numbers -------------------------------------------------------------------


def plain_phone(phone: str) -> str:
    """Return a number as digits alone: without spaces and dashes, without the country's code."""
    digits = _NOT_DIGITS.sub("", unicodedata.normalize("NFKC", phone))
    for prefix in ("+86", "0086"):
        digits = digits.removeprefix(prefix)
    if len(digits) == 13 and digits.startswith("861"):
        digits = digits[2:]
    return digits.replace("+", "")


def phone_index(settings: Settings, phone: str) -> str:
    """Return the keyed digest under which a phone number is looked up (HMAC by `index_digest`, in hex).

    However a number is written, its index is the same; without the key nothing can be learnt from it.
    """
    return keyed(settings, f"phone|{plain_phone(phone)}")


def keyed(settings: Settings, text: str) -> str:
    """Return a digest of what must be recognised and not be read, in hex."""
    return _keyed(settings.keys(INDEX_KEY)[0], settings.security.index_digest, text)


def keyed_before(settings: Settings, text: str) -> list[str]:
    """Return every digest that `keyed` may have given: by any key that is kept, with either algorithm.

    What was made of words that nobody keeps, such as a query code, is recognised by these.
    """
    return [_keyed(key, name, text) for key in settings.keys(INDEX_KEY) for name in _DIGESTS]


def _keyed(key: bytes, name: str, text: str) -> str:
    made = HMAC(key, _DIGESTS[name]())
    made.update(text.encode())
    return made.finalize().hex()


_DIGESTS = {"sha256": SHA256, "sm3": SM3}
"""The setting `index_digest` to its algorithm (GB/T 32905 for SM3)."""


# --- sealed ---------------------------------------------------------------------------------------


def seal_caller(work: Work, ticket_id: str, told: Mapping[str, str]) -> str:
    """Return what a caller said of themselves, sealed for the ticket."""
    return seal(work.settings, json.dumps(told, ensure_ascii=False), f"{ticket_id}:caller")


def open_caller(work: Work, held: Held) -> dict[str, str]:
    """Return what the caller said of themselves; whoever calls this has checked who asks."""
    kept = store.caller(work.tx, held.ticket.id)
    return _opened(work, kept) if kept is not None else {}


def _opened(work: Work, kept: Caller) -> dict[str, str]:
    told: dict[str, str] = json.loads(open_sealed(work.settings, kept.sealed, f"{kept.ticket_id}:caller"))
    return told


def texts_seen(work: Work, held: Held) -> dict[str, str]:
    """Return a ticket's own words as the actor may read them, where they may read them at all.

    To a unit that is not to know the caller they do not name them either: what the caller said of themselves
    and what looks like a number of people become stars, and the recording stays with the office.
    """
    texts, kept = open_texts(work, held), store.caller(work.tx, held.ticket.id)
    if kept is None or not (relation_to(work, held) in UNITS and _in_confidence(kept)):
        return texts
    return {name: _unnamed(work, kept, text) for name, text in texts.items() if name != "recording"}


def told_outside(work: Work, held: Held, words: str) -> str:
    """Return what is said of a ticket to a department that does not handle it.

    It names nobody where the caller asked for confidence, where the ticket goes masked, and where it is a
    complaint about a department.
    """
    kept = store.caller(work.tx, held.ticket.id)
    if kept is None or not (_in_confidence(kept) or held.ticket.masked or held.ticket.accused):
        return words
    return _unnamed(work, kept, words)


def _unnamed(work: Work, kept: Caller, words: str) -> str:
    told = _opened(work, kept)
    return masked_text(words, told.values(), [told.get("name", "")])


def seal_texts(work: Work, ticket_id: str, texts: Mapping[str, str]) -> str:
    """Return what a ticket is about in the caller's own words, sealed for the ticket."""
    return seal(work.settings, json.dumps(texts, ensure_ascii=False), f"{ticket_id}:texts")


def open_texts(work: Work, held: Held) -> dict[str, str]:
    """Return a ticket's own words; whoever calls this has checked who asks."""
    kept = store.texts(work.tx, held.ticket.id)
    if kept is None:
        return {}
    opened: dict[str, str] = json.loads(open_sealed(work.settings, kept, f"{held.ticket.id}:texts"))
    return opened


# --- who sees what --------------------------------------------------------------------------------


def relation_to(work: Work, held: Held) -> str:
    """Return what the actor is to a ticket: a role of theirs in it, `accused`, `auditor` or `other`.

    Whoever is of the department complained about is `accused` whatever else they are; so is the unit that
    handles a ticket which was dispatched to it masked.
    """
    if _is_accused(work.actor, held.ticket) or _has_masked(work.actor, held.ticket, held.case):
        return "accused"
    return _role(held.case, work.actor) or ("auditor" if work.actor.has("auditor") else "other")


def _role(case: Case, actor: Actor) -> str | None:
    mine = roles_in(case, actor)
    return next((r for r in _ORDER if r in mine), None)


def _is_accused(actor: Actor, ticket: Ticket) -> bool:
    return bool(actor.department) and actor.department == ticket.accused


def _has_masked(actor: Actor, ticket: Ticket, case: Case) -> bool:
    return ticket.masked and _role(case, actor) in UNITS


def summaries_seen(work: Work, tickets: Sequence[Ticket]) -> dict[str, str]:
    """Return the summaries of tickets by id, wherever else than on their own pages they are listed.

    Whoever is `accused` (`relation_to`) is to see none: theirs are empty.
    """
    cases = cases_by_id(work.tx, [t.id for t in tickets if t.masked])
    hidden = {
        t.id
        for t in tickets
        if _is_accused(work.actor, t) or (t.id in cases and _has_masked(work.actor, t, cases[t.id]))
    }
    return {t.id: "" if t.id in hidden else t.summary for t in tickets}


def caller_seen(work: Work, held: Held) -> dict[str, Any]:
    """Return the caller as the rulebook lets the actor see them: parts are missing or masked, never clear.

    A caller who asked for confidence and did not agree to be named is not shown to the handling units.
    """
    kept = store.caller(work.tx, held.ticket.id)
    if kept is None:
        return {}
    known = {
        "anonymous": kept.anonymous,
        "confidential": kept.confidential,
        "consent": kept.consent,
    }
    relation = relation_to(work, held)
    if _is_withheld(relation, kept):
        return known
    book: Rulebook = work.rulebooks.get(held.case.rulebook, held.case.rulebook_version)
    return {**known, **_shown(book, relation, _opened(work, kept))}


def _shown(book: Rulebook, relation: str, told: Mapping[str, str]) -> dict[str, Any]:
    """Return what the rulebook lets a relation see of a caller; no screen shows any of it in the clear."""
    seen = visible(book.views["caller"], relation, told)
    return {part: masked(value) if value == told[part] else value for part, value in seen.items()}


def _is_withheld(relation: str, kept: Caller) -> bool:
    if relation in ("accused", "other", "auditor"):
        return True
    return relation in UNITS and _in_confidence(kept)


def _in_confidence(kept: Caller) -> bool:
    return kept.confidential and not kept.consent


def may_unmask(work: Work, held: Held) -> bool:
    """Tell whether the actor may see the caller in the clear, for a reason."""
    kept = store.caller(work.tx, held.ticket.id)
    relation = relation_to(work, held)
    if kept is None or _is_withheld(relation, kept):
        return False
    book: Rulebook = work.rulebooks.get(held.case.rulebook, held.case.rulebook_version)
    allowed = book.policy("visibility.unmask").value["roles"]
    return not roles_in(held.case, work.actor).isdisjoint(allowed)


def unmask(work: Work, held: Held, reason: str) -> dict[str, str]:
    """Return the caller in the clear, on record with who asked and why.

    Raises NotPermitted for whoever may not, Invalid without a reason.
    """
    book: Rulebook = work.rulebooks.get(held.case.rulebook, held.case.rulebook_version)
    if not may_unmask(work, held):
        cite = str(book.policy("visibility.unmask").cite)
        raise NotPermitted("您不能查看来电人的完整信息", "you may not see the caller in the clear", cite=cite)
    words = reason.strip()
    if not 2 <= len(words) <= LONGEST_REASON:
        raise invalid("/reason", "请写明查看的理由", "say why you need it", code="required")
    shown = open_caller(work, held)
    body = {"case": held.case.id, "case_kind": KIND, "number": held.ticket.number, "fields": sorted(shown)}
    record_id = record(work, "ticket.unmasked", body)
    made = new_id(millis(work.now))
    store.insert_unmasking(
        work.tx,
        {
            "id": made,
            "ticket_id": held.ticket.id,
            "login": work.actor.login,
            "at": work.now,
            "reason_sealed": seal(work.settings, words, f"{made}:reason"),
            "fields": sorted(shown),
            "record_id": record_id,
        },
    )
    return shown


def reason_of(work: Work, unmasking: Mapping[str, Any]) -> str:
    """Return why somebody saw a caller in the clear; whoever calls this has checked who asks."""
    return open_sealed(work.settings, unmasking["reason_sealed"], f"{unmasking['id']}:reason")


# --- the renewal of keys --------------------------------------------------------------------------


def reindex_phones(work: Work, after: str, limit: int = 500) -> tuple[int, str | None]:
    """Make the index of numbers anew by the newest key, behind the ticket `after`; see `rewrap_tickets`.

    Each number is read from what is kept sealed of its caller, and shown to nobody.
    """
    ids = store.ids_after(work.tx, after, limit)
    written = 0
    for ticket_id in ids:
        kept = store.caller(work.tx, ticket_id)
        if kept is not None and kept.phone_index is not None:
            store.set_phone_index(
                work.tx, ticket_id, phone_index(work.settings, _opened(work, kept)["phone"])
            )
            written += 1
    return written, ids[-1] if ids else None


def rewrap_tickets(work: Work, after: str, limit: int = 500) -> tuple[int, str | None]:
    """Wrap the keys of callers, texts and reasons by the platform's newest key, behind the ticket `after`.

    Returns how many were written anew, and the last ticket looked at: None when there is none left. What is
    sealed stays as it is.
    """
    ids = store.ids_after(work.tx, after, limit)
    written = 0
    for table in store.SEALED:
        for key, sealed in store.sealed_of(work.tx, table, ids):
            again = rewrap(work.settings, sealed)
            if again != sealed:
                store.set_sealed(work.tx, table, key, again)
                written += 1
    return written, ids[-1] if ids else None
