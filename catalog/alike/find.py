"""One source for each item (QJ art. 14, I-S-23): point out the datasets that hold what an entry registers."""

from __future__ import annotations

from typing import NamedTuple

from catalog.alike import store
from catalog.alike.keys import ITEM, keys_of, keys_of_item
from catalog.model import Dataset
from catalog.store import datasets_by_id
from core.work import Work

MOST = 5
"""How many datasets are pointed out."""
LEAST_ITEMS = 3
"""Fewer items in common, such as a name and a date, are no sign of the same data; half of them must be."""
BATCH = 500


class Alike(NamedTuple):
    """A dataset that holds the same, and which items of the entry it has as well."""

    dataset: Dataset
    items: tuple[str, ...]


def note_items(work: Work, dataset: Dataset) -> None:
    """Keep what an entry holds, so that later ones are compared with it."""
    store.put_keys(work.tx, dataset.id, keys_of(dataset.document))


def note_all_items(work: Work) -> int:
    """Keep what entries hold that an earlier version registered; return how many there were."""
    noted, after = 0, ""
    while ids := store.without_keys(work.tx, after, BATCH):
        for dataset in datasets_by_id(work.tx, ids):
            note_items(work, dataset)
        noted, after = noted + len(ids), ids[-1]
    return noted


def find_alike(work: Work, dataset: Dataset) -> list[Alike]:
    """Return the datasets that hold the same, the closest first: at most MOST.

    The same is: the title, a standard data element, or at least three items and half of all.
    """
    keys = keys_of(dataset.document)
    items = sum(key.kind == ITEM for key in keys)
    least = max(LEAST_ITEMS, (items + 1) // 2)
    found = store.alike(work.tx, dataset.id, dataset.provider, keys, least, MOST)
    return [_compared(dataset, other) for other in datasets_by_id(work.tx, found)]


def _compared(dataset: Dataset, other: Dataset) -> Alike:
    theirs = keys_of(other.document)
    shared = (a["title"] for a in dataset.document["attributes"] if not theirs.isdisjoint(keys_of_item(a)))
    return Alike(other, tuple(shared))
