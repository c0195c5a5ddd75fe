"""What a matter is about: the dataset, grant, application or system named, if its opener may know it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cases.model import Case
from catalog.datasets import find_dataset
from core.codes import code_in
from core.errors import FieldError, Invalid, NotFound, invalid
from core.text import Text
from core.work import SYSTEM, Work
from gateway.applications import find_application
from gateway.clients import ACTIVE, find_client
from gateway.grants import find_grant
from gateway.store import grant_by_number
from matters import store
from matters.model import Subject
from rules.workflow import Opening

WORDS = {
    "dataset": Text("数据集", "a dataset"),
    "datasets": Text("两个以上的数据集", "two datasets or more"),
    "grant": Text("授权", "a grant"),
    "application": Text("申请", "an application"),
    "client": Text("业务系统", "a system"),
}
MOST_DATASETS = 20
OVERSIGHT = frozenset({"rectifier", "steering_office"})
"""Roles that supervise departments whose cases they take no part in (QJ art. 26, 31)."""


def find_subject(work: Work, opening: Opening, draft: Mapping[str, Any]) -> Subject:
    """Return what `draft` names, as far as the opening allows and demands it.

    Raises Invalid with one entry for each name that is no text, missing, not asked for, or unknown to the
    actor.
    """
    ill_typed = [_error(name, "type") for name in WORDS if not _is_named(name, draft.get(name))]
    if ill_typed:
        raise Invalid(ill_typed)
    allowed = {*opening.about, *opening.about_optional}
    wrong = [_error(name, "required") for name in opening.about if not draft.get(name)]
    if "datasets" in opening.about and len({code_in(c) for c in draft.get("datasets") or ()}) == 1:
        wrong.append(_error("datasets", "required"))
    wrong += [_error(name, "unknown") for name in WORDS if draft.get(name) and name not in allowed]
    if not opening.about and "subject" in opening.parties.values() and not any(draft.get(n) for n in allowed):
        wrong.append(_error(opening.about_optional[0], "required"))
    if wrong:
        raise Invalid(wrong, cite=str(opening.cite))
    if OVERSIGHT & opening.roles & work.actor.roles:
        work = work.acting_as(SYSTEM)  # whoever supervises the platform may name anything on it
    found: list[Case] = []
    codes = _datasets(work, draft, found)
    grant = _grant(work, draft.get("grant"), found, codes)
    application = _application(work, draft.get("application"), found, codes)
    return Subject(
        tuple(found), tuple(dict.fromkeys(codes)), grant, application, _client(work, draft.get("client"))
    )


def _is_named(name: str, value: Any) -> bool:
    """Tell whether a value can name something, or nothing: a text, for `datasets` a list of texts."""
    if name == "datasets":
        return value is None or (isinstance(value, list | tuple) and all(isinstance(v, str) for v in value))
    return value is None or isinstance(value, str)


def _error(name: str, code: str) -> FieldError:
    words = WORDS[name]
    if code == "type":
        zh, en = ("应为文字的列表", "a list of texts") if name == "datasets" else ("应为文字", "a text")
        return FieldError(f"/{name}", Text(zh, f"must be {en}"), code)
    if code == "required":
        return FieldError(f"/{name}", Text(f"请写明{words.zh}", f"name {words.en}"), code)
    return FieldError(f"/{name}", Text(f"这一事项与{words.zh}无关", f"it is not about {words.en}"), code)


def _datasets(work: Work, draft: Mapping[str, Any], found: list[Case]) -> list[str]:
    given = [*([draft["dataset"]] if draft.get("dataset") else []), *draft.get("datasets", ())]
    codes = list(dict.fromkeys(code_in(code) for code in given))
    if "datasets" in draft and len(codes) > MOST_DATASETS:
        raise invalid("/datasets", f"最多 {MOST_DATASETS} 个", f"at most {MOST_DATASETS}")
    for code in codes:
        try:
            found.append(find_dataset(work, code).case)
        except NotFound:
            pointer = "/dataset" if draft.get("dataset") else "/datasets"
            raise invalid(
                pointer, f"没有代码为“{code}”的数据集", f"no dataset has the code {code!r}"
            ) from None
    return codes


def _grant(work: Work, number: str | None, found: list[Case], codes: list[str]) -> str | None:
    if not number:
        return None
    named = grant_by_number(work.tx, number)
    try:
        held = find_grant(work, named.id if named else number)
    except NotFound:
        raise invalid("/grant", f"没有编号为“{number}”的授权", f"there is no grant {number!r}") from None
    if codes and held.grant.dataset_code not in codes:
        raise invalid(
            "/grant",
            f"该授权针对的是数据集 {held.grant.dataset_code}",
            f"this grant is for the dataset {held.grant.dataset_code}",
            code="other_dataset",
        )
    found.append(held.case)
    codes.append(held.grant.dataset_code)
    return held.grant.number


def _application(work: Work, named: str | None, found: list[Case], codes: list[str]) -> str | None:
    """Return the number of an application that is named by its id or its number."""
    if not named:
        return None
    try:
        filed = find_application(work, store.application_id(work.tx, named) or named)
    except NotFound:
        raise invalid("/application", "没有这个申请", "there is no such application") from None
    found.append(filed.case)
    codes.append(filed.application.dataset_code)
    return filed.application.number


def _client(work: Work, id: str | None) -> str | None:
    if not id:
        return None
    try:
        client = find_client(work, id)
    except NotFound:
        client = None
    if client is None or client.department != work.actor.department:
        raise invalid("/client", "本部门没有这个系统", "your department has no such system")
    if client.state != ACTIVE:
        raise invalid("/client", "该业务系统尚未启用", "the system is not active")
    return client.id
