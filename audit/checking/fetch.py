"""Asking a platform's public log for a proof: one GET, bounded in time and in bytes."""

from __future__ import annotations

import json
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from audit.proofs import not_sealed_yet
from core.errors import NotFound, Refusal

_SECONDS = 30
_PROOF_MOST = 1_000_000


class Unreachable(Exception):
    """The platform could not be asked, or its answer is no proof; the words are Chinese / English."""


def fetch_proof(platform: str, record_id: str) -> str:
    """Return the proof of a record from the platform at `platform`, such as https://data.example.cn.

    Raises NotFound or Conflict as the platform words it, Unreachable when it does not answer as it should.
    """
    url = f"{platform.rstrip('/')}/audit/proof/{record_id}"
    if not url.startswith(("https://", "http://")):
        raise Unreachable(f"不是网址：{platform} / not an address of http or https")
    try:
        with urlopen(Request(url, headers={"Accept": "text/plain"}), timeout=_SECONDS) as answer:  # noqa: S310
            raw = answer.read(_PROOF_MOST + 1)
    except HTTPError as wrong:
        with wrong:
            refusal = _refusal(url, wrong)
        raise refusal from None
    except (OSError, HTTPException, ValueError) as wrong:
        raise Unreachable(f"无法访问 {url}：{wrong} / the platform cannot be reached") from wrong
    if len(raw) > _PROOF_MOST:
        raise Unreachable(f"{url} 的回答过大 / the answer is too large for a proof")
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError as wrong:
        raise Unreachable(f"{url} 的回答不是文本 / the answer is no text") from wrong


def _refusal(url: str, wrong: HTTPError) -> Refusal | Unreachable:
    """Return the platform's refusal in its own words, if it is one that we know."""
    if wrong.code == 404:
        return NotFound("没有这条记录", "no such record")
    if wrong.code == 409 and _code(wrong) == "not_sealed_yet":
        return not_sealed_yet()
    return Unreachable(f"{url}：HTTP {wrong.code} {wrong.reason}")


def _code(wrong: HTTPError) -> str | None:
    try:
        return str(json.loads(wrong.read(_PROOF_MOST))["code"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return None
