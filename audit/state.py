"""What the sealer has committed to: the one file that decides which records are in the log."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from audit.files import Inconsistent, write_file
from audit.merkle import EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class Place:
    """How far a journal is sealed: in which segment, up to which offset, and the last sequence number.

    A journal is `done` when its writer is gone and nothing is left to read.
    """

    segment: int = 1
    offset: int = 0
    seq: int = 0
    done: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """The log's size and root, where its bodies end, and what of the sources it holds."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    bodies_end: int = 0
    """Bytes of the last bodies file."""
    journals: Mapping[str, Place] = field(default_factory=dict)


def state_path(folder: Path) -> Path:
    """Return the state file of the audit folder."""
    return folder / "log" / ".state" / "state.json"


def copied_path(folder: Path) -> Path:
    """Return the file that says that the audit folder is a second copy, which has no journals."""
    return folder / "log" / ".state" / "copy"


def save_state(folder: Path, state: State) -> None:
    """Commit to `state`, durably."""
    document = {
        "size": state.size,
        "root": base64.b64encode(state.root).decode(),
        "bodies_end": state.bodies_end,
        "journals": {name: [p.segment, p.offset, p.seq, p.done] for name, p in state.journals.items()},
    }
    write_file(state_path(folder), orjson.dumps(document, option=orjson.OPT_SORT_KEYS))


def load_state(folder: Path) -> State:
    """Return the last state, that of an empty log when there is none. Raises Inconsistent when unreadable."""
    try:
        raw = state_path(folder).read_bytes()
    except FileNotFoundError:
        return State()
    try:
        document = orjson.loads(raw)
        journals = {name: Place(*place) for name, place in document["journals"].items()}
        root = base64.b64decode(document["root"], validate=True)
        return State(document["size"], root, document["bodies_end"], journals)
    except (ValueError, KeyError, TypeError) as wrong:
        raise Inconsistent(f"{state_path(folder).name} cannot be read: {wrong}") from wrong
