"""Intake: what a citizen says becomes a ticket, classified, numbered, with everything personal sealed."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cases.model import Parties
from cases.numbers import next_number
from cases.procedure import open_case, seats
from core.errors import Conflict, FieldError, Invalid, NotFound, invalid
from core.settings_hotline import lies_within
from core.text import Text
from core.work import Work
from hotline import measures, store
from hotline.book import OFFICE, coded, entry_of, hotline_book, seated, value_of
from hotline.callers import keyed, keyed_before, phone_index, plain_phone, seal_caller, seal_texts
from hotline.masking import masked_text
from hotline.model import DOMAIN, KIND, LONGEST_SUMMARY, WORKFLOW, Caller, Held, Taken, Ticket
from hotline.search.find import index_ticket
from hotline.subjects import check_data
from hotline.tickets import ticket_by_number
from rules.check_hotline import PARTS
from rules.rulebook import Rulebook
from rules.values import pointer_to, read_facts

Draft = Mapping[str, Any]

TEXTS = ("description", "location", "occurred_at", "accused_person", "recording")
"""What is kept sealed of a draft beside the caller."""
_CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Letters and digits that nobody confuses on the telephone."""
CODE_LENGTH = 10
_FOR_NAMELESS = {
    "allowed": frozenset({"name", "phone", "address"}),
    "partial": frozenset({"name", "address"}),
}
"""What need not be said by somebody who stays anonymous, by what the rulebook says of anonymous reports."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft that the rulebook takes."""

    facts: Mapping[str, Any]
    told: Mapping[str, str]
    """What the caller said of themselves."""
    texts: Mapping[str, str]
    summary: str
    dataset: str | None
    grant: str | None
    matter_id: str | None
    """The matter that it is one more report of."""


def take_in(work: Work, draft: Draft) -> Taken:
    """Take in a ticket, on record. `draft` fits the schema request/ticket; the face adds `source` and `ip`.

    Raises Invalid with one entry for each wrong or missing part, NotFound in a deployment without a hotline.
    """
    book = hotline_book(work)
    checked = _check(work, book, draft)
    number = next_number(work, str(value_of(book, "number.prefix")))
    repeat = store.count_matter(work.tx, checked.matter_id) + 1 if checked.matter_id else 1
    case = open_case(
        work,
        kind=KIND,
        workflow=WORKFLOW,
        domain=DOMAIN,
        facts={**checked.facts, "number": number, "repeat": repeat},
        parties=_parties(work, book),
        opened_as=_opened_as(work, draft),
    )
    ticket = Ticket(
        id=case.id,
        number=number,
        channel=draft["channel"],
        source=draft.get("source", "operator"),
        external_id=draft.get("external_id"),
        summary=checked.summary,
        place=draft.get("place", ""),
        category=draft.get("category", ""),
        accused=draft.get("accused"),
        about_person="accused_person" in checked.texts,
        matter_id=checked.matter_id or case.id,
        dataset=checked.dataset,
        grant=checked.grant,
        created_by=work.actor.login,
        created_at=work.now,
        state=case.state,
    )
    held = Held(measures.note_new(work, ticket, case), case)
    code = _keep_personal(work, held, draft, checked)
    index_ticket(work, held.ticket)
    return Taken(held, code)


def _opened_as(work: Work, draft: Draft) -> str:
    """Return the role in which the ticket comes in: of the office, of a higher agency, or of nobody here."""
    return next((r for r in (*OFFICE, "superior") if work.actor.has(r)), "system")


def _parties(work: Work, book: Rulebook) -> Parties:
    """Return the departments that take part from the start, as far as this deployment has the seats."""
    found: dict[str, list[str]] = {}
    for role in sorted(seated(book.workflow(WORKFLOW))):
        try:
            found[role] = list(seats(work, role))
        except Conflict:
            continue  # a step of that seat says so when its time comes
    return found


def _keep_personal(work: Work, held: Held, draft: Draft, checked: Checked) -> str:
    """Keep the caller and the caller's words, sealed; return the query code that opens the progress."""
    code = "".join(secrets.choice(_CODE_ALPHABET) for _ in range(CODE_LENGTH))
    phone = checked.told.get("phone", "")
    caller = Caller(
        ticket_id=held.ticket.id,
        sealed=seal_caller(work, held.ticket.id, checked.told),
        phone_index=phone_index(work.settings, phone) if plain_phone(phone) else None,
        anonymous=bool(draft.get("anonymous", False)),
        confidential=bool(draft.get("confidential", False)),
        consent=bool(draft.get("consent", False)),
        code_digest=code_digest(work, held.ticket.number, code),
    )
    store.insert_caller(work.tx, caller)
    if checked.texts:
        store.insert_texts(work.tx, held.ticket.id, seal_texts(work, held.ticket.id, checked.texts))
    return code


def code_digest(work: Work, number: str, code: str) -> str:
    """Return the keyed digest of a query code; however it is spelt, the same code has the same digest."""
    return keyed(work.settings, _spelt(number, code))


def is_code(work: Work, number: str, code: str, kept: str) -> bool:
    """Tell whether a query code is the one whose digest is kept, made by any key that is still believed.

    Takes a time that tells nothing of where they differ.
    """
    made = keyed_before(work.settings, _spelt(number, code))
    return sum(hmac.compare_digest(one, kept) for one in made) > 0


def _spelt(number: str, code: str) -> str:
    return f"code|{number}|{code.strip().upper().replace('-', '').replace(' ', '')}"


