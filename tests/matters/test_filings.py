"""What is not shared is on file with the platform manager, who lists and reviews it (GZ art. 4(一))."""

from __future__ import annotations

from typing import Any

from catalog.bases import list_bases
from catalog.datasets import act_on_dataset, register_dataset
from matters.acting import act_on_matter, list_matters
from matters.model import Wanted
from tests.cast import alice, bob
from tests.stories import OFFERS

WITHHELD = {
    "share_class": "none",
    "class_reason": "涉及个人隐私",
    "basis": {"level": "law", "title": "中华人民共和国个人信息保护法", "article": "第二十五条"},
}


def test_a_basis_is_filed_with_the_review_and_its_state_is_listed(ganzhou: Any) -> None:
    with ganzhou.work(alice) as work:
        dataset = register_dataset(work, {**OFFERS["divisions"][1], **WITHHELD})
        act_on_dataset(work, dataset.code, "submit", {})
    with ganzhou.read(bob) as work:
        [held] = list_matters(work, Wanted("filing"), 10, None).rows
        [row] = list_bases(work, None, 10, None).rows
    assert held.case.events[0].fields["subject"] == "no_share_basis"
    assert "个人信息保护法" in held.case.events[0].fields["basis"]
    assert (row.filing.number, row.filing.state) == (held.matter.number, "filed")
    with ganzhou.work(bob) as work:
        act_on_matter(work, held.matter.id, "note_filing", {})
    with ganzhou.read(bob) as work:
        assert list_bases(work, None, 10, None).rows[0].filing.state == "noted"
