"""What other systems do here: hand in a request, poll for its number, read what anybody may read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from core.errors import NotFound
from core.text import Text
from core.times import local_iso
from core.work import Actor, Work
from hotline import store as tickets
from hotline.book import hotline_book
from hotline.intake import take_in
from hotline.model import WORKFLOW, Ticket
from hotline.open311 import store
from hotline.open311.documents import Document, Many
from hotline.open311.model import SOURCE, Accepted, Filters, Key, Published, Submission
from hotline.open311.services import service_name, topics
from hotline.papers import Sent, keep_sent
from rules.rulebook import Rulebook
from schemas import validate

SPECIFICATION = "http://wiki.open311.org/GeoReport_v2"


def submit(work: Work, key: Key, submission: Submission, files: Sequence[Sent] = ()) -> Accepted:
    """Take in a request of another system; one sent again under the same id is answered as the first was.

    Files that papers of a case may be are kept with it, sealed; of others the answer says that they are not.
    Raises Invalid with pointers into request/ticket for what the intake refuses.
    """
    external = f"{key.name}:{submission.external_id}" if submission.external_id else None
    if external is not None:
        known = tickets.ticket_by_external_id(work.tx, SOURCE, external)
        if known is not None:
            return _accepted(work, key, known, None)
    draft = {**submission.draft, "channel": key.channel}
    if external is not None:
        draft["external_id"] = external
    validate("request/ticket", draft)
    work = work.acting_as(key_actor(key))
    taken = take_in(work, {**draft, "source": SOURCE})
    left_out = keep_sent(work, taken.held, files)
    return _accepted(work, key, taken.held.ticket, taken.code)._replace(left_out=left_out)


def key_actor(key: Key) -> Actor:
    """Return the other system as somebody who acts, for the record."""
    return Actor(f"{SOURCE}:{key.name}", key.name, "", frozenset({"citizen"}), key.id)


def _accepted(work: Work, key: Key, ticket: Ticket, code: str | None) -> Accepted:
    if not key.batch:
        return Accepted(ticket.number, None, code)
    token = store.token_of(work.tx, ticket.id)
    if token is None:
        token = uuid4().hex  # kept as it is: it opens nothing but a public number
        store.insert_token(work.tx, token, ticket.id)
    return Accepted(None, token, None)


def accepted_document(accepted: Accepted) -> Document:
    """Return the answer to POST Service Request: a number or a token, never both."""
    known = accepted.number is not None
    handed = {"service_request_id": accepted.number} if known else {"token": accepted.token}
    node = {**handed, "service_notice": _notice(accepted), "account_id": None}
    return Document("service_requests", Many("request", [node]))


def _notice(accepted: Accepted) -> str:
    if accepted.number is None:
        words = [Text("已收到，受理后可凭 token 查到编号", "received; the token will bring its number")]
    else:
        words = [Text(f"已登记，编号 {accepted.number}", f"registered as {accepted.number}")]
    if accepted.code:
        words.append(Text(f"查询码 {accepted.code}", f"query code {accepted.code}"))
    if accepted.left_out:
        n = accepted.left_out
        words.append(Text(f"{n} 个文件未保存", f"{n} of the files sent along were not kept"))
    return f"{'；'.join(w.zh for w in words)} / {'; '.join(w.en for w in words)}"


def token_document(work: Work, token: str) -> Document:
    """Return the number that a token stands for; none while the office has not taken the request in.

    Raises NotFound for a token that was never given out.
    """
    found = store.number_of(work.tx, token) if len(token) <= 43 else None
    if found is None:
        raise NotFound("没有这个 token", "token was not found")
    handed = {"service_request_id": found.number} if found.taken_in else {}
    return Document("service_requests", Many("request", [{**handed, "token": token}]))


# --- reading ----------------------------------------------------------------------------------------


def requests_document(work: Work, filters: Filters) -> Document:
    """Return the requests that a list asks for (GET Service Requests), the newest first."""
    book = hotline_book(work)
    found = store.published(work.tx, filters, tuple(topics(book)), closed_states(book))
    return Document("service_requests", Many("request", [_request(work, book, one) for one in found]))


def request_document(work: Work, number: str) -> Document:
    """Return one request (GET Service Request). Raises NotFound for every other number, existing or not."""
    document = requests_document(work, Filters((number,), (), work.now, work.now, frozenset(), 1, 1))
    if not isinstance(document.node, Many) or not document.node.nodes:
        raise NotFound("没有这个 service_request_id", "service_request_id was not found")
    return document


def closed_states(book: Rulebook) -> tuple[str, ...]:
    """Return the states in which a request counts as closed: final, or held until its archiving."""
    states = book.workflow(WORKFLOW).states.values()
    return tuple(s.name for s in states if s.final or "held" in s.flags)


def _request(work: Work, book: Rulebook, one: Published) -> dict[str, Any]:
    """Return one request in the elements and the order of the specification.

    Where somebody is to be found stays here: addresses and positions are often the caller's own.
    """
    return {
        "service_request_id": one.number,
        "status": "closed" if one.closed else "open",
        "status_notes": _state_title(book, one.state),
        "service_name": service_name(book, one.category),
        "service_code": one.category,
        "description": one.summary,
        "agency_responsible": _agency(work, one.lead),
        "service_notice": None,
        "requested_datetime": local_iso(one.requested_at),
        "updated_datetime": local_iso(one.updated_at),
        "expected_datetime": local_iso(one.expected_at) if one.expected_at and not one.closed else None,
        "address": None,
        "address_id": one.place or None,
        "zipcode": None,
        "lat": None,
        "long": None,
        "media_url": None,
    }


def _state_title(book: Rulebook, state: str) -> str:
    known = book.workflow(WORKFLOW).states.get(state)
    return f"{known.title.zh} / {known.title.en}" if known else state


def _agency(work: Work, unit: str | None) -> str | None:
    known = work.settings.departments.get(unit or "")
    return str(known.name) if known else None


# --- discovery --------------------------------------------------------------------------------------


def discovery_document(work: Work) -> Document:
    """Return the service discovery document: one endpoint, in both formats."""
    book, platform = hotline_book(work), work.settings.platform
    changed = local_iso(store.changed_at(work.tx, book.id, book.version) or work.now)
    endpoint: Mapping[str, Any] = {
        "specification": SPECIFICATION,
        "url": f"{platform.control_url}/open311/v2",
        "changeset": changed,
        "type": "test" if platform.demo else "production",
        "formats": Many("format", ["text/xml", "application/json"]),
    }
    node = {
        "changeset": changed,
        "contact": f"{platform.title.zh} / {platform.title.en} {platform.control_url}",
        "key_service": (
            "密钥由热线机构的平台管理员签发 / the platform's administrators at the hotline office make keys"
        ),
        "endpoints": Many("endpoint", [endpoint]),
    }
    return Document("discovery", node)
