"""A new key in front of the old ones: what was made before holds on, what is made now uses the new one."""

from __future__ import annotations

from accounts.keyring import store
from accounts.keyring.checking import newest_value
from accounts.keyring.model import INDEX_KEY, KEYS, PERSONAL, SESSION_KEY, TOKEN_KEY, files_of
from audit.log import record
from core.envelope import newest_key
from core.keyring import put_in_front
from core.work import Work

RENEWABLE = {"session": SESSION_KEY, "token": TOKEN_KEY, "phone-index": INDEX_KEY}
"""What `shuxiang keys renew` calls the keys that processes read when they start."""


def renew_key(work: Work, name: str) -> None:
    """Put a new key in front of a file, on record; no process of the deployment may run, with the old one."""
    put_in_front(work.settings.key_file(name), KEYS[name].kept or 0)
    store.put_check(work.tx, name, newest_value(work.settings, name), work.now)
    record(work, "keys.renewed", {"key": name})


def note_personal_key(work: Work, name: str) -> None:
    """Note the check value of a key for personal data that was made just now."""
    store.put_check(work.tx, name, newest_value(work.settings, name), work.now)


def retire_older(work: Work) -> list[str]:
    """Say that everything sealed was wrapped by the newest key, so that only backups need the older ones."""
    newest = int(newest_key(work.settings))
    older = [
        f.name for f in files_of(work.settings) if (n := PERSONAL.fullmatch(f.name)) and int(n[1]) < newest
    ]
    for name in older:
        store.retire_check(work.tx, name, work.now)
    return older
