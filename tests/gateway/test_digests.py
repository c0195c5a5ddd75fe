"""A file's digest is worked out once, and never believed of a file that somebody has touched."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.settings import Connection
from core.text import Text
from gateway import digests
from gateway.answers import Hashed
from gateway.digests import REMEMBERED, Digests
from gateway.files import PIECE, FilePieces, FileSource, OpenFile
from gateway.objections import Refused

BODY = bytes(range(256)) * 4096


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file has been as it is for long enough."""
    monkeypatch.setattr(digests, "SETTLED_SECONDS", 0.0)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[FileSource]:
    (tmp_path / "a.bin").write_bytes(BODY)
    with ThreadPoolExecutor(1) as threads:
        yield FileSource(Connection("files", "file", Text("", ""), "police", folder=tmp_path), threads)


def pieces(source: FileSource, path: Path, begin: int = 0, end: int = len(BODY)) -> FilePieces:
    fd = os.open(path, os.O_RDONLY)
    return FilePieces(source, OpenFile(fd, os.fstat(fd)), begin, end)


def ran(story: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(story())  # type: ignore[arg-type]


async def whole(body: FilePieces) -> bytes:
    return b"".join([piece async for piece in _each(body)])


async def _each(body: FilePieces) -> Any:
    while (piece := await body.next()) is not None:
        yield piece


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_who_reads_a_file_hashes_it_up_to_each_piece(source: FileSource, tmp_path: Path) -> None:
    async def story() -> None:
        body = pieces(source, tmp_path / "a.bin", 100, len(BODY) - 7)
        assert isinstance(body, Hashed)
        assert await body.digest(0) == sha(b"")
        await body.next()
        await body.next()
        assert await body.digest(PIECE) == sha(BODY[100 : 100 + PIECE])  # the second was never sent
        await whole(body)
        assert await body.digest(len(BODY) - 107) == sha(BODY[100:-7])
        await body.close()

    ran(story)


def test_a_file_that_was_read_to_its_end_need_not_be_read_again(source: FileSource, tmp_path: Path) -> None:
    async def story() -> None:
        first = pieces(source, tmp_path / "a.bin")
        assert first.span is None
        await whole(first)
        again, part = pieces(source, tmp_path / "a.bin"), pieces(source, tmp_path / "a.bin", 0, 10)
        assert again.span is not None
        assert (again.span.offset, again.span.length, again.span.digest) == (0, len(BODY), sha(BODY))
        assert await again.digest(len(BODY)) == sha(BODY)
        assert await again.digest(5) == sha(BODY[:5])
        assert part.span is None
        assert await whole(again) == BODY
        for each in (first, again, part):
            await each.close()

    ran(story)


@pytest.mark.parametrize("kept", ["the times", "nothing"])
def test_a_file_that_was_written_to_has_no_digest_that_is_known(
    source: FileSource, tmp_path: Path, kept: str
) -> None:
    async def story() -> None:
        path = tmp_path / "a.bin"
        before = path.stat()
        first = pieces(source, path)
        await whole(first)
        known = pieces(source, path)
        path.write_bytes(b"x" * len(BODY))
        if kept == "the times":
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert pieces(source, path).span is None
        if kept == "the times":
            assert await known.digest(len(BODY)) == sha(b"x" * len(BODY))
        else:
            with pytest.raises(Refused, match="provider_changed"):
                known.check()

    ran(story)


def test_a_file_that_was_just_written_is_hashed_again_each_time() -> None:
    kept = Digests()
    key = (1, 2, 3)
    digests.SETTLED_SECONDS = 2.0
    assert kept.find(key, 10.0) is None
    kept.learn(key, 11.9, "early")
    assert kept.find(key, 11.95) is None
    kept.learn(key, 12.0, "settled")
    assert kept.find(key, 12.1) == "settled"


def test_only_so_many_digests_are_remembered_and_the_least_used_go_first() -> None:
    kept = Digests()
    for number in range(REMEMBERED + 10):
        kept.find((number,), 0.0)
        kept.learn((number,), 5.0, str(number))
        assert kept.find((0,), 0.0) == "0"
    assert kept.find((1,), 0.0) is None
    assert kept.find((REMEMBERED + 9,), 0.0) == str(REMEMBERED + 9)
