"""Whose cosignatures a checkpoint needs: k of n."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from audit.keys import SORTS
from audit.note import BadNote, NoteVerifier, signatures_of
from core.errors import ConfigError, Finding
from core.settings import Settings
from core.settings_audit import Witness
from core.text import Text


@dataclass(frozen=True, slots=True)
class Policy:
    """`needed` of the witnesses, each known by one or more keys, must have cosigned a checkpoint."""

    needed: int = 0
    witnesses: Mapping[str, tuple[NoteVerifier, ...]] | None = None

    @property
    def verifiers(self) -> tuple[NoteVerifier, ...]:
        """The keys of all witnesses."""
        return tuple(v for verifiers in (self.witnesses or {}).values() for v in verifiers)


def fulfils(policy: Policy, note: str) -> bool:
    """Tell whether enough witnesses cosigned `note`. Raises BadNote for a malformed or wrongly cosigned one.

    The log's own signatures are not looked at.
    """
    return len(cosigners(policy, note)) >= policy.needed


def cosigners(policy: Policy, note: str) -> dict[str, datetime]:
    """Return the names of the witnesses that cosigned `note`, with when they did. Raises BadNote."""
    times = {s.verifier: s.at for s in signatures_of(note, policy.verifiers) if s.at is not None}
    return {
        name: max(times[v] for v in verifiers if v in times)
        for name, verifiers in (policy.witnesses or {}).items()
        if any(v in times for v in verifiers)
    }


def policy_of(settings: Settings) -> Policy:
    """Return the deployment's policy. Raises ConfigError for a key that is none or counts twice."""
    witnesses = {w.name: _keys(settings, w) for w in settings.audit.witnesses.of}
    seen: set[bytes] = set()
    for name, verifiers in witnesses.items():
        for verifier in verifiers:
            if verifier.public in seen:
                raise _fault(settings, f"见证人“{name}”的公钥重复", f"the key of {name} is given twice")
            seen.add(verifier.public)
    return Policy(settings.audit.witnesses.needed, witnesses)


def witness_verifiers(settings: Settings) -> tuple[NoteVerifier, ...]:
    """Return the keys of all witnesses of the deployment. Raises ConfigError."""
    return policy_of(settings).verifiers


def _keys(settings: Settings, witness: Witness) -> tuple[NoteVerifier, ...]:
    """Return the keys of one witness; a file holds one a line."""
    try:
        lines = _text(settings, witness.key).split()
        verifiers = tuple(NoteVerifier.parse(line) for line in lines)
    except (OSError, BadNote) as wrong:
        zh, en = (
            f"见证人“{witness.name}”的公钥无法读取：{wrong}",
            f"no key of witness {witness.name}: {wrong}",
        )
        raise _fault(settings, zh, en) from wrong
    if not verifiers or any(v.kind not in SORTS.values() for v in verifiers):
        zh = f"见证人“{witness.name}”的公钥应为共签密钥（类型 04 或 06）"
        raise _fault(settings, zh, f"the key of witness {witness.name} must be a cosigner's (type 04 or 06)")
    return verifiers


def _text(settings: Settings, key: str) -> str:
    scheme, _, rest = key.partition(":")
    return (settings.data / Path(rest)).read_text(encoding="utf-8") if scheme == "file" else key


def _fault(settings: Settings, zh: str, en: str) -> ConfigError:
    return ConfigError([Finding(str(settings.folder / "audit.yaml"), "/witnesses/of", Text(zh, en))])
