"""What a check of a log folder found, as an object, as a sentence and as JSON."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong: the file, what is wrong with it, and the log indexes from `first` to `last`."""

    file: str
    what: str
    first: int | None = None
    last: int | None = None

    def __str__(self) -> str:
        if self.first is None:
            return f"{self.file}: {self.what}"
        span = f"record {self.first}" if self.first == self.last else f"records {self.first} to {self.last}"
        return f"{self.file}: {self.what} ({span})"


@dataclass(frozen=True, slots=True)
class Source:
    """Another log that says something of the one that is checked, and how many such records of it count."""

    origin: str
    size: int
    statements: int


@dataclass(slots=True)
class Faults:
    """Faults in the order in which they were found."""

    found: list[Fault] = field(default_factory=list)

    def add(self, file: str, what: str, first: int | None = None, last: int | None = None) -> None:
        """Note a fault; faults of one sort on neighbouring records become one."""
        last = first if last is None else last
        for i in range(len(self.found) - 1, max(-1, len(self.found) - 5), -1):
            fault = self.found[i]
            if first is not None and (fault.file, fault.what, fault.last) == (file, what, first - 1):
                self.found[i] = replace(fault, last=last)
                return
        self.found.append(Fault(file, what, first, last))

    def take(self, others: Faults) -> None:
        """Note the faults of a check beside this one."""
        for fault in others.found:
            self.add(fault.file, fault.what, fault.first, fault.last)


@dataclass(slots=True)
class Report:
    """What a check found; `gaps` are the records by which the log itself states that others may be lost."""

    size: int = 0
    origin: str = ""
    root: bytes = b""
    is_signed: bool = False
    bodies: int = 0
    """How many bodies were read and fit; `erased` and `pruned` ones are gone, as records of the log say."""
    erased: int = 0
    pruned: int = 0
    unexplained: int = 0
    """How many bodies are gone without a record that says so."""
    checked_before: int = 0
    """Records that an earlier check had found in order and that were not read again."""
    is_copy: bool = False
    """Whether this is the second copy, which has no journals of its own."""
    sources: list[Source] = field(default_factory=list)
    """Of a closed log: the logs that were asked what became of its bodies."""
    gaps: list[int] = field(default_factory=list)
    wrong: Faults = field(default_factory=Faults)

    @property
    def faults(self) -> list[Fault]:
        """What is wrong."""
        return self.wrong.found

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def __str__(self) -> str:
        if self.faults:
            lines = (f"  {fault}" for fault in self.faults)
            return "\n".join([f"{self.origin or '?'}: {len(self.faults)} 处问题 / faults", *lines])
        signed = "签名有效 / signature good" if self.is_signed else "未核对签名 / signature not checked"
        root_hash = base64.b64encode(self.root).decode()
        parts = [f"{self.origin}: {self.size} 条记录完好 / records sound, {root_hash}, {signed}"]
        for count, words in (
            (self.erased, "正文已依法删除 / bodies erased on record"),
            (self.pruned, "正文已到期清理 / bodies past their retention"),
            (self.checked_before, "此前已核对 / checked before"),
            (len(self.gaps), "日志自述可能缺失 / stated losses"),
        ):
            if count:
                parts.append(f"{words}: {count}")
        for source in self.sources:
            words = f"据 {source.origin}（{source.size}）的说明 / by statements of it"
            parts.append(f"{words}: {source.statements}")
        return "; ".join(parts) + ("; 副本 / a second copy" if self.is_copy else "")

    def as_json(self) -> dict[str, Any]:
        """Return the report for a script."""
        return {
            "sound": self.sound,
            "origin": self.origin,
            "size": self.size,
            "root": base64.b64encode(self.root).decode(),
            "signature_checked": self.is_signed,
            "bodies": self.bodies,
            "erased": self.erased,
            "pruned": self.pruned,
            "checked_before": self.checked_before,
            "copy": self.is_copy,
            "statements": [asdict(source) for source in self.sources],
            "gaps": self.gaps,
            "faults": [
                {"file": f.file, "what": f.what, "first": f.first, "last": f.last} for f in self.faults
            ],
        }
