"""What must not stand in a text that lists show and searches find: people's numbers, the caller's name.

A text is looked at through a shadow of the same length, in which every kind of digit, the spelt ones among
them, is a plain digit; what is found there is starred in the text itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

STARS = "***"
_BETWEEN = r"[\s\-\u2010-\u2015.·•_/*\u200b-\u200f\u2060\ufeff]"
"""What people put between digits or characters, and what they do not see."""
_GAPS = frozenset(c for c in map(chr, range(0x10000)) if re.match(_BETWEEN, c))
"""The same as characters."""
_GAP, _ONE = _BETWEEN + "{0,3}", _BETWEEN + "?"
_NUMBERS = (
    re.compile(
        rf"(?<!\d)[1-9]\d{{5}}{_GAP}(?:18|19|20)\d{{2}}{_GAP}(?:0[1-9]|1[0-2]){_GAP}\d{{2}}{_GAP}\d{{3}}{_GAP}[\dXx]"
    ),
    re.compile(rf"(?<!\d)(?:(?:\+|00)?86{_GAP})?1{_GAP}[3-9](?:{_GAP}\d){{9}}(?!\d)"),
    re.compile(
        rf"(?<!\d)[(（]?0\d{{2,3}}[)）]?{_GAP}\d{{3,4}}{_ONE}\d{{4}}(?:[-\s转]{{1,2}}\d{{1,6}})?(?!\d)"
    ),
    re.compile(rf"(?<!\d)(?!20\d\d{_BETWEEN}20\d\d)[2-8]\d{{2,3}}{_ONE}\d{{4}}(?!\d)"),
    re.compile(rf"(?<!\d)\d(?:{_ONE}\d){{14,18}}(?!\d)"),
    re.compile(r"\d{11,}"),
    re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"),
)
"""Identity numbers (GB 11643), mobile and fixed-line numbers, long numbers such as cards, mail addresses."""
_LEAST_NAME = 2
_SPELT = {c: str(n) for n, several in enumerate(("零〇", "一幺", "二两", *"三四五六七八九")) for c in several}
_APART = re.compile(r"[\s·•,，、;；/]+")
_TITLE = re.compile(r"(?<=\S{2})(?:先生|女士|小姐|同志|老师|师傅)$")


def masked_text(text: str, personal: Iterable[str] = (), names: Iterable[str] = ()) -> str:
    """Return a text with stars in place of numbers of people and of the caller's own words.

    `personal` are words that must not stand there, however they are spaced; of `names` their parts must not
    either. A word of one character is left alone: it would star half of the text.
    """
    letters = "".join(map(_letter, text))
    digits = "".join(map(_digit, letters))
    spans = [match.span() for pattern in _NUMBERS for match in pattern.finditer(digits)]
    spans += _said(letters, {_compact(word) for word in (*personal, *_parts(names))})
    return _starred(text, spans)


def _said(text: str, words: Iterable[str]) -> list[tuple[int, int]]:
    """Return where a text has one of the words, whatever is between their characters."""
    places = [at for at, c in enumerate(text) if c not in _GAPS]
    plain = "".join(text[at] for at in places)
    spans = []
    for word in words:
        at = plain.find(word) if len(word) >= _LEAST_NAME else -1
        while at >= 0:
            last = at + len(word) - 1
            spans.append((places[at], places[last] + 1))
            at = plain.find(word, last + 1)
    return spans


def _parts(names: Iterable[str]) -> Iterator[str]:
    """Yield names without titles, and the parts of those that have several: 欧阳·娜娜, Ada Lovelace."""
    for name in names:
        plain = _TITLE.sub("", name.strip())
        yield plain
        yield from (_TITLE.sub("", part) for part in _APART.split(plain) if _is_telling(part))


def _is_telling(part: str) -> bool:
    """Tell whether a part of a name says who somebody is; two letters stand in too many other words."""
    return len(part) > _LEAST_NAME or (len(part) == _LEAST_NAME and not part.isascii())


def _compact(word: str) -> str:
    return "".join(plain for c in word if (plain := _letter(c)) not in _GAPS)


def _letter(c: str) -> str:
    """Return a character in its plain form and small, where that is one character: full-width ones too."""
    if c.isascii():
        return c.lower()
    plain = unicodedata.normalize("NFKC", c).lower()
    return plain if len(plain) == 1 else c


def _digit(c: str) -> str:
    """Return the digit that a character stands for, else the character."""
    value = unicodedata.digit(c, None)
    return str(value) if value is not None else _SPELT.get(c, c)


def _starred(text: str, spans: list[tuple[int, int]]) -> str:
    pieces: list[str] = []
    at = 0
    for start, end in sorted(spans):
        if end <= at:
            continue
        pieces += [text[at:start], STARS] if start >= at else []
        at = end
    return "".join((*pieces, text[at:]))
