"""An account as JSON, for whoever keeps accounts: never a hash, never a pseudonym."""

from __future__ import annotations

from typing import Any

from accounts.factors.store import has_factor
from accounts.managing import actions_on
from accounts.model import STATES, Account, is_dormant
from accounts.vouching import opened_by
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
        "second_factor": has_factor(work.tx, account.login),
        "opened_by": opened_by(work, account),
        "idle": is_dormant(account, work.now, work.settings.security.account_idle_days),
        "last_day": account.last_day.isoformat() if account.last_day else None,
        "actions": list(actions_on(work, account)),
        "created_at": local_iso(account.created_at),
        "changed_at": local_iso(account.changed_at),
        "last_seen_at": local_iso(account.last_seen_at) if account.last_seen_at else None,
        **({"password": password} if password else {}),
    }
