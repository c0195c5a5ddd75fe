"""Applications: ask for fields of a dataset, hand in papers, be decided on by whom the rulebook names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cases.attachments import add_attachment, attachments_of, read_attachment
from cases.model import Attachment, Case, roles_in
from cases.numbers import next_number
from cases.procedure import find_case, no_such, open_case, take
from cases.store import cases_by_id
from cases.timing import book_of
from catalog.datasets import find_dataset
from core.codes import code_in
from core.db import Page
from core.errors import Conflict, FieldError, Invalid, NotPermitted, invalid
from core.text import Text, text_of
from core.work import Work
from gateway import store
from gateway.asking import complete, decide, share_class
from gateway.clients import ACTIVE
from gateway.grants import open_grant
from gateway.model import Application, Client, Grant, Offer, Terms
from gateway.renewals import previous_grant
from gateway.terms import check_term, term_of
from gateway.tickets import check_ticket
from gateway.urgency import ON_BEHALF, URGENT, check_on_behalf, check_urgent
from rules.citation import Citation
from rules.rulebook import Rulebook
from rules.workflow import Transition
from schemas import validate

KIND = "application"
WITHHELD = "withheld_reason"
"""Why a decision grants less than all fields: kept as a fact of the case."""
MATERIAL = "material"
"""A paper that the dataset's provider asks for, next to those that the rulebook names."""
STATEMENT = {
    "purpose": Text("使用用途", "purpose"),
    "reasons": Text("申请理由", "reasons"),
    "duty_basis": Text("履职依据", "duty basis"),
}
DECISION = (
    "fields",
    "operations",
    "row_filter",
    "parameters",
    "networks",
    "row_limit",
    "calls_per_day",
    "calls_per_second",
    "calls_at_once",
    "term_days",
    "sensitive",
    "needs_ticket",
    "withheld_reason",
)
"""What a decision to grant may say beside the fields of the rulebook's own step (schema request/decision)."""


class Filed(NamedTuple):
    """An application, the case that moves it, and the grant that it led to, if any."""

    application: Application
    case: Case
    grant: Grant | None = None


class Demanded(NamedTuple):
    """A paper that an application must bring along."""

    type: str
    title: Text
    sealed: bool
    cite: Citation


# --- applying -------------------------------------------------------------------------------------


def apply_for_fields(work: Work, draft: Mapping[str, Any]) -> Filed:
    """Ask for the use of a published dataset: which fields, in which system, for what.

    `draft` fits request/application. With ``submit: false`` it rests as a draft, to which papers can be
    added; that it is urgent concerns nobody else before it is submitted. Raises Invalid with one entry per
    wrong field, Conflict for a dataset that is not to be had or a system that is not active.
    """
    book: Rulebook = work.rulebooks.current("sharing")
    for_another = check_on_behalf(work, draft)
    offer = _published(work, draft["dataset"])
    client = _system(work, draft["client"], for_another)
    asked = complete(draft, offer, client)
    _check_statement(book, asked)
    check_ticket(work, asked["ticket"], client.department)
    check_term(book, work.rulebooks.calendar, asked["term_days"], work.now)
    if asked[URGENT]:
        check_urgent(book, share_class(offer, asked["fields"]))
    previous = previous_grant(work, draft.get("previous_grant"), client.department, offer.code)
    number = next_number(work, "A")
    case = open_case(
        work,
        kind=KIND,
        workflow="application",
        facts={**_facts(book, number, offer, client, asked), URGENT: for_another, ON_BEHALF: for_another},
        parties={
            "consumer": client.department,
            "provider": offer.provider,
            "platform_manager": work.settings.platform.manager,
        },
        opened_as="platform_manager" if for_another else "consumer",
    )
    application = _application(work, case, number, offer, client, asked, previous)
    store.insert_application(work.tx, application)
    filed = Filed(application, case)
    return _handed_in(work, filed) if draft.get("submit", True) else filed


def _handed_in(work: Work, filed: Filed) -> Filed:
    """Submit what was just drafted. Raises Conflict where the rulebook has nobody who could decide on it."""
    _, flow = book_of(work, filed.case)
    step = flow.doing("submit", filed.case.state, {**filed.case.facts, **_urgency(filed)})
    if step is None:
        raise Conflict("没有可以受理的部门", "there is nobody to apply to", code="not_shared")
    return _submit(work, filed, step, {}, None)


