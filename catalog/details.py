"""What rulebook and entry demand of a distribution before anybody looks at the provider's side. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from catalog.guards import Document, field_error
from core.errors import FieldError, Invalid
from rules.rulebook import Rulebook


def check_distribution(book: Rulebook, document: Document, detail: Mapping[str, Any]) -> None:
    """Refuse a distribution that contradicts the entry or lacks what the rulebook demands of its kind.

    Raises Invalid with one entry per field.
    """
    found = list(_GUARDS[detail["kind"]](document, detail))
    policy = book.policy(f"catalog.kinds.{detail['kind']}")
    unmet = list(_demands(book, policy.value, document, detail))
    if found or unmet:
        raise Invalid((*found, *unmet), cite=str(policy.cite) if unmet else None)


def _demands(
    book: Rulebook, kind: Mapping[str, Any] | None, document: Document, detail: Mapping[str, Any]
) -> Iterator[FieldError]:
    """Yield what the rulebook's demands on a kind find missing; None says that there is no such kind."""
    if kind is None:
        yield field_error("/kind", "规定没有这类资源方式", "the rulebook knows no such distribution")
        return
    more = kind.get("when_many", ()) if _are_many(book, detail) else ()
    for name in (*kind["requires"], *more):
        yield from _KIND_DEMANDS[name](document, detail)


def _are_many(book: Rulebook, detail: Mapping[str, Any]) -> bool:
    """Tell whether files are many (GZ art. 7); how many a pattern matches changes, so it counts as many."""
    most, files = book.policy("catalog.many_files").value, detail.get("files", ())
    return most is not None and (len(files) >= most or any("*" in f or "?" in f or "[" in f for f in files))


def _repeated(pointer: str, name: str) -> FieldError:
    return field_error(pointer, f"“{name}”重复", f"{name!r} is given twice", "repeated")


# --- by kind --------------------------------------------------------------------------------------


def _table(document: Document, detail: Mapping[str, Any]) -> Iterator[FieldError]:
    names = {attribute["name"] for attribute in document["attributes"]}
    for i, name in enumerate(detail.get("order", ())):
        if name not in names:
            yield field_error(f"/order/{i}", f"没有信息项“{name}”", f"there is no attribute {name!r}")


def _file(document: Document, detail: Mapping[str, Any]) -> Iterator[FieldError]:
    for i, name in enumerate(detail["files"]):
        if name in (".", "..") or name.startswith("."):
            yield field_error(f"/files/{i}", "文件名不能以点开头", "must not begin with a dot")


def _api(document: Document, detail: Mapping[str, Any]) -> Iterator[FieldError]:
    seen: set[str] = set()
    for i, operation in enumerate(detail["operations"]):
        at = f"/operations/{i}"
        if operation["name"] in seen:
            yield field_error(
                f"{at}/name",
                f"操作“{operation['name']}”重复",
                f"{operation['name']!r} is given twice",
                "repeated",
            )
        seen.add(operation["name"])
        yield from _path(at, operation)
        yield from _parameters(at, operation, bool(document.get("controlled_params")))


def _path(at: str, operation: Mapping[str, Any]) -> Iterator[FieldError]:
    path, declared = operation["path"], _names_in(operation, "path")
    segments = path.split("/")[1:]
    if any(s in (".", "..") for s in segments) or "" in segments[:-1]:
        yield field_error(f"{at}/path", "路径不能含空段、. 或 ..", "must not have empty, . or .. segments")
    used = [s[1:-1] for s in segments if s.startswith("{") and s.endswith("}")]
    if path.count("{") != len(used) or path.count("}") != len(used) or len(set(used)) < len(used):
        words = ("参数应独占一段路径，且各用一次", "each parameter must be a whole segment, once")
        yield field_error(f"{at}/path", *words)
        return
    for name in sorted(set(used) ^ declared):
        words = (f"路径参数“{name}”未声明或未使用", f"path parameter {name!r} is not declared, or not used")
        yield field_error(f"{at}/path", *words)


def _names_in(operation: Mapping[str, Any], place: str) -> set[str]:
    return {p["name"] for p in operation.get("parameters", ()) if p["in"] == place}


def _parameters(at: str, operation: Mapping[str, Any], controlled: bool) -> Iterator[FieldError]:
    seen: set[str] = set()
    for j, parameter in enumerate(operation.get("parameters", ())):
        here = f"{at}/parameters/{j}"
        if parameter["name"] in seen:
            yield field_error(
                f"{here}/name",
                f"参数“{parameter['name']}”重复",
                f"{parameter['name']!r} is given twice",
                "repeated",
            )
        seen.add(parameter["name"])
        if parameter["in"] == "path" and parameter.get("required") is False:
            yield field_error(f"{here}/required", "路径参数必须提供", "a path parameter is always required")
        if parameter.get("controlled") and not controlled:
            words = (
                "目录条目未注明“需要管控参数”",
                "the catalog entry does not say that it has controlled parameters",
            )
            yield field_error(f"{here}/controlled", *words, "controlled_params")


_GUARDS: Mapping[str, Callable[[Document, Mapping[str, Any]], Iterator[FieldError]]] = {
    "table": _table,
    "api": _api,
    "file": _file,
}


def _update_frequency(document: Document, detail: Mapping[str, Any]) -> Iterable[FieldError]:
    if not document.get("update_limit"):
        yield field_error(
            "/update_limit", "目录条目应写明更新频率", "the entry must state the update limit", "required"
        )


def _interface_description(document: Document, detail: Mapping[str, Any]) -> Iterable[FieldError]:
    for i, operation in enumerate(detail["operations"]):
        if not operation.get("title"):
            words = ("应说明接口操作的用途", "describe what the operation is for")
            yield field_error(f"/operations/{i}/title", *words, "required")


def _nothing_more(document: Document, detail: Mapping[str, Any]) -> Iterable[FieldError]:
    return ()


_KIND_DEMANDS: Mapping[str, Callable[[Document, Mapping[str, Any]], Iterable[FieldError]]] = {
    "update_frequency": _update_frequency,
    "interface_description": _interface_description,
    # The attributes of the entry are the dictionary, the named connection is the server.
    "data_dictionary": _nothing_more,
    "file_server": _nothing_more,
}
