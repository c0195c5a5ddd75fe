"""Where the bases for not sharing stand that a dataset's own steps put on file (GZ art. 4(一))."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from catalog.model import Filing
from core.work import Work
from matters import store
from rules.rulebook import Rulebook


def filings_of(work: Work, datasets: Sequence[str]) -> Mapping[str, Filing]:
    """Return the latest filing of each of these datasets (by id) that has one.

    A filing is what a step of the dataset's own workflow opens, whatever the rulebook calls it.
    """
    book: Rulebook = work.rulebooks.current("sharing")
    opened = {t.opens.workflow for t in book.workflow("dataset").transitions if t.opens is not None}
    return {
        row.origin: Filing(row.number, f"/matters/{row.id}", row.state, row.created_at)
        for row in store.latest_from(work.tx, datasets, sorted(opened))
    }
