"""While a correction is open its data carry a notice, and people are served as usual (QJ art. 23; GZ 5(三)).

What is kept for the data plane holds no personal data: the record in doubt is known by a digest alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection

from catalog.corrections import store
from catalog.corrections.model import Dispute, record_digest
from catalog.model import Dataset
from catalog.store import dataset_by_code
from core.errors import FieldError, Invalid, NotFound
from core.text import Text
from core.work import Work
from rules.values import pointer_to

MOST = 1000
"""So many open corrections of one dataset are looked at, the newest of them."""


def mark_disputed(
    work: Work,
    number: str,
    dataset_code: str,
    items: Collection[str],
    record: Mapping[str, str] | None,
    link: str,
) -> None:
    """Let the data of a dataset carry a notice from now on, until `settle_disputed`.

    `items` are attributes by name or title; where one is neither, any may be meant. `record` is the key of a
    record, `link` the page of the correction. Raises NotFound for an unknown dataset, Invalid when the key
    names no attribute of it.
    """
    dataset = dataset_by_code(work.tx, dataset_code)
    if dataset is None:
        raise NotFound("没有这个数据集", "no such dataset")
    key = _key(dataset, record or {})
    usual = work.rulebooks.current("sharing").policy("use.served_as_usual")
    dispute = Dispute(
        number=number,
        dataset_id=dataset.id,
        since=work.now,
        items=_items(dataset, items),
        record_key=tuple(sorted(key)),
        record_digest=record_digest(number, key) if key else None,
        served_as_usual=usual.value is True,
        cite=usual.cite.as_json() if usual.value is True else {},
        link=link,
    )
    store.insert_dispute(work.tx, dispute)
    work.policy_changed(work.tx)


def settle_disputed(work: Work, number: str) -> None:
    """Let the data carry the notice of a correction no longer; nothing happens when they carry none."""
    if store.delete_disputes(work.tx, number):
        work.policy_changed(work.tx)


def open_disputes(tx: Connection, dataset_id: str) -> tuple[Dispute, ...]:
    """Return the open corrections of a dataset, the newest first, at most `MOST`."""
    return store.disputes_of(tx, dataset_id, MOST)


def _items(dataset: Dataset, given: Collection[str]) -> tuple[str, ...]:
    names = [_attribute(dataset, word) for word in given]
    return () if None in names else tuple(sorted({name for name in names if name}))


def _key(dataset: Dataset, record: Mapping[str, str]) -> dict[str, str]:
    key: dict[str, str] = {}
    unknown: list[FieldError] = []
    for word, value in record.items():
        name = _attribute(dataset, word)
        if name is None or name in key:
            words = Text(f"“{word}”不是该数据集的信息项", f"{word!r} is no attribute of the dataset")
            unknown.append(FieldError(pointer_to("record", word), words, "unknown"))
        else:
            key[name] = value
    if unknown:
        raise Invalid(unknown)
    return key


def _attribute(dataset: Dataset, word: str) -> str | None:
    """Return the name of the attribute that is called `word`, by name or by title."""
    attributes = dataset.document["attributes"]
    by_title = {str(a["title"]): str(a["name"]) for a in attributes}
    return word if word in by_title.values() else by_title.get(word)
