"""Files: whole files of a connection's folder, by name; nothing outside of it, and no link out of it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import formatdate
from fnmatch import fnmatchcase
from mimetypes import MimeTypes
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import orjson

from core.settings import Connection
from gateway import objections as no
from gateway.answers import Answer, FileSpan, Hashed, Stream
from gateway.calls import Call
from gateway.digests import Digests, key_of
from gateway.messages import Request
from gateway.model import Permit
from gateway.objections import Refused

T = TypeVar("T")

PIECE = 256 * 1024
LISTED_MOST = 10_000

_TYPES = MimeTypes()  # what Python ships, not what this machine happens to have
_TYPES.add_type("text/calendar", ".ics")


class FileSource:
    """One provider's folder."""

    def __init__(self, connection: Connection, threads: ThreadPoolExecutor) -> None:
        self._folder = connection.folder or Path()
        self._threads = threads
        self.digests = Digests()

    def prepare(
        self, permit: Permit, call: Call, request: Request, here: str
    ) -> Callable[[], Awaitable[Answer | Stream]]:
        """Read a file call and return what answers it; `here` is the address of the list. Raises Refused."""
        patterns = permit.detail["files"]
        name = call.name
        if call.query:
            raise Refused(no.UNKNOWN_PARAMETER.at("/query"))
        if name is None:
            return lambda: self._run(self._listing, patterns, here)
        if not matches(name, patterns):
            raise Refused(no.NO_SUCH_FILE)
        return lambda: self._file(name, request)

    async def _file(self, name: str, request: Request) -> Answer | Stream:
        opened = await self._run(self._open, name)
        try:
            return _answer(self, opened, name, request)
        except BaseException:
            os.close(opened.fd)
            raise

    async def _run(self, work: Callable[..., T], *arguments: Any) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        except OSError as wrong:
            raise Refused(no.SOURCE_FAILED) from wrong

    def _listing(self, patterns: list[str], here: str) -> Answer:
        with os.scandir(self._folder) as entries:
            found = sorted(
                (e.name, e.stat(follow_symlinks=False)) for e in entries if matches(e.name, patterns)
            )
        plain = [(name, info) for name, info in found if stat.S_ISREG(info.st_mode)][:LISTED_MOST]
        files = [
            {
                "name": name,
                "size": info.st_size,
                "modified": datetime.fromtimestamp(info.st_mtime, UTC).isoformat(timespec="seconds"),
                "etag": etag(info),
                "url": f"{here}/{quote(name)}",
            }
            for name, info in plain
        ]
        body = orjson.dumps({"files": files})
        return Answer(200, (("Content-Type", "application/json"),), body, len(files))

    def _open(self, name: str) -> OpenFile:
        try:
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                fd = os.open(name, flags, dir_fd=folder)
            finally:
                os.close(folder)
        except OSError as wrong:
            raise Refused(no.NO_SUCH_FILE) from wrong
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            os.close(fd)
            raise Refused(no.NO_SUCH_FILE)
        return OpenFile(fd, info)

    async def read(self, opened: OpenFile, at: int, size: int, into: Any) -> bytes:
        """Read up to `size` bytes at `at`, and into a digest. Raises Refused when the file has changed."""
        data = await self._run(_read, opened.fd, min(size, PIECE), at, into)
        if not data:
            raise Refused(no.SOURCE_CHANGED)
        opened.check()
        return data

    async def hash(self, opened: OpenFile, begin: int, end: int) -> str:
        """Return the SHA-256 of bytes of an open file as they are now. Raises Refused."""
        return await self._run(_hash, opened.fd, begin, end)


class OpenFile:
    """An open file and what it was when it was opened."""

    __slots__ = ("fd", "info")

    def __init__(self, fd: int, info: os.stat_result) -> None:
        self.fd = fd
        self.info = info

    def check(self) -> None:
        """Look whether somebody has written to the file since. Raises Refused when that is so."""
        now = os.fstat(self.fd)
        if (now.st_size, now.st_mtime_ns) != (self.info.st_size, self.info.st_mtime_ns):
            raise Refused(no.SOURCE_CHANGED)

    def touched(self) -> bool:
        """Tell whether anything at all was done to the file, be it that another took its name."""
        return os.fstat(self.fd).st_ctime_ns != self.info.st_ctime_ns


