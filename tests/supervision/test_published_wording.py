"""Statistics name a dataset as it was published, whatever its provider has written since."""

from __future__ import annotations

from typing import Any

from catalog.datasets import revise_dataset
from supervision.store import dataset_names
from tests.cast import alice, bob
from tests.catalog.entries import acted, attached, divisions, registered

CONDITIONAL = {"share_class": "conditional", "share_condition": "说明用途"}


def named(world: Any) -> list[tuple[str, str]]:
    with world.read(bob) as work:
        return [(d.title, d.share_class) for d in dataset_names(work.tx)]


def revised(world: Any, dataset: Any, **changes: Any) -> Any:
    with world.work(alice) as work:
        return revise_dataset(work, dataset.code, changes, "更正")


def test_a_wording_in_review_is_not_told_before_it_is_published(ganzhou: Any) -> None:
    divisions(ganzhou)
    dataset = attached(ganzhou, registered(ganzhou))
    acted(ganzhou, dataset, "submit")
    assert named(ganzhou) == []
    public = acted(ganzhou, dataset, "approve", bob)
    before = (public.document["title"], public.share_class)
    assert named(ganzhou) == [before]

    assert not revised(ganzhou, dataset, title="尚未审核的名称", **CONDITIONAL).is_public
    assert named(ganzhou) == [before]

    acted(ganzhou, dataset, "approve", bob)
    assert named(ganzhou) == [("尚未审核的名称", "conditional")]


def test_a_wording_that_needs_no_review_is_told_at_once(ganzhou: Any) -> None:
    divisions(ganzhou)
    dataset = attached(ganzhou, registered(ganzhou))
    acted(ganzhou, dataset, "submit")
    public = acted(ganzhou, dataset, "approve", bob)
    assert revised(ganzhou, dataset, title="街道区划代码").is_public
    assert named(ganzhou) == [("街道区划代码", public.share_class)]
