"""What files hash to, remembered while nobody writes to them: a large file is hashed once, not per call."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass

REMEMBERED = 4096
"""Spans of files whose digests are kept, per connection and worker."""
SETTLED_SECONDS = 2.0
"""How long a file must have been as it is before its digest is believed: two writes within one tick of a file
system's clock look like one."""

Key = tuple[int, ...]


@dataclass(slots=True)
class _Known:
    since: float
    digest: str | None = None


class Digests:
    """SHA-256 digests of spans of files, the least used forgotten first. Times are of the monotonic clock."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, _Known] = OrderedDict()

    def find(self, key: Key, now: float) -> str | None:
        """Return the digest of a span, and note that the file was seen in this state."""
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Known(now)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return known.digest

    def learn(self, key: Key, began: float, digest: str) -> None:
        """Keep the digest of a span whose reading began at `began`, if the file had settled by then."""
        known = self._known.get(key)
        if known is not None and began - known.since >= SETTLED_SECONDS:
            known.digest = digest


def key_of(info: os.stat_result, begin: int, end: int) -> Key:
    """Return what stands for the bytes from `begin` to `end` of a file in this state."""
    return (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns, begin, end)
