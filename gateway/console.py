"""The pages of applications and grants; those of systems are in gateway/systems/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from werkzeug.datastructures import MultiDict

from cases.attachments import MOST_BYTES
from cases.decisions import DECISIONS
from cases.timing import book_of
from catalog.codes import from_url
from catalog.corrections import open_disputes
from catalog.model import KINDS, SHARE_CLASSES
from core.codes import in_url
from core.errors import FieldError, NotPermitted, invalid
from core.text import Text
from core.work import Work
from gateway.applications import (
    MATERIAL,
    act_on_application,
    apply_for_fields,
    attach,
    demanded_papers,
    find_application,
    find_offer,
    list_applications,
    open_offer,
    read_paper,
)
from gateway.asking import is_personal
from gateway.clients import ACTIVE, list_clients
from gateway.forms import (
    parent_pointers,
    read_application,
    read_decision,
    write_application,
    write_values,
)
from gateway.grants import act_on_grant, find_grant, list_grants
from gateway.model import Offer
from gateway.present import (
    application_rows,
    application_view,
    grant_rows,
    grant_view,
)
from gateway.urgency import may_register_for_others
from rules.rulebook import Rulebook
from schemas import validate
from web.pages import File, Go, Page, Pages, Seen
from web.words import department

pages = Pages("gateway")

APPLICANTS = {"consumer", "platform_manager"}
"""The platform manager registers what is urgent for a department that asked for it."""
PARTIES = {"consumer", "provider", "platform_manager"}
READERS = PARTIES | {"auditor"}
PAGE = 25


# --- applications ---------------------------------------------------------------------------------


@pages.show("/applications", who=READERS, summary=Text("共享申请", "Applications"))
def applications_page(work: Work, seen: Seen) -> Page:
    """List the applications that the reader is a party of."""
    states = work.rulebooks.current("sharing").workflow("application").states
    state = seen.query.get("state") if seen.query.get("state") in states else None
    found = list_applications(work, state, PAGE, seen.query.get("cursor"))
    context = {
        "rows": application_rows(work, found.rows),
        "next_cursor": found.next_cursor,
        "states": {name: s.title for name, s in states.items()},
        "state": state,
        "kinds": KINDS,
        "may_apply": work.actor.has("consumer") or may_register_for_others(work),
    }
    return Page("gateway/applications.html", context)


@pages.show("/applications/new", who=APPLICANTS, summary=Text("申请使用数据", "Apply for data"))
def new_application(work: Work, seen: Seen) -> Page:
    """Show the form of an application for one dataset, filled in with the terms of a grant to go on with."""
    seen = _renewing(work, seen)
    code = seen.form.get("dataset") or seen.query.get("dataset", "")
    offer = open_offer(work, from_url(in_url(code)))
    kinds = sorted(offer.distributions)
    kind = seen.form.get("kind") or seen.query.get("kind") or next(iter(kinds), "")
    book: Rulebook = work.rulebooks.current("sharing")
    helping = not work.actor.has("consumer") or seen.form.get("on_behalf") == "true"
    if helping and not may_register_for_others(work):
        raise NotPermitted("只有使用部门可以提出申请", "only consumers apply for data")
    context = {
        "seen": _by_field(seen),
        "offer": offer,
        "kind": kind,
        "kinds": {k: KINDS[k] for k in kinds},
        "fields": [(a["name"], _field_label(offer, a)) for a in offer.shared],
        "operations": _operations(offer, kind),
        "systems": _systems(work, helping),
        "helping": helping,
        "urgent": book.policy("application.urgent"),
        "previous": seen.form.get("previous_grant", ""),
        "papers": demanded_papers(book, kind, offer.required_materials),
        "max_term": book.policy("grant.max_term"),
        "address": f"/applications/new?dataset={in_url(offer.code)}",
    }
    return Page("gateway/application_new.html", context)


def _renewing(work: Work, seen: Seen) -> Seen:
    """Return what the form shows: the terms of the grant that is to go on, until something is typed."""
    named = seen.query.get("renew")
    if seen.form or not named:
        return seen
    held = find_grant(work, named)
    application = held.grant.application_id
    said = find_application(work, application).application.document if application else {}
    fields = write_application(held.grant, said, held.case.facts.get("term_days"))
    return replace(seen, form=MultiDict(fields))


def _systems(work: Work, helping: bool) -> list[tuple[str, str]]:
    """Return the systems to choose from: one's own department's, or everybody's where one helps out."""
    found = list_clients(work, ACTIVE, 200, None).rows
    if not helping:
        return [(c.id, c.name) for c in found if c.department == work.actor.department]
    return [(c.id, f"{department(c.department)} · {c.name}") for c in found]


