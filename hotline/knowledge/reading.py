"""Who reads which article: its own people whatever its standing, all others while it is an answer."""

from __future__ import annotations

from cases.model import roles_in
from catalog.diff import Difference, differences
from core.errors import NotFound, invalid
from core.work import Work
from hotline.book import hotline_book
from hotline.knowledge import store
from hotline.knowledge.model import STAFF, Article, Revision


def find_article(work: Work, code: str) -> Article:
    """Return an article that the actor may know of. Raises NotFound for every other, existing or not.

    Whoever takes no part in it sees it as it is published, and only while it is an answer.
    """
    hotline_book(work)
    article = store.article_by_code(work.tx, code)
    if article is None or not (takes_part(work, article) or _may_read(work, article)):
        raise NotFound("没有这条知识", "there is no such article")
    return article


def find_open_article(work: Work, code: str) -> Article:
    """Return an article that is open to the public and an answer now (GZ art. 17). Raises NotFound."""
    hotline_book(work)
    article = store.article_by_code(work.tx, code)
    if article is None or not (article.is_open and article.is_live(work.now)):
        raise NotFound("没有这条知识", "there is no such article")
    return article


def find_valid(work: Work, code: str) -> Article:
    """Return the article that a caller is answered with. Raises Invalid unless it is an answer now."""
    article = store.article_by_code(work.tx, code.strip())
    if article is None or not article.is_live(work.now):
        raise invalid(
            "/article",
            "不是已发布且在有效期内的知识",
            "is not an article that is published and valid now",
            code="not_valid",
        )
    return article


def note_use(work: Work, code: str) -> None:
    """Count that a caller was answered with an article. Raises what `find_valid` raises."""
    store.count_use(work.tx, find_valid(work, code).id, work.now)


def takes_part(work: Work, article: Article) -> bool:
    """Tell whether the actor sees the wording that is being written: its unit, its reviewers, an auditor."""
    return bool(roles_in(article.case, work.actor)) or work.actor.has("auditor")


def _may_read(work: Work, article: Article) -> bool:
    open_to_actor = article.is_open or not STAFF.isdisjoint(work.actor.roles)
    return open_to_actor and article.is_live(work.now)


def list_wordings(work: Work, article: Article) -> list[tuple[Revision, list[Difference]]]:
    """Return the wordings of an article, newest first, each with what it changed; for who takes part."""
    if not takes_part(work, article):
        return []
    kept = store.revisions(work.tx, article.id)
    before: list[Revision | None] = [None, *kept[:-1]]
    pairs = zip(kept, before, strict=True)
    return [(now, differences(was.document, now.document) if was else []) for now, was in pairs][::-1]
