"""Where the log of a deployment lies, and whether it is the one that platform.yaml names."""

from __future__ import annotations

from pathlib import Path

from audit.note import BadNote, Checkpoint, split_note
from core.errors import ConfigError, Finding
from core.settings import Settings
from core.text import Text

ASIDE = "rotating"
"""Folder of the audit folder in which a rotation makes the next log."""


def log_folder(settings: Settings) -> Path:
    """Return the audit folder of a deployment."""
    return settings.data / "audit"


def is_rotating(folder: Path) -> bool:
    """Tell whether a rotation was begun in the audit folder that must be finished before anything else."""
    return (folder / ASIDE / "ready").exists()


def check_name(settings: Settings) -> None:
    """Raise ConfigError unless the log that lies there is whole and has the name that receipts will give it.

    Whoever puts records on disk calls it first: a record that is acknowledged for one log must not lie where
    another one's sealer, or nobody's, finds it.
    """
    folder, name = log_folder(settings), settings.platform.log_origin
    if is_rotating(folder):
        raise _refused("日志轮换尚未完成", "a rotation of the log is not finished")
    found = _published_name(folder)
    if found not in (None, name):
        raise _refused(f"现有日志名为 {found}", f"the log that lies there is called {found}")


def _published_name(folder: Path) -> str | None:
    """Return what the log calls itself; None before its first checkpoint, or where that cannot be read.

    What is wrong with the log's files otherwise is the sealer's to say, and an alarm.
    """
    try:
        note = (folder / "log" / "checkpoint").read_text(encoding="utf-8")
        return Checkpoint.parse(split_note(note)[0]).origin
    except (OSError, ValueError, BadNote):
        return None


def _refused(zh: str, en: str) -> ConfigError:
    words = Text(f"{zh}；请运行 shuxiang audit rotate", f"{en}: run shuxiang audit rotate")
    return ConfigError([Finding("platform.yaml", "/log_origin", words)])