def find_offer(work: Work, code: str) -> Offer:
    """Return a dataset as an applicant meets it. Raises NotFound for a code that nobody has."""
    offer = store.offer(work.tx, code)
    if offer is None:
        raise no_such("dataset")
    return offer


def open_offer(work: Work, code: str) -> Offer:
    """Return a dataset that the actor may know of and apply for.

    Raises NotFound for one that does not exist for them, Conflict for one that is not to be had.
    """
    find_dataset(work, code)
    return _published(work, code)


def _published(work: Work, code: str) -> Offer:
    offer = store.offer(work.tx, code_in(code))
    if offer is None or not (offer.is_public or offer.was_public):
        raise invalid("/dataset", "没有这个代码的数据集", "no dataset has this code", code="unknown")
    if not offer.is_public:
        raise Conflict("该数据集未在发布状态", "the dataset is not published", code="not_published")
    if not offer.shared:
        raise Conflict("该数据集不予共享", "the dataset is not shared", code="not_shared")
    return offer


def _system(work: Work, client_id: str, for_another: bool) -> Client:
    """Return the system that the data are for: of the actor's department, or of the one that they act for."""
    if not (for_another or work.actor.has("consumer")):
        raise NotPermitted("只有使用部门可以提出申请", "only consumers apply for data")
    client = store.client(work.tx, client_id)
    if client is None or not (for_another or client.department == work.actor.department):
        raise invalid("/client", "本部门没有这个系统", "your department has no such system", code="unknown")
    if client.state != ACTIVE:
        raise Conflict("该业务系统尚未启用", "the system is not active", code="client_not_active")
    return client


def _check_statement(book: Rulebook, asked: Mapping[str, Any]) -> None:
    """Refuse an application without what the rulebook wants it to state (QJ art. 13)."""
    leaf = book.policy("application.requires")
    missing = [name for name in leaf.value or () if not asked[name]]
    if missing:
        raise Invalid(
            [
                FieldError(
                    f"/{name}",
                    Text(f"请填写{STATEMENT[name].zh}", f"state the {STATEMENT[name].en}"),
                    "required",
                )
                for name in missing
            ],
            cite=str(leaf.cite),
        )


