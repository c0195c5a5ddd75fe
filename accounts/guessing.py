"""How often somebody may guess, so that guessing is slow and nobody shuts another person out.

Failures are counted in four places. Of browsers in which the person never signed in: all on the account. Of a
browser in which they did: by itself, known by a signed mark that it carries, so strangers who type wrong
passwords do not keep the person out (OWASP, "device cookies"). Within a session, where the password was right
already: by person. And by address, whoever is meant: the many logins of one guesser.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta

from accounts import store
from accounts.model import Account, Tries, is_locked, tidy_login
from core.errors import TooMany
from core.networks import address_of, customer_of
from core.settings import Settings
from core.work import Work

KNOWN_DAYS = 180
"""How long a browser's mark serves."""
ADDRESS_MOST = 100
ADDRESS_WINDOW = timedelta(minutes=15)
"""So many failures from one address (of IPv6: one network of 64 bits) within the window are enough."""


@dataclass(frozen=True, slots=True)
class Client:
    """Where an attempt comes from: an address, and the mark that the browser carries."""

    address: str = ""
    mark: str = ""


def new_mark(settings: Settings, login: str) -> str:
    """Return the mark of a browser in which a person has just signed in."""
    nonce = secrets.token_urlsafe(16)
    return f"{nonce}.{_signature(settings, login, nonce)}"


def key_of(settings: Settings, login: str, client: Client) -> str | None:
    """Return under what the failures of a known browser are counted; None where it is not known."""
    nonce, _, signature = client.mark[:200].partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(settings, login, nonce).encode()):
        return None
    return "known:" + hashlib.sha256(nonce.encode()).hexdigest()


def inside(login: str) -> str:
    """Return under what a person's failures are counted within a session."""
    return f"inside:{login}"


def counted_with(settings: Settings, login: str, client: Client) -> str:
    """Return with whom a password that is typed at sign-in waits for its turn to be hashed.

    Where the person has signed in before it waits with their own, apart from those that strangers type.
    """
    tidy = tidy_login(login)
    return f"stranger:{tidy}" if key_of(settings, tidy, client) is None else inside(tidy)


def is_shut_inside(work: Work, login: str) -> bool:
    """Tell whether a person failed too often within a session, so that no password of theirs is looked at."""
    return is_locked(store.tries(work.tx, inside(login)), work.now)


def tries_under(work: Work, account: Account, key: str | None) -> Tries:
    """Return how the last tries went that are counted under `key`, or on the account."""
    return account.tries if key is None else store.tries(work.tx, key)


def must_not_flood(work: Work, client: Client) -> None:
    """Refuse an address from which too much failed lately. Raises TooMany."""
    key = _of_address(client)
    if key is None:
        return
    lately = store.tries(work.tx, key)
    if lately.since is not None and work.now - lately.since < ADDRESS_WINDOW and lately.count >= ADDRESS_MOST:
        raise TooMany(
            "来自该地址的失败尝试过多，请 15 分钟后再试",
            "too many tries from this address failed; try again in 15 minutes",
            retry_after=int(ADDRESS_WINDOW.total_seconds()),
        )


def count_for_address(work: Work, client: Client) -> None:
    """Count a failure for the address that it came from."""
    key = _of_address(client)
    if key is not None:
        store.count_try(work.tx, key, work.now - ADDRESS_WINDOW, work.now)


def forget_tries(work: Work) -> int:
    """Drop what was counted so long ago that it counts no more; return how many rows."""
    return store.drop_tries(work.tx, work.now - timedelta(days=1))


def _of_address(client: Client) -> str | None:
    address = address_of(client.address)
    return None if address is None else f"from:{customer_of(address)}"


def _signature(settings: Settings, login: str, nonce: str) -> str:
    text = f"known browser\n{login}\n{nonce}".encode()
    return hmac.new(settings.key("session.key"), text, hashlib.sha256).hexdigest()
