"""Proposals to give or take roles that manage or review."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.text import Text

OPEN, APPROVED, REFUSED, WITHDRAWN = "open", "approved", "refused", "withdrawn"
STATES = {
    OPEN: Text("待决定", "open"),
    APPROVED: Text("已同意", "approved"),
    REFUSED: Text("未同意", "refused"),
    WITHDRAWN: Text("已撤回", "withdrawn"),
}
DECISIONS = {"approve": APPROVED, "refuse": REFUSED, "withdraw": WITHDRAWN}
"""What may be done with an open proposal, and the state that it leads to."""

ASKED, RESET, LINKED = "asked", "reset", "linked"
REASONS = {
    ASKED: Text("角色调整", "Change of roles"),
    RESET: Text("密码重置后恢复角色", "The roles held before the password was reset"),
    LINKED: Text("绑定外部身份后恢复角色", "The roles held before another identity was linked"),
}
"""Why roles are proposed."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Roles that somebody is to get or to lose once another person has agreed."""

    id: str
    login: str
    gives: tuple[str, ...]
    takes: tuple[str, ...]
    reason: str
    state: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None

    def applied_to(self, roles: frozenset[str]) -> frozenset[str]:
        """Return what an account with `roles` would hold."""
        return (roles - set(self.takes)) | set(self.gives)
