"""The life of an article: written, reviewed by somebody else, published, revised, confirmed, withdrawn.

States, steps and roles are the rulebook's. The code goes by flags and deeds: a `public` state is read by the
wording that was approved last, whatever is being written meanwhile; an `editable` one lets the unit write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from audit.log import record
from cases.model import HANDLER, Case, roles_in
from cases.numbers import next_number
from cases.procedure import open_case, seats, settle, take
from cases.timing import book_of
from catalog.diff import differences
from core.errors import Conflict, NotPermitted
from core.times import local_iso, parse_instant
from core.work import Work
from hotline.knowledge import store
from hotline.knowledge.gaps import answer_gaps, find_gap, take_up_gap
from hotline.knowledge.model import END, KIND, WORKFLOW, Article, Revision
from hotline.knowledge.reading import find_article
from hotline.knowledge.rules import end_of, opening_of
from hotline.knowledge.search.find import index_article
from hotline.knowledge.wording import checked
from hotline.model import DOMAIN
from rules.workflow import Workflow
from schemas import validate

PUBLISH, REVISE, CONFIRM, DISCARD = "publish", "revise", "confirm", "discard"
"""What the platform does along with a step, in the rulebook's word."""

# --- writing --------------------------------------------------------------------------------------


def write_article(work: Work, draft: Mapping[str, Any]) -> Article:
    """Write an article of the actor's unit as a draft, under a code that the platform gives out.

    `draft` fits request/article; its `answers` names the unanswered question that it is written for. Raises
    Invalid with one entry per wrong field, NotPermitted for whoever is of no unit of the hotline.
    """
    opening = opening_of(work)
    _must_be_unit(work, opening.roles)
    validate("request/article", draft)
    document = checked(work, {name: value for name, value in draft.items() if name != "answers"})
    gap = find_gap(work, draft["answers"]) if draft.get("answers") else None
    code = next_number(work, opening.prefix)
    parties = {
        role: list(seats(work, role)) if source == "seat" else work.actor.department
        for role, source in opening.parties.items()
    }
    case = open_case(
        work,
        kind=KIND,
        workflow=WORKFLOW,
        facts={"number": code},
        parties=parties,
        opened_as=sorted(opening.roles & work.actor.roles)[0],
        domain=DOMAIN,
    )
    article = Article(
        id=case.id,
        code=code,
        unit=work.actor.department,
        revision=1,
        version=1,
        document=document,
        published=None,
        published_revision=None,
        created_at=work.now,
        updated_at=work.now,
        published_at=None,
        confirmed_at=None,
        valid_from=None,
        ends_at=None,
        uses=0,
        last_used_at=None,
        case=case,
    )
    store.insert_article(work.tx, article)
    _keep_wording(work, article)
    if gap is not None:
        take_up_gap(work, gap, code)
    return article


def edit_article(
    work: Work, code: str, changes: Mapping[str, Any], *, expect_version: int | None = None
) -> Article:
    """Change members of the wording (None removes one); a published one begins a revision with that.

    What readers see stays as it is until the new wording is approved. A wording that is as it should be
    already stays untouched. Raises Invalid with one entry per field, Conflict where the state does not allow
    it or the article changed since `expect_version`.
    """
    article = find_article(work, code)
    if HANDLER not in roles_in(article.case, work.actor):
        raise NotPermitted("只有提供单位能修改自己的知识", "only its own unit may change an article")
    expect(article, expect_version)
    document = {k: v for k, v in {**article.document, **changes}.items() if v is not None}
    validate("request/article", document)
    document = checked(work, document)
    if document == article.document:
        return article
    case = _editable_case(work, article)
    edited = _save(
        work,
        replace(article, case=case, document=document, revision=store.last_revision(work.tx, article.id) + 1),
        article,
    )
    _keep_wording(work, edited)
    _record(work, edited, "edit", sorted(d.field for d in differences(article.document, document)))
    return edited


def _editable_case(work: Work, article: Article) -> Case:
    """Return the case in a state that lets people write, after the step that begins a revision if need be."""
    case = settle(work, article.case)
    _, flow = book_of(work, case)
    state = flow.states[case.state]
    if "editable" in state.flags:
        return case
    step = flow.doing(REVISE, case.state, case.facts)
    if step is None:
        raise Conflict(
            f"状态为“{state.title.zh}”，不能修改",
            f"cannot change an article that is {state.title.en}",
            code="wrong_state",
        )
    return take(work, case, step.action, {})