class FilePieces(Hashed):
    """Some bytes of an open file, piece by piece."""

    def __init__(self, source: FileSource, opened: OpenFile, begin: int, end: int) -> None:
        self._source = source
        self._opened = opened
        self._begin = self._at = begin
        self._end = end
        self._key = key_of(opened.info, begin, end)
        self._began = time.monotonic()
        digest = source.digests.find(self._key, self._began)
        self.span = None if digest is None else FileSpan(opened.fd, begin, end - begin, digest)
        self._hash = None if digest is not None else hashlib.sha256()
        self._hashes: deque[tuple[int, str]] = deque(maxlen=3)
        """What the body hashed to up to the latest pieces: the last may never be sent."""
        self.rows: int | None = None

    async def next(self) -> bytes | None:
        """Return the next piece. Raises Refused."""
        if self._at >= self._end:
            return None
        piece = await self._source.read(self._opened, self._at, self._end - self._at, self._hash)
        self._at += len(piece)
        if self._hash is not None:
            self._hashes.append((self._at - self._begin, self._hash.hexdigest()))
            if self._at == self._end:
                self._source.digests.learn(self._key, self._began, self._hash.hexdigest())
        return piece

    def check(self) -> None:
        """Look whether somebody has written to the file. Raises Refused when that is so."""
        self._opened.check()

    async def digest(self, length: int) -> str:
        """Return the SHA-256 of the first `length` bytes; what is not known is read again. Raises Refused."""
        if self.span is not None and length == self.span.length and not self._opened.touched():
            return self.span.digest
        known = dict(self._hashes).get(length)
        if known is not None:
            return known
        found = await self._source.hash(self._opened, self._begin, self._begin + length)
        self._opened.check()  # else it is of bytes that were never sent
        return found

    async def close(self) -> None:
        """Close the file."""
        os.close(self._opened.fd)


def _read(fd: int, size: int, at: int, into: Any) -> bytes:
    data = os.pread(fd, size, at)
    if into is not None:
        into.update(data)
    return data


def _hash(fd: int, begin: int, end: int) -> str:
    found = hashlib.sha256()
    while begin < end and (data := os.pread(fd, min(PIECE, end - begin), begin)):
        found.update(data)
        begin += len(data)
    return found.hexdigest()


def matches(name: str, patterns: list[str]) -> bool:
    """Tell whether a file's name is one of those that the catalog lists."""
    if name in ("", ".", "..") or "/" in name or "\\" in name or name.startswith("."):
        return False
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def etag(info: os.stat_result) -> str:
    """Return a strong validator (RFC 9110 section 8.8.3) from size and time of change."""
    return f'"{info.st_size:x}-{info.st_mtime_ns:x}"'


def _answer(source: FileSource, opened: OpenFile, name: str, request: Request) -> Answer | Stream:
    size, tag = opened.info.st_size, etag(opened.info)
    headers = [
        ("ETag", tag),
        ("Last-Modified", formatdate(opened.info.st_mtime, usegmt=True)),
        ("Accept-Ranges", "bytes"),
    ]
    if _names(request.header(b"if-none-match"), tag):
        os.close(opened.fd)
        return Answer(304, headers, b"")
    media = _TYPES.guess_type(name)[0] or "application/octet-stream"
    headers += [
        ("Content-Type", f"{media}; charset=utf-8" if media.startswith("text/") else media),
        ("Content-Disposition", f"attachment; filename*=UTF-8''{quote(name, safe='')}"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    span = None if request.method == "HEAD" else _span(request, tag, size)
    begin, end = span or (0, size)
    if span is not None:
        headers.append(("Content-Range", f"bytes {begin}-{end - 1}/{size}"))
    if request.method == "HEAD":
        os.close(opened.fd)
        return Answer(200, headers, b"", length=size)
    return Stream(206 if span else 200, headers, end - begin, FilePieces(source, opened, begin, end), name)


def _names(field: bytes | None, tag: str) -> bool:
    """Tell whether If-None-Match names the tag (weak comparison, RFC 9110 section 13.1.2)."""
    if field is None:
        return False
    given = [part.strip().removeprefix("W/") for part in field.decode("latin-1").split(",")]
    return "*" in given or tag in given


def _span(request: Request, tag: str, size: int) -> tuple[int, int] | None:
    """Return the bytes that a Range of one part asks for (RFC 9110 section 14.2). Raises Refused (416).

    Whatever else the field holds is ignored, as is a Range whose If-Range names another version.
    """
    field = request.header(b"range")
    if_range = request.header(b"if-range")
    if field is None or (if_range is not None and if_range.decode("latin-1") != tag):
        return None
    unit, _, spec = field.decode("latin-1").partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.lower() != "bytes" or not dash or not _digits(first, last) or not first + last:
        return None
    if not first:
        begin, end = max(0, size - int(last)), size
    else:
        begin, end = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < begin:
            return None
    if begin >= size or begin >= end:
        raise Refused(no.RANGE_NOT_SATISFIABLE.having("Content-Range", f"bytes */{size}"))
    return begin, end


def _digits(*parts: str) -> bool:
    return all(p.isascii() and (p == "" or p.isdigit()) and len(p) <= 18 for p in parts)
