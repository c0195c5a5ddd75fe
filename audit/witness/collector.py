"""Threads that show checkpoints to the witnesses, one each; only here is the network waited for.

A thread asks its witness for a cosignature of the newest offer that it has not seen yet. One that fails is
asked again, later each time. What they bring is taken by the sealer's own thread, which alone writes files.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.files import tile_reader
from audit.merkle import consistency_proof
from audit.note import NoteVerifier
from audit.state import Place
from audit.tiles import hash_reader
from audit.witness.client import Prove, Refused, Unreachable, WitnessClient
from core.settings_audit import Witnesses

LONGEST_PAUSE = 60.0
_JOIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Offer:
    """A checkpoint to be cosigned, with how far the journals were sealed in it and when it was offered."""

    note: str
    size: int
    journals: Mapping[str, Place]
    at: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What a witness made of an offer: its signature lines, or the reason why there are none."""

    witness: str
    offer: Offer
    lines: Sequence[str] = ()
    trouble: Refused | Unreachable | None = None


class Collector:
    """The threads and what passes between them and the sealer."""

    def __init__(
        self,
        log: Path,
        settings: Witnesses,
        keys: Mapping[str, Sequence[NoteVerifier]],
        sizes: Mapping[str, int],
    ) -> None:
        """`log` holds the tiles; `keys` and `sizes` are by witness: how it signs, what it cosigned last."""
        self._log = log
        self._settings = settings
        self._changed = threading.Condition()
        self._offer: Offer | None = None
        self._brought: list[Answered] = []
        self._last: dict[str, Offer] = {}
        self._closed = False
        self._names = [w.name for w in settings.of]
        self._threads = [
            threading.Thread(
                target=self._attend,
                args=(
                    w.name,
                    WitnessClient(w.url, keys[w.name], settings.timeout_seconds),
                    sizes.get(w.name, 0),
                ),
                name=f"witness-{w.name}",
                daemon=True,
            )
            for w in settings.of
        ]
        for thread in self._threads:
            thread.start()

    def offer(self, offer: Offer) -> None:
        """Show a newer checkpoint to every witness as soon as it is free."""
        with self._changed:
            self._offer = offer
            self._changed.notify_all()

    def take(self) -> list[Answered]:
        """Return what was brought since the last time."""
        with self._changed:
            brought, self._brought = self._brought, []
            return brought

    def wait(self, seconds: float) -> None:
        """Wait until every witness has answered the offer in some way, at most `seconds`."""
        with self._changed:
            self._changed.wait_for(self._all_answered, seconds)

    def _all_answered(self) -> bool:
        return all(self._last.get(name) is self._offer for name in self._names)

    def close(self) -> None:
        """Stop asking. A thread that waits for an answer ends when it comes or with the process."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        deadline = time.monotonic() + _JOIN_SECONDS
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))

    # --- in the thread of one witness ---------------------------------------------------------------

    def _attend(self, name: str, client: WitnessClient, known: int) -> None:
        pause = 0.0
        done: Offer | None = None
        while (offer := self._next(done, pause)) is not None:
            answered = self._ask(name, client, offer, known)
            if answered.trouble is None:
                known, done, pause = offer.size, offer, 0.0
            else:
                pause = min(max(2 * pause, self._settings.every_seconds), LONGEST_PAUSE)
            with self._changed:
                self._brought.append(answered)
                self._last[name] = offer
                self._changed.notify_all()
        client.close()

    def _next(self, done: Offer | None, pause: float) -> Offer | None:
        """Return the offer to ask for next, None at the end; after a failure it comes only after `pause`."""
        with self._changed:
            if pause:
                self._changed.wait_for(lambda: self._closed, pause)
            self._changed.wait_for(lambda: self._closed or self._offer is not done)
            return None if self._closed else self._offer

    def _ask(self, name: str, client: WitnessClient, offer: Offer, known: int) -> Answered:
        try:
            return Answered(name, offer, client.cosign(offer.note, known, self._prover(offer.size)))
        except (Refused, Unreachable) as trouble:
            return Answered(name, offer, trouble=trouble)
        except Exception as wrong:  # whatever it was, this witness is asked again
            return Answered(name, offer, trouble=Unreachable(f"{type(wrong).__name__}: {wrong}"))

    def _prover(self, size: int) -> Prove:
        read = hash_reader(size, tile_reader(self._log))
        return lambda old: consistency_proof(old, size, read)
