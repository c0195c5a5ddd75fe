"""Fields and facts: what a value may be, and how it is read from what a person or a script typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from core.errors import Invalid, invalid
from core.text import Text
from core.times import parse_instant

TRUE_WORDS = frozenset({"true", "yes", "1", "是", "有"})
MOST_KEYS, LONGEST_KEY = 10, 200
FALSE_WORDS = frozenset({"false", "no", "0", "否", "无"})
FIRST_YEAR, LAST_YEAR = 2000, 2099
"""The years of instants: arithmetic with any of them stays inside what a calendar can hold."""
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but for line ends and tabs, and those that show a text in another order (UAX 9)."""


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One field of a step, or one fact of a case.

    `type` is text, instant, integer, boolean, choice, list or json; department, dataset and person are texts
    that name something the platform knows; record is the key of one record, attribute to value.
    """

    name: str
    title: Text
    type: str
    choices: Mapping[str, Text]
    aliases: Mapping[str, str]
    """Other words for the field itself or for a choice, to the key that is meant."""
    min: int | None = None
    max: int | None = None
    """Largest integer, or most characters of a text."""
    optional: bool = False
    """A fact that may be unknown: what depends on it is then left out instead of refused."""
    sealed: bool = False
    """Whether it may hold personal data: kept encrypted, shown to the parties alone."""
    default: Any = None
    """What a fact is that nobody stated; None where nothing may be supposed."""

    def is_called(self, word: str) -> bool:
        """Tell whether `word` is the key, a title or another word for this field."""
        return word in (self.name, *self.title) or self.aliases.get(word) == self.name


def read_value(rule: FieldRule, raw: Any, pointer: str) -> Any:
    """Return `raw` as the value that the rule describes; choices by key or by title. Raises Invalid."""
    value = _READERS.get(rule.type, _as_it_is)(rule, raw, pointer)
    if isinstance(value, int) and not isinstance(value, bool):
        _within(rule, value, pointer)
    return value


def _text(rule: FieldRule, raw: Any, pointer: str) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise invalid(pointer, "应为文字，且不能为空", "must be a text that is not blank")
    if rule.max is not None and len(raw) > rule.max:
        raise invalid(pointer, f"最多 {rule.max} 个字", f"must have at most {rule.max} characters")
    _seen_whole(raw, pointer)
    return raw


def _seen_whole(text: str, pointer: str) -> None:
    """Raise Invalid for a text that holds what no reader sees."""
    found = _UNSEEN.search(text)
    if found is not None:
        code = f"U+{ord(found.group()):04X}"
        raise invalid(
            pointer,
            f"不能含有控制字符或改变文字方向的字符（{code}）",
            f"must hold no control character and none that turns the direction of the text ({code})",
            code="format",
        )


def _choice(rule: FieldRule, raw: Any, pointer: str) -> str:
    word = str(raw).strip()
    for key, title in rule.choices.items():
        if word in (key, *title):
            return key
    if rule.aliases.get(word) in rule.choices:
        return rule.aliases[word]
    known = "、".join(f"{title.zh}({key})" for key, title in rule.choices.items())
    raise invalid(
        pointer,
        f"“{word}”不在可选值中：{known}",
        f"{word!r} is not one of {', '.join(rule.choices)}",
        code="enum",
    )


def _boolean(rule: FieldRule, raw: Any, pointer: str) -> bool:
    word = str(raw).strip().lower()
    if word in TRUE_WORDS or word in FALSE_WORDS:
        return word in TRUE_WORDS
    raise invalid(pointer, f"“{raw}”应为 是 或 否(true/false)", f"{raw!r} must be true or false", code="type")


def _integer(rule: FieldRule, raw: Any, pointer: str) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    try:
        return int(str(raw).strip()[:20])
    except ValueError:
        raise invalid(pointer, f"“{raw}”应为整数", f"{raw!r} must be a whole number", code="type") from None


def _instant(rule: FieldRule, raw: Any, pointer: str) -> str:
    try:
        instant = raw if isinstance(raw, datetime) else parse_instant(str(raw))
    except ValueError:
        raise invalid(
            pointer, f"“{raw}”不是有效的时间", f"{raw!r} is not an instant", code="format"
        ) from None
    if not isinstance(raw, datetime) and _is_bare_date(str(raw)):
        raise invalid(
            pointer,
            f"“{raw}”只有日期，请写明日期和时间，如 2026-02-10T17:30",
            f"{raw!r} is a date alone; give date and time, such as 2026-02-10T17:30",
            code="format",
        )
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise invalid(
            pointer,
            f"年份应在 {FIRST_YEAR} 至 {LAST_YEAR} 之间",
            f"must be in the years {FIRST_YEAR} to {LAST_YEAR}",
            code="range",
        )
    return instant.isoformat()


def _is_bare_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _list(rule: FieldRule, raw: Any, pointer: str) -> list[Any]:
    if not isinstance(raw, list):
        raise invalid(pointer, "应为列表", "must be a list", code="type")
    for item in raw:
        if isinstance(item, str):
            _seen_whole(item, pointer)
    return raw


def _record(rule: FieldRule, raw: Any, pointer: str) -> dict[str, str]:
    """Read the key of a record: a mapping, or lines of ``attribute=value`` as a form sends them."""
    if isinstance(raw, str):
        lines = [line.partition("=") for line in raw.replace(";", "\n").splitlines() if line.strip()]
        raw = {name.strip(): value.strip() for name, _, value in lines}
    fits = isinstance(raw, Mapping) and 0 < len(raw) <= MOST_KEYS
    if not fits or not all(isinstance(v, str) and 0 < len(v) <= LONGEST_KEY for v in raw.values()):
        raise invalid(
            pointer, "应写成 信息项=值，每行一个", "must name attributes and values, such as code=429005"
        )
    for name, value in raw.items():
        _seen_whole(f"{name}{value}", pointer)
    return dict(raw)


def _as_it_is(rule: FieldRule, raw: Any, pointer: str) -> Any:
    return raw


def _within(rule: FieldRule, value: int, pointer: str) -> None:
    if rule.min is not None and value < rule.min:
        raise invalid(
            pointer, f"不能小于 {rule.min}，现为 {value}", f"must be at least {rule.min}, is {value}"
        )
    if rule.max is not None and value > rule.max:
        raise invalid(
            pointer, f"不能大于 {rule.max}，现为 {value}", f"must be at most {rule.max}, is {value}"
        )


Reader = Callable[[FieldRule, Any, str], Any]

_READERS: dict[str, Reader] = {
    "text": _text,
    "choice": _choice,
    "boolean": _boolean,
    "integer": _integer,
    "instant": _instant,
    "list": _list,
    "department": _text,
    "dataset": _text,
    "person": _text,
    "record": _record,
}


def pointer_to(*parts: str) -> str:
    """Return the JSON pointer (RFC 6901) of a member, whatever its name is made of."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def read_facts(rules: Mapping[str, FieldRule], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return `given` by key, with values by key. Raises Invalid with one entry per wrong fact."""
    facts: dict[str, Any] = {}
    wrong: list[Invalid] = []
    for word, raw in given.items():
        try:
            rule = _rule_called(rules, word)
            if rule.name in facts:
                raise invalid(pointer_to("facts", word), "同一事实给了两次", "the same fact is given twice")
            facts[rule.name] = read_value(rule, raw, pointer_to("facts", word))
        except Invalid as refusal:
            wrong.append(refusal)
    if wrong:
        raise Invalid(e for refusal in wrong for e in refusal.errors)
    return facts


def _rule_called(rules: Mapping[str, FieldRule], word: str) -> FieldRule:
    for rule in rules.values():
        if rule.is_called(word):
            return rule
    known = "、".join(f"{rule.title.zh}({rule.name})" for rule in rules.values())
    raise invalid(
        pointer_to("facts", word),
        f"规则中没有“{word}”这一项，可用：{known}",
        f"the rulebook knows no fact {word!r}; it knows {', '.join(rules)}",
        code="unknown",
    )


def missing(fact: str, rule: FieldRule | None) -> Invalid:
    """Return the refusal of a question that cannot be answered without `fact`."""
    title = rule.title if rule else Text(fact, fact)
    return invalid(
        f"/facts/{fact}",
        f"需要先说明{title.zh}({fact})",
        f"{title.en} ({fact}) must be given",
        code="required",
    )
