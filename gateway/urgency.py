"""The urgent way: for what it stands open, and who may register an application for somebody else.

Where the rulebook knows such a way a department may go straight to the platform manager, who then puts the
application on record itself (GZ art. 11, I-S-12); somebody else of that body decides on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.model import SHARE_CLASSES
from core.errors import NotPermitted, invalid
from core.work import Work
from rules.rulebook import Rulebook

URGENT, ON_BEHALF = "urgent", "on_behalf"
"""Facts of an application's case, and members of the request."""


def may_register_for_others(work: Work) -> bool:
    """Tell whether the actor may put an urgent application on record for a department that asked for it."""
    book: Rulebook = work.rulebooks.current("sharing")
    return _manages(work) and book.policy("application.urgent").value is not None


def check_on_behalf(work: Work, draft: Mapping[str, Any]) -> bool:
    """Return whether an application is made for another department.

    Raises Invalid where that is not for something urgent, NotPermitted for anybody but the platform manager.
    """
    if not draft.get(ON_BEHALF, False):
        return False
    if not draft.get(URGENT, False):
        raise invalid(
            f"/{ON_BEHALF}",
            "只有急用申请可以代为登记",
            "an application is registered for another department only when it is urgent",
            code="not_urgent",
        )
    if not _manages(work):
        raise NotPermitted(
            "只有平台管理部门可以代其他部门登记急用申请",
            "only the platform manager registers an urgent application for another department",
        )
    return True


def _manages(work: Work) -> bool:
    return work.actor.has("platform_manager") and work.actor.department == work.settings.platform.manager


def check_urgent(book: Rulebook, share_class: str) -> None:
    """Refuse the urgent way where the rulebook does not open it for data of this class. Raises Invalid."""
    leaf = book.policy("application.urgent")
    cite = str(leaf.cite)
    if leaf.value is None:
        raise invalid(
            f"/{URGENT}", "规定没有急用渠道", "the rules know no urgent way", code="no_urgent_way", cite=cite
        )
    classes = leaf.value["share_classes"]
    if share_class not in classes:
        named = [SHARE_CLASSES[name] for name in classes]
        raise invalid(
            f"/{URGENT}",
            f"急用渠道只适用于：{'、'.join(name.zh for name in named)}",
            f"the urgent way is open for {', '.join(name.en for name in named)} only",
            code="no_urgent_way",
            cite=cite,
        )
