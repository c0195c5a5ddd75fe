"""Access tokens: who may have one, for which grant, for how long, and when it is over.

One token stands for one grant. It is opaque and kept as a digest; nothing about it can be learnt from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from audit.log import record
from core.work import Work
from gateway import store
from gateway.authenticating import forget_failures
from gateway.bounds.requests import end_windows
from gateway.model import Client, Grant, Token
from gateway.tokens import make_token, token_digest, well_formed
from gateway.wanted import Wanted

KEY = "token.key"


# --- for which grant ------------------------------------------------------------------------------


def choose_grant(work: Work, client: Client, wanted: tuple[Wanted, ...]) -> Grant | None:
    """Return the one live grant that is meant; None when none is, or more than one: never just the first."""
    live = [g for g in store.live_grants(work.tx, client.id, work.now) if token_seconds(work, g) > 0]
    meant = [g for g in live if all(w.means(g) for w in wanted)]
    return meant[0] if len(meant) == 1 else None


def token_seconds(work: Work, grant: Grant) -> int:
    """Return how long a token for a grant lasts: as the deployment says, less when the grant ends first."""
    most = work.settings.platform.token_seconds
    if grant.valid_until is None:
        return most
    return min(most, int((grant.valid_until - work.now).total_seconds()))


# --- the token itself -----------------------------------------------------------------------------


class Issued(NamedTuple):
    """A token as its owner gets it, the one time that it is shown."""

    token: str
    grant: Grant
    seconds: int
    cnf: str | None = None
    """What it is bound to: "jkt:" or "x5t:" and a thumbprint; None for a bearer token."""


def new_token(work: Work, grant: Grant, cnf: str | None = None) -> Issued:
    """Return a token for a grant that is not kept yet; `cnf` is what it is bound to."""
    return Issued(make_token(work.settings.key(KEY)), grant, token_seconds(work, grant), cnf)


def keep_token(work: Work, issued: Issued) -> None:
    """Keep a token by its digest, and put on record that it was issued."""
    expires = work.now + timedelta(seconds=issued.seconds)
    store.insert_token(work.tx, token_digest(issued.token), issued.grant, work.now, expires, issued.cnf)
    body = {
        "client": issued.grant.client_id,
        "grant": issued.grant.number,
        "dataset": issued.grant.dataset_code,
        "expires": expires.isoformat(),
        "bound": issued.cnf,
    }
    record(work, "token.issued", body)


def note_refusal(work: Work, endpoint: str, error: str, reason: str, client: str | None) -> None:
    """Put on record that a request at an OAuth endpoint was refused, and why; no secret, no unknown name."""
    body: Mapping[str, Any] = {"endpoint": endpoint, "error": error, "reason": reason, "client": client}
    record(work, "token.refused", body)


def find_token(work: Work, text: str) -> Token | None:
    """Return the token that `text` is, whoever owns it, or None; noise is refused without a look-up."""
    if not text.isascii() or not well_formed(work.settings.key(KEY), text):
        return None
    return store.token(work.tx, token_digest(text))


def is_active(token: Token, now: datetime) -> bool:
    """Tell whether a call with this token would be let in now."""
    ends = [t for t in (token.expires_at, token.valid_until) if t is not None]
    return token.usable and all(now < end for end in ends)


def withdraw_token(work: Work, token: Token) -> None:
    """Revoke a token; the very next call with it is refused."""
    store.revoke_token(work.tx, token.digest)
    work.policy_changed(work.tx)
    record(work, "token.revoked", {"client": token.client_id, "grant": token.grant_number})


def forget_old(work: Work) -> int:
    """Drop tokens of a day ago, and proofs and failures that no longer count; return how many.

    What went past a bound of the OAuth endpoints is put on record when its window is over.
    """
    end_windows(work)
    tokens = store.forget_tokens(work.tx, work.now - timedelta(days=1))
    return tokens + store.forget_proofs(work.tx, work.now) + forget_failures(work)
