"""The three administrators of a platform: at least three persons (GB/T 22239-2019, 8.1.5 and 8.1.7)."""

from __future__ import annotations

from collections.abc import Collection

from core.text import Text

ADMINISTRATORS = frozenset({"administrator", "security_admin", "auditor"})
"""Of the system, of its security and of its audit: each watches what another does."""

APART = Text(
    "系统管理员、安全管理员、审计人员须由不同的人担任，且不兼任其他角色",
    "administrators, security administrators and auditors are different people and hold no other role",
)


def are_apart(roles: Collection[str]) -> bool:
    """Tell whether one person may hold these roles: one of the three is held alone."""
    return len(set(roles)) == 1 or ADMINISTRATORS.isdisjoint(roles)
