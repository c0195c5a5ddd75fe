"""Merkle tree sums of RFC 6962 section 2 (SHA-256), over a function that reads stored hashes.

`Read` is the seam: ``read(level, index)`` returns the hash of the complete subtree over the leaves
``index * 2**level`` up to ``(index + 1) * 2**level``. A level 0 hash is a leaf hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

Read = Callable[[int, int], bytes]

_HASH_BYTES = 32
_PAIR_BYTES = 2 * _HASH_BYTES

EMPTY_ROOT = sha256(b"").digest()
"""The root of the tree without leaves (RFC 6962 section 2.1)."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a log entry (RFC 6962 section 2.1)."""
    return sha256(b"\x00" + entry).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """Return the hashes of several log entries."""
    return [sha256(b"\x00" + entry).digest() for entry in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 6962 section 2.1)."""
    return sha256(b"\x01" + left + right).digest()


def root_of_list(hashes: Sequence[bytes]) -> bytes:
    """Return the root over `hashes`, each that of a subtree of one size, but the last may be of a smaller.

    The shape is the RFC's: the left part is the largest power of two smaller than the whole.
    """
    return root_of_tile(b"".join(hashes)) if hashes else EMPTY_ROOT


def root_of_tile(row: bytes) -> bytes:
    """Return the same over hashes that lie one behind the other, at least one.

    Half of all hashing is done here, so that it calls no function for a node.
    """
    while len(row) > _HASH_BYTES:
        even = len(row) // _PAIR_BYTES * _PAIR_BYTES
        pairs = [sha256(b"\x01" + row[i : i + _PAIR_BYTES]).digest() for i in range(0, even, _PAIR_BYTES)]
        row = b"".join(pairs) + row[even:]
    return row


def root_and_paths(leaves: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """Return the root over leaf hashes, at least one, and each leaf's audit path, its hashes in one piece."""
    rows = [list(leaves)]
    while len(row := rows[-1]) > 1:
        pairs = [sha256(b"\x01" + row[i] + row[i + 1]).digest() for i in range(0, len(row) - 1, 2)]
        rows.append(pairs + row[-1:] if len(row) & 1 else pairs)
    paths = [b""]
    for row in reversed(rows[:-1]):  # a node's path is its neighbour, and then the path of the two
        paths = [beside + paths[i >> 1] for i, beside in enumerate(_neighbours(row))]
    return rows[-1][0], paths


def _neighbours(row: list[bytes]) -> list[bytes]:
    """Return what each node is hashed with; nothing for a last one that stands alone."""
    beside = [b""] * len(row)
    even = len(row) & ~1
    beside[0:even:2], beside[1:even:2] = row[1:even:2], row[0:even:2]
    return beside


def root(size: int, read: Read) -> bytes:
    """Return the root of the tree of the first `size` leaves."""
    return _subtree(0, size, read) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read: Read) -> list[bytes]:
    """Return the audit path of leaf `index` in the tree of `size` leaves (RFC 6962 section 2.1.1).

    Raises ValueError when there is no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    return _path(index, 0, size, read)


def consistency_proof(old: int, new: int, read: Read) -> list[bytes]:
    """Return the proof that the tree of `old` leaves is the beginning of that of `new` (section 2.1.2).

    It is empty for ``old == new`` and for ``old == 0``. Raises ValueError for ``old > new``.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {old} is not the beginning of one of {new}")
    return [] if old in (0, new) else _subproof(old, 0, new, True, read)


def root_from_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes | None:
    """Return the root that an inclusion proof leads to, None when it cannot be one (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        return None
    node, last, result = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return None
        if node & 1 or node == last:
            result = node_hash(step, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, step)
        node, last = node >> 1, last >> 1
    return result if last == 0 else None


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether `proof` shows that `leaf` is at `index` of the tree of `size` leaves with `root`."""
    return root_from_inclusion(index, size, leaf, proof) == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether `proof` shows that the old tree is the beginning of the new one (RFC 9162 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    return bool(path) and _roots_from_consistency(old - 1, new - 1, path) == (old_root, new_root)


def _roots_from_consistency(node: int, last: int, path: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            return None
        if node & 1 or node == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, step)
        node, last = node >> 1, last >> 1
    return (old, new) if last == 0 else None


def _split(size: int) -> int:
    """Return the largest power of two smaller than `size`, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


def _subtree(start: int, size: int, read: Read) -> bytes:
    """Return the root of the leaves from `start`, which is a multiple of a power of two that is >= size."""
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return read(level, start >> level)
    left = _split(size)
    return node_hash(_subtree(start, left, read), _subtree(start + left, size - left, read))


def _path(index: int, start: int, size: int, read: Read) -> list[bytes]:
    if size == 1:
        return []
    left = _split(size)
    if index < left:
        return [*_path(index, start, left, read), _subtree(start + left, size - left, read)]
    return [*_path(index - left, start + left, size - left, read), _subtree(start, left, read)]


def _subproof(old: int, start: int, size: int, whole: bool, read: Read) -> list[bytes]:
    if old == size:
        return [] if whole else [_subtree(start, size, read)]
    left = _split(size)
    if old <= left:
        right = _subtree(start + left, size - left, read)
        return [*_subproof(old, start, left, whole, read), right]
    rest = _subproof(old - left, start + left, size - left, False, read)
    return [*rest, _subtree(start, left, read)]
