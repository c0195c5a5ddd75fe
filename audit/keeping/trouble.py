"""What keeping the log failed at, put down for who looks at the alarms, until a step succeeds again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from audit.files import write_file
from core.text import Text


def tell_trouble(folder: Path, trouble: str | None) -> None:
    """Put down in the audit folder what is wrong; None: nothing any more."""
    path = _path(folder)
    if trouble is None:
        path.unlink(missing_ok=True)
    elif not path.exists() or path.read_text(encoding="utf-8") != trouble:
        write_file(path, trouble.encode())


def keeping_alarms(folder: Path) -> Iterator[Text]:
    """Say what is wrong with archive, retention and erasure, if anything is."""
    try:
        trouble = _path(folder).read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    yield Text(
        f"日志的归档、到期清理和正文删除已停下：{trouble}",
        f"archive, retention and erasure of the log have stopped: {trouble}",
    )


def _path(folder: Path) -> Path:
    return folder / "log" / ".state" / "keeping-trouble"
