"""Dispatch: which units a step names, whether they may have the ticket, and what they then see of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.errors import FieldError, Invalid
from core.text import Text
from core.work import Work
from hotline.model import Held
from rules.rulebook import Rulebook
from rules.values import TRUE_WORDS

GUARD = "dispatch.same_unit_guard"
MASKING = ("content_for_unit", "decided_reason")
"""What a dispatch to the unit complained about must say: what it is told instead, and who decided why."""
MOST_CO_UNITS = 10


class Assigned(NamedTuple):
    """Whom a dispatch gives a ticket to."""

    parties: Mapping[str, Sequence[str]]
    masked: bool


def assign(work: Work, book: Rulebook, held: Held, fields: Mapping[str, Any]) -> Assigned:
    """Return who handles a ticket after a dispatch with these fields.

    Raises Invalid for a unit that takes no tickets, that is named twice, or that the ticket complains about,
    unless the ticket goes to it masked (I-H-15).
    """
    lead, others = str(fields.get("unit", "")).strip(), _listed(fields.get("co_units"))
    masked = str(fields.get("masked", "")).strip().lower() in TRUE_WORDS
    wrong = [*_unit(work, "unit", lead), *(e for unit in others for e in _unit(work, "co_units", unit))]
    if len(set(others)) < len(others) or lead in others:
        wrong.append(_error("co_units", "部门重复", "names a department twice", "repeated"))
    if len(others) > MOST_CO_UNITS:
        words = (f"最多 {MOST_CO_UNITS} 个协办单位", f"at most {MOST_CO_UNITS} units")
        wrong.append(_error("co_units", *words, "range"))
    wrong += _guard(held.ticket.accused, lead, others, masked, fields)
    if wrong:
        raise Invalid(wrong, cite=str(book.policy(GUARD).cite))
    return Assigned({"handler": [lead], "co_handler": others}, masked)


def _listed(raw: Any) -> list[str]:
    """Return the units of a list, or of the lines of a form's text."""
    found = raw if isinstance(raw, list) else str(raw or "").replace(",", "\n").splitlines()
    return [str(unit).strip() for unit in found if str(unit).strip()]


def _unit(work: Work, field: str, unit: str) -> list[FieldError]:
    department = work.settings.departments.get(unit)
    if not unit or (department is not None and department.hotline_unit):
        return []  # a missing one is named by the step itself
    return [_error(field, f"“{unit}”不是热线承办单位", f"{unit!r} is no unit of the hotline", "not_a_unit")]


def _guard(
    accused: str | None, lead: str, others: Sequence[str], masked: bool, fields: Mapping[str, Any]
) -> list[FieldError]:
    if accused is None or accused not in (lead, *others):
        return []
    where = "unit" if accused == lead else "co_units"
    if not masked:
        return [
            _error(
                where,
                "该单位是被反映的单位：请派给其上级或其他单位，或遮蔽来电人后派单（masked）",
                "the complaint is about this unit: choose its superior or another one, or mask the caller",
                "accused",
            )
        ]
    return [
        _error(
            name,
            "派给被反映的单位时必须填写",
            "is required where the complaint is about the unit",
            "required",
        )
        for name in MASKING
        if not str(fields.get(name, "")).strip()
    ]


def _error(field: str, zh: str, en: str, code: str) -> FieldError:
    return FieldError(f"/{field}", Text(zh, en), code)
