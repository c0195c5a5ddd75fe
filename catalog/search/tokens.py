"""What is searchable in a text: one tokeniser for what is indexed and for what is asked.

Chinese has no spaces, and dictionaries miss the words of a trade, so a run of Chinese characters becomes its
overlapping pairs plus its last character: 公积金 -> 公积 积金 金. A pair is found as a word, three and more
characters as a phrase of pairs, a single character as the beginning of a token. Runs of Latin letters and
digits stay whole.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

VERSION = 1
"""Raise it whenever `tokens` changes what it returns; `catalog.search.find.reindex` then makes them anew."""

MOST_TERMS = 20
"""Runs of a question beyond this many are not looked at."""

_CHINESE = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_RUN = re.compile(rf"([{_CHINESE}]+)|((?:(?![{_CHINESE}_])\w)+(?:\.\d+)*)")


@dataclass(frozen=True, slots=True)
class Term:
    """One run of a question: `tokens` in this order and adjacent; with `prefix` the last is only begun."""

    tokens: tuple[str, ...]
    prefix: bool


def tokens(text: str) -> list[str]:
    """Return the tokens of a text in order; upper and lower case, full and half width are the same."""
    found: list[str] = []
    for chinese, latin in _runs(text):
        found += [*_pairs(chinese), chinese[-1]] if chinese else [latin]
    return found


def terms(question: str) -> tuple[Term, ...]:
    """Return what a question asks for, run by run; all of them should be found, each anywhere."""
    asked = [
        Term((latin,), True) if latin else Term(tuple(_pairs(chinese)) or (chinese,), len(chinese) == 1)
        for chinese, latin in _runs(question)
    ]
    return tuple(dict.fromkeys(asked))[:MOST_TERMS]


def loosened(asked: tuple[Term, ...]) -> tuple[Term, ...]:
    """Return the single tokens of a question, any of which may do when all of it finds nothing."""
    single = [Term((token,), term.prefix) for term in asked for token in term.tokens]
    return tuple(dict.fromkeys(single))[: 3 * MOST_TERMS]


def _runs(text: str) -> list[tuple[str, str]]:
    plain = unicodedata.normalize("NFKC", text).casefold()
    # The index splits at a dot, so the one inside pm2.5 becomes a letter on both sides.
    return [(chinese, latin.replace(".", "p")) for chinese, latin in _RUN.findall(plain)]


def _pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)]