@pages.form(
    "/applications/new", who=APPLICANTS, summary=Text("申请使用数据", "Apply for data"), again=new_application
)
def apply_on_page(work: Work, seen: Seen) -> Go:
    """Apply, or keep a draft to add papers to."""
    wish = read_application(_typed(seen))
    validate("request/application", wish)
    filed = apply_for_fields(work, wish)
    words = Text("已提交", "Submitted") if wish["submit"] else Text("已存为草稿", "Kept as a draft")
    return Go(f"/applications/{filed.application.id}", words)


@pages.show("/applications/<id>", who=READERS, summary=Text("查看共享申请", "Application"))
def application_page(work: Work, seen: Seen, id: str, action: str = "") -> Page:
    """Show an application, its papers, its clocks, and what the reader may do."""
    filed = find_application(work, id)
    view = application_view(work, filed)
    book, flow = book_of(work, filed.case)
    granting = next((action for action in view["forms"] if action in flow.names("grant")), None)
    context = {
        "seen": _by_field(seen),
        "a": view,
        "rules": book.fields,
        "kinds": KINDS,
        "address": f"/applications/{id}",
        "forms": {**view, "forms": {name: f for name, f in view["forms"].items() if name != granting}},
        "grant_form": view["forms"].get(granting),
        "granting": granting,
        "asked": {name: write_values(view.get(name, {})) for name in ("row_filter", "parameters")},
        "may_attach": not flow.names("submit").isdisjoint(view["actions"]),
        "paper_types": [
            (d["type"], d["title"]) for d in view["attachments_demanded"] if d["type"] != MATERIAL
        ]
        + [(MATERIAL, Text("数据集要求的材料", "A paper that the dataset asks for"))],
        "titles": _titles(work, filed.application.dataset_code),
        "sensitive": is_personal(find_offer(work, filed.application.dataset_code), view.get("fields", ())),
    }
    return Page("gateway/application.html", context)


@pages.form(
    "/applications/<id>/actions/<action>",
    who=PARTIES,
    summary=Text("办理共享申请", "Act on an application"),
    again=application_page,
    step_up=DECISIONS,
)
def act_on_application_page(work: Work, seen: Seen, id: str, action: str) -> Go:
    """Take a step; a decision to grant carries its terms."""
    _, flow = book_of(work, find_application(work, id).case)
    fields = read_decision(_typed(seen)) if action in flow.names("grant") else seen.given
    filed = act_on_application(work, id, action, fields, seen.version)
    title = application_view(work, filed)["state_title"]
    words = Text(f"已办理，状态为“{title['zh']}”", f"Done; the application is {title['en']}")
    return Go(f"/applications/{id}", words)


@pages.form(
    "/applications/<id>/attachments",
    who=APPLICANTS,
    summary=Text("上传附件", "Add a paper"),
    again=application_page,
)
def upload(work: Work, seen: Seen, id: str) -> Go:
    """Add a paper to a draft."""
    file = seen.files.get("content")
    if file is None or not file.filename:
        raise invalid("/content", "请选择文件", "choose a file", code="required")
    attach(
        work,
        id,
        type=seen.form.get("type", ""),
        sealed=seen.form.get("sealed") == "true",
        name=file.filename,
        content=file.stream.read(MOST_BYTES + 1),
    )
    return Go(f"/applications/{id}", Text("已上传", "Uploaded"))


