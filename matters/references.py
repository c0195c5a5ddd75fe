"""Fields that name something: a department, a dataset, a person. What they name must be there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from accounts.people import active_account
from catalog.datasets import find_dataset
from core.codes import code_in
from core.errors import FieldError, Invalid, NotFound
from core.text import Text
from core.times import parse_instant
from core.work import Work
from rules.rulebook import Rulebook
from rules.values import pointer_to


def check_references(work: Work, book: Rulebook, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with datasets by code. Raises Invalid with one entry for each that names nothing."""
    read = dict(fields)
    wrong: list[FieldError] = []
    for name, value in fields.items():
        kind = book.fields[name].type if name in book.fields else ""
        if kind == "dataset":
            read[name] = code_in(value)
        wrong += _CHECKS[kind](work, name, str(read[name])) if kind in _CHECKS else ()
    if wrong:
        raise Invalid(wrong)
    return read


def check_deadlines(work: Work, book: Rulebook, workflow: str, fields: Mapping[str, Any]) -> None:
    """Refuse a due instant that is past already, where a clock of the workflow takes it from a field."""
    named = {rule.due_at for rule in book.clocks if rule.workflow == workflow and rule.due_at is not None}
    wrong = [
        FieldError(pointer_to(name), Text("期限应在将来", "must lie in the future"), "past")
        for name in sorted(named & fields.keys())
        if parse_instant(fields[name]) <= work.now
    ]
    if wrong:
        raise Invalid(wrong)


def _department(work: Work, name: str, value: str) -> Iterable[FieldError]:
    if value not in work.settings.departments:
        yield _unknown(name, f"没有“{value}”这个部门", f"there is no department {value!r}")


def _dataset(work: Work, name: str, value: str) -> Iterable[FieldError]:
    try:
        find_dataset(work, value)
    except NotFound:
        yield _unknown(name, f"没有代码为“{value}”的数据集", f"no dataset has the code {value!r}")


def _person(work: Work, name: str, value: str) -> Iterable[FieldError]:
    account = active_account(work, value)
    if account is None or account.department != work.actor.department:
        yield _unknown(
            name, f"本部门没有登录名为“{value}”的账号", f"your department has no account {value!r}"
        )


def _unknown(name: str, zh: str, en: str) -> FieldError:
    return FieldError(pointer_to(name), Text(zh, en), "unknown")


_CHECKS = {"department": _department, "dataset": _dataset, "person": _person}
