"""A caller is answered at once with an article, and the article knows that it was used."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.errors import Invalid
from hotline.knowledge.reading import find_article
from hotline.model import Held
from tests.cast import otto
from tests.hotline import kit
from tests.hotline.knowledge.kit import hana, published

SAID = "请到任一社保网点补办。"


def asked(city: Any) -> Held:
    """Take in a question."""
    facts = {**kit.classified(city), "type": "consult"}
    return kit.taken(city, summary="社保卡怎么补办", description="问社保卡怎么补办", facts=facts).held


def uses(city: Any, code: str) -> int:
    with city.read(hana) as work:
        return find_article(work, code).uses


def test_a_ticket_answered_with_an_article_counts_its_use(city: Any) -> None:
    code, held = published(city).code, asked(city)
    answer = kit.step_doing(city, held, "answer")
    done = kit.acted(city, otto, held, answer, reply=SAID, article=code)
    assert done.case.state != held.case.state
    assert uses(city, code) == 1


def test_a_ticket_is_not_answered_with_what_is_no_answer_any_more(city: Any) -> None:
    code = published(city, valid_until=(city.now + timedelta(days=1)).isoformat()).code
    city.now += timedelta(days=1)
    held = asked(city)
    for wrong in (code, "K-1999-000001"):
        with pytest.raises(Invalid) as refused:
            kit.acted(city, otto, held, kit.step_doing(city, held, "answer"), reply=SAID, article=wrong)
        assert refused.value.errors[0].pointer == "/article"
    assert kit.seen(city, otto, held).case.state == held.case.state
