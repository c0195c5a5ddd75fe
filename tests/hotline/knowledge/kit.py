"""Articles and their people: built by use cases, as they are built at work."""

from __future__ import annotations

from typing import Any

from core.work import Actor
from hotline.knowledge.articles import act_on_article, write_article
from hotline.knowledge.model import Article

CATEGORY = "other"


def _actor(login: str, department: str, *roles: str) -> Actor:
    return Actor(login, login.title(), department, frozenset(roles), f"pseudonym-of-{login}")


hana = _actor("hana", "hr_social", "handler")
"""Writes for the human resources bureau."""
hugo = _actor("hugo", "hr_social", "handler")
"""Her colleague, who looks at what she wrote."""
henry = _actor("henry", "housing", "handler")
"""Writes for another unit."""
opal = _actor("opal", "hotline_office", "operator")
"""Answers the phone."""
della = _actor("della", "hotline_office", "dispatcher")
"""Gives questions to units."""
sue = _actor("sue", "hotline_office", "supervisor")
"""Approves for the hotline."""
vera = _actor("vera", "audit", "auditor")
"""The auditor."""
citizen = Actor("", "", "", frozenset(), "nobody")

CARD = {
    "question": "社保卡丢了怎么补办",
    "answer": "请持本人身份证到就近社保经办网点或合作银行网点办理挂失和补办，七个工作日内领取新卡。",
    "basis": ["《社会保障卡管理办法》第十二条"],
    "keywords": ["社会保障卡", "挂失"],
}


def draft(world: Any, **changes: Any) -> dict[str, Any]:
    """Return an article as its unit would write it."""
    topic = world.rulebooks.current("hotline").policy("categories").value[0]["code"]
    return {**CARD, "categories": [topic], **changes}


def written(world: Any, actor: Actor = hana, **changes: Any) -> Article:
    """Return a draft."""
    with world.work(actor) as work:
        return write_article(work, draft(world, **changes))


def acted(world: Any, actor: Actor, code: str, action: str, **fields: Any) -> Article:
    """Take a step of an article."""
    with world.work(actor) as work:
        return act_on_article(work, code, action, fields)


def published(world: Any, actor: Actor = hana, **changes: Any) -> Article:
    """Return an article that answers callers."""
    made = written(world, actor, **changes)
    acted(world, actor, made.code, "submit")
    return acted(world, sue, made.code, "approve")
