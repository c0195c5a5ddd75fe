"""What is wanted of one block, in numbers of its index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np

from audit.columns.index import (
    AT_ONCE,
    LOWER,
    NULL,
    Directory,
    Index,
    Mask,
    Numbers,
    Place,
    number_of,
    spelled,
)
from audit.columns.wanted import LAST, Wanted

_STRETCH = 8
"""Groups that are looked through at a time, but for the first one: what is frequent is found there."""
_END = 1 << 128
"""Greater than any id."""


def bound_of(text: str) -> int | None:
    """Return the number that a bound of ids is, None for one that is no id."""
    return {"": 0, LAST: _END}.get(text, number_of(text))


class Asked:
    """What is wanted of one block, in numbers of its index."""

    def __init__(self, index: Index, directory: Directory, wanted: Wanted) -> None:
        self._index = index
        self._starts = directory.starts
        self._equal = [self._term(*one) for one in wanted.equal.items()]
        self._any_of = [self._term(name, wanted.value) for name in wanted.any_of]
        hidden = [self._hidden(*one) for one in wanted.hidden.items()]
        self._hidden_surely = [terms for terms in hidden if all(term.is_sure for term in terms)]
        self._known: dict[int, Numbers] = {}
        self._terms = [*self._equal, *self._any_of, *(term for terms in hidden for term in terms)]

    def _term(self, name: str, value: str) -> _Term:
        others = self._index.several(value) if name == "subject" else _NO_ROWS
        number = self._index.number(name, value)
        return _Term(name, number, others, self._index.is_sure(name) and not len(others))

    def _hidden(self, kind: str, actor: str | None) -> list[_Term]:
        terms = [self._term("kind", kind)]
        if actor:
            terms.append(self._term("actor", actor))
        elif actor is not None:
            terms.append(_Term("actor", NULL, _NO_ROWS, is_sure=True))
        return terms

    @property
    def is_possible(self) -> bool:
        """Whether some row may be wanted."""
        some = not self._any_of or any(term.is_possible for term in self._any_of)
        return some and all(term.is_possible for term in self._equal)

    @property
    def is_doubtful(self) -> bool:
        """Whether what is found may hold something else, so that bodies are to be asked."""
        return not all(term.is_sure for term in self._terms)

    def newest(self, group: int, ids: Sequence[int]) -> Iterator[Place]:
        """Yield the rows of a group that may be wanted and lie between two ids, the newest first."""
        some = np.flatnonzero(self._rows(group))
        if len(some):
            upper, lower = (half[some] for half in self._index.ids(group))
            order = _newest_first(upper, lower, ids)
            yield from _places(self._index, some[order] + self._starts[group], upper[order], lower[order])

    def _rows(self, group: int) -> Numbers:
        if group not in self._known:
            first, count = (group // _STRETCH * _STRETCH, _STRETCH) if self._known else (group, 1)
            bounds = self._starts[first : first + count + 1]
            rows = np.broadcast_to(self._look_through(bounds[0], bounds[-1]), bounds[-1] - bounds[0])
            for n, (begin, end) in enumerate(pairwise(bounds), first):
                self._known[n] = rows[begin - bounds[0] : end - bounds[0]]
        return self._known[group]

    def _look_through(self, begin: int, end: int) -> Mask:
        """Return which of the rows from `begin` up to `end` may be wanted."""
        rows: Mask = np.bool_(True)
        for term in self._equal:
            rows = rows & self._having(term, begin, end)
        if self._any_of:
            rows = rows & reduce(np.bitwise_or, [self._having(term, begin, end) for term in self._any_of])
        for terms in self._hidden_surely:
            rows = rows & ~reduce(np.bitwise_and, [self._having(term, begin, end) for term in terms])
        return rows

    def _having(self, term: _Term, begin: int, end: int) -> Mask:
        found = self._index.having(term.name, term.number, begin, end)
        others = term.others[(term.others >= begin) & (term.others < end)]
        if len(others):
            found = np.broadcast_to(found, end - begin).copy()
            found[others - begin] = True
        return found


_NO_ROWS = np.zeros(0, np.uint32)


@dataclass(frozen=True, slots=True)
class _Term:
    """Rows whose column `name` has this number, if there is one, and `others` by their own numbers."""

    name: str
    number: int | None
    others: Numbers
    is_sure: bool
    """Whether each of them has the value that was asked for."""

    @property
    def is_possible(self) -> bool:
        return self.number is not None or len(self.others) > 0


def _newest_first(upper: Numbers, lower: Numbers, ids: Sequence[int]) -> Numbers:
    """Return the order of ids that are some and lie in bounds, the greatest first."""
    first, before = ids
    inside = (upper | lower) != 0
    for bound, is_within in ((first, np.greater_equal), (before, np.less)):
        if 0 < bound < _END:
            high, low = np.uint64(bound >> 64), np.uint64(bound & LOWER)
            strictly = np.greater if is_within is np.greater_equal else np.less
            inside &= strictly(upper, high) | ((upper == high) & is_within(lower, low))
    left = np.flatnonzero(inside)
    newest: Numbers = left[np.lexsort((lower[left], upper[left]))[::-1]]
    return newest


def _places(index: Index, rows: Numbers, upper: Numbers, lower: Numbers) -> Iterator[Place]:
    for at in range(0, len(rows), AT_ONCE):
        some = slice(at, at + AT_ONCE)
        halves = zip(upper[some].tolist(), lower[some].tolist(), strict=True)
        yield from index.places(rows[some].tolist(), [spelled(high << 64 | low) for high, low in halves])
