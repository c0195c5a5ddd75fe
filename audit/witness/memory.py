"""What the sealer remembers of witnesses and stamps, in a file that status, alarms and metrics read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from audit.files import Inconsistent, write_file
from audit.state import Place


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one witness: the size it cosigned last and when, and why it does not now."""

    size: int = 0
    at: int | None = None
    trouble: str | None = None
    """Why it did not cosign when it was asked last; None when it did."""
    refused: int | None = None
    """The status with which it refused, once that is on record; None since it cosigned."""
    contradicts: bool = False
    """It cosigned a tree that ours does not continue; nothing is sealed until it cosigns again."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Times are milliseconds since 1970-01-01T00:00Z."""

    origin: str = ""
    """The log that all of this is about."""
    witnessed: int = 0
    """The size of the newest checkpoint that fulfils the policy."""
    witnessed_at: int | None = None
    behind_since: int | None = None
    """Since when there have been records that no such checkpoint covers; None while there are none."""
    journals: Mapping[str, Place] = field(default_factory=dict)
    """How far the journals were sealed in `witnessed`; beyond it they are kept."""
    witnesses: Mapping[str, Known] = field(default_factory=dict)
    anchored_at: int | None = None
    """When a checkpoint was put among the anchors last."""
    stamped: int = 0
    """The size of the newest checkpoint with a time stamp."""
    stamped_at: int | None = None
    unstamped_since: int | None = None
    stamp_trouble: str | None = None


def memory_path(folder: Path) -> Path:
    """Return the file of the audit folder."""
    return folder / "log" / ".state" / "witnesses.json"


def of_origin(memory: Memory, origin: str) -> Memory:
    """Return `memory` when it is about the log of `origin`, nothing otherwise: a new log was begun."""
    return memory if memory.origin == origin else Memory(origin)


def save_memory(folder: Path, memory: Memory) -> None:
    """Keep `memory`, durably."""
    places = {name: [p.segment, p.offset, p.seq, p.done] for name, p in memory.journals.items()}
    document = {**asdict(memory), "journals": places}
    write_file(memory_path(folder), orjson.dumps(document, option=orjson.OPT_SORT_KEYS))


def load_memory(folder: Path) -> Memory:
    """Return what was kept, nothing when there is no file. Raises Inconsistent when it is unreadable."""
    path = memory_path(folder)
    try:
        document: dict[str, Any] = orjson.loads(path.read_bytes())
        journals = {name: Place(*place) for name, place in document["journals"].items()}
        witnesses = {name: Known(**known) for name, known in document["witnesses"].items()}
        return Memory(**{**document, "journals": journals, "witnesses": witnesses})
    except FileNotFoundError:
        return Memory()
    except (ValueError, KeyError, TypeError) as wrong:
        raise Inconsistent(f"{path.name} cannot be read: {wrong}") from wrong