def _dimensions(book: Rulebook, offer: Offer, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the rulebook decides by, and what its tables derive from it: who decides."""
    return book.facts(
        {
            "share_class": share_class(offer, asked["fields"]),
            "controlled_params": offer.controlled_params,
            "kind": asked["kind"],
        }
    )


def _facts(
    book: Rulebook, number: str, offer: Offer, client: Client, asked: Mapping[str, Any]
) -> dict[str, Any]:
    facts = _dimensions(book, offer, asked)
    names = {"dataset": offer.code, "client": client.id, "consumer": client.department}
    own = {"provider": offer.provider, "application": number, "materials": list(offer.required_materials)}
    return {**facts, **names, **own}


def _application(
    work: Work,
    case: Case,
    number: str,
    offer: Offer,
    client: Client,
    asked: Mapping[str, Any],
    previous: str | None,
) -> Application:
    return Application(
        id=case.id,
        number=number,
        dataset_id=offer.id,
        dataset_code=offer.code,
        dataset_title=offer.title,
        client_id=client.id,
        client_name=client.name,
        consumer=client.department,
        provider=offer.provider,
        document=asked,
        previous_grant=previous,
        created_at=work.now,
    )


# --- papers ---------------------------------------------------------------------------------------


def demanded_papers(book: Rulebook, kind: str, materials: Sequence[str]) -> tuple[Demanded, ...]:
    """Return the papers that an application for this kind of distribution must bring along (GZ art. 9).

    `materials` are those that the entry lists; they count where the book makes its provider list all that
    an application needs (GZ art. 4(一)).
    """
    leaf = book.policy("application.attachments")
    entries = (leaf.value or {}).get(kind, ())
    own = book.policy("catalog.required_materials")
    return (
        *(Demanded(e["type"], text_of(e["title"]), e.get("sealed", False), leaf.cite) for e in entries),
        *(Demanded(MATERIAL, Text(name, name), False, own.cite) for name in materials if own.value),
    )


def attach(
    work: Work, application_id: str, *, type: str, sealed: bool, name: str, content: bytes
) -> Attachment:
    """Add a paper to a draft of one's own. Raises Conflict once it is submitted."""
    filed = find_application(work, application_id)
    _, flow = book_of(work, filed.case)
    if not _writes(work, filed.case):
        raise NotPermitted("只有申请部门可以添加附件", "only the applicant adds papers")
    if filed.case.state != flow.initial:
        raise Conflict("申请已提交，不能再添加附件", "it is submitted already", code="wrong_state")
    types = list(dict.fromkeys([*(d.type for d in papers_demanded(work, filed)), MATERIAL]))
    if type not in types:
        raise invalid("/type", f"应为 {'、'.join(types)} 之一", f"must be one of {', '.join(types)}")
    return add_attachment(work, filed.case, type=type, sealed=sealed, name=name, content=content)


def read_paper(work: Work, application_id: str, attachment_id: str) -> tuple[Attachment, bytes]:
    """Return a paper and its content, to whoever may see the application."""
    return read_attachment(work, find_application(work, application_id).case, attachment_id)


def _missing(demanded: Sequence[Demanded], papers: Sequence[Attachment]) -> list[Demanded]:
    """Return what no paper answers; one paper answers one demand."""
    left, missing = list(papers), []
    for wanted in demanded:
        found = next((p for p in left if p.type == wanted.type and (p.sealed or not wanted.sealed)), None)
        if found is None:
            missing.append(wanted)
        else:
            left.remove(found)
    return missing


def _check_papers(demanded: Sequence[Demanded], papers: Sequence[Attachment]) -> None:
    """Refuse to submit without the papers that are demanded; an incomplete application is not accepted."""
    missing = _missing(demanded, papers)
    if missing:
        raise Invalid(
            [
                FieldError(
                    "/attachments",
                    Text(
                        f"缺少附件：{d.title.zh}；请先存为草稿（submit: false），上传后再提交",
                        f"missing: {d.title.en}; keep a draft (submit: false), upload it, then submit",
                    ),
                    "required",
                )
                for d in missing
            ],
            cite=str(missing[0].cite),
        )


# --- seeing ---------------------------------------------------------------------------------------


def find_application(work: Work, application_id: str) -> Filed:
    """Return an application, by id, to one of its parties or an auditor. Raises NotFound for everybody else.

    A draft exists for the department that it is for, for whoever writes it, and for nobody else.
    """
    case = find_case(work, application_id, KIND)
    application = store.application(work.tx, application_id)
    if application is None or (_is_draft(work, case) and not _writes(work, case)):
        raise no_such(KIND)
    return Filed(application, case, store.grant_of_application(work.tx, application_id))


def list_applications(work: Work, state: str | None, limit: int, cursor: str | None) -> Page:
    """Return one page of the applications (`Filed`) that the actor may see, the newest first."""
    flow = work.rulebooks.current("sharing").workflow("application")
    if state is not None and state not in flow.states:
        names = ", ".join(flow.states)
        raise invalid("/state", f"应为 {names} 之一", f"must be one of {names}")
    found = store.applications_page(
        work.tx,
        work.actor,
        manager=work.settings.platform.manager,
        state=state,
        draft=flow.initial,
        limit=limit,
        cursor=cursor,
    )
    ids = [a.id for a in found.rows]
    cases, led_to = cases_by_id(work.tx, ids), store.grants_of_applications(work.tx, ids)
    return Page([Filed(a, cases[a.id], led_to.get(a.id)) for a in found.rows], found.next_cursor)


def papers_demanded(work: Work, filed: Filed) -> tuple[Demanded, ...]:
    """Return the papers that an application must bring along, as its dataset listed them when it was made."""
    book, _ = book_of(work, filed.case)
    return demanded_papers(book, filed.application.document["kind"], filed.case.facts.get("materials", ()))


def papers_of(work: Work, filed: Filed) -> tuple[Attachment, ...]:
    """Return the papers of an application, the oldest first."""
    return attachments_of(work, filed.case)


def _writes(work: Work, case: Case) -> bool:
    return case.opened_by == work.actor.login or "consumer" in roles_in(case, work.actor)


def _is_draft(work: Work, case: Case) -> bool:
    return case.state == book_of(work, case)[1].initial


# --- acting ---------------------------------------------------------------------------------------


def act_on_application(
    work: Work,
    application_id: str,
    action: str,
    fields: Mapping[str, Any],
    expect_version: int | None = None,
) -> Filed:
    """Take a step of the rulebook: submit, accept, forward, grant, refuse, inform, withdraw.

    The step that grants opens the grant in the same transaction; what it says on the terms narrows what was
    asked for.
    """
    filed = find_application(work, application_id)
    _, flow = book_of(work, filed.case)
    step = flow.find(filed.case.state, action, filed.case.facts)
    if step is not None and step.does == "submit":
        return _submit(work, filed, step, fields, expect_version)
    if step is not None and step.does == "grant":
        return _grant(work, filed, step, fields, expect_version)
    case = take(work, filed.case, action, fields, expect_version=expect_version)
    return filed._replace(case=case)


def _submit(
    work: Work, filed: Filed, step: Transition, fields: Mapping[str, Any], expect_version: int | None
) -> Filed:
    if _is_draft(work, filed.case):
        _check_papers(papers_demanded(work, filed), papers_of(work, filed))
    case = take(work, filed.case, step.action, fields, facts=_urgency(filed), expect_version=expect_version)
    return filed._replace(case=case)


def _urgency(filed: Filed) -> dict[str, bool]:
    return {URGENT: bool(filed.application.document.get(URGENT, False))}


def _grant(
    work: Work, filed: Filed, step: Transition, fields: Mapping[str, Any], expect_version: int | None
) -> Filed:
    decision = {name: value for name, value in fields.items() if name in DECISION and value is not None}
    own = {name: value for name, value in fields.items() if name not in DECISION}
    said = {WITHHELD: decision[WITHHELD]} if WITHHELD in decision else {}
    case = take(work, filed.case, step.action, own, facts=said, expect_version=expect_version)
    validate("request/decision", decision)
    application = filed.application
    book, _ = book_of(work, case)
    offer = _still_offered(work, application)
    _check_decider(book, case, offer, application)
    terms = decide(application.document, decision, offer)
    _check_withheld(application, terms, decision)
    term = term_of(
        book,
        work.rulebooks.calendar,
        work.now,
        asked=application.document["term_days"],
        decided=decision.get("term_days"),
        default=work.settings.platform.default_term_days,
    )
    held = open_grant(work, application, case.facts, terms, term)
    return Filed(application, case, held.grant)


def withheld_fields(application: Application, granted: Sequence[str]) -> list[str]:
    """Return the fields that were asked for and not granted."""
    return [name for name in application.document["fields"] if name not in granted]


def _check_withheld(application: Application, terms: Terms, decision: Mapping[str, Any]) -> None:
    """Refuse to hold back a field without saying why: it is a refusal in part (QJ art. 20; GZ art. 11)."""
    withheld = withheld_fields(application, terms.fields)
    if withheld and not str(decision.get(WITHHELD, "")).strip():
        names = ", ".join(withheld)
        raise invalid(
            f"/{WITHHELD}",
            f"部分信息项未予授权（{names}），请说明理由",
            f"say why some fields are not granted: {names}",
            code="required",
        )


def _still_offered(work: Work, application: Application) -> Offer:
    """Return the dataset as it stands at the decision, which may be weeks after the application."""
    offer = store.offer(work.tx, application.dataset_code)
    kind = application.document["kind"]
    if offer is None or not offer.is_public or kind not in offer.distributions:
        raise Conflict(
            "该数据集已不再提供所申请的资源", "the dataset no longer offers this", code="not_published"
        )
    shared = {a["name"] for a in offer.shared}
    gone = [name for name in application.document["fields"] if name not in shared]
    if gone:
        raise Conflict(
            f"信息项已不再共享：{'、'.join(gone)}",
            f"no longer shared: {', '.join(gone)}",
            code="not_shared",
        )
    return offer


def _check_decider(book: Rulebook, case: Case, offer: Offer, application: Application) -> None:
    """Refuse to grant when the dataset's class has changed so that somebody else would have to decide."""
    if _dimensions(book, offer, application.document).get("decider") != case.facts.get("decider"):
        raise Conflict(
            "数据集的共享类型已变更，请重新申请",
            "the dataset's share class has changed; a new application is needed",
            code="class_changed",
        )
