"""How many calls of a grant in a second, and how many at once: counted together by the workers of one host.

All workers map one file. A grant has a slot in it: when its next call is due (the generic cell rate
algorithm: each call moves that moment on by its share of a second, and it may lie a second ahead at most),
and how many of its calls each worker has under way. A slot is read and written under a lock (flock), so no
two workers let the same call in. A worker holds a seat, a lock that the kernel releases when it dies: what a
dead one had under way is no longer counted. Another host counts for itself.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

SEATS = 160
"""Workers of one host, old and new ones during a reload (at most 64 of each)."""
SLOTS = 1 << 14
"""Grants that are at work at the same time."""
PROBES = 16
"""Slots that a grant may have; the first that is free or at rest becomes its own."""
_KEY, _DUE = struct.Struct("16s"), struct.Struct("d")
_COUNTS = _KEY.size + _DUE.size
_SLOT = _COUNTS + 2 * SEATS
_FREE = bytes(16)


@dataclass(frozen=True, slots=True)
class Held:
    """A call that has to wait."""

    seconds: float
    """How long, at least; of calls at once nobody knows, so it is a guess."""
    at_once: bool
    """Whether too many are under way, rather than too many in a second."""


class Limits:
    """One worker's place in the common count."""

    def __init__(self, folder: Path, slots: int = SLOTS) -> None:
        """Open the count, creating it, and take a seat. Raises OSError when all are taken."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._slots = slots
        self._file = os.open(folder / "slots", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(self._file).st_size < slots * _SLOT:
            os.ftruncate(self._file, slots * _SLOT)  # sparse: what no grant needs takes no room
        self._map = mmap.mmap(self._file, slots * _SLOT)
        self._seat, self._chair = self._sit_down()

    def enter(self, grant: str, per_second: int | None, at_once: int | None, now: float) -> Held | None:
        """Let a call in, to be followed by `leave`; or return why it has to wait.

        `now` is the machine's monotonic clock in seconds, which all its processes share.
        """
        with self._locked():
            slot = self._slot_of(grant, now)
            if slot is None:
                return Held(1.0, at_once=True)
            if at_once is not None and self._under_way(slot) >= at_once:
                self._forget_the_dead(slot)
                if self._under_way(slot) >= at_once:
                    return Held(1.0, at_once=True)
            if per_second is not None:
                early = self._early(slot, 1.0 / per_second, now)
                if early > 0:
                    return Held(early, at_once=False)
            self._count(slot, 1)
        return None

    def leave(self, grant: str) -> None:
        """Note that a call that was let in has ended; once the seat is given back nothing is to be noted."""
        if self._map.closed:
            return
        with self._locked():
            slot = self._find(_key(grant))
            if slot is not None:
                self._count(slot, -1)

    def close(self) -> None:
        """Give the seat back."""
        self._map.close()
        os.close(self._file)
        os.close(self._chair)

    # --- one slot -----------------------------------------------------------------------------------

    def _early(self, slot: int, share: float, now: float) -> float:
        """Return how many seconds a call comes too early; when it does not, move on when the next is due."""
        due = _DUE.unpack_from(self._map, slot + _KEY.size)[0]
        if not now <= due <= now + 1.0 + share:  # long ago, of another boot, or of a bound that has changed
            due = now
        early: float = due + share - (now + 1.0)
        if early > 1e-9:
            return early
        _DUE.pack_into(self._map, slot + _KEY.size, due + share)
        return 0.0

    def _counts(self, slot: int) -> memoryview:
        return memoryview(self._map)[slot + _COUNTS : slot + _SLOT].cast("H")

    def _under_way(self, slot: int) -> int:
        with self._counts(slot) as counts:
            return sum(counts)

    def _count(self, slot: int, by: int) -> None:
        with self._counts(slot) as counts:
            counts[self._seat] += by

    def _forget_the_dead(self, slot: int) -> None:
        with self._counts(slot) as counts:
            for seat, count in enumerate(counts):
                if count and seat != self._seat and self._is_free(seat):
                    counts[seat] = 0

    # --- finding it ---------------------------------------------------------------------------------

    def _places(self, key: bytes) -> Iterator[int]:
        first = int.from_bytes(key[:8], "little")
        return ((first + i) % self._slots * _SLOT for i in range(min(PROBES, self._slots)))

    def _find(self, key: bytes) -> int | None:
        return next((at for at in self._places(key) if self._map[at : at + _KEY.size] == key), None)

    def _slot_of(self, grant: str, now: float) -> int | None:
        """Return the slot of a grant, another's that rests if need be; None where all are in use."""
        key = _key(grant)
        found = self._find(key)
        if found is not None:
            return found
        for at in self._places(key):
            if self._rests(at, now):
                self._map[at : at + _SLOT] = key + bytes(_SLOT - _KEY.size)
                return at
        return None

    def _rests(self, slot: int, now: float) -> bool:
        if self._map[slot : slot + _KEY.size] == _FREE:
            return True
        due = _DUE.unpack_from(self._map, slot + _KEY.size)[0]
        if now <= due <= now + 2.0:
            return False
        self._forget_the_dead(slot)
        return not self._under_way(slot)

    # --- locks --------------------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _sit_down(self) -> tuple[int, int]:
        """Return the first free seat and what holds it; what its last holder left behind is forgotten."""
        for seat in range(SEATS):
            chair = self._take(seat)
            if chair is not None:
                with self._locked():
                    for slot in self._written():
                        with self._counts(slot) as counts:
                            counts[seat] = 0
                return seat, chair
        raise OSError("all seats are taken")

    def _written(self) -> Iterator[int]:
        """Yield the slots in the parts of the file that were ever written (lseek(2), SEEK_DATA)."""
        end, size = 0, self._slots * _SLOT
        while end < size:
            try:
                begin = os.lseek(self._file, end, os.SEEK_DATA)
            except OSError:  # nothing but a hole
                return
            end = os.lseek(self._file, begin, os.SEEK_HOLE)
            for slot in range(begin // _SLOT * _SLOT, min(end, size), _SLOT):
                if self._map[slot : slot + _KEY.size] != _FREE:
                    yield slot

    def _take(self, seat: int) -> int | None:
        chair = os.open(self._folder / f"seat-{seat}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(chair, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(chair)
            return None
        return chair

    def _is_free(self, seat: int) -> bool:
        chair = self._take(seat)
        if chair is None:
            return False
        os.close(chair)
        return True


def _key(grant: str) -> bytes:
    return blake2b(grant.encode(), digest_size=_KEY.size).digest()
