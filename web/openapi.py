"""OpenAPI 3.1 of the JSON face, generated from what the routes state and from `schemas/`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import schemas
from web.auth import PUBLIC
from web.http import Route


def openapi(routes: Iterable[Route], title: str, version: str, server: str) -> dict[str, Any]:
    """Return the OpenAPI document of `routes`."""
    paths: dict[str, Any] = {}
    for route in routes:
        path = re.sub(r"<(?:[a-z]+:)?(\w+)>", r"{\1}", route.rule)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, path)
    names = [n for n in schemas.names() if n.startswith(("request/", "response/"))]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {_key(n): _local(schemas.schema(n), n) for n in names},
            "securitySchemes": {"person": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, path: str) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ] + [
        {"name": name, "in": "query", "description": f"{text.zh} / {text.en}", "schema": {"type": "string"}}
        for name, text in route.query.items()
    ]
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}_{re.sub(r'[^a-z0-9]+', '_', path.lower()).strip('_')}",
        "summary": f"{route.summary.zh} / {route.summary.en}",
        "description": "Roles: " + ", ".join(sorted(route.who)),
        "parameters": parameters,
        "responses": {str(route.status): _response(route), "default": _problem()},
    }
    if route.request:
        operation["requestBody"] = {"content": {"application/json": {"schema": _ref(route.request)}}}
    if route.who != PUBLIC:
        operation["security"] = [{"person": []}]
    return operation


def _response(route: Route) -> dict[str, Any]:
    content = {"content": {"application/json": {"schema": _ref(route.response)}}} if route.response else {}
    return {"description": route.summary.en, **content}


def _problem() -> dict[str, Any]:
    return {
        "description": "A problem document (RFC 9457)",
        "content": {"application/problem+json": {"schema": _ref("response/problem")}},
    }


def _key(name: str) -> str:
    return name.replace("/", ".")


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{_key(name)}"}


def _local(node: Any, name: str) -> Any:
    """Rewrite the references between schema files into references inside the document."""
    if isinstance(node, list):
        return [_local(n, name) for n in node]
    if not isinstance(node, dict):
        return node
    out = {k: _local(v, name) for k, v in node.items() if k not in ("$id", "$schema")}
    target = node.get("$ref")
    if isinstance(target, str):
        if target.startswith("#"):
            out["$ref"] = f"#/components/schemas/{_key(name)}{target[1:]}"
        else:
            out["$ref"] = _ref(target.removeprefix(schemas.BASE).lstrip("/"))["$ref"]
    return out
