"""What a deployment says of its access log: who witnesses it, who stamps it, how long bodies are kept.

    config/<name>/audit.yaml        may be left out, and every key in it

Without it the log has no witness and no time stamps, and keeps every body.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import Finding
from core.text import Text, text_of


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness of C2SP tlog-witness; `url` is its submission prefix."""

    name: str
    url: str
    key: str
    """A verifier key, or ``file:PATH`` below the data folder."""

    @property
    def is_demo(self) -> bool:
        """Whether the demo runs this witness itself, with keys in its own folder."""
        return self.key.startswith("file:demo/")


@dataclass(frozen=True, slots=True)
class Witnesses:
    """A policy of k of n: `needed` of the witnesses must have cosigned a checkpoint."""

    needed: int = 0
    of: tuple[Witness, ...] = ()
    every_seconds: float = 2.0
    """At most this often a checkpoint is shown to the witnesses."""
    timeout_seconds: float = 5.0
    alarm_minutes: int = 10
    """After this long with unwitnessed records `/readyz` and the metrics raise an alarm."""
    stop_hours: float | None = None
    """After this long with unwitnessed records no more calls are let through; None: never for that."""


@dataclass(frozen=True, slots=True)
class Timestamps:
    """A time-stamp authority of RFC 3161 over HTTP."""

    url: str
    certificates: Path
    """PEM file with the authority's root certificate, and those between, below the deployment's folder."""
    every_minutes: int = 60
    timeout_seconds: float = 10.0
    alarm_hours: float = 4.0


@dataclass(frozen=True, slots=True)
class Retention:
    """How long bodies are kept, and by what rule; envelopes and proofs are kept for ever."""

    bodies_days: int
    basis: Text


@dataclass(frozen=True, slots=True)
class Audit:
    """What `audit.yaml` says, with the defaults filled in."""

    witnesses: Witnesses = field(default_factory=Witnesses)
    timestamps: Timestamps | None = None
    retention: Retention | None = None
    """None: bodies are kept for ever."""
    archive: Path | None = None
    """Where archive units are put; None: `audit/archive` of the data folder."""
    copy_to: Path | None = None
    """A folder on another disk that holds a second copy of the sealed log; journals wait for it."""
    heartbeat_seconds: int = 60
    """How often the sealer writes a record of its own, so that silence differs from deletion; 0: never."""
    query_memory_mb: int = 512
    """What a question to the log may take of memory before it spills to the disk."""


def audit_of(raw: Mapping[str, Any] | None, folder: Path, data: Path) -> Audit:
    """Read what the file says; `folder` is the deployment's, `data` holds its state."""
    raw = raw or {}
    witnesses, stamps, kept = raw.get("witnesses"), raw.get("timestamps"), raw.get("retention")
    return Audit(
        Witnesses() if witnesses is None else _witnesses(witnesses),
        None if stamps is None else _timestamps(stamps, folder),
        None if kept is None else Retention(kept["bodies_days"], text_of(kept["basis"])),
        _path(raw.get("archive"), data),
        _path(raw.get("copy_to"), data),
        raw.get("heartbeat_seconds", 60),
        raw.get("query_memory_mb", 512),
    )


def _witnesses(raw: Mapping[str, Any]) -> Witnesses:
    of = tuple(Witness(w["name"], w["url"].rstrip("/"), w["key"]) for w in raw["of"])
    rest = {k: v for k, v in raw.items() if k != "of"}
    return Witnesses(of=of, **rest)


def _timestamps(raw: Mapping[str, Any], folder: Path) -> Timestamps:
    return Timestamps(**{**raw, "certificates": folder / raw["certificates"]})


def _path(raw: str | None, data: Path) -> Path | None:
    return None if raw is None else Path(raw.replace("{data}", str(data)))


def audit_faults(file: Path, audit: Audit) -> Iterable[Finding]:
    """Yield what no schema can say: enough witnesses, each once, and certificates that are there."""
    names = [w.name for w in audit.witnesses.of]
    if audit.witnesses.needed > len(names):
        words = Text(
            f"需要 {audit.witnesses.needed} 个见证人，只列了 {len(names)} 个",
            f"{audit.witnesses.needed} witnesses are needed, {len(names)} are listed",
        )
        yield Finding(str(file), "/witnesses/needed", words)
    for i, name in enumerate(names):
        if name in names[:i]:
            yield Finding(
                str(file), f"/witnesses/of/{i}/name", Text(f"“{name}”重复", f"{name!r} is given twice")
            )
    if audit.timestamps is not None and not audit.timestamps.certificates.is_file():
        yield Finding(str(file), "/timestamps/certificates", Text("文件不存在", "file is missing"))
