"""Search the catalog: words, filters, counts, one page at a time; everybody finds what they may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from catalog import store
from catalog.model import KINDS, SHARE_CLASSES, Dataset
from catalog.search import store as index
from catalog.search.tokens import loosened, terms, tokens
from core.errors import FieldError, Invalid
from core.text import Text
from core.work import Work

LONGEST = 200
"""Characters of a question."""


@dataclass(frozen=True, slots=True)
class Found:
    """One page of what a search found."""

    datasets: list[Dataset]
    next_cursor: str | None
    total: int
    loosened: bool
    """Nothing had all the words, so these have some of them."""
    facets: Mapping[str, list[tuple[str, int]]]


def find_datasets(
    work: Work, asked: Mapping[str, str | None], *, limit: int = 50, cursor: str | None = None
) -> Found:
    """Return the datasets that the actor may see and that fit `asked`.

    `asked` may hold q, share_class, provider, kind, theme and state; a question that finds nothing as a whole
    is asked again with any of its words. Raises Invalid for a filter value that does not exist.
    """
    question = _question(work, {name: value for name, value in asked.items() if value})
    total = index.count(work.tx, question)
    loose = not total and len(loosened(question.terms)) > 1
    if loose:
        question = replace(question, terms=loosened(question.terms), any_term=True)
        total = index.count(work.tx, question)
    ids, next_cursor = index.find_ids(work.tx, question, limit, cursor)
    found = store.datasets_by_id(work.tx, [row.id for row in ids])
    facets = {name: index.facet(work.tx, question, name) for name in index.FACETS}
    return Found(found, next_cursor, total, loose and total > 0, facets)


def index_dataset(work: Work, dataset: Dataset) -> None:
    """Make a dataset findable by the words of its current entry."""
    document = dataset.document
    provider = work.settings.departments.get(dataset.provider)
    items = [f"{a['name']} {a['title']}" for a in document["attributes"]]
    items += [document.get("theme", ""), document.get("register", ""), dataset.code]
    items += [*provider.name] if provider else []
    words = index.Indexed(
        tokens(document["title"]),
        tokens(" ".join([document["summary"], *document.get("keywords", ())])),
        tokens(" ".join(items)),
    )
    index.index_dataset(work.tx, dataset.id, words)


def reindex(work: Work, limit: int = 500) -> int:
    """Make anew what another version of the tokeniser made; return how many, 0 when nothing is left to do."""
    stale = index.stale_documents(work.tx, limit)
    for dataset in store.datasets_by_id(work.tx, stale):
        index_dataset(work, dataset)
    return len(stale)


def _question(work: Work, asked: Mapping[str, str]) -> index.Asked:
    flow = work.rulebooks.current("sharing").workflow("dataset")
    choices: dict[str, Any] = {
        "share_class": SHARE_CLASSES,
        "kind": KINDS,
        "provider": work.settings.departments,
        "state": flow.states,
    }
    wrong = [
        _unknown(name, asked[name])
        for name, known in choices.items()
        if asked.get(name, None) not in (None, *known)
    ]
    if len(asked.get("q", "")) > LONGEST:
        wrong.append(
            FieldError("/q", Text(f"最多 {LONGEST} 个字", f"must have at most {LONGEST} characters"))
        )
    if wrong:
        raise Invalid(wrong)
    actor = work.actor
    return index.Asked(
        terms=terms(asked.get("q", "")),
        share_class=asked.get("share_class"),
        provider=asked.get("provider"),
        kind=asked.get("kind"),
        theme=asked.get("theme"),
        state=asked.get("state"),
        sees_all=actor.has("platform_manager") and actor.department == work.settings.platform.manager,
        sees_own=actor.department if actor.has("provider") else None,
        sees_past=actor.has("auditor"),
    )


def _unknown(name: str, value: str) -> FieldError:
    return FieldError(
        f"/{name}", Text(f"“{value}”不在可选值中", f"{value!r} is not one of the values"), "enum"
    )
