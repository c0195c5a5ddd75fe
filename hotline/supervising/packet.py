"""The packet: what is known of a ticket when it is urged, supervised or referred, and never who called.

It is put together once, when the supervision is opened, and kept sealed as it was; its digest goes on record.
It holds the masked summary, codes and instants. Of what people wrote it holds the unit's explanation of
lateness alone, with everything in it that looks like a person's number struck out.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from cases.model import Case, Event, in_role
from cases.present import clock_view, department_view, label, step_title
from cases.sealed import open_fields
from cases.store import cases_by_id
from cases.timing import book_of, clocks
from core.envelope import open_sealed, rewrap, seal
from core.errors import Unavailable
from core.text import Text
from core.times import local_iso
from core.work import SYSTEM, Work
from hotline import store as tickets
from hotline.accountability import EXPLANATION, RETURN_REFUSED, findings_of
from hotline.book import coded
from hotline.callers import open_caller
from hotline.masking import masked_text
from hotline.model import Held
from hotline.supervising import store
from hotline.supervising.model import Packet
from hotline.supervising.store import Sealed
from rules.rulebook import Rulebook
from rules.values import FieldRule

COUNTED = (RETURN_REFUSED, "returned", "extended", "redone", "dissatisfied", "urged")
"""The events whose number a packet states."""


def assemble(work: Work, held: Held, said: Mapping[str, Any], origin: Case | None) -> Packet:
    """Put the packet of a ticket together as of now.

    `origin` is the case that calls for it, `said` what was said there, such as the clock that ran out.
    """
    own = work.acting_as(SYSTEM)
    book, _ = book_of(own, held.case)
    document = {
        "assembled_at": local_iso(work.now),
        "ticket": _ticket(own, held, book),
        "occasion": _occasion(own, said, origin),
        "clocks": [clock_view(c, book.events) for c in clocks(own, held.case)],
        "breaches": list(_breaches(own, held.case, book)),
        "steps": [_step(own, e, step_title(own, held.case, e), book) for e in held.case.events],
        "counts": _counts(held.case),
        "ratings": list(_ratings(own, held, book)),
        "unmaskings": _unmaskings(own, held),
        "matter": _matter(own, held),
        "supervisions": list(_earlier(own, held)),
        "findings": [
            {"code": f.code, "title": label(f.title), "flag": f.flag, "cite": f.cite.as_json()}
            for f in findings_of(own, held)
        ],
        "explanations": list(_explanations(own, held)),
    }
    return Packet(document, hashlib.sha256(_canonical(document)).hexdigest())


def _canonical(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


# --- its parts ------------------------------------------------------------------------------------


def _ticket(work: Work, held: Held, book: Rulebook) -> dict[str, Any]:
    ticket, case = held
    _, flow = book_of(work, case)
    co_units = in_role(case.parties, "co_handler")
    return {
        "number": ticket.number,
        "summary": ticket.summary,
        "channel": _coded(book, "channels", ticket.channel),
        "category": _coded(book, "categories", ticket.category),
        "place": ticket.place or None,
        "state": label(flow.states[case.state].title),
        "facts": [
            {"title": label(rule.title), "value": _value(work, rule, case.facts[name])}
            for name, rule in book.dimensions.items()
            if name in book.policy("classify.dimensions").value and name in case.facts
        ],
        "lead": _department(work, ticket.lead),
        "co_units": [_department(work, d) for d in co_units],
        "accused": _department(work, ticket.accused),
        "handlings": ticket.handlings,
        "satisfied": ticket.satisfied,
        "hung": ticket.hung,
        **{
            name: local_iso(at) if (at := getattr(ticket, name)) else None
            for name in ("accepted_at", "dispatched_at", "fed_back_at", "closed_at")
        },
    }


def _coded(book: Rulebook, policy: str, code: str) -> dict[str, str] | None:
    """Return what a code of the book is called; itself when the book has dropped it."""
    return label(coded(book, policy).get(code, Text(code, code))) if code else None


def _department(work: Work, id: str | None) -> dict[str, str] | None:
    if not id:
        return None
    named = department_view(work, id)
    return {"zh": named["zh"], "en": named["en"]}


def _occasion(work: Work, said: Mapping[str, Any], origin: Case | None) -> dict[str, Any]:
    """Return what the packet was put together for: a limit that ran out, a step, or a person's own motion."""
    if origin is None:
        return {"kind": "person", "number": None, "clock": None, "due": None, "cite": None}
    book, _ = book_of(work, origin)
    rule = next((c for c in book.clocks if c.name == said.get("clock")), None)
    return {
        "kind": origin.kind,
        "number": origin.facts.get("number"),
        "clock": label(rule.title) if rule else None,
        "due": said.get("due") if rule else None,
        "cite": rule.cite.as_json() if rule else None,
    }


def _breaches(work: Work, case: Case, book: Rulebook) -> Iterator[dict[str, Any]]:
    """Yield the limits that were missed and are on record, in any handling, the first first."""
    now = {(c.name, c.due): c for c in clocks(work, case)}
    for (name, due), record in store.breach_records(work.tx, case.id).items():
        latest = now.get((name, due))
        rule = next(c for c in book.clocks if c.name == name)
        yield {
            "title": label(rule.title),
            "due": local_iso(due),
            "stopped_at": local_iso(latest.stopped_at) if latest and latest.stopped_at else None,
            "record": record,
            "cite": (latest.cite if latest else rule.cite).as_json(),
        }


