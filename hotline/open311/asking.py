"""Reads what other systems send: the form of a new request, the query of a list. Pure; nothing is fetched."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from core.errors import FieldError, Invalid, NotFound, invalid
from core.text import Text
from core.times import local_iso
from core.whole import whole
from hotline.book import dimensions
from hotline.model import LONGEST_SUMMARY
from hotline.open311.model import Filters, Submission
from hotline.open311.services import CONFIDENTIAL, topic_of
from rules.rulebook import Rulebook
from rules.values import FALSE_WORDS, TRUE_WORDS

Form = Mapping[str, Sequence[str]]
"""Every parameter with its values, in the order in which they came."""

LONGEST_DESCRIPTION = 4000
"""Characters, as the specification limits it."""
LONGEST_ID = 80
MOST_MEDIA = 10
SPAN = timedelta(days=90)
MOST_RESULTS = 1000
"""Both bounds of one answer, as the specification has them."""
MOST_PAGES = 100
STATUSES = frozenset({"open", "closed"})
EXTERNAL = ("external_id", "fixmystreet_id")
"""Attributes in which another system may say what it calls the request; FixMyStreet has one of its own."""

_ATTRIBUTE = re.compile(r"attribute\[([A-Za-z0-9_.:-]{1,60})\](?:\[\])?")
_DIVISION = re.compile(r"[0-9]{12}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)")
_CHINESE = re.compile(r"[\u3400-\u9fff]")


# --- a new request ----------------------------------------------------------------------------------


def read_submission(book: Rulebook, form: Form, idempotency_key: str | None) -> Submission:
    """Return the request that a form hands in.

    Parameters that the specification does not know, and attributes that the service does not have, are left
    aside. Raises Invalid whose pointers name the wrong arguments, NotFound for a service that is not open.
    """
    one = _single(form)
    code = one.get("service_code")
    if code is None:
        raise invalid("/service_code", "缺少 service_code", "service_code was not provided", code="required")
    topic_of(book, code)
    attributes = _attributes(form)
    description = _description(one, form)
    draft = {
        "category": code,
        "summary": _summary(_first(attributes, "title"), one["description"]),
        "description": description,
        **_place(one),
        **_caller(one),
        **_stated(book, attributes),
    }
    return Submission(draft, _external(attributes, idempotency_key))


def _single(form: Form) -> dict[str, str]:
    """Return the plain arguments; blank counts as absent. Raises Invalid for one that is given twice."""
    plain = {
        n: v for n, v in form.items() if not n.startswith("attribute[") and n.split("[")[0] != "media_url"
    }
    twice = [n for n, values in plain.items() if len(values) > 1]
    if twice:
        words = Text("参数重复", "is given more than once")
        raise Invalid([FieldError(f"/{name}", words, "repeated") for name in twice])
    return {name: values[0].strip() for name, values in plain.items() if values and values[0].strip()}


def _attributes(form: Form) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, values in form.items():
        matched = _ATTRIBUTE.fullmatch(name)
        if matched:
            found.setdefault(matched[1], []).extend(v.strip() for v in values if v.strip())
    return found


def _first(attributes: Mapping[str, Sequence[str]], code: str) -> str | None:
    return next(iter(attributes.get(code, ())), None)


def _description(one: Mapping[str, str], form: Form) -> str:
    """Return what was told, with the addresses of its pictures below: kept as text, never fetched."""
    words = one.get("description")
    if words is None:
        raise invalid("/description", "缺少 description", "description was not provided", code="required")
    if len(words) > LONGEST_DESCRIPTION:
        most = LONGEST_DESCRIPTION
        raise invalid("/description", f"最多 {most} 个字", f"must have at most {most} characters")
    media = [v.strip() for n, vs in form.items() if n.split("[")[0] == "media_url" for v in vs if v.strip()]
    if len(media) > MOST_MEDIA or any(len(url) > 500 for url in media):
        raise invalid(
            "/media_url", f"最多 {MOST_MEDIA} 个，每个最多 500 字", f"at most {MOST_MEDIA}, of 500 characters"
        )
    return "\n".join((words, *(f"media_url: {url}" for url in media)))


def _summary(title: str | None, description: str) -> str:
    """Return one line for lists: the title, or the first line that says something."""
    line = title or next((line for line in description.splitlines() if line.strip()), description)
    return " ".join(line.split())[:LONGEST_SUMMARY]


def _place(one: Mapping[str, str]) -> dict[str, str]:
    """Return where it is. Raises Invalid unless one of the specification's three forms is given whole."""
    point = _point(one)
    if point is None and "address_string" not in one and "address_id" not in one:
        raise invalid(
            "/lat",
            "请给出 lat 和 long，或 address_string，或 address_id",
            "give lat and long, or address_string, or address_id",
            code="required",
        )
    place = {"place": one["address_id"]} if "address_id" in one else {}
    if place and not _DIVISION.fullmatch(one["address_id"]):
        raise invalid(
            "/address_id", "应为 12 位区划代码", "must be the 12 digits of an administrative division"
        )
    words = [one["address_string"]] if "address_string" in one else []
    words += [f"lat {point[0]}, long {point[1]} (WGS84)"] if point else []
    return {**place, "location": "；".join(words)} if words else place


def _point(one: Mapping[str, str]) -> tuple[float, float] | None:
    if "lat" not in one and "long" not in one:
        return None
    return _degrees(one, "lat", 90), _degrees(one, "long", 180)


