"""Files that hold secrets: whose they are, who may read them, and where a link may lead."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from core.errors import ConfigError, Finding
from core.text import Text

MOST_BYTES = 64 * 1024
"""No secret is longer."""


def read_secret_file(path: Path) -> bytes:
    """Read a file that only the account that runs us, or root, may read and change.

    Raises ConfigError when it is missing, open to others, somebody else's, no plain file or too long.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as missing:
        raise _refused(path, Text("密钥文件不存在", "secret file is missing")) from missing
    with os.fdopen(fd, "rb") as file:
        wrong = _fault(os.fstat(fd))
        if wrong is not None:
            raise _refused(path, wrong)
        return file.read()


def _fault(found: os.stat_result) -> Text | None:
    """Say what is wrong with the file that was opened: what is looked at is what is read."""
    if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
        return Text("密钥文件不是普通文件，或过大", "secret file is no plain file, or too large")
    if stat.S_IMODE(found.st_mode) & 0o077:
        return Text("密钥文件权限过宽，应为 0600", "secret file is open to others; use mode 0600")
    if found.st_uid not in (os.geteuid(), 0):
        return Text("密钥文件属于其他账号", "secret file belongs to another account")
    return None


def check_place(path: Path) -> None:
    """Raise ConfigError where somebody else could put another file in the place of a secret; asked at start.

    Links within one folder are how containers hand secrets over; one that leads elsewhere is nobody's habit.
    """
    wrong = _place_fault(path)
    if wrong is not None:
        raise _refused(path, wrong)


def _place_fault(path: Path) -> Text | None:
    place, real = path.parent.resolve(), path.resolve()
    if not real.is_relative_to(place):
        return Text("密钥文件是指向别处的符号链接", "secret file is a link that leads out of its folder")
    for folder in real.parents:
        mode = folder.stat().st_mode
        # In /tmp everybody may write and only owners may remove: there nobody can exchange a folder.
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return Text(
                f"任何人都可改动文件夹 {folder}，密钥文件可能被替换",
                f"anybody may change the folder {folder}, and so put another file in the place of the secret",
            )
    return None


def _refused(path: Path, words: Text) -> ConfigError:
    return ConfigError([Finding(str(path), "", words)])