def _must_be_unit(work: Work, roles: frozenset[str]) -> None:
    department = work.settings.departments.get(work.actor.department)
    if department is None or not department.hotline_unit or roles.isdisjoint(work.actor.roles):
        raise NotPermitted(
            "只有热线承办单位能编写知识", "only a unit that works for the hotline writes articles"
        )


def _keep_wording(work: Work, article: Article) -> None:
    wording = Revision(article.revision, article.document, work.now, work.actor.login)
    store.insert_revision(work.tx, article.id, wording)
    index_article(work, article)


# --- acting ---------------------------------------------------------------------------------------


def act_on_article(
    work: Work, code: str, action: str, fields: Mapping[str, Any], *, expect_version: int | None = None
) -> Article:
    """Take a step of the rulebook's workflow: submit, approve, return, confirm, withdraw and so on.

    Raises what `cases.take` raises; NotPermitted for whoever would approve their own wording, Conflict for
    a wording whose time is over before it is published.
    """
    article = find_article(work, code)
    expect(article, expect_version)
    _, flow = book_of(work, article.case)
    publishes, confirms = (action in flow.names(deed) for deed in (PUBLISH, CONFIRM))
    changed, facts = article, {}
    if publishes and wrote(work, article):
        raise NotPermitted(
            "不能审核自己编写或提交的知识", "nobody approves what they wrote or submitted themselves"
        )
    if publishes or confirms:
        changed = _published(work, article) if publishes else _confirmed(work, article)
        facts = {END: local_iso(changed.ends_at) if changed.ends_at else None}
    case = take(work, article.case, action, fields, facts=facts)
    if action in flow.names(DISCARD) and article.published is not None:
        changed = replace(
            article, document=article.published, revision=article.published_revision or article.revision
        )
    changed = _save(work, replace(changed, case=case), article)
    if publishes:
        index_article(work, changed)
        answer_gaps(work, changed.code)
    return changed


def _published(work: Work, article: Article) -> Article:
    document = article.document
    begins = parse_instant(document["valid_from"]) if document.get("valid_from") else None
    ends = end_of(work, article, document, work.now)
    if ends is not None and ends <= work.now:
        raise Conflict(
            "有效期已过，请先退回修改",
            "its time is over already; return it to be changed",
            code="already_over",
        )
    return replace(
        article,
        published=document,
        published_revision=article.revision,
        published_at=work.now,
        confirmed_at=work.now,
        valid_from=begins,
        ends_at=ends,
    )


def _confirmed(work: Work, article: Article) -> Article:
    ends = end_of(work, article, article.published or article.document, work.now)
    return replace(article, confirmed_at=work.now, ends_at=ends)


def wrote(work: Work, article: Article) -> bool:
    """Tell whether the actor wrote or submitted what is up for approval: somebody else has to look at it."""
    me = work.actor.login
    if me in store.authors_since(work.tx, article.id, article.published_revision or 0):
        return True
    _, flow = book_of(work, article.case)
    events, writing = article.case.events, _writing(flow)
    approved = max((e.seq for e in events if e.action in flow.names(PUBLISH)), default=0)
    submitted = [e for e in events if e.from_state in writing and e.to_state not in writing]
    return any(e.actor == me for e in submitted if e.seq > approved)


def _writing(flow: Workflow) -> set[str]:
    return {name for name, state in flow.states.items() if "editable" in state.flags}


# --- who and when ---------------------------------------------------------------------------------


def expect(article: Article, version: int | None) -> None:
    """Refuse to act on something that changed since it was read. Raises Conflict."""
    if version is not None and version != article.version:
        raise store.changed_meanwhile()


def _save(work: Work, article: Article, before: Article) -> Article:
    saved = replace(article, version=before.version + 1, updated_at=work.now)
    store.update_article(work.tx, saved, before.version)
    return saved


def _record(work: Work, article: Article, action: str, changed: list[str]) -> None:
    body = {
        "case": article.id,
        "case_kind": KIND,
        "action": action,
        "role": HANDLER,
        "rulebook": article.case.rulebook,
        "rulebook_version": article.case.rulebook_version,
        "number": article.code,
        "fields": changed,
    }
    record(work, f"decision.{KIND}", body)
