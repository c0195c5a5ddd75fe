"""The pages of the knowledge base: look up, read, write, review, what lacks an answer, the public's page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from werkzeug.datastructures import MultiDict

from core.codes import in_url
from core.errors import FieldError, invalid
from core.text import Text
from core.work import Work
from hotline.book import hotline_book
from hotline.knowledge.articles import REVISE, act_on_article, edit_article, write_article
from hotline.knowledge.forms import OPTIONAL, read_form, write_form
from hotline.knowledge.gaps import DESK, VIEWERS, assign_gap, close_gap, find_gap, list_gaps
from hotline.knowledge.lookup import LOOKERS, LookedUp, look_up
from hotline.knowledge.model import STAFF
from hotline.knowledge.present import article_row, article_view, found_view, gap_view, wordings_view
from hotline.knowledge.reading import find_article, find_open_article, takes_part
from hotline.knowledge.rules import categories, flow_of, opening_of
from hotline.knowledge.search.find import SORTS, find_articles, find_open_articles
from schemas import titles
from web.auth import PUBLIC, SIGNED_IN
from web.pages import Go, Page, Pages, Seen

pages = Pages("knowledge")

PAGE = 25
FILTERS = ("q", "category", "unit", "state", "sort")
ON_THE_PHONE = frozenset({"operator", "dispatcher"})
"""Who talks to callers: what they look for is posted, for it may name somebody."""

# --- finding --------------------------------------------------------------------------------------


@pages.show("/knowledge", who=STAFF, summary=Text("知识库", "Knowledge base"))
def knowledge(work: Work, seen: Seen) -> Page:
    """Show what can be looked up, and of one's own unit every article; with words and filters."""
    asked = {name: seen.query.get(name) for name in FILTERS}
    found = find_articles(work, asked, limit=PAGE, cursor=seen.query.get("cursor") or None)
    context = {
        **_lookup_box(work, None),
        "seen": seen.at_fields(),
        "rows": [article_row(work, a, found) for a in found.articles],
        "found": found,
        "own": {a.code for a in found.articles if takes_part(work, a)},
        "asked": asked,
        "finds_words": bool((STAFF - ON_THE_PHONE) & work.actor.roles),
        "states": {name: state.title for name, state in flow_of(work).states.items()},
        "sorts": SORTS,
    }
    return Page("knowledge/list.html", context)


@pages.form(
    "/knowledge/actions/lookup", who=LOOKERS, summary=Text("通话中查知识", "Look up"), again=knowledge
)
def look_up_on_page(work: Work, seen: Seen) -> Page:
    """Show what a caller may be answered with; the words stay out of the address."""
    question = seen.form.get("q", "").strip()
    if not question:
        raise invalid("/q", "请填写要查的内容", "say what to look for", code="required")
    looked_up = look_up(
        work,
        question,
        category=seen.form.get("category") or None,
        unanswered=seen.form.get("unanswered") == "true",
    )
    return Page("knowledge/lookup.html", {**_lookup_box(work, looked_up), "question": question})


def _lookup_box(work: Work, looked_up: LookedUp | None) -> dict[str, Any]:
    return {
        "may_look_up": not (ON_THE_PHONE | {"supervisor"}).isdisjoint(work.actor.roles),
        "topics": categories(work),
        "units": _units(work),
        "answers": found_view(work, looked_up) if looked_up is not None else None,
    }


def _units(work: Work) -> dict[str, Text]:
    return {d.id: d.name for d in work.settings.departments.values() if d.hotline_unit}


# --- writing --------------------------------------------------------------------------------------


@pages.show("/knowledge/new", who={"handler"}, summary=Text("编写知识", "Write an article"))
def new_article(work: Work, seen: Seen) -> Page:
    """Show the form of a new article; ``?answers=`` names the question that it is written for."""
    asked = seen.form.get("answers") or seen.query.get("answers") or ""
    gap = find_gap(work, asked) if asked else None
    context = {
        **_form(work, seen, {}),
        "opening": opening_of(work),
        "gap": gap_view(work, gap) if gap else None,
        "article": None,
        "address": "/knowledge/new",
        "version": None,
    }
    return Page("knowledge/form.html", context)


@pages.form(
    "/knowledge/new", who={"handler"}, summary=Text("编写知识", "Write an article"), again=new_article
)
def write_on_page(work: Work, seen: Seen) -> Go:
    """Write an article with what was typed."""
    made = write_article(work, read_form(_typed(seen)))
    words = Text(f"已保存为草稿，编号 {made.code}", f"Kept as a draft under {made.code}")
    return Go(f"/knowledge/{made.code}", words)


@pages.show("/knowledge/<code>/edit", who={"handler"}, summary=Text("修改知识", "Change an article"))
def editing(work: Work, seen: Seen, code: str) -> Page:
    """Show the form with the wording as it stands, or as it was typed."""
    article = find_article(work, code)
    context = {
        **_form(work, seen, article.document),
        "opening": opening_of(work),
        "gap": None,
        "article": article_view(work, article),
        "address": f"/knowledge/{article.code}/edit",
        "version": seen.version or article.version,
    }
    return Page("knowledge/form.html", context)


@pages.form(
    "/knowledge/<code>/edit", who={"handler"}, summary=Text("修改知识", "Change an article"), again=editing
)
def edit_on_page(work: Work, seen: Seen, code: str) -> Go:
    """Keep what was typed as the wording that is being written."""
    before = find_article(work, code)
    typed = read_form(_typed(seen))
    emptied = dict.fromkeys(name for name in OPTIONAL if name in before.document)
    edited = edit_article(work, code, {**emptied, **typed}, expect_version=seen.version)
    same = edited.revision == before.revision
    words = Text("没有变化", "Nothing has changed") if same else Text("已保存", "Saved")
    return Go(f"/knowledge/{code}", words)


