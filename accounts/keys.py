"""The platform's own keys: made once by `shuxiang init`, each in a file that only its owner may read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from accounts.keyring.model import KEYS
from accounts.keyring.renewing import note_personal_key
from audit.log import record
from audit.signing import make_log_keys
from core.envelope import KEY_BYTES, has_key, key_name, newest_key
from core.settings import Settings
from core.work import Work


def make_keys(settings: Settings) -> None:
    """Make every key that is missing; one that exists is never replaced.

    On a host of the data plane alone only those of its own log: what it shares must have been brought there.
    """
    folder = settings.key_file("")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if settings.is_gateway:
        make_log_keys(folder, settings.platform.log_origin)
        return
    for name in KEYS:
        _write(folder / name, secrets.token_bytes(KEY_BYTES))
    if not has_key(settings):
        _write(folder / key_name("1"), secrets.token_bytes(KEY_BYTES))
    make_log_keys(folder, settings.platform.log_origin)


def add_personal_key(work: Work) -> str:
    """Make one more key that personal data are sealed with from now on, on record; return its number.

    Those before it stay: what they wrap opens with them until it is wrapped anew.
    """
    number = str(int(newest_key(work.settings)) + 1)
    _write(work.settings.key_file(key_name(number)), secrets.token_bytes(KEY_BYTES))
    note_personal_key(work, key_name(number))
    record(work, "keys.renewed", {"key": number})
    return number


def _write(path: Path, content: bytes) -> None:
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
