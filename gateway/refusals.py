"""How an objection reads as an answer: problem document (RFC 9457), WWW-Authenticate, Proxy-Status. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from gateway.objections import BEARER, DPOP, Objection
from gateway.signatures import ALGORITHMS

TYPE = "urn:shuxiang:problem:"


def problem(objection: Objection) -> bytes:
    """Return the problem document of an objection, in both languages."""
    title = _TITLES.get(objection.status, _TITLES[500])
    document: dict[str, Any] = {
        "type": TYPE + objection.code,
        "title": title[0],
        "title_en": title[1],
        "status": objection.status,
        "detail": objection.text.zh,
        "detail_en": objection.text.en,
        "code": objection.code,
    }
    if objection.errors:
        document["errors"] = [
            {"pointer": e.pointer, "detail": e.message.zh, "detail_en": e.message.en, "code": e.code}
            for e in objection.errors
        ]
    return orjson.dumps(document)


def challenges_of(metadata: str) -> dict[str, str]:
    """Return what WWW-Authenticate says under each scheme before any error (`metadata`: RFC 9728)."""
    common = f'realm="shuxiang", resource_metadata="{metadata}"'
    return {BEARER: f"Bearer {common}", DPOP: f'DPoP {common}, algs="{" ".join(ALGORITHMS)}"'}


def refusal_headers(objection: Objection, challenges: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the headers of a refusal; `challenges` are those of `challenges_of`.

    Proxy-Status (RFC 9209) is there whenever the gateway answers in place of the provider, and when the
    provider itself answered with an error.
    """
    headers = [("Content-Type", "application/problem+json"), *objection.headers]
    if objection.oauth is not None or objection.status == 401:
        headers.append(("WWW-Authenticate", _authenticate(objection, challenges)))
    if objection.received is not None:
        headers.append(("Proxy-Status", f"shuxiang; received-status={objection.received}"))
    elif objection.proxy is not None:
        headers.append(("Proxy-Status", f'shuxiang; error={objection.proxy}; details="{objection.code}"'))
    return tuple(headers)


def _authenticate(objection: Objection, challenges: Mapping[str, str]) -> str:
    """RFC 6750 section 3: a call without a token is told no error, but every scheme that there is."""
    if objection.oauth is None:
        return ", ".join(challenges.values())
    challenge = challenges[objection.scheme]
    return f'{challenge}, error="{objection.oauth}", error_description="{objection.text.en}"'


_TITLES = {
    400: ("请求格式有误", "The request is not valid"),
    401: ("需要有效的访问令牌", "A valid access token is needed"),
    403: ("没有权限", "Not permitted"),
    404: ("没有找到", "Not found"),
    405: ("此地址不支持这种请求方法", "Method not allowed here"),
    406: ("无法提供所要求的格式", "Not acceptable"),
    408: ("请求超时", "Request timeout"),
    409: ("与当前状态冲突", "Conflict with the current state"),
    410: ("已不存在", "Gone"),
    412: ("前提条件不成立", "Precondition failed"),
    413: ("内容过大", "Content too large"),
    414: ("地址过长", "URI too long"),
    415: ("不支持的内容类型", "Unsupported media type"),
    416: ("范围无效", "Range not satisfiable"),
    417: ("无法满足 Expect", "Expectation failed"),
    422: ("内容无法处理", "Content cannot be processed"),
    428: ("需要前提条件", "Precondition required"),
    429: ("请求过多", "Too many requests"),
    431: ("请求头过大", "Request header fields too large"),
    500: ("平台内部错误", "Internal fault"),
    501: ("不支持", "Not implemented"),
    502: ("提供方应答有误", "The provider failed"),
    503: ("服务暂不可用", "Service unavailable"),
    504: ("提供方应答超时", "The provider took too long"),
    505: ("不支持的 HTTP 版本", "HTTP version not supported"),
}
