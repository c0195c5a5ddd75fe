"""An account as JSON, for whoever keeps accounts: never a hash, never a pseudonym."""

from __future__ import annotations

from typing import Any

from accounts.managing import actions_on
from accounts.model import STATES, Account
from core.text import Text
from core.times import local_iso
from core.work import Work


def account_view(work: Work, account: Account, password: str | None = None) -> dict[str, Any]:
    """Return an account (schema response/account), with a one-time password the one time that it is shown."""
    known = work.settings.departments.get(account.department)
    name = known.name if known else Text(account.department, account.department)
    title = STATES[account.state]
    return {
        "login": account.login,
        "name": account.name,
        "department": account.department,
        "department_name": {"zh": name.zh, "en": name.en},
        "roles": sorted(account.roles),
        "state": account.state,
        "state_title": {"zh": title.zh, "en": title.en},
        "one_time_password": account.must_change,
        "actions": list(actions_on(work, account)),
        "created_at": local_iso(account.created_at),
        "changed_at": local_iso(account.changed_at),
        "last_seen_at": local_iso(account.last_seen_at) if account.last_seen_at else None,
        **({"password": password} if password else {}),
    }