# --- what the rulebook takes ----------------------------------------------------------------------


def _check(work: Work, book: Rulebook, draft: Draft) -> Checked:
    caller = {k: str(v).strip() for k, v in (draft.get("caller") or {}).items() if str(v).strip()}
    told = {k: v for k, v in {**caller, "ip": draft.get("ip") or ""}.items() if v and k in PARTS}
    texts = {k: str(draft[k]).strip() for k in TEXTS if str(draft.get(k) or "").strip()}
    wrong = [
        *_codes(work, book, draft),
        *_callers(book, draft, told),
        *_required(book, draft, told, texts),
        *_place(work, draft),
    ]
    facts = _facts(book, draft, wrong)
    if wrong:
        raise Invalid(wrong, cite=str(book.policy("intake.fields").cite))
    dataset, grant = check_data(work, draft.get("dataset"), draft.get("grant"))
    personal = [v for k, v in told.items() if k not in ("ip", "name")]
    names = [told.get("name", ""), texts.get("accused_person", "")]
    summary = masked_text(str(draft["summary"]).strip(), personal, names)[:LONGEST_SUMMARY]
    return Checked(facts, told, texts, summary, dataset, grant, _matter(work, draft))


def _codes(work: Work, book: Rulebook, draft: Draft) -> Iterator[FieldError]:
    channel = entry_of(book, "channels", draft["channel"])
    by_citizen = draft.get("source") == "citizen"
    if channel is None or (by_citizen and not channel["citizen"]):
        yield _not_listed("/channel", [*coded(book, "channels")])
    known = coded(book, "categories")
    if draft.get("category") and draft["category"] not in known:
        yield _not_listed("/category", [*known])
    origins = coded(book, "supervise.origins")
    if draft.get("origin") and draft["origin"] not in origins:
        yield _not_listed("/origin", [*origins])
    if draft.get("accused") and draft["accused"] not in work.settings.departments:
        yield FieldError("/accused", Text("没有这个部门", "there is no such department"), "unknown")


def _not_listed(pointer: str, known: list[str]) -> FieldError:
    names = "、".join(known) or "—"
    return FieldError(
        pointer, Text(f"应为 {names} 之一", f"must be one of {', '.join(known) or '—'}"), "enum"
    )


def _callers(book: Rulebook, draft: Draft, told: Mapping[str, str]) -> Iterator[FieldError]:
    """Whoever stays anonymous is not named, and only where the rulebook takes such reports."""
    if not draft.get("anonymous"):
        return
    if value_of(book, "intake.fields")["anonymous"] == "refused":
        yield FieldError(
            "/anonymous", Text("本地规则不受理匿名反映", "the rules take no anonymous reports"), "refused"
        )
    for part in ("name", "address"):
        if part in told:
            words = Text("匿名反映不登记此项", "is not kept of somebody who stays anonymous")
            yield FieldError(pointer_to("caller", part), words, "anonymous")


WHERE = {
    "name": "/caller/name",
    "phone": "/caller/phone",
    "address": "/caller/address",
    "content": "/description",
    "occurred_at": "/occurred_at",
    "location": "/location",
    "category": "/category",
}
"""What rulebooks require of an intake, to where a draft says it."""


def _required(
    book: Rulebook, draft: Draft, told: Mapping[str, str], texts: Mapping[str, str]
) -> Iterator[FieldError]:
    fields = value_of(book, "intake.fields")
    spared = _FOR_NAMELESS.get(fields["anonymous"], frozenset()) if draft.get("anonymous") else frozenset()
    known = {**told, **texts, "content": texts.get("description"), "category": draft.get("category")}
    for name in fields["required"]:
        if name not in spared and not known.get(name):
            yield FieldError(WHERE[name], Text("规定要求填写此项", "the rulebook requires it"), "required")


def _place(work: Work, draft: Draft) -> Iterator[FieldError]:
    known, place = work.settings.hotline.places, draft.get("place")
    if place and known and not any(lies_within(place, division) for division in known):
        yield FieldError("/place", Text("没有这个区划代码", "is no division of this place"), "unknown")


def _facts(book: Rulebook, draft: Draft, wrong: list[FieldError]) -> dict[str, Any]:
    """Return the facts of a new ticket: what people classified, and what the platform knows."""
    chosen = value_of(book, "classify.dimensions")
    given = draft.get("facts") or {}
    facts: dict[str, Any] = {}
    stated: dict[str, Any] = {}
    try:
        stated, facts = read_facts(book.dimensions, given), book.facts(given)
    except Invalid as refused:
        wrong += refused.errors
    others = [name for name in stated if name not in chosen]
    wrong += [FieldError(pointer_to("facts", n), _NOT_CHOSEN, "unknown") for n in others]
    own = {
        "channel": draft["channel"],
        "anonymous": bool(draft.get("anonymous", False)),
        "confidential": bool(draft.get("confidential", False)),
        "statutory": False,
        "masked": False,
        **({"origin": draft["origin"]} if draft.get("origin") else {}),
    }
    return {**facts, **own}


_NOT_CHOSEN = Text("此项由平台填写", "is filled in by the platform")


def _matter(work: Work, draft: Draft) -> str | None:
    """Return the matter that the draft says it is one more report of."""
    if not draft.get("same_matter"):
        return None
    try:
        return ticket_by_number(work, draft["same_matter"]).ticket.matter_id
    except NotFound:
        raise invalid(
            "/same_matter", "没有这个编号的工单", "there is no such ticket", code="unknown"
        ) from None
