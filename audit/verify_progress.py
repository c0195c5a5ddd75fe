"""How far a check has come: what it has learnt of the records so far, and the tree that they make.

The tree is summed up from the leaf hashes as they are read, whatever the tiles above them say. What is known
can be kept in a file of the auditor's, and a later check goes on from there: as the new root is summed up
from the hashes in the file, it can only be that of a log that begins with the records checked before.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from audit.bodies import PER_FILE
from audit.keeping.kinds import BODY_ERASED, PRUNED
from audit.merkle import EMPTY_ROOT, node_hash
from audit.tiles import HEIGHT
from audit.verify_records import STAMPED, Erased, Stretch

_FORMAT = "shuxiang-verify/v1"


@dataclass(slots=True)
class Tree:
    """The roots of the complete subtrees of what was read, the largest first, each with its height."""

    nodes: list[tuple[int, bytes]] = field(default_factory=list)
    is_whole: bool = True
    """False once a hash could not be had, so that there is no root."""

    def push(self, height: int, node: bytes | None) -> None:
        """Put a complete subtree behind what is there; it is no higher than the last one."""
        if node is None:
            self.is_whole = False
            return
        while self.nodes and self.nodes[-1][0] == height:
            height, node = height + 1, node_hash(self.nodes.pop()[1], node)
        self.nodes.append((height, node))

    def push_all(self, stretch: Stretch) -> None:
        """Put the tiles of a stretch behind what is there."""
        for tile in stretch.roots:
            self.push(HEIGHT, tile)
        for leaf in stretch.leaves:
            self.push(0, leaf)
        if (stretch.end - stretch.first) % (1 << HEIGHT) != len(stretch.leaves):
            self.is_whole = False

    def root(self) -> bytes | None:
        """Return the root, None when a part is missing."""
        if not self.is_whole:
            return None
        nodes = [node for _, node in self.nodes]
        while len(nodes) > 1:
            right = nodes.pop()
            nodes[-1] = node_hash(nodes[-1], right)
        return nodes[0] if nodes else EMPTY_ROOT


@dataclass(slots=True)
class Known:
    """What is known of the first `size` records."""

    size: int = 0
    tree: Tree = field(default_factory=Tree)
    bodies: int = 0
    gaps: list[int] = field(default_factory=list)
    missing: list[tuple[int, int]] = field(default_factory=list)
    erased: list[Erased] = field(default_factory=list)
    erasures: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    """By record, the id of the newest `body.erased` that names it, and the id that it says the record has."""
    pruned: int = 0
    """Bodies below this log index are gone, as the log says."""
    blocks: dict[str, str] = field(default_factory=dict)
    """By file, the newest SHA-256 (hex) that the log knows of a block of columns."""
    stamps: dict[str, str] = field(default_factory=dict)
    """The same of time stamps, and of the anchors that they are over."""
    compared: dict[str, str] = field(default_factory=dict)
    """The blocks whose rows were found to be those of the bodies, with the digests that they had then."""

    def take(self, stretch: Stretch) -> None:
        """Add what a stretch behind the others has told."""
        self.size = stretch.end
        self.tree.push_all(stretch)
        self.bodies += stretch.bodies
        self.gaps += stretch.gaps
        self.missing += stretch.missing
        self.erased += stretch.erased
        for kind, body in stretch.told:
            if "log" not in body:  # else it is about a log that was closed
                self.learn(kind, body)

    def learn(self, kind: str, body: Mapping[str, Any]) -> None:
        """Add what a record says of the log's own files; later ones override earlier ones."""
        if kind == BODY_ERASED:
            self.erasures[body["index"]] = body["id"], body["record"]
        elif kind == PRUNED:
            self.pruned = max(self.pruned, body["last"] + 1)
        elif kind == STAMPED:
            self.stamps[body["file"]] = body["sha256"]
            if "checkpoint_sha256" in body:
                self.stamps[f"anchors/{body['size']}.checkpoint"] = body["checkpoint_sha256"]
        else:
            self.blocks[body["block"]] = body["sha256"]


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier check: its checkpoint's note, and what it knew."""

    note: str
    known: Known


class BadFile(ValueError):
    """The file is not one in which a check keeps how far it has come."""


class Kept:
    """The auditor's file while a check runs.

    The checkpoint in it is replaced only by one under which everything was found in order. A check that was
    cut off can be gone on with; one that ended with faults leaves the file as it was.
    """

    def __init__(self, path: Path | None) -> None:
        """Read the file, if one is kept and there. Raises BadFile."""
        self._path = path
        self._before = path.read_bytes() if path is not None and path.exists() else None
        self.earlier = None if path is None else load(path)
        self._note = ""

    def begin(self, note: str) -> None:
        """Begin a check of the log with the checkpoint `note`."""
        self._note = note if self.earlier is None else self.earlier.note

    def reach(self, known: Known) -> None:
        """Write down how far all was in order; a check can go on where a file of bodies begins."""
        if self._path is not None and known.size % PER_FILE == 0:
            save(self._path, self._note, known)

    def end(self, note: str, known: Known, *, sound: bool) -> None:
        """Take over the checkpoint that was checked when the log is `sound`."""
        if self._path is None:
            return
        if sound:
            reached = load(self._path)
            last = Known() if reached is None else reached.known
            last.compared = known.compared
            save(self._path, note, last)
        elif self._before is None:
            self._path.unlink(missing_ok=True)
        else:
            replace_file(self._path, self._before)


def save(path: Path, note: str, known: Known) -> None:
    """Keep what is known, replacing the file in one step."""
    document: dict[str, Any] = {
        "format": _FORMAT,
        "checkpoint": note,
        "size": known.size,
        "nodes": [[height, base64.b64encode(node).decode()] for height, node in known.tree.nodes],
        "bodies": known.bodies,
        "gaps": known.gaps,
        "missing": known.missing,
        "erased": known.erased,
        "erasures": {str(at): said for at, said in known.erasures.items()},
        "pruned": known.pruned,
        "blocks": known.blocks,
        "stamps": known.stamps,
        "compared": known.compared,
    }
    replace_file(path, orjson.dumps(document, option=orjson.OPT_INDENT_2))


def replace_file(path: Path, content: bytes) -> None:
    """Replace the auditor's file in one step."""
    aside = path.with_name(f"{path.name}.part")
    aside.write_bytes(content)
    os.replace(aside, path)


def load(path: Path) -> Earlier | None:
    """Return what an earlier check kept, None when there is no such file. Raises BadFile."""
    if not path.exists():
        return None
    try:
        raw = orjson.loads(path.read_bytes())
        if raw["format"] != _FORMAT:
            raise BadFile(f"{path}: not of the format {_FORMAT}")
        nodes = [(height, base64.b64decode(node, validate=True)) for height, node in raw["nodes"]]
        if sum(1 << height for height, _ in nodes) != raw["size"]:
            raise BadFile(f"{path}: its hashes are not those of {raw['size']} records")
        known = Known(
            raw["size"],
            Tree(nodes),
            raw["bodies"],
            raw["gaps"],
            [(first, last) for first, last in raw["missing"]],
            [(at, statement, own) for at, statement, own in raw["erased"]],
            {int(at): (statement, own) for at, (statement, own) in raw["erasures"].items()},
            raw["pruned"],
            raw["blocks"],
            raw["stamps"],
            raw["compared"],
        )
        return Earlier(raw["checkpoint"], known)
    except (KeyError, TypeError, AttributeError, ValueError) as wrong:
        raise wrong if isinstance(wrong, BadFile) else BadFile(f"{path}: {wrong}") from wrong
