"""The secrets of authenticator apps under a new key of the platform."""

from __future__ import annotations

from accounts.factors import store
from core.envelope import rewrap
from core.work import Work


def rewrap_factors(work: Work, after: str, limit: int = 500) -> tuple[int, str | None]:
    """Wrap the keys of the secrets by the platform's newest key, behind the factor `after`.

    Returns how many were written anew, and the last factor looked at: None when there is none left.
    """
    found = store.secrets_after(work.tx, after, limit)
    written = 0
    for id, sealed in found:
        again = rewrap(work.settings, sealed)
        if again != sealed:
            store.set_secret(work.tx, id, again)
            written += 1
    return written, found[-1][0] if found else None
