"""Looks at a provider's folder: it is there, every pattern matches plain files, no link leads out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from catalog.model import CheckItem
from core.settings import Connection
from core.text import Text


def check_files(connection: Connection, detail: Mapping[str, Any]) -> Iterator[CheckItem]:
    """Yield what was found: the folder, then one item per name or pattern."""
    folder = connection.folder or Path("/nonexistent")
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError as wrong:
        words = Text(f"文件夹无法读取({wrong.strerror})", f"the folder cannot be read ({wrong.strerror})")
        yield CheckItem("folder", False, words)
        return
    yield CheckItem("folder", True, Text("文件夹可以读取", "the folder can be read"))
    for pattern in detail["files"]:
        matching = [name for name in names if fnmatchcase(name, pattern) and not name.startswith(".")]
        yield _matched(folder, pattern, matching)


def _matched(folder: Path, pattern: str, names: list[str]) -> CheckItem:
    inside = folder.resolve()
    strays = [n for n in names if (folder / n).is_symlink() and inside not in (folder / n).resolve().parents]
    if strays:
        words = Text(
            f"{strays[0]} 是指向文件夹之外的链接", f"{strays[0]} is a link that leads out of the folder"
        )
        return CheckItem(f"files {pattern}", False, words)
    plain = [name for name in names if (folder / name).is_file()]
    words = Text(f"{pattern} 对应 {len(plain)} 个文件", f"{pattern} matches {len(plain)} files")
    return CheckItem(f"files {pattern}", bool(plain), words)
