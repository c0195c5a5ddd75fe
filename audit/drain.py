"""Reading what the journals hold beyond what is sealed, in order, and noticing what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from audit.frames import HEADER_BYTES, Frame, is_vouched, journal_key, read_journal
from audit.segments import is_abandoned, journal_of, segments_in
from audit.state import Place

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that may be lost: a segment that is gone, or a tail that no writer left behind in order."""

    journal: str
    reason: str
    segment: int
    after_seq: int


@dataclass(slots=True)
class Drained:
    """What was read from one journal, where reading it goes on, and whether more was waiting."""

    place: Place
    frames: list[Frame] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    more: bool = False
    bytes: int = 0
    """What the frames hold, which is bounded too."""
    odd: bool = False
    """Whether behind the last good frame of a live segment lies something else: half a write, or not."""


def find_journals(folder: Path) -> dict[str, dict[int, Path]]:
    """Return the segments in `folder` by journal and number."""
    found: dict[str, dict[int, Path]] = {}
    for path in segments_in(folder):
        journal, number = journal_of(path)
        found.setdefault(journal, {})[number] = path
    return found


def drain_journal(
    journal: str, place: Place, segments: Mapping[int, Path], secret: bytes, most: int, most_bytes: int
) -> Drained:
    """Read the frames of `journal` behind `place`, about `most` records or `most_bytes` bytes of them.

    Only those count that its writer, who knew `secret`, vouches for: reading stops at any other.
    """
    key = journal_key(secret, journal)
    result = Drained(place)
    while not result.more:
        path = segments.get(result.place.segment)
        if path is None:
            if not _skip_missing(journal, segments, result):
                return result
        elif not _drain_segment(journal, path, segments, result, key, most, most_bytes):
            return result
    return result


def _skip_missing(journal: str, segments: Mapping[int, Path], result: Drained) -> bool:
    """Go on behind a segment that is not there; tell whether there is anything to go on with."""
    place = result.place
    later = min((n for n in segments if n > place.segment), default=None)
    if not place.done or (later is not None and later > place.segment + 1):
        result.gaps.append(Gap(journal, "segment missing", place.segment, place.seq))
    if later is None:
        result.place = replace(place, done=True)
        return False
    result.place = Place(later, 0, place.seq)
    return True


def _drain_segment(
    journal: str,
    path: Path,
    segments: Mapping[int, Path],
    result: Drained,
    key: bytes,
    most: int,
    most_bytes: int,
) -> bool:
    """Read one segment; tell whether the writer has finished with it and reading goes on in the next."""
    # Asked before reading: what is read from a segment without a writer is all that it will ever hold.
    finished = is_abandoned(path)
    segment, offset, seq = result.place.segment, result.place.offset, result.place.seq
    for frame in read_journal(path, offset, seq):
        if not is_vouched(frame, key):
            break
        if offset == 0 and frame.seq != seq + 1 and not _is_told(result, seq):
            result.gaps.append(Gap(journal, "records missing", segment, seq))
        offset, seq = frame.end, frame.seq
        result.frames.append(frame)
        result.bytes += len(frame.envelope) + len(frame.body)
        if len(result.frames) >= most or result.bytes >= most_bytes:
            result.place, result.more = Place(segment, offset, seq), True
            return False
    place = Place(segment, offset, seq, result.place.done)
    if finished and not place.done and _has_remains(path, offset):
        result.gaps.append(Gap(journal, "torn tail", segment, seq))
    if finished and any(number > place.segment for number in segments):
        result.place = Place(place.segment + 1, 0, place.seq)
        return True
    result.odd = not finished and _is_written(path, offset)
    result.place = replace(place, done=finished)
    return False


def _is_told(result: Drained, seq: int) -> bool:
    """Tell whether it is known by now that records behind `seq` may be lost."""
    return bool(result.gaps) and result.gaps[-1].after_seq == seq


def _has_remains(path: Path, offset: int) -> bool:
    """Tell whether anything but zeros lies behind the last frame: a write that was cut off, or damage."""
    with path.open("rb") as file:
        file.seek(offset)
        while chunk := file.read(_CHUNK):
            if chunk.strip(b"\0"):
                return True
    return False


def _is_written(path: Path, offset: int) -> bool:
    """Tell whether anything but zeros lies where the next frame would begin."""
    with path.open("rb") as file:
        file.seek(offset or HEADER_BYTES)
        return bool(file.read(HEADER_BYTES).strip(b"\0"))


def unsealed_frames(folder: Path, places: Mapping[str, Place]) -> Iterator[tuple[str, Frame]]:
    """Yield journal and frame of every record that is durable but not sealed according to `places`.

    Segments that vanish meanwhile are passed over: they are deleted only after they were sealed.
    """
    for journal, segments in find_journals(folder).items():
        place = places.get(journal, Place())
        for number in sorted(n for n in segments if n >= place.segment):
            here = number == place.segment
            try:
                for frame in read_journal(segments[number], place.offset if here else 0, place.seq):
                    yield journal, frame
            except FileNotFoundError:
                continue


def earlier(one: Mapping[str, Place], other: Mapping[str, Place]) -> dict[str, Place]:
    """Return how far both have come in the journals that both know."""
    return {name: min(one[name], other[name], key=_reached) for name in one.keys() & other.keys()}


def _reached(place: Place) -> tuple[int, bool, int]:
    return place.segment, place.done, place.offset
