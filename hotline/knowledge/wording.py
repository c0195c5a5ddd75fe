"""A wording as it is kept: its topics known, its dataset one of the catalog, its instants in one form."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from catalog.datasets import find_dataset
from core.codes import code_in
from core.errors import FieldError, Invalid, NotFound
from core.text import Text
from core.times import local_iso, parse_instant
from core.work import Work
from hotline.knowledge.model import Document
from hotline.knowledge.rules import categories
from rules.values import FIRST_YEAR, LAST_YEAR

INSTANTS = ("valid_from", "valid_until")


def checked(work: Work, document: Document) -> dict[str, Any]:
    """Return a wording that fits request/article as it is kept. Raises Invalid with one entry per field."""
    wrong = [*_unknown(work, document), *_instants(document)]
    if wrong:
        raise Invalid(wrong)
    kept = {**document, **{name: local_iso(at) for name, at in _read(document).items()}}
    return {**kept, "dataset": code_in(kept["dataset"])} if "dataset" in kept else kept


def _unknown(work: Work, document: Document) -> Iterator[FieldError]:
    """Topics that the book does not know, and a dataset that the actor cannot know of."""
    known = categories(work)
    for i, code in enumerate(document["categories"]):
        if code not in known:
            words = Text(f"没有分类“{code}”", f"there is no topic {code!r}")
            yield FieldError(f"/categories/{i}", words, "enum")
    if "dataset" in document and not _is_dataset(work, document["dataset"]):
        yield FieldError("/dataset", Text("没有这个数据集", "there is no such dataset"), "unknown")


def _is_dataset(work: Work, code: str) -> bool:
    try:
        return bool(find_dataset(work, code_in(code)))
    except NotFound:
        return False


def _instants(document: Document) -> Iterator[FieldError]:
    """Instants of no year that a calendar holds, and an end that does not lie behind the beginning."""
    read = _read(document)
    far = [name for name, at in read.items() if not FIRST_YEAR < at.year < LAST_YEAR]
    for name in far:
        words = Text(
            f"年份应在 {FIRST_YEAR} 与 {LAST_YEAR} 之间", f"must lie between {FIRST_YEAR} and {LAST_YEAR}"
        )
        yield FieldError(f"/{name}", words, "range")
    begins, ends = (read.get(name) for name in INSTANTS)
    if not far and begins is not None and ends is not None and ends <= begins:
        yield FieldError("/valid_until", Text("应晚于生效时间", "must lie after the beginning"), "range")


def _read(document: Document) -> dict[str, datetime]:
    return {name: parse_instant(document[name]) for name in INSTANTS if name in document}
