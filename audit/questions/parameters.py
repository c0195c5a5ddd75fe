"""What a question may be asked with: every parameter has a kind and bounds, and a wrong one is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from audit.identifiers import SUBJECT, wrong_in
from audit.questions.subject import DIGEST_CHARS
from core.codes import code_in
from core.errors import FieldError, Invalid
from core.text import Text
from core.times import parse_instant
from core.whole import whole

LONGEST_DAYS = 3660
"""The longest period that one question covers."""
CODE_MOST = 100
FIRST_YEAR, LAST_YEAR = 2000, 2100
_DIGEST = re.compile(rf"[0-9a-f]{{{DIGEST_CHARS}}}")
_NUMBER = re.compile(r"\d{1,3}(\.\d{1,3})?", re.ASCII)


class Wrong(Exception):
    """A value that a parameter cannot have."""

    def __init__(self, zh: str, en: str, code: str = "format") -> None:
        super().__init__(en)
        self.text = Text(zh, en)
        self.code = code


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: `read` makes a value of the text that somebody typed, or raises Wrong."""

    name: str
    title: Text
    bounds: Text
    """What may be typed, for whoever asks."""
    read: Callable[[str], Any]
    default: Any = None
    required: bool = False
    choices: Mapping[str, Text] | None = None


def instants(days: int) -> tuple[Parameter, Parameter]:
    """Return the period of a question: the last `days` days where nothing is said."""
    spelled = Text(
        "时间，如 2026-02-13T10:00 或 2026-02-13（北京时间）", "an instant such as 2026-02-13T10:00, or a day"
    )
    begins = Text(f"{spelled.zh}；默认截止前 {days} 天", f"{spelled.en}; default: {days} days before the end")
    ends = Text(f"{spelled.zh}；默认现在", f"{spelled.en}; default: now")
    return (
        Parameter("since", Text("起始时刻", "From"), begins, _instant, timedelta(days=days)),
        Parameter("until", Text("截止时刻（不含）", "Until, exclusive"), ends, _instant),
    )


def code(name: str, title: Text, *, required: bool = False) -> Parameter:
    """Return a parameter that names a department, system, grant, dataset and the like exactly."""

    def read(text: str) -> str:
        code = _code(name, text)
        return code_in(code) if name == "dataset" else code

    bounds = Text(f"代码或编号，最多 {CODE_MOST} 个字符", f"a code or number, {CODE_MOST} characters at most")
    return Parameter(name, title, bounds, read, required=required)


def number(name: str, title: Text, least: int, most: int, default: int) -> Parameter:
    """Return a whole number with its bounds."""

    def read(text: str) -> int:
        value = whole(text, least, most)
        if value is None:
            raise Wrong(
                f"应为 {least} 到 {most} 的整数", f"must be a whole number from {least} to {most}", "range"
            )
        return value

    bounds = Text(
        f"{least} 到 {most} 的整数，默认 {default}",
        f"a whole number from {least} to {most}; default {default}",
    )
    return Parameter(name, title, bounds, read, default)


def decimal(name: str, title: Text, least: float, most: float, default: float) -> Parameter:
    """Return a number with its bounds."""

    def read(text: str) -> float:
        if not _NUMBER.fullmatch(text) or not least <= float(text) <= most:
            raise Wrong(
                f"应为 {least:g} 到 {most:g} 的数", f"must be a number from {least:g} to {most:g}", "range"
            )
        return float(text)

    bounds = Text(
        f"{least:g} 到 {most:g} 的数，默认 {default:g}",
        f"a number from {least:g} to {most:g}; default {default:g}",
    )
    return Parameter(name, title, bounds, read, default)


def choice(name: str, title: Text, choices: Mapping[str, Text], default: str) -> Parameter:
    """Return a parameter with a list of values."""
    known = Text("、".join(choices), ", ".join(choices))

    def read(text: str) -> str:
        if text not in choices:
            raise Wrong(f"应为 {known.zh} 之一", f"must be one of {known.en}", "enum")
        return text

    bounds = Text(f"{known.zh} 之一，默认 {default}", f"one of {known.en}; default {default}")
    return Parameter(name, title, bounds, read, default, choices=choices)


def subject(*, required: bool) -> Parameter:
    """Return the digest of a person's name and value, as `POST /api/audit/subjects` gives it."""
    bounds = Text(f"{DIGEST_CHARS} 位十六进制摘要", f"a digest of {DIGEST_CHARS} hexadecimal digits")
    return Parameter(
        "subject", Text("公民记录摘要", "Digest of a citizen record"), bounds, _digest, required=required
    )


def read_parameters(known: Sequence[Parameter], given: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """Return a value for each parameter. Raises Invalid with an entry for each wrong one."""
    wrong = [
        FieldError(f"/{name}", Text("这个问题没有此参数", "is no parameter of this question"), "unknown")
        for name in given
        if name not in {p.name for p in known}
    ]
    values: dict[str, Any] = {}
    for parameter in known:
        try:
            values[parameter.name] = _value(parameter, given.get(parameter.name, "").strip())
        except Wrong as error:
            wrong.append(FieldError(f"/{parameter.name}", error.text, error.code))
    if not wrong and "since" in values:
        wrong = _fill_period(values, now)
    if wrong:
        raise Invalid(wrong)
    return values


def _value(parameter: Parameter, text: str) -> Any:
    if text:
        return parameter.read(text)
    if parameter.required:
        raise Wrong("必须填写", "is required", "required")
    return parameter.default


def _fill_period(values: dict[str, Any], now: datetime) -> list[FieldError]:
    """Put instants where nothing was said, and judge the period."""
    if values["until"] is None:
        values["until"] = now
    if isinstance(values["since"], timedelta):
        values["since"] = values["until"] - values["since"]
    if values["since"] >= values["until"]:
        return [FieldError("/until", Text("应晚于起始时刻", "must be later than the start"), "range")]
    if values["until"] - values["since"] > timedelta(days=LONGEST_DAYS):
        words = Text(f"期间最长 {LONGEST_DAYS} 天", f"the period may have {LONGEST_DAYS} days at most")
        return [FieldError("/since", words, "range")]
    return []


def _instant(text: str) -> datetime:
    try:
        instant = parse_instant(text)
    except ValueError:
        raise Wrong(
            "应为时间，如 2026-02-13T10:00:00+08:00", "must be an instant, 2026-02-13T10:00:00+08:00"
        ) from None
    if not FIRST_YEAR < instant.year < LAST_YEAR:
        raise Wrong(
            f"年份应在 {FIRST_YEAR} 与 {LAST_YEAR} 之间",
            f"must lie between {FIRST_YEAR} and {LAST_YEAR}",
            "range",
        )
    return instant


def _code(name: str, text: str) -> str:
    if len(text) > CODE_MOST:
        raise Wrong(f"应为 1 到 {CODE_MOST} 个字符", f"must have 1 to {CODE_MOST} characters", "range")
    wrong = wrong_in(name, text)
    if wrong is not None:
        raise Wrong(wrong.zh, wrong.en)
    return text


def _digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise Wrong(SUBJECT.zh, SUBJECT.en)
    return text
