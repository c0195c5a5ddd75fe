"""The knowledge base over HTTP: write, review, find, look up, and what found no answer."""

from __future__ import annotations

from core.errors import invalid
from core.text import Text
from core.work import Work
from hotline.knowledge.articles import act_on_article, edit_article, write_article
from hotline.knowledge.gaps import DESK, VIEWERS, assign_gap, close_gap, list_gaps
from hotline.knowledge.lookup import LOOKERS, look_up
from hotline.knowledge.model import STAFF, Article
from hotline.knowledge.present import article_row, article_view, found_view, gap_view, wordings_view
from hotline.knowledge.reading import find_article
from hotline.knowledge.search.find import find_articles
from web.auth import SIGNED_IN
from web.http import Call, Reply, Routes, listing

routes = Routes("knowledge")

FILTERS = {
    "q": Text("关键词", "words to look for"),
    "category": Text("分类", "topic"),
    "unit": Text("提供单位", "unit"),
    "state": Text("状态", "state"),
    "sort": Text("排序（changed 或 used）", "order: changed or used"),
}


def _reply(work: Work, article: Article, status: int = 200) -> Reply:
    headers = {"Location": f"/api/knowledge/{article.code}"} if status == 201 else {}
    return Reply(article_view(work, article), status, headers, version=article.version)


@routes.add(
    "GET",
    "/api/knowledge",
    who=STAFF,
    response="response/articles",
    query=FILTERS,
    paged=True,
    summary=Text("查找知识", "Find articles"),
)
def articles(work: Work, call: Call) -> Reply:
    """Find what may be answered with now, and of one's own unit whatever its standing; the best first."""
    found = find_articles(
        work, {name: call.query.get(name) for name in FILTERS}, limit=call.limit, cursor=call.cursor
    )
    beside = {"total": found.total, "loosened": found.loosened}
    return listing([article_row(work, a, found) for a in found.articles], found.next_cursor, beside)


@routes.add(
    "POST",
    "/api/knowledge",
    who={"handler"},
    request="request/article",
    response="response/article",
    status=201,
    summary=Text("编写知识", "Write an article"),
)
def write(work: Work, call: Call) -> Reply:
    """Write an article of the caller's unit as a draft; somebody else approves it."""
    return _reply(work, write_article(work, call.body), 201)


@routes.add(
    "POST",
    "/api/knowledge/lookup",
    who=LOOKERS,
    request="request/knowledge_lookup",
    response="response/knowledge_found",
    summary=Text("通话中查知识", "Look something up during a call"),
)
def lookup(work: Work, call: Call) -> Reply:
    """Answer with what is valid now; what finds nothing, or nothing that helps, is noted without names."""
    looked_up = look_up(
        work,
        call.body["q"],
        category=call.body.get("category"),
        unanswered=call.body.get("unanswered", False),
        hide=call.body.get("hide", ()),
    )
    return Reply(found_view(work, looked_up))


@routes.add(
    "GET",
    "/api/knowledge/unanswered",
    who=VIEWERS | {"handler"},
    response="response/knowledge_gaps",
    query={"open": Text("是否未处理（true 或 false）", "whether it is still open (true or false)")},
    paged=True,
    summary=Text("未答问题", "Questions without an answer"),
)
def unanswered(work: Work, call: Call) -> Reply:
    """List the questions that no article answers; a unit sees those that it was asked to answer."""
    raw = call.query.get("open", "true")
    if raw not in ("true", "false"):
        raise invalid("/open", "应为 true 或 false", "must be true or false")
    page = list_gaps(work, raw == "true", call.limit, call.cursor)
    return listing([gap_view(work, gap) for gap in page.rows], page.next_cursor)


@routes.add(
    "POST",
    "/api/knowledge/unanswered/<gap_id>/assign",
    who=DESK,
    request="request/knowledge_gap_unit",
    response="response/knowledge_gap",
    summary=Text("交单位补充知识", "Ask a unit to write the answer"),
)
def assign(work: Work, call: Call, gap_id: str) -> Reply:
    """Ask a unit to write the answer to a question; its people are told."""
    gap = assign_gap(work, gap_id, call.body["unit"], expect_version=call.if_match)
    return Reply(gap_view(work, gap), version=gap.version)


@routes.add(
    "POST",
    "/api/knowledge/unanswered/<gap_id>/close",
    who=DESK,
    request="request/knowledge_gap_close",
    response="response/knowledge_gap",
    summary=Text("办结未答问题", "Close a question"),
)
def close(work: Work, call: Call, gap_id: str) -> Reply:
    """Close a question with the article that answers it, or, without one, as a question that needs none."""
    gap = close_gap(work, gap_id, article=call.body.get("article"), expect_version=call.if_match)
    return Reply(gap_view(work, gap), version=gap.version)


@routes.add(
    "GET",
    "/api/knowledge/<code>",
    who=SIGNED_IN,
    response="response/article",
    summary=Text("查看知识", "Show an article"),
)
def article(work: Work, call: Call, code: str) -> Reply:
    """Show an article as the caller may read it, with what the caller may do."""
    return _reply(work, find_article(work, code))


@routes.add(
    "PATCH",
    "/api/knowledge/<code>",
    who={"handler"},
    request="request/article_revision",
    response="response/article",
    summary=Text("修改知识", "Change the wording of an article"),
)
def edit(work: Work, call: Call, code: str) -> Reply:
    """Replace the members given (null removes one); readers see the wording before until it is approved."""
    return _reply(work, edit_article(work, code, call.body, expect_version=call.if_match))


@routes.add(
    "POST",
    "/api/knowledge/<code>/actions/<action>",
    who=STAFF - {"auditor"},
    response="response/article",
    summary=Text("办理知识", "Act on an article"),
)
def act(work: Work, call: Call, code: str, action: str) -> Reply:
    """Take one of the `actions` that the article offers the caller, with the fields that its form names."""
    return _reply(work, act_on_article(work, code, action, call.body, expect_version=call.if_match))


@routes.add(
    "GET",
    "/api/knowledge/<code>/revisions",
    who=STAFF,
    response="response/article_revisions",
    summary=Text("知识的历次内容", "Wordings of an article"),
)
def revisions(work: Work, call: Call, code: str) -> Reply:
    """List the wordings of an article, newest first; whoever takes no part in it sees none."""
    return Reply({"items": wordings_view(work, find_article(work, code))})
