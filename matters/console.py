"""The pages of matters: what can be opened, opening, listing, acting, papers; all of it from the rulebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cases.attachments import MOST_BYTES
from cases.decisions import DECISIONS
from cases.timing import book_of
from core.codes import code_in
from core.errors import invalid
from core.text import Text
from core.work import Work
from matters.acting import (
    act_on_matter,
    attach_evidence,
    find_matter,
    list_matters,
    may_read_papers,
    read_evidence,
)
from matters.ahead import NAMES, Offered, foresee, openings_about
from matters.forms import field_shown, form_shown, read_form
from matters.model import Wanted
from matters.opening import find_opening, open_matter, procedures
from matters.pickers import pickers
from matters.present import matter_row, matter_view, procedures_view
from matters.subjects import WORDS
from matters.surroundings import subjects_of, surroundings
from rules.rulebook import Rulebook
from web.auth import SIGNED_IN
from web.pages import File, Go, Page, Pages, Seen

pages = Pages("matters")

PAGE, SHORT = 25, 5
STATUSES = {"open": Text("未办结", "open"), "closed": Text("已办结", "closed")}
ABOUT = {
    "dataset": Text("数据集", "the dataset"),
    "grant": Text("授权", "the grant"),
    "application": Text("申请", "the application"),
}
"""What a list of matters can be narrowed to that is shown on a page of its own."""


@dataclass(frozen=True, slots=True)
class Related:
    """What stands on the page of a dataset, an application or a grant: what is open, what may be opened."""

    offered: list[Offered]
    rows: list[dict[str, Any]]
    more: str
    """The address of the whole list; empty when all of it is shown."""


def related(work: Work, kind: str, named: Mapping[str, str]) -> Related:
    """Return the matters about what a page shows, and the procedures that its reader may open about it.

    `kind` is dataset, application or grant; `named` holds its code or number and what belongs to it.
    """
    narrowed: dict[str, Any] = {kind: named[kind]}
    found = list_matters(work, Wanted(**narrowed, is_open=True), SHORT, None)
    names = {**named, **dict.fromkeys(NAMES[kind], named[kind])}
    more = f"/matters?{kind}={named[kind]}&status=open" if found.next_cursor else ""
    return Related(openings_about(work, kind, names), [matter_row(work, h) for h in found.rows], more)


# --- the list -------------------------------------------------------------------------------------


@pages.show("/matters", who=SIGNED_IN, summary=Text("事项", "Matters"))
def matters(work: Work, seen: Seen) -> Page:
    """List the matters that the reader is a party of."""
    known = procedures(work.rulebooks.current("sharing"))
    kind = seen.query.get("kind") if seen.query.get("kind") in known else None
    states = {name: s.title for name, s in known[kind].states.items()} if kind else {}
    state = seen.query.get("state") if seen.query.get("state") in states else None
    status = seen.query.get("status") if seen.query.get("status") in STATUSES else None
    about = {name: seen.query[name] for name in ABOUT if seen.query.get(name)}
    wanted = Wanted(
        kind,
        state,
        code_in(about["dataset"]) if "dataset" in about else None,
        about.get("grant"),
        None if status is None else status == "open",
        about.get("application"),
    )
    found = list_matters(work, wanted, PAGE, seen.query.get("cursor"))
    context = {
        "rows": [matter_row(work, held) for held in found.rows],
        "subjects": subjects_of(work, found.rows),
        "next_cursor": found.next_cursor,
        "kinds": {name: flow.title for name, flow in known.items()},
        "kind": kind,
        "states": states,
        "state": state,
        "statuses": STATUSES,
        "status": status,
        "about": about,
        "about_words": ABOUT,
    }
    return Page("matters/list.html", context)


# --- opening --------------------------------------------------------------------------------------


@pages.show("/matters/new", who=SIGNED_IN, summary=Text("发起事项", "Open a matter"))
def new_matter(work: Work, seen: Seen) -> Page:
    """Show the procedures that the reader may open; with ``?kind=``, the form of one."""
    kind = seen.query.get("kind", "")
    if not kind:
        return Page("matters/choose.html", {"procedures": procedures_view(work)})
    opening = find_opening(work, kind)
    book: Rulebook = work.rulebooks.current("sharing")
    draft = read_form(_typed(seen), book.fields)
    context = {
        "seen": seen.at_fields(),
        "p": next(p for p in procedures_view(work) if p["kind"] == kind),
        "fields": [
            field_shown(book.fields[name], name in opening.requires)
            for name in (*opening.requires, *opening.accepts)
        ],
        "pickers": pickers(work, opening, draft),
        "one_of": not opening.about and "subject" in opening.parties.values(),
        "ahead": foresee(work, kind, draft),
        "address": f"/matters/new?kind={kind}",
    }
    return Page("matters/new.html", context)


@pages.form("/matters/new", who=SIGNED_IN, summary=Text("发起事项", "Open a matter"), again=new_matter)
def open_on_page(work: Work, seen: Seen) -> Go:
    """Open a matter with what was typed."""
    book: Rulebook = work.rulebooks.current("sharing")
    held = open_matter(work, seen.query.get("kind", ""), read_form(seen.given, book.fields))
    number = held.matter.number
    return Go(f"/matters/{held.matter.id}", Text(f"已提交，编号为 {number}", f"Submitted under {number}"))


def _typed(seen: Seen) -> dict[str, str]:
    """Return what the form shows: what was typed, or what the link to it named."""
    return seen.given if seen.form else {name: seen.query[name] for name in WORDS if seen.query.get(name)}


# --- one matter -----------------------------------------------------------------------------------


@pages.show("/matters/<id>", who=SIGNED_IN, summary=Text("查看事项", "Matter"))
def matter(work: Work, seen: Seen, id: str, action: str = "") -> Page:
    """Show a matter: who takes part, what it is about, its limits, steps and papers."""
    held = find_matter(work, id)
    book, _ = book_of(work, held.case)
    view = matter_view(work, held)
    followed = list_matters(work, Wanted(origin=id), PAGE, None)
    context = {
        "seen": seen.at_fields(),
        "m": view,
        "address": f"/matters/{id}",
        "forms": {**view, "forms": {a: form_shown(book, form) for a, form in view["forms"].items()}},
        "about": surroundings(work, held),
        "followed": [matter_row(work, h) for h in followed.rows],
        "rules": book.fields,
        "may_attach": held.case.closed_at is None and may_read_papers(work, held),
        "may_read_papers": may_read_papers(work, held),
    }
    return Page("matters/matter.html", context)


@pages.form(
    "/matters/<id>/actions/<action>",
    who=SIGNED_IN,
    summary=Text("办理事项", "Act on a matter"),
    again=matter,
    step_up=DECISIONS,
)
def act_on_page(work: Work, seen: Seen, id: str, action: str) -> Go:
    """Take a step of the procedure."""
    book, _ = book_of(work, find_matter(work, id).case)
    held = act_on_matter(work, id, action, read_form(seen.given, book.fields), seen.version)
    title = matter_row(work, held)["state_title"]
    words = Text(f"已办理，状态为“{title['zh']}”", f"Done; the matter is {title['en']}")
    return Go(f"/matters/{id}", words)


@pages.form("/matters/<id>/attachments", who=SIGNED_IN, summary=Text("上传附件", "Add a paper"), again=matter)
def upload_paper(work: Work, seen: Seen, id: str) -> Go:
    """Add a paper to an open matter."""
    file = seen.files.get("content")
    if file is None or not file.filename:
        raise invalid("/content", "请选择文件", "choose a file", code="required")
    attach_evidence(work, id, name=file.filename, content=file.stream.read(MOST_BYTES + 1))
    return Go(f"/matters/{id}", Text("已上传", "Uploaded"))


@pages.show(
    "/matters/<id>/attachments/<attachment>", who=SIGNED_IN, summary=Text("下载附件", "Download a paper")
)
def download_paper(work: Work, seen: Seen, id: str, attachment: str) -> File:
    """Send a paper to be saved."""
    found, content = read_evidence(work, id, attachment)
    return File(found.name, found.media_type, content)