def _form(work: Work, seen: Seen, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the form shows: what was typed, else the wording; each error at its field."""
    shown = seen.at_fields()
    if not seen.form:
        fields = MultiDict(write_form(document))
        fields.setlist("categories", list(document.get("categories", ())))
        shown = replace(shown, form=fields)
    named = titles("request/article")
    return {
        "seen": shown,
        "summary": replace(shown, errors=tuple(_named(e, named) for e in shown.errors)),
        "topics": categories(work),
    }


def _named(error: FieldError, named: Mapping[str, Text]) -> FieldError:
    """Return the error for the list above the form, where it must say which field it is about."""
    title = named.get(error.pointer.removeprefix("/"))
    if title is None:
        return error
    words = error.message
    return replace(error, message=Text(f"{title.zh}：{words.zh}", f"{title.en}: {words.en}"))


def _typed(seen: Seen) -> dict[str, list[str]]:
    return {name: seen.form.getlist(name) for name in seen.form}


# --- questions without an answer --------------------------------------------------------------------


@pages.show(
    "/knowledge/unanswered", who=VIEWERS | {"handler"}, summary=Text("未答问题", "Unanswered questions")
)
def unanswered(work: Work, seen: Seen) -> Page:
    """List the questions that no article answers, or, with ``?open=false``, those that are closed."""
    is_open = seen.query.get("open") != "false"
    page = list_gaps(work, is_open, PAGE, seen.query.get("cursor") or None)
    context = {
        "seen": seen.at_fields(),
        "rows": [gap_view(work, gap) for gap in page.rows],
        "next_cursor": page.next_cursor,
        "is_open": is_open,
        "may_close": not DESK.isdisjoint(work.actor.roles),
        "units": _units(work),
        "tried": seen.form.get("gap") if seen.errors else None,
    }
    return Page("knowledge/unanswered.html", context)


@pages.form(
    "/knowledge/unanswered/actions/assign",
    who=DESK,
    summary=Text("交单位补充知识", "Ask a unit to write the answer"),
    again=unanswered,
)
def assign_on_page(work: Work, seen: Seen) -> Go:
    """Ask a unit to write the answer to a question."""
    unit = seen.form.get("unit", "")
    assign_gap(work, seen.form.get("gap", ""), unit, expect_version=seen.version)
    return Go("/knowledge/unanswered", Text("已交办并通知该单位", "Assigned; the unit is told"))


@pages.form(
    "/knowledge/unanswered/actions/close",
    who=DESK,
    summary=Text("办结未答问题", "Close a question"),
    again=unanswered,
)
def close_on_page(work: Work, seen: Seen) -> Go:
    """Close a question, with the article that answers it or without one."""
    code = seen.form.get("article", "").strip() or None
    close_gap(work, seen.form.get("gap", ""), article=code, expect_version=seen.version)
    return Go("/knowledge/unanswered", Text("已办结", "Closed"))


# --- one article ----------------------------------------------------------------------------------


@pages.show("/knowledge/<code>", who=SIGNED_IN, summary=Text("查看知识", "Article"))
def article(work: Work, seen: Seen, code: str, action: str = "") -> Page:
    """Show an article as the reader may read it, its limits, wordings and steps."""
    found = find_article(work, code)
    view = article_view(work, found)
    begins = flow_of(work).names(REVISE)
    context = {
        "seen": seen.at_fields(),
        "a": view,
        "address": f"/knowledge/{found.code}",
        "forms": {**view, "forms": {k: form for k, form in view["forms"].items() if k not in begins}},
        "rules": hotline_book(work).fields,
        "inside": takes_part(work, found),
        "wordings": wordings_view(work, found),
        "dataset": in_url(view["document"]["dataset"]) if view["document"].get("dataset") else None,
        "names": titles("request/article"),
    }
    return Page("knowledge/article.html", context)


@pages.form(
    "/knowledge/<code>/actions/<action>",
    who=STAFF - {"auditor"},
    summary=Text("办理知识", "Act on an article"),
    again=article,
)
def act_on_page(work: Work, seen: Seen, code: str, action: str) -> Go:
    """Take a step of the workflow."""
    changed = act_on_article(work, code, action, seen.given, expect_version=seen.version)
    title = article_view(work, changed)["state_title"]
    words = Text(f"已办理，状态为“{title['zh']}”", f"Done; the article is {title['en']}")
    return Go(f"/knowledge/{code}", words)


# --- the public -----------------------------------------------------------------------------------


@pages.show("/hotline/knowledge", who=PUBLIC, summary=Text("常见问题", "Questions and answers"))
def open_knowledge(work: Work, seen: Seen) -> Page:
    """Show everybody what is open to the public (GZ art. 17): by words and topic."""
    asked = {name: seen.query.get(name) for name in ("q", "category")}
    found = find_open_articles(work, asked, limit=PAGE, cursor=seen.query.get("cursor") or None)
    context = {
        "rows": [article_row(work, a, found) for a in found.articles],
        "found": found,
        "asked": asked,
        "topics": categories(work),
    }
    return Page("knowledge/public.html", context)


@pages.show("/hotline/knowledge/<code>", who=PUBLIC, summary=Text("常见问题", "Question and answer"))
def open_article(work: Work, seen: Seen, code: str) -> Page:
    """Show everybody one article that is open to the public."""
    found = find_open_article(work, code)
    view = article_view(work, found)
    return Page("knowledge/answer.html", {"a": view, "document": found.published})
