"""The folder of a witness: its keys, the keys of the logs that it knows, and its memory.

witness.key      its secret keys, one a line, for its owner alone
witness.vkey     the verifier keys to be handed to the log's operators, one a line
logs.vkey        the verifier keys of the logs, one a line
witness.sqlite   what it cosigned last
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from audit.note import BadNote, Cosigner, NoteVerifier
from audit.witness import store
from audit.witness.server import Witness, logs_of
from core.db import Database
from core.errors import ConfigError, Finding
from core.secret_files import read_secret_file
from core.text import Text

FOLDER = "SHUXIANG_WITNESS"
"""The environment variable that names the folder to the serving process."""
SORTS = ("ed25519", "ml-dsa-44")


def make_keys(folder: Path, name: str) -> Sequence[str]:
    """Make a witness's keys unless it has some; return the public ones. Raises ConfigError for a bad name."""
    secret = folder / "witness.key"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not secret.exists():
        try:
            cosigners = [Cosigner.generate(name, sort) for sort in SORTS]
        except BadNote as wrong:
            raise _fault(secret, f"名称“{name}”无效", str(wrong)) from wrong
        with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.writelines(f"{cosigner.export()}\n" for cosigner in cosigners)
    keys = [str(cosigner.verifier) for cosigner in _cosigners(folder)]
    (folder / "witness.vkey").write_text("".join(f"{key}\n" for key in keys), encoding="utf-8")
    return keys


def know_logs(folder: Path, given: Iterable[str]) -> None:
    """Remember the keys of logs: each a verifier key, or a file with some. Raises ConfigError."""
    path = folder / "logs.vkey"
    known = _lines(path) if path.exists() else []
    for one in given:
        known += _lines(Path(one)) if Path(one).is_file() else [one.strip()]
    verifiers = [_verifier(path, key) for key in dict.fromkeys(known)]
    path.write_text("".join(f"{verifier}\n" for verifier in verifiers), encoding="utf-8")


def serving(host: str, port: int) -> list[str]:
    """Return the command that serves the witness whose folder the variable FOLDER names."""
    command = ["-m", "granian", "--interface", "wsgi", "--factory", "--host", host, "--port", str(port)]
    command += ["--workers", "1", "--blocking-threads", "4", "--no-ws", "--log-level", "warning"]
    command += ["--workers-kill-timeout", "5"]  # one that is told to end while it begins does not hear it
    return [sys.executable, *command, "audit.witness.api:application"]


def open_witness(folder: Path) -> Witness:
    """Return the witness of a folder. Raises ConfigError without keys, or when it knows no log."""
    path = folder / "logs.vkey"
    if not path.exists() or not _lines(path):
        raise _fault(path, "没有日志公钥，请用 --log 给出", "no log is known; give its key with --log")
    logs = logs_of(_verifier(path, key) for key in _lines(path))
    return Witness(_cosigners(folder), logs, open_memory(folder))


def open_memory(folder: Path) -> Database:
    """Return the witness's database; its tables are made when there are none."""
    database = Database(f"sqlite:///{folder / 'witness.sqlite'}")
    with database.begin() as tx:
        store.create_tables(tx)
    return database


def _cosigners(folder: Path) -> Sequence[Cosigner]:
    path = folder / "witness.key"
    try:
        return [Cosigner.parse(line) for line in read_secret_file(path).decode().split()]
    except ValueError as wrong:
        raise _fault(path, "不是见证人密钥", str(wrong)) from wrong


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split()


def _verifier(path: Path, key: str) -> NoteVerifier:
    try:
        return NoteVerifier.parse(key)
    except BadNote as wrong:
        raise _fault(path, f"不是日志公钥：{key[:80]}", f"not a log's key: {key[:80]}: {wrong}") from wrong


def _fault(path: Path, zh: str, en: str) -> ConfigError:
    return ConfigError([Finding(str(path), "", Text(zh, en))])
