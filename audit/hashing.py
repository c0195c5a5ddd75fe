"""SHA-256 of thousands of messages in one call, where DataFusion is installed (the extra `verify`).

To call `hashlib` costs about as much as to hash a kilobyte, which is most of what a short message takes. What
hashes whole arrays does without those calls. It is loaded when it is first asked for, since that takes half
a second.
"""

from __future__ import annotations

from functools import cache
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes = npt.NDArray[np.uint8]
"""Messages of one length, or digests: one a row."""
Places = npt.NDArray[np.int32]

DIGEST_BYTES = 32
VIEW_LEAST = 13
"""Shorter ones are no messages for `within`: Arrow keeps them in the view itself."""
_INT_BYTES, _INTS_A_VIEW = 4, 4


class Hasher:
    """What makes many digests at once."""

    def __init__(self) -> None:
        """Load DataFusion. Raises ImportError where it is not installed."""
        from datafusion import SessionConfig, SessionContext, col, functions

        # One partition: a check that is to use more cores has more processes. No pass: nothing to optimise.
        options = SessionConfig({"datafusion.optimizer.max_passes": "0"}).with_target_partitions(1)
        self._context = SessionContext(options)
        self._numbers = count()
        self._digest: Any = lambda name: functions.sha256(col(name)).alias(name)

    def digests(self, *columns: pa.Array) -> list[Bytes]:
        """Return the digests of each of these columns of messages, which are equally long."""
        table = f"messages{next(self._numbers)}"  # threads may ask at the same time
        names = [str(i) for i in range(len(columns))]
        batch = pa.record_batch(list(columns), names)
        frame = self._context.create_dataframe([[batch]], table)
        try:
            made = pa.Table.from_batches(frame.select(*map(self._digest, names)).collect())
        finally:
            self._context.deregister_table(table)  # which keeps the messages otherwise
        return [_rows(made[name].combine_chunks()) for name in names]


@cache
def hasher() -> Hasher | None:
    """Return what makes many digests at once, None where it is not installed."""
    try:
        return Hasher()
    except ImportError:
        return None


def _rows(digests: pa.Array) -> Bytes:
    raw = digests.cast(pa.binary()).buffers()[2]
    return np.frombuffer(raw, np.uint8, len(digests) * DIGEST_BYTES).reshape(-1, DIGEST_BYTES)


def within(raw: bytes | Bytes, starts: Places, ends: Places) -> pa.Array:
    """Return the messages that lie between these places, without copying; each has VIEW_LEAST bytes."""
    begins: Places = np.ndarray((len(raw) - _INT_BYTES + 1,), np.int32, raw, 0, (1,))
    views = np.empty((len(starts), _INTS_A_VIEW), np.int32)
    views[:, 0], views[:, 1], views[:, 2], views[:, 3] = ends - starts, begins[starts], 0, starts
    buffers = [None, pa.py_buffer(views), pa.py_buffer(raw)]
    return pa.Array.from_buffers(pa.binary_view(), len(starts), buffers)


def nodes(make: Hasher, below: Bytes) -> Bytes:
    """Return the hashes of the inner nodes over pairs of hashes (RFC 6962 section 2.1)."""
    messages = np.empty((len(below) // 2, 1 + 2 * DIGEST_BYTES), np.uint8)
    messages[:, 0], messages[:, 1:] = 1, below.reshape(-1, 2 * DIGEST_BYTES)
    places = np.arange(0, messages.size + 1, messages.shape[1], dtype=np.int32)
    buffers = [None, pa.py_buffer(places), pa.py_buffer(messages)]
    return make.digests(pa.Array.from_buffers(pa.binary(), len(messages), buffers))[0]
