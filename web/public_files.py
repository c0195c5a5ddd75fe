"""Answers as a server of static files would give them: validators, not-modified, compressed on request.

What the log publishes may as well be copied behind any web server, so clients see no difference.
"""

from __future__ import annotations

import gzip
import hashlib

from flask import request

from web.http import Reply

FOR_EVER = "public, max-age=31536000, immutable"
FRESH = "no-cache"
"""To be asked for again each time; the validator makes that cheap."""

_FOR_ALL = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
"""Pages of others may read what is public anyway (Fetch standard)."""


def public_file(content: bytes | str, media_type: str, cache: str, *, compress: bool = False) -> Reply:
    """Return the answer to GET or HEAD of a public file: 304 when the client has it already (RFC 9110).

    With `compress` it goes gzipped to whoever accepts that; each of the two forms has a validator of its own.
    """
    raw = content.encode() if isinstance(content, str) else content
    tag = hashlib.sha256(raw).hexdigest()[:32]
    headers = {"Cache-Control": cache, **_FOR_ALL}
    if compress:
        headers["Vary"] = "Accept-Encoding"
    if compress and request.accept_encodings.quality("gzip") > 0:
        tag += "-gzip"
        headers["Content-Encoding"] = "gzip"
    headers["ETag"] = f'"{tag}"'
    if request.if_none_match.contains_weak(tag):
        headers.pop("Content-Encoding", None)
        return Reply(b"", 304, headers, media_type=media_type)
    if "Content-Encoding" in headers:
        raw = gzip.compress(raw, mtime=0)
    return Reply(raw, headers=headers, media_type=media_type)
