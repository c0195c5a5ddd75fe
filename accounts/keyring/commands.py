"""What `shuxiang keys` shows of the key files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from accounts.keyring.checking import state_of
from accounts.keyring.model import files_of
from core.times import local_iso
from core.work import Work


def told(work: Work) -> Sequence[Mapping[str, Any]]:
    """Return one line a key file; of a key only its check value is told."""
    rows = []
    for file in files_of(work.settings):
        check, fits = state_of(work.settings, work.tx, file)
        rows.append(
            {
                "name": file.name,
                "use": f"{file.kind.use.zh} / {file.kind.use.en}",
                "keys": len(work.settings.keys(file.name)),
                "check": check.value if check else None,
                "since": local_iso(check.since) if check else None,
                "retired_at": local_iso(check.retired_at) if check and check.retired_at else None,
                "fits": fits,
            }
        )
    return rows
