"""Requests to make blocks again because bodies in them were erased or deleted: an empty file for each.

columns/renew/<first>-<last>
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from audit.columns.blocks import FOLDER, Block
from audit.files import write_file

_FOLDER = "renew"

Range = tuple[int, int]
"""First and last log index."""


def ask_renewal(folder: Path, first: int, last: int) -> None:
    """See to it that no block keeps what the bodies from `first` to `last` no longer hold. Durable.

    Call it once the bodies have changed; doing so twice does no harm. What makes blocks does the rest within
    seconds, from the bodies.
    """
    place = folder / FOLDER / _FOLDER
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_file(place / f"{first}-{last}", b"")


def requests(folder: Path) -> list[Range]:
    """Return the ranges whose blocks must be made again."""
    names = (path.name.split("-") for path in (folder / FOLDER / _FOLDER).glob("[0-9]*-*[0-9]"))
    return sorted((int(first), int(last)) for first, last in names)


def is_awaited(folder: Path, first: int, last: int) -> bool:
    """Tell whether a block may still hold what the bodies from `first` to `last` held."""
    return any(begin <= last and first <= end for begin, end in requests(folder))


def asked_since(folder: Path) -> float | None:
    """Return the time, in seconds since 1970, of the oldest request that nobody has seen to; None without."""
    times = []
    for first, last in requests(folder):
        with suppress(FileNotFoundError):  # seen to meanwhile
            times.append((folder / FOLDER / _FOLDER / f"{first}-{last}").stat().st_mtime)
    return min(times, default=None)


def last_asked(folder: Path) -> int:
    """Return a number that is another one after each request."""
    try:
        return (folder / FOLDER / _FOLDER).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def concerns(ranges: list[Range], block: Block) -> bool:
    """Tell whether a block holds rows of any of the ranges."""
    return any(first < block.end and block.first <= last for first, last in ranges)


def settled(folder: Path, ranges: list[Range]) -> None:
    """Note that the blocks of these ranges have been made again."""
    for first, last in ranges:
        (folder / FOLDER / _FOLDER / f"{first}-{last}").unlink(missing_ok=True)
