"""Staff change: the account of who leaves is shut, and a successor is named (GZ art. 5(五), 14)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts.people import disable_account_for
from core.errors import invalid
from core.work import Work
from matters.model import Held


def hand_over(work: Work, held: Held, fields: Mapping[str, Any]) -> None:
    """Shut the account of the person who leaves; their department named the successor when it reported it.

    Raises Invalid when both are one person.
    """
    said = held.case.events[0].fields
    if said["person"] == said["successor"]:
        raise invalid("/successor", "接替人员不能是调离人员本人", "nobody succeeds themselves")
    disable_account_for(work, said["person"], held.matter.number)
