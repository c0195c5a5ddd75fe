"""How a system shows who it is: each way is read from a request and checked against what is registered.

A system gets in by the one way that was approved for it (`Client.authentication`), whatever it presents.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from datetime import timedelta
from math import ceil
from typing import NamedTuple

from core.certificates import has_strong_key, subject_of, thumbprint
from core.ids import digest
from core.work import Actor, Work
from gateway import store
from gateway.assertions import Assertion, AssertionRefused, check_assertion, read_assertion
from gateway.bounds.requests import check_system, count_system
from gateway.client_keys import is_in_time
from gateway.clients import ACTIVE
from gateway.methods import (
    CERTIFICATE,
    CLIENT_SECRET,
    PRIVATE_KEY_JWT,
    PUBLIC_KEY,
    SECRET,
    SELF_SIGNED_TLS,
    TLS_CLIENT_AUTH,
    methods_of,
)
from gateway.model import Client, Credential
from gateway.strict import Asked, Refused, Shown

WINDOW = timedelta(minutes=5)
MOST_FAILURES = 10
"""Wrong credentials for one client_id from one source within WINDOW; the source then waits for its end."""
_NO_SECRET = digest("")
_ID_LENGTH = 36
_ID_CHARACTERS = frozenset("0123456789abcdef-")


class Checked(NamedTuple):
    """The outcome of an authentication: the system, or why not (for the record; the caller never learns)."""

    client: Client | None
    reason: str = ""
    once: Assertion | None = None
    """What it was shown by, where that counts once only."""


class Presented(NamedTuple):
    """A client_id, and the check of what was presented with it."""

    client_id: str
    check: Callable[[Work], Checked]
    guessable: bool = False
    """Whether what was presented could be found by trying: then a source that failed too often waits."""


class Door(NamedTuple):
    """Where a request arrived: at which endpoint, under which addresses of it, and from where."""

    endpoint: str
    addresses: Sequence[str]
    """What an assertion may be addressed to."""
    peer: str
    """The caller's address. Failures count for it alone: a neighbour's are not held against anybody."""


def authenticate(work: Work, asked: Asked, door: Door) -> Client:
    """Return the system that authenticated itself.

    Raises Refused, in the same words for every reason. Failures are counted for each pair of client_id and
    source, so nobody can shut the right owner out from another address; and a signature or a certificate is
    looked at before the count is, so that not even somebody behind the same address can. An assertion that
    was used before counts for nobody: who overheard one cannot use up what its system may ask for.
    """
    presented = _presented(asked, door.addresses)
    if presented is None:
        raise Refused("invalid_client", "no_credentials", status=401)
    if presented.guessable:
        _check_patience(work, presented.client_id, door.peer)
    client, reason, once = presented.check(work)
    if client is not None:
        check_system(work, client.id, door.endpoint)
        if once is not None and not store.see_proof(work.tx, once.digest, once.expires_at):
            client, reason = None, "assertion_replayed"
    if client is None:
        _check_patience(work, presented.client_id, door.peer)
        store.count_failure(work.tx, digest(presented.client_id), door.peer, work.now, work.now - WINDOW)
        raise Refused("invalid_client", reason, status=401)
    count_system(work, client.id, door.endpoint)
    return client


def proves_itself(work: Work, asked: Asked, door: Door) -> bool:
    """Tell whether a request comes from the system that it names. Nothing is counted or used up by it."""
    presented = _presented(asked, door.addresses)
    if presented is None:
        return False
    try:
        if presented.guessable:
            _check_patience(work, presented.client_id, door.peer)
    except Refused:
        return False
    return presented.check(work).client is not None


def client_actor(client: Client) -> Actor:
    """Return the system as somebody who acts, for the record."""
    return Actor(client.id, client.name, client.department, frozenset({"client"}), client.id)


def forget_failures(work: Work) -> int:
    """Drop the counts of failures that no longer count; return how many."""
    return store.forget_failures(work.tx, work.now - WINDOW)


# --- what was presented ---------------------------------------------------------------------------


def _presented(asked: Asked, addresses: Sequence[str]) -> Presented | None:
    """Return what a request presents; a certificate counts where nothing else does (RFC 8705 section 2)."""
    form, client_id = asked.form, asked.form.get("client_id")
    if asked.basic is not None:
        name, secret = asked.basic
        return Presented(name, lambda work: check_secret(work, name, secret), guessable=True)
    if "client_assertion" in form:
        return _by_assertion(form["client_assertion"], client_id, addresses)
    if client_id is not None and "client_secret" in form:
        given = form["client_secret"]
        return Presented(client_id, lambda work: check_secret(work, client_id, given), guessable=True)
    if client_id is not None and asked.shown is not None:
        shown = asked.shown
        return Presented(client_id, lambda work: check_certificate(work, client_id, shown))
    return None


def _by_assertion(text: str, client_id: str | None, addresses: Sequence[str]) -> Presented:
    try:
        assertion = read_assertion(text)
    except AssertionRefused as refused:
        failed = Checked(None, refused.reason)
        return Presented(client_id or "", lambda work: failed)
    if client_id not in (None, assertion.client_id):
        return Presented(assertion.client_id, lambda work: Checked(None, "assertion_subject"))
    return Presented(assertion.client_id, lambda work: verify_assertion(work, assertion, addresses))


# --- the checks -----------------------------------------------------------------------------------


def check_secret(work: Work, client_id: str, secret: str) -> Checked:
    """Authenticate a system by its secret. A wrong secret and an unknown system cost the same."""
    client, credentials = _known(work, client_id)
    active = [c.digest for c in credentials if c.kind == SECRET and c.is_active(work.now)]
    presented = digest(secret)
    matches = [hmac.compare_digest(presented, d) for d in (*active, _NO_SECRET, _NO_SECRET)[:2]]
    return _outcome(work, client, (CLIENT_SECRET,), None if any(matches[: len(active)]) else "wrong_secret")


def verify_assertion(work: Work, assertion: Assertion, addresses: Sequence[str]) -> Checked:
    """Authenticate a system by an assertion that it signed with one of its keys; each counts once.

    That it was not seen before is left to whoever lets the system in.
    """
    client, credentials = _known(work, assertion.client_id)
    keys = [c.public or {} for c in credentials if c.kind == PUBLIC_KEY and c.is_active(work.now)]
    wrong = None
    try:
        check_assertion(assertion, keys, addresses, work.now)
    except AssertionRefused as refused:
        wrong = refused.reason
    return _outcome(work, client, (PRIVATE_KEY_JWT,), wrong)._replace(once=assertion)


def check_certificate(work: Work, client_id: str, shown: Shown) -> Checked:
    """Authenticate a system by the certificate that it showed to the front (RFC 8705 section 2)."""
    client, credentials = _known(work, client_id)
    method = client.authentication.method if client else ""
    if method == TLS_CLIENT_AUTH and client is not None:
        wrong = _wrong_subject(client, shown)
    else:
        wrong = _unknown_certificate(work, credentials, shown)
    if not is_in_time(shown.certificate, work.now):
        wrong = "certificate_ended"
    return _outcome(work, client, (TLS_CLIENT_AUTH, SELF_SIGNED_TLS), wrong)


def _wrong_subject(client: Client, shown: Shown) -> str | None:
    """Say what is wrong with the certificate of an authority (RFC 8705 section 2.1)."""
    if not shown.is_vouched_for or not has_strong_key(shown.certificate):
        return "certificate_not_vouched_for"
    try:
        theirs = subject_of(shown.certificate)
    except ValueError:
        return "certificate_subject"
    same = bool(theirs) and theirs == client.authentication.subject
    return None if same else "certificate_subject"


def _unknown_certificate(work: Work, credentials: Sequence[Credential], shown: Shown) -> str | None:
    """Say whether a certificate is one of those that were registered (RFC 8705 section 2.2)."""
    presented = thumbprint(shown.certificate)
    active = [c.digest for c in credentials if c.kind == CERTIFICATE and c.is_active(work.now)]
    return None if presented in active else "certificate_unknown"


def _known(work: Work, client_id: str) -> tuple[Client | None, Sequence[Credential]]:
    """Return a system and its credentials, by as many look-ups for one that does not exist."""
    known = client_id if _is_id(client_id) else ""
    return store.client(work.tx, known), store.credentials(work.tx, known)


def _outcome(work: Work, client: Client | None, ways: Sequence[str], wrong: str | None) -> Checked:
    """Return the system, unless anything is wrong; the first reason counts for the record."""
    if client is None:
        return Checked(None, "unknown_client")
    method = client.authentication.method
    if method not in ways:
        return Checked(None, "wrong_method")
    if wrong is not None:
        return Checked(None, wrong)
    if method not in methods_of(work.settings):
        return Checked(None, "method_not_taken")
    return Checked(client) if client.state == ACTIVE else Checked(None, "client_not_active")


def _is_id(text: str) -> bool:
    return len(text) == _ID_LENGTH and set(text) <= _ID_CHARACTERS


# --- patience with wrong credentials ----------------------------------------------------------------


def _check_patience(work: Work, client_id: str, source: str) -> None:
    """Raise Refused while a source must wait before it may try a client_id again."""
    tried = store.failures(work.tx, digest(client_id), source)
    if tried is None or tried.tries < MOST_FAILURES:
        return
    left = ceil((tried.since + WINDOW - work.now).total_seconds())
    if left > 0:
        raise Refused("temporarily_unavailable", "throttled", status=429, retry_after=left)
