"""Key files of 32 random bytes, one key after the other: the newest makes, every one is still believed.

A renewal puts a new key in front. What was made before (an open form, an access token, the index of a phone
number) holds until its key is dropped from the file.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from core.text import Text

KEY_BYTES = 32
_FEWEST_DIFFERENT = 12
"""32 random bytes hold fewer different ones than this less than once in 10**20 times."""


def ring(content: bytes) -> tuple[bytes, ...]:
    """Return the keys of a key file, the newest first."""
    return tuple(content[at : at + KEY_BYTES] for at in range(0, len(content), KEY_BYTES))


def check_value(key: bytes, use: str = "") -> str:
    """Return what tells one key from another and nothing else of it: 64 bits of an HMAC, in hex."""
    return hmac.digest(key, f"shuxiang key check value|{use}".encode(), "sha256").hex()[:16]


def weakness(content: bytes) -> Text | None:
    """Say why a file's keys are no random ones, None when nothing speaks against them."""
    if not content or len(content) % KEY_BYTES:
        return Text("密钥文件长度应为 32 字节的整数倍", "a key file holds keys of 32 bytes each")
    if any(len(set(key)) < _FEWEST_DIFFERENT for key in ring(content)):
        return Text("密钥不是随机生成的", "the key was not made at random")
    return None


def put_in_front(path: Path, keep: int) -> None:
    """Make a new key and put it in front of the `keep` newest of a file; the file is replaced at once."""
    kept = b"".join(ring(path.read_bytes())[:keep])
    replace_file(path, secrets.token_bytes(KEY_BYTES) + kept)


def replace_file(path: Path, content: bytes) -> None:
    """Put a secret file in the place of another, durably; a reader sees either the old or the new one."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