def _step(work: Work, event: Event, title: Text, book: Rulebook) -> dict[str, Any]:
    return {
        "at": local_iso(event.at),
        "title": label(title),
        "by": _department(work, event.actor_department),
        "record": event.record_id,
        "said": [
            {"title": label(book.fields[name].title), "value": _value(work, book.fields[name], value)}
            for name, value in event.fields.items()
            if name in book.fields and _is_code(book.fields[name])
        ],
    }


def _is_code(rule: FieldRule) -> bool:
    """Tell whether a field holds no words of a person."""
    return not rule.sealed and rule.type in ("choice", "department", "instant", "integer", "boolean")


def _value(work: Work, rule: FieldRule, value: Any) -> dict[str, str]:
    """Return a value as people read it."""
    if rule.type == "choice" and value in rule.choices:
        return label(rule.choices[value])
    if rule.type == "department":
        return _department(work, str(value)) or {"zh": "", "en": ""}
    if isinstance(value, bool):
        return {"zh": "是" if value else "否", "en": "yes" if value else "no"}
    return {"zh": str(value), "en": str(value)}


def _counts(case: Case) -> dict[str, int]:
    happened = Counter(name for event in case.events for name in event.names)
    return {name: happened[name] for name in COUNTED}


def _ratings(work: Work, held: Held, book: Rulebook) -> Iterator[dict[str, Any]]:
    for rating in tickets.ratings_of(work.tx, held.ticket.id):
        yield {
            "at": local_iso(rating.at),
            "unit": _department(work, rating.unit),
            "title": _coded(book, "satisfaction.scale", rating.satisfaction),
            "satisfied": rating.satisfied,
        }


def _unmaskings(work: Work, held: Held) -> dict[str, Any]:
    seen = store.unmaskings_by_department(work.tx, held.ticket.id)
    departments = [{"department": _department(work, d), "times": n} for d, n in sorted(seen.items())]
    return {"times": sum(seen.values()), "departments": departments}


def _matter(work: Work, held: Held) -> dict[str, Any]:
    rows = store.same_matter(work.tx, held.ticket.matter_id)
    return {
        "reports": len(rows),
        "first_at": local_iso(rows[0].created_at) if rows else None,
        "numbers": [row.number for row in rows],
    }


def _earlier(work: Work, held: Held) -> Iterator[dict[str, Any]]:
    """Yield the supervisions that the ticket had before."""
    before = store.of_ticket(work.tx, held.ticket.id)
    known = cases_by_id(work.tx, [s.id for s in before])
    for supervision in before:
        _, flow = book_of(work, known[supervision.id])
        yield {
            "number": supervision.number,
            "title": label(flow.title),
            "state": label(flow.states[known[supervision.id].state].title),
            "created_at": local_iso(supervision.created_at),
        }


def _explanations(work: Work, held: Held) -> Iterator[dict[str, Any]]:
    """Yield how units explained that they were late, with what looks like a person's number struck out."""
    told = open_caller(work, held)
    for event in held.case.events:
        if EXPLANATION in event.fields:
            text = open_fields(work, held.case, {EXPLANATION: event.fields[EXPLANATION]})[EXPLANATION]
            yield {
                "at": local_iso(event.at),
                "by": _department(work, event.actor_department),
                "text": masked_text(str(text), told.values(), [told.get("name", "")]),
            }


# --- keeping it -----------------------------------------------------------------------------------


def sealed(work: Work, supervision_id: str, packet: Packet) -> Sealed:
    """Return a packet as it is kept."""
    text = _canonical(packet.document).decode()
    return Sealed(supervision_id, seal(work.settings, text, _place(supervision_id)), packet.digest)


def read_packet(work: Work, supervision_id: str) -> Packet:
    """Return the packet of a supervision; the caller has checked who asks.

    Raises Unavailable when it is not as it was put together, or its key is missing.
    """
    kept = store.packet(work.tx, supervision_id)
    text = open_sealed(work.settings, kept.sealed, _place(supervision_id)) if kept else ""
    if kept is None or hashlib.sha256(text.encode()).hexdigest() != kept.digest:
        raise Unavailable("材料缺失或已被改动", "the packet is missing or was changed")
    return Packet(json.loads(text), kept.digest)


def rewrap_packets(work: Work, after: str, limit: int = 200) -> tuple[int, str | None]:
    """Wrap the keys of packets by the platform's newest key, in the next `limit` supervisions behind `after`.

    Returns how many were written anew, and the last one looked at: None when there is none left.
    """
    kept = store.packets_after(work.tx, after, limit)
    written = 0
    for one in kept:
        again = rewrap(work.settings, one.sealed)
        if again != one.sealed:
            store.set_packet(work.tx, one.supervision_id, again)
            written += 1
    return written, kept[-1].supervision_id if kept else None


def _place(supervision_id: str) -> str:
    return f"{supervision_id}:packet"
