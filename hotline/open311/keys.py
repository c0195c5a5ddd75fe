"""Keys with which other systems hand in requests: made on the command line, shown once, kept by digest."""

from __future__ import annotations

import re

from audit.log import record
from core.errors import Conflict, NotFound, NotPermitted, invalid
from core.ids import digest, new_id, new_secret
from core.times import millis
from core.work import Work
from hotline.book import coded, hotline_book
from hotline.open311 import store
from hotline.open311.model import Key

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,29}")
LONGEST_KEY = 200


def make_key(work: Work, name: str, channel: str, *, batch: bool = False) -> tuple[Key, str]:
    """Make a key for another system; return it with its secret, which is shown this once.

    Raises Invalid for a name that is not 2 to 30 of a-z, 0-9 and hyphen, or a channel that the rulebook does
    not have, Conflict while an earlier key of this name is in use.
    """
    if not _NAME.fullmatch(name):
        raise invalid(
            "/name", "应为 2 到 30 个小写字母、数字或连字符", "must be 2 to 30 of a-z, 0-9 and hyphen"
        )
    _check_channel(work, channel)
    if store.active_key(work.tx, name) is not None:
        raise Conflict(
            "同名密钥仍在使用，请先吊销", "a key of this name is in use; revoke it first", code="key_in_use"
        )
    made = Key(new_id(millis(work.now)), name, channel, batch, work.now, work.actor.login)
    secret = new_secret()
    store.insert_key(work.tx, made, digest(secret))
    record(work, "open311.key_made", {"key": made.id, "channel": channel, "batch": batch})
    return made, secret


def _check_channel(work: Work, channel: str) -> None:
    codes = list(coded(hotline_book(work), "channels"))
    if channel not in codes:
        raise invalid("/channel", f"应为 {'、'.join(codes)} 之一", f"must be one of {', '.join(codes)}")


def list_keys(work: Work) -> list[Key]:
    """Return every key, the revoked ones too."""
    return store.keys(work.tx)


def revoke_key(work: Work, name: str) -> Key:
    """End the key with a name: from the next request on it opens nothing. Raises NotFound."""
    found = store.active_key(work.tx, name)
    if found is None:
        raise NotFound("没有这个名称的有效密钥", "there is no key of this name in use")
    store.revoke_key(work.tx, found.id, work.now)
    record(work, "open311.key_revoked", {"key": found.id})
    return found


def key_of(work: Work, secret: str | None) -> Key:
    """Return the key that a secret opens. Raises NotPermitted, in the same words for every wrong one."""
    found = None
    if secret and len(secret) <= LONGEST_KEY:
        found = store.key_by_digest(work.tx, digest(secret))
    if found is None:
        raise NotPermitted(
            "缺少 api_key，或 api_key 无效", "missing or invalid api_key", code="invalid_api_key"
        )
    return found