@pages.show(
    "/applications/<id>/attachments/<attachment>",
    who=READERS,
    summary=Text("下载附件", "Download a paper"),
)
def download(work: Work, seen: Seen, id: str, attachment: str) -> File:
    """Send a paper to be saved."""
    found, content = read_paper(work, id, attachment)
    return File(found.name, found.media_type, content)


# --- grants ---------------------------------------------------------------------------------------


@pages.show("/grants", who=READERS, summary=Text("授权", "Grants"))
def grants_page(work: Work, seen: Seen) -> Page:
    """List the grants that the reader is a party of."""
    states = work.rulebooks.current("sharing").workflow("grant").states
    state = seen.query.get("state") if seen.query.get("state") in states else None
    found = list_grants(work, state=state, limit=PAGE, cursor=seen.query.get("cursor"))
    context = {
        "rows": grant_rows(work, found.rows),
        "next_cursor": found.next_cursor,
        "states": {name: s.title for name, s in states.items()},
        "state": state,
        "kinds": KINDS,
    }
    return Page("gateway/grants.html", context)


@pages.show("/grants/<id>", who=READERS, summary=Text("查看授权", "Grant"))
def grant_page(work: Work, seen: Seen, id: str, action: str = "") -> Page:
    """Show a grant: its exact terms, its end, and what the reader may do."""
    held = find_grant(work, id)
    grant, view = held.grant, grant_view(work, held)
    context = {
        "g": view,
        "rules": book_of(work, held.case)[0].fields,
        "kinds": KINDS,
        "address": f"/grants/{id}",
        "rows": write_values(view.get("row_filter", {})),
        "parameters": write_values(view.get("parameters", {})),
        "titles": _titles(work, grant.dataset_code),
        "disputes": [d for d in open_disputes(work.tx, grant.dataset_id) if d.concerns(grant.terms.fields)],
    }
    return Page("gateway/grant.html", context)


@pages.form(
    "/grants/<id>/actions/<action>",
    who=PARTIES,
    summary=Text("办理授权", "Act on a grant"),
    again=grant_page,
    step_up=True,
)
def act_on_grant_page(work: Work, seen: Seen, id: str, action: str) -> Go:
    """Suspend, resume, take back or end a grant."""
    held = act_on_grant(work, id, action, seen.given, seen.version)
    title = grant_view(work, held)["state_title"]
    words = Text(f"已办理，状态为“{title['zh']}”", f"Done; the grant is {title['en']}")
    return Go(f"/grants/{id}", words)


# --- forms ----------------------------------------------------------------------------------------


def _typed(seen: Seen) -> dict[str, list[str]]:
    return {name: seen.form.getlist(name) for name in seen.form}


def _by_field(seen: Seen) -> Seen:
    """Return what was seen with each error at the form field that it is about."""
    parents = parent_pointers(e.pointer for e in seen.errors)
    errors = {FieldError(parents[e.pointer], e.message, e.code): None for e in seen.errors}
    return replace(seen, errors=tuple(errors))


def _field_label(offer: Offer, attribute: Mapping[str, Any]) -> Text:
    """Name a field, and its class where fields differ: the strictest one chosen says who decides."""
    name = f"{attribute['title']}({attribute['name']})"
    own = SHARE_CLASSES[attribute.get("share_class", offer.share_class)]
    mixed = len({a.get("share_class", offer.share_class) for a in offer.shared}) > 1
    return Text(f"{name} · {own.zh}", f"{name} · {own.en}") if mixed else Text(name, name)


def _operations(offer: Offer, kind: str) -> list[tuple[str, str]]:
    detail = offer.distributions.get(kind, {})
    return [(o["name"], f"{o.get('title', '')}({o['name']})") for o in detail.get("operations", ())]


def _titles(work: Work, code: str) -> dict[str, str]:
    """Return the titles of a dataset's fields, for the names that a grant is made of."""
    return {a["name"]: a["title"] for a in find_offer(work, code).attributes}
