"""The one place where a refusal becomes an HTTP status: a problem document (RFC 9457) or an error page."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response
from werkzeug.exceptions import HTTPException

from core.errors import (
    Conflict,
    Gone,
    Invalid,
    NotFound,
    NotPermitted,
    Refusal,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from core.text import Text
from web.auth import FRESH, STEP_UP

TYPE = "urn:shuxiang:problem:"
"""Problem types are `TYPE` + code; docs/errors.md lists them all."""

_STATUS: dict[type[Refusal], int] = {
    Invalid: 400,
    Unauthenticated: 401,
    NotPermitted: 403,
    NotFound: 404,
    Conflict: 409,
    Gone: 410,
    TooLarge: 413,
    TooMany: 429,
    Unavailable: 503,
}
_STATUS_OF_CODE = {"changed_meanwhile": 412, "unsupported_media_type": 415}
_TITLE_OF_CODE = {
    "changed_meanwhile": Text("已被他人更改", "Changed meanwhile"),
    "unsupported_media_type": Text("不支持的内容类型", "Unsupported media type"),
}

_HTTP_WORDS = {
    400: Text("请求格式有误", "The request is malformed"),
    404: NotFound.title,
    405: Text("此地址不支持这种请求方法", "Method not allowed here"),
    406: Text("无法提供所要求的格式", "Not acceptable"),
    413: TooLarge.title,
    414: Text("地址过长", "URI too long"),
    415: Text("不支持的内容类型", "Unsupported media type"),
    421: Text("请求发错了服务", "Misdirected request"),
    431: Text("请求头过大", "Request header fields too large"),
}


def status_of(refusal: Refusal) -> int:
    """Return the HTTP status of a refusal."""
    return _STATUS_OF_CODE.get(refusal.code) or _STATUS[type(refusal)]


def problem(refusal: Refusal) -> dict[str, Any]:
    """Return the problem document (RFC 9457 section 3) of a refusal."""
    title = _TITLE_OF_CODE.get(refusal.code, refusal.title)
    document: dict[str, Any] = {
        "type": TYPE + refusal.code,
        "title": title.zh,
        "title_en": title.en,
        "status": status_of(refusal),
        "detail": refusal.message.zh,
        "detail_en": refusal.message.en,
        "code": refusal.code,
    }
    if refusal.cite:
        document["cite"] = refusal.cite
    if isinstance(refusal, Invalid):
        document["errors"] = [
            {"pointer": e.pointer, "detail": e.message.zh, "detail_en": e.message.en, "code": e.code}
            for e in refusal.errors
        ]
    return document


def problem_response(refusal: Refusal) -> Response:
    """Return the HTTP answer of a refusal for a script."""
    response = Response(
        orjson.dumps(problem(refusal)), status_of(refusal), content_type="application/problem+json"
    )
    if isinstance(refusal, Unauthenticated):
        response.headers["WWW-Authenticate"] = _challenge(refusal)
    response.headers.update(retry_after(refusal))
    return response


def retry_after(refusal: Refusal) -> dict[str, str]:
    """Return the header that says in how many seconds to come again; nothing where that would not help."""
    if isinstance(refusal, TooMany):
        return {"Retry-After": str(refusal.retry_after)}
    return {"Retry-After": "5"} if isinstance(refusal, Unavailable) else {}


def _challenge(refusal: Unauthenticated) -> str:
    """Return the challenge of a refusal (RFC 6750 section 3; a fresh proof: RFC 9470 section 3)."""
    challenge = 'Bearer realm="shuxiang"'
    if refusal.code != STEP_UP:
        return challenge
    return f'{challenge}, error="insufficient_user_authentication", max_age="{int(FRESH.total_seconds())}"'


def words_of_http(error: HTTPException) -> Text:
    """Return the words for an error that the framework raised before any of our code ran."""
    code = error.code or 500
    return _HTTP_WORDS.get(code, Text(f"请求未能处理({code})", f"The request could not be served ({code})"))


def http_problem(error: HTTPException) -> Response:
    """Return the framework's own errors (404, 405, 413...) in the same shape as ours."""
    code = error.code or 500
    words = words_of_http(error)
    document = {
        "type": "about:blank",
        "title": words.zh,
        "title_en": words.en,
        "status": code,
        "detail": words.zh,
        "detail_en": words.en,
        "code": f"http_{code}",
    }
    response = Response(orjson.dumps(document), code, content_type="application/problem+json")
    if code == 405 and getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(error.valid_methods)  # type: ignore[attr-defined]
    return response


class InternalFault(Refusal):
    """A fault of ours; what went wrong stays in the log, never in the answer."""

    code = "internal"
    title = Text("平台内部错误", "Internal fault")


_STATUS[InternalFault] = 500


def internal_fault() -> InternalFault:
    """Return the answer to a fault that nothing foresaw."""
    return InternalFault("平台出现内部错误，已记录", "a fault of the platform; it has been logged")
