"""Access tokens: who may have one, for which grant, for how long, and when it is over.

One token stands for one grant. It is opaque and kept as a digest; nothing about it can be learnt from it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from math import ceil
from typing import Any, NamedTuple

from audit.log import record
from core.ids import digest
from core.work import Actor, Work
from gateway import store
from gateway.clients import ACTIVE
from gateway.model import Client, Grant, Token
from gateway.tokens import make_token, token_digest, well_formed
from gateway.wanted import Wanted

KEY = "token.key"
WINDOW = timedelta(minutes=5)
MOST_FAILURES = 10
"""Wrong credentials for one client_id from one source within WINDOW; the source then waits for its end."""
_NO_SECRET = digest("")
_ID_LENGTH = 36
_ID_CHARACTERS = frozenset("0123456789abcdef-")


# --- who ------------------------------------------------------------------------------------------


class Checked(NamedTuple):
    """The outcome of an authentication: the system, or why not (for the record; the caller never learns)."""

    client: Client | None
    reason: str = ""


def check_secret(work: Work, client_id: str, secret: str) -> Checked:
    """Authenticate a system by its secret. A wrong secret and an unknown system cost the same."""
    known = client_id if _is_id(client_id) else ""
    client = store.client(work.tx, known)
    active = [c.digest for c in store.credentials(work.tx, known) if c.is_active(work.now)]
    presented = digest(secret)
    matches = [hmac.compare_digest(presented, d) for d in (*active, _NO_SECRET, _NO_SECRET)[:2]]
    if client is None:
        return Checked(None, "unknown_client")
    if not any(matches[: len(active)]):
        return Checked(None, "wrong_secret")
    return Checked(client) if client.state == ACTIVE else Checked(None, "client_not_active")


def seconds_to_wait(work: Work, client_id: str, source: str) -> int:
    """Return how long a source must wait before it may try a client_id again; 0 when it may now.

    The count is kept for each pair, so nobody can shut the right owner out from another address.
    """
    tried = store.failures(work.tx, digest(client_id), source)
    if tried is None or tried.tries < MOST_FAILURES:
        return 0
    left = tried.since + WINDOW - work.now
    return max(0, ceil(left.total_seconds()))


def note_failure(work: Work, client_id: str, source: str) -> None:
    """Count a failed authentication."""
    tried = store.failures(work.tx, digest(client_id), source)
    if tried is None or tried.since + WINDOW <= work.now:
        tried = store.Failures(work.now, 0)
    store.keep_failures(work.tx, digest(client_id), source, tried._replace(tries=tried.tries + 1))


def client_actor(client: Client) -> Actor:
    """Return the system as somebody who acts, for the record."""
    return Actor(client.id, client.name, client.department, frozenset({"client"}), client.id)


def _is_id(text: str) -> bool:
    return len(text) == _ID_LENGTH and set(text) <= _ID_CHARACTERS


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


def new_token(work: Work, grant: Grant) -> Issued:
    """Return a token for a grant that is not kept yet."""
    return Issued(make_token(work.settings.key(KEY)), grant, token_seconds(work, grant))


def keep_token(work: Work, issued: Issued) -> None:
    """Keep a token by its digest, and put on record that it was issued."""
    expires = work.now + timedelta(seconds=issued.seconds)
    store.insert_token(work.tx, token_digest(issued.token), issued.grant, work.now, expires)
    body = {
        "client": issued.grant.client_id,
        "grant": issued.grant.number,
        "dataset": issued.grant.dataset_code,
        "expires": expires.isoformat(),
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
    """Drop tokens that ended a day ago and counts of failures that no longer count; return how many."""
    tokens = store.forget_tokens(work.tx, work.now - timedelta(days=1))
    return tokens + store.forget_failures(work.tx, work.now - WINDOW)
