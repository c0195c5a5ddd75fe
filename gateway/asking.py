"""What is asked for and what is decided, held against what a dataset offers. Pure: no database, no clock.

An application names everything that a grant will allow; a decision may take away from it and never adds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from catalog.model import SHARE_CLASSES
from core.errors import Conflict, FieldError, Invalid, invalid
from core.patterns import matches_whole
from core.text import Text
from gateway.clients import check_within, plain_networks
from gateway.model import Client, Offer, Terms

_STRICTNESS = tuple(SHARE_CLASSES)
PERSONAL = frozenset({"personal", "sensitive_personal"})

Values = Mapping[str, Sequence[str]]


# --- the application ------------------------------------------------------------------------------

CALLS = {
    "calls_per_day": ("每日", "a day"),
    "calls_per_second": ("每秒", "a second"),
    "calls_at_once": ("同时", "at once"),
}
"""How calls may be bounded, in words."""


def complete(draft: Mapping[str, Any], offer: Offer, client: Client) -> dict[str, Any]:
    """Return an application with every field filled in. Raises Invalid with one entry per wrong field."""
    kind = _kind(draft.get("kind"), offer)
    detail = offer.distributions[kind]
    operations = [o["name"] for o in detail.get("operations", ())]
    asked = {
        "dataset": offer.code,
        "client": client.id,
        "kind": kind,
        "fields": list(draft.get("fields") or [a["name"] for a in offer.attributes if kind == "file"]),
        "operations": list(draft.get("operations") or operations),
        "row_filter": dict(draft.get("row_filter", {})),
        "parameters": dict(draft.get("parameters", {})),
        "networks": list(plain_networks(draft.get("networks") or client.networks, "/networks")),
        "term_days": draft.get("term_days"),
        "calls_per_day": draft.get("calls_per_day"),
        **{name: draft[name] for name in ("calls_per_second", "calls_at_once") if name in draft},
        "urgent": draft.get("urgent", False),
        "ticket": draft.get("ticket"),
        "needs_ticket": draft.get("needs_ticket", False),
        **{name: draft.get(name, "").strip() for name in ("purpose", "reasons", "duty_basis")},
    }
    wrong = [
        *_wrong_fields(asked["fields"], kind, offer),
        *_unknown("operations", asked["operations"], operations),
        *_wrong_filter(asked["row_filter"], kind, offer),
        *_wrong_parameters(asked["parameters"], _chosen(detail, asked["operations"])),
        *_refused(lambda: check_within(asked["networks"], client.networks, "/networks")),
    ]
    if wrong:
        raise Invalid(wrong)
    return asked


def share_class(offer: Offer, fields: Sequence[str]) -> str:
    """Return the most closed class among the chosen fields, which says who decides (QJ art. 7, I-S-02).

    A field without a class of its own has the dataset's; so does an application that names no field.
    """
    chosen = [a.get("share_class", offer.share_class) for a in offer.attributes if a["name"] in fields]
    return _STRICTNESS[max(map(_STRICTNESS.index, chosen or [offer.share_class]))]


def is_personal(offer: Offer, fields: Sequence[str]) -> bool:
    """Tell whether a chosen field holds personal data, so that each call is on record before it is made."""
    return any(a.get("sensitivity") in PERSONAL for a in offer.attributes if a["name"] in fields)


def _kind(asked: str | None, offer: Offer) -> str:
    kinds = sorted(offer.distributions)
    if not kinds:
        raise Conflict("该数据集尚未挂接资源", "nothing is attached to the dataset yet", code="not_attached")
    if asked is None and len(kinds) == 1:
        return kinds[0]
    if asked is None or asked not in kinds:
        raise invalid("/kind", f"应为 {'、'.join(kinds)} 之一", f"must be one of {', '.join(kinds)}")
    return asked


def _wrong_fields(fields: Sequence[str], kind: str, offer: Offer) -> Iterable[FieldError]:
    classes = {a["name"]: a.get("share_class", offer.share_class) for a in offer.attributes}
    if not fields:
        yield _error("/fields", "请选择信息项", "choose at least one field", "required")
    for i, name in enumerate(fields):
        if name not in classes:
            yield _error(f"/fields/{i}", f"没有信息项“{name}”", f"there is no field {name!r}", "unknown")
        elif classes[name] == "none":
            yield _error(f"/fields/{i}", f"“{name}”不予共享", f"{name!r} is not shared", "not_shared")
    if kind == "file" and not set(classes) <= set(fields):
        yield _error("/fields", "文件只能整体申请，请全选", "a file is shared whole; choose all of it")


def _wrong_filter(row_filter: Values, kind: str, offer: Offer) -> Iterable[FieldError]:
    if row_filter and kind != "table":
        yield _error("/row_filter", "只有库表可以限定行", "only a table has rows to choose from")
    yield from _unknown("row_filter", row_filter, [a["name"] for a in offer.attributes])


def _wrong_parameters(parameters: Values, operations: Sequence[Mapping[str, Any]]) -> Iterable[FieldError]:
    declared = {p["name"]: p for o in operations for p in o.get("parameters", ())}
    yield from _unknown("parameters", parameters, list(declared))
    for name, values in parameters.items():
        pattern = declared.get(name, {}).get("pattern")
        for i, value in enumerate(values):
            if pattern and not matches_whole(pattern, value):
                yield _error(
                    f"/parameters/{name}/{i}", f"不符合格式 {pattern}", f"does not fit {pattern}", "pattern"
                )


def _unknown(field: str, names: Iterable[str], known: Sequence[str]) -> Iterable[FieldError]:
    for name in names:
        if name not in known:
            yield _error(
                f"/{field}/{name}", f"该数据集没有“{name}”", f"the dataset has no {name!r}", "unknown"
            )


# --- the decision ---------------------------------------------------------------------------------


def decide(asked: Mapping[str, Any], decision: Mapping[str, Any], offer: Offer) -> Terms:
    """Return the terms of a grant: what was asked for, less what the decision takes away.

    `decision` fits request/decision. Raises Invalid with one entry for each field in which it would give more
    than was asked for, and for each controlled parameter that it leaves open (QJ art. 11).
    """
    kind = asked["kind"]
    fields = decision.get("fields", asked["fields"])
    operations = decision.get("operations", asked["operations"])
    row_filter = {**asked["row_filter"], **decision.get("row_filter", {})}
    parameters = {**asked["parameters"], **decision.get("parameters", {})}
    networks = plain_networks(decision.get("networks", asked["networks"]), "/networks")
    chosen = _chosen(offer.distributions.get(kind, {}), operations)
    wrong = [
        *_beyond("fields", fields, asked["fields"]),
        *_beyond("operations", operations, asked["operations"]),
        *_wider("row_filter", row_filter, asked["row_filter"]),
        *_wider("parameters", parameters, asked["parameters"]),
        *_wrong_filter(row_filter, kind, offer),
        *_wrong_parameters(parameters, chosen),
        *_refused(lambda: check_within(networks, asked["networks"], "/networks")),
        *(_longer(decision, asked)),
        *(_left_open(kind, chosen, row_filter, parameters) if offer.controlled_params else ()),
    ]
    if wrong:
        raise Invalid(wrong)
    return Terms(
        kind=kind,
        fields=tuple(fields),
        row_filter={name: tuple(values) for name, values in row_filter.items()},
        parameters={name: tuple(values) for name, values in parameters.items()},
        operations=tuple(operations),
        row_limit=decision.get("row_limit"),
        networks=networks,
        purpose=asked["purpose"],
        sensitive=decision.get("sensitive", is_personal(offer, fields)),
        needs_ticket=decision.get("needs_ticket", False) or asked.get("needs_ticket", False),
        **{name: decision.get(name, asked.get(name)) for name in CALLS},
    )


def _beyond(field: str, decided: Sequence[str], asked: Sequence[str]) -> Iterable[FieldError]:
    for i, name in enumerate(decided):
        if name not in asked:
            yield _error(f"/{field}/{i}", f"没有申请“{name}”", f"{name!r} was not asked for", "too_wide")


def _wider(field: str, decided: Values, asked: Values) -> Iterable[FieldError]:
    """A value that was not asked for widens a grant; a name that was not asked for narrows it further."""
    for name, values in decided.items():
        extra = [v for v in values if name in asked and v not in asked[name]]
        if extra:
            yield _error(
                f"/{field}/{name}",
                f"没有申请 {'、'.join(extra)}",
                f"not asked for: {', '.join(extra)}",
                "too_wide",
            )


def _longer(decision: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterable[FieldError]:
    if asked["term_days"] is not None and decision.get("term_days", 0) > asked["term_days"]:
        most = asked["term_days"]
        yield _error("/term_days", f"申请的是 {most} 天", f"{most} days were asked for", "too_wide")
    for name, (zh, en) in CALLS.items():
        most = asked.get(name)
        if most is not None and decision.get(name, 0) > most:
            words = f"申请的是{zh} {most} 次", f"{most} calls {en} were asked for"
            yield _error(f"/{name}", *words, "too_wide")


def _left_open(
    kind: str, operations: Sequence[Mapping[str, Any]], row_filter: Values, parameters: Values
) -> Iterable[FieldError]:
    if kind == "table" and not row_filter:
        yield _error(
            "/row_filter", "管控参数须写明允许的值", "must state the values that rows may have", "required"
        )
    controlled = {p["name"] for o in operations for p in o.get("parameters", ()) if p.get("controlled")}
    for name in sorted(controlled - set(parameters)):
        yield _error(
            f"/parameters/{name}", "管控参数须写明允许的值", "must state the values allowed", "required"
        )


# --- both -----------------------------------------------------------------------------------------


def _chosen(detail: Mapping[str, Any], names: Sequence[str]) -> list[Mapping[str, Any]]:
    return [o for o in detail.get("operations", ()) if o["name"] in names]


def _refused(check: Callable[[], None]) -> tuple[FieldError, ...]:
    try:
        check()
    except Invalid as wrong:
        return wrong.errors
    return ()


def _error(pointer: str, zh: str, en: str, code: str = "invalid") -> FieldError:
    return FieldError(pointer, Text(zh, en), code)
