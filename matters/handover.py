"""Staff change: the account of who leaves is shut, and a successor is named (GZ art. 5(五), 14)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts.model import tidy_login
from accounts.people import active_account, disable_account_for, is_reserved
from core.errors import invalid
from core.work import Work
from matters.model import Held
from rules.rulebook import Rulebook

PERSON, SUCCESSOR = "person", "successor"
"""The fields of an opening that name who leaves and who takes over."""


def check_handover(work: Work, book: Rulebook, workflow: str, fields: Mapping[str, Any]) -> None:
    """Refuse a report that cannot be filed: nobody succeeds themselves, and some accounts are not to be shut.

    A procedure none of whose steps hands over is none of this. Raises Invalid at the field.
    """
    if not book.workflow(workflow).names("hand_over"):
        return
    _two_people(fields)
    leaving = active_account(work, fields[PERSON])
    if leaving is not None and is_reserved(leaving):
        raise invalid(
            f"/{PERSON}",
            "该账号的角色只能由系统管理员管理，请联系系统管理员停用",
            "only administrators manage an account with these roles: ask one to disable it",
            code="reserved",
        )


def hand_over(work: Work, held: Held, fields: Mapping[str, Any]) -> None:
    """Shut the account of the person who leaves; their department named the successor when it reported it.

    Raises Invalid when both are one person, NotPermitted for an account that only administrators manage.
    """
    said = held.case.events[0].fields
    _two_people(said)
    disable_account_for(work, said[PERSON], held.matter.number)


def _two_people(said: Mapping[str, Any]) -> None:
    if tidy_login(said[PERSON]) == tidy_login(said[SUCCESSOR]):
        raise invalid(f"/{SUCCESSOR}", "接替人员不能是调离人员本人", "nobody succeeds themselves")
