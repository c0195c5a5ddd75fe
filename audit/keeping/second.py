"""What a second copy needs beside what is copied step by step: ids, and the keys of a closed log.

Both are written once and stay as they are: ids when bodies went, perhaps before there was a copy, the keys
when the log was closed.
"""

from __future__ import annotations

from pathlib import Path

from audit.files import write_file
from audit.keeping.covered import Keeping
from audit.keeping.ids import FOLDER as IDS


def complete_copy(keeping: Keeping) -> None:
    """Put what is missing into the second copy of a log, where there is one. Raises OSError.

    Call it as the only one who keeps the logs.
    """
    own, *copies = keeping.folders
    for copy in (folder for folder in copies if (folder / "log").is_dir()):
        for path in (own / IDS).glob("[0-9]*-*[0-9]"):
            _keep(path, copy / IDS, folder_mode=0o700, mode=0o600)
        for path in (own / "keys").glob("*.vkey"):
            _keep(path, copy / "keys", folder_mode=0o755, mode=0o644)


def _keep(path: Path, folder: Path, *, folder_mode: int, mode: int) -> None:
    if not (folder / path.name).exists():
        folder.mkdir(mode=folder_mode, exist_ok=True)
        write_file(folder / path.name, path.read_bytes(), mode)