def _degrees(one: Mapping[str, str], name: str, most: float) -> float:
    try:
        degrees = float(one[name])
    except (KeyError, ValueError):
        degrees = math.nan
    if not abs(degrees) <= most:
        raise invalid(f"/{name}", f"应为 -{most} 到 {most} 的数", f"must be a number from -{most} to {most}")
    return degrees


def _caller(one: Mapping[str, str]) -> dict[str, Any]:
    """Return who asks. Device and account ids are not kept: nothing here needs them."""
    given = {
        "name": _full_name(one.get("first_name", ""), one.get("last_name", "")),
        "phone": one.get("phone", ""),
        "contact": one.get("email", ""),
    }
    caller = {name: value for name, value in given.items() if value}
    return {"caller": caller} if caller else {"anonymous": True}


def _full_name(first: str, last: str) -> str:
    """Join the parts of a name as its language does: 王 + 小明, but Ada + Lovelace."""
    if _CHINESE.search(first + last):
        return f"{last}{first}"
    return f"{first} {last}".strip()


def _stated(book: Rulebook, attributes: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the facts, the time and the wish for confidentiality that the attributes state."""
    codes = [rule.name for rule in dimensions(book)]
    facts = {code: value for code in codes if (value := _first(attributes, code)) is not None}
    stated: dict[str, Any] = {"facts": facts} if facts else {}
    occurred = _first(attributes, "occurred_at")
    if occurred is not None:
        stated["occurred_at"] = local_iso(_instant("/attribute[occurred_at]", occurred))
    wish = _first(attributes, CONFIDENTIAL)
    if wish is not None:
        stated["confidential"] = _yes_or_no(f"/attribute[{CONFIDENTIAL}]", wish)
    return stated


def _yes_or_no(pointer: str, word: str) -> bool:
    if word.lower() not in TRUE_WORDS | FALSE_WORDS:
        raise invalid(pointer, "应为 true 或 false", "must be true or false")
    return word.lower() in TRUE_WORDS


def _external(attributes: Mapping[str, Sequence[str]], idempotency_key: str | None) -> str | None:
    named = next((v for code in EXTERNAL if (v := _first(attributes, code)) is not None), None)
    if named is not None and len(named) > LONGEST_ID:
        raise invalid(
            "/attribute[external_id]", f"最多 {LONGEST_ID} 个字", f"at most {LONGEST_ID} characters"
        )
    if named is None and idempotency_key:
        return "key-" + hashlib.sha256(idempotency_key.encode()).hexdigest()[:40]
    return named


# --- a list of requests -----------------------------------------------------------------------------


def read_filters(query: Form, now: datetime) -> Filters:
    """Return what a list is to show. Raises Invalid for what cannot be read or spans more than 90 days.

    A number of requests in `service_request_id` overrides everything else, wrong dates too.
    """
    one = {name: ",".join(values).strip() for name, values in query.items() if any(values)}
    numbers = _words(one.get("service_request_id", ""))
    page = _whole(one, "page", 1, MOST_PAGES)
    size = _whole(one, "page_size", MOST_RESULTS, MOST_RESULTS)
    if numbers:
        if len(numbers) > MOST_RESULTS:
            raise invalid("/service_request_id", f"最多 {MOST_RESULTS} 个", f"at most {MOST_RESULTS} of them")
        return Filters(numbers, (), now, now, STATUSES, page, size)
    start, end = _range(one, now)
    statuses = frozenset(_words(one.get("status", ""))) or STATUSES
    if not statuses <= STATUSES:
        raise invalid("/status", "应为 open 或 closed", "must be open or closed")
    return Filters(None, _words(one.get("service_code", "")), start, end, statuses, page, size)


def _words(listed: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in listed.split(",") if word.strip()))


def _range(one: Mapping[str, str], now: datetime) -> tuple[datetime, datetime]:
    start = _instant("/start_date", one["start_date"]) if one.get("start_date") else None
    end = _instant("/end_date", one["end_date"]) if one.get("end_date") else None
    if start is None:
        end = end or now
        return end - SPAN, end
    end = end or min(start + SPAN, max(now, start))
    if end < start:
        raise invalid("/end_date", "不能早于 start_date", "must not lie before start_date")
    if end - start > SPAN:
        raise invalid("/end_date", "时间跨度不得超过 90 天", "the span must not exceed 90 days")
    return start, end


def _instant(pointer: str, word: str) -> datetime:
    """Read a W3C date-time, which must say its offset; a plus sign that came as a blank is meant."""
    return _read(pointer, word.replace(" ", "+") if _INSTANT.fullmatch(word.replace(" ", "+")) else word)


def _read(pointer: str, word: str) -> datetime:
    read: Callable[[str], datetime] = datetime.fromisoformat
    try:
        instant = read(word) if _INSTANT.fullmatch(word) else None
    except ValueError:
        instant = None
    if instant is None or not 2000 <= instant.year <= 2099:
        raise invalid(
            pointer,
            "应为 W3C 日期时间并带时区，如 2026-02-10T08:00:00+08:00",
            "must be a W3C date-time with its offset, such as 2026-02-10T08:00:00+08:00",
        )
    return instant


def _whole(one: Mapping[str, str], name: str, default: int, most: int) -> int:
    found = whole(one.get(name) or str(default), 1, most)
    if found is None:
        raise invalid(f"/{name}", f"应为 1 到 {most} 的整数", f"must be a whole number from 1 to {most}")
    return found


def check_jurisdiction(known: Sequence[str], given: str | None) -> None:
    """Refuse a jurisdiction_id that is not ours; none is needed, for there is one. Raises NotFound."""
    if given and given.strip() and given.strip().lower() not in known:
        raise NotFound("没有这个 jurisdiction_id", "jurisdiction_id provided was not found")
