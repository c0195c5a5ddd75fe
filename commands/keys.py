"""`shuxiang keys`: the platform's own keys, and what has to be wrapped anew with them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import click

from commands.place import Place, place_of
from core.errors import Unavailable
from core.terminal import Told, answer_table, as_json_option, explained, print_facts
from core.text import Text
from core.work import Work

COLUMNS = {
    "name": Text("文件", "file"),
    "use": Text("用途", "use"),
    "keys": Text("密钥数", "keys"),
    "check": Text("校验值", "check"),
    "since": Text("启用", "since"),
    "retired_at": Text("停用", "retired"),
    "fits": Text("相符", "fits"),
}


@click.group("keys")
def keys() -> None:
    """The platform's own keys."""


@keys.command("list")
@as_json_option
@place_of
@explained
def keys_list(place: Place, as_json: bool) -> None:
    """List the key files: what each is for, since when, and whether it is the one the database knows."""
    from accounts.keyring.commands import told

    with place.work() as work:
        rows = told(work)
    shown = [tuple(_short(row[column]) for column in COLUMNS) for row in rows]
    print_facts(rows, as_json, lambda: answer_table("密钥 / keys", list(COLUMNS.values()), shown))


def _short(value: Any) -> Any:
    return {True: "是 / yes", False: "否 / no"}[value] if isinstance(value, bool) else value


@keys.command("renew")
@click.argument(
    "kind", type=click.Choice(["personal", "session", "token", "phone-index"]), default="personal"
)
@as_json_option
@place_of
@explained
def keys_renew(place: Place, kind: str, as_json: bool) -> None:
    """Make a new key; what the older ones made holds on.

    \b
    personal     while `serve` runs; wraps anew what is sealed
    session      `serve` must be stopped: it reads the key when it starts
    token        the same
    phone-index  the same; makes the index of callers' numbers anew
    """
    if kind == "personal":
        _renew_personal(place, as_json)
        return
    from accounts.keyring.renewing import RENEWABLE, renew_key
    from hotline.callers import reindex_phones
    from serve import lock

    name = RENEWABLE[kind]
    with ExitStack() as held:
        try:
            held.enter_context(lock(place.settings().data))
        except Unavailable as runs:
            raise Told(
                f"{runs.message.zh}：各进程启动时读取 {name}，请先停止 serve，更换后再启动。\n"
                f"{runs.message.en}: its processes read {name} when they start. "
                "Stop `shuxiang serve`, renew the key, start it again."
            ) from runs
        begin = held.enter_context(place.open())
        with begin() as work:
            renew_key(work, name)
        numbers = _wrapped_anew(begin, reindex_phones) if kind == "phone-index" else 0
    facts = {"key": name, **({"numbers": numbers} if kind == "phone-index" else {})}
    print_facts(facts, as_json, lambda: "，".join(f"{k}: {v}" for k, v in facts.items()))


def _renew_personal(place: Place, as_json: bool) -> None:
    from accounts.keys import add_personal_key

    with place.open() as begin:
        with begin() as work:
            add_personal_key(work)
        _rewrap(begin, as_json)


@keys.command("rewrap")
@as_json_option
@place_of
@explained
def keys_rewrap(place: Place, as_json: bool) -> None:
    """Wrap what is sealed by the newest key for personal data: after a renewal that was cut short."""
    with place.open() as begin:
        _rewrap(begin, as_json)


@keys.command("accept")
@click.argument("name")
@place_of
@explained
def keys_accept(place: Place, name: str) -> None:
    """Believe the key file NAME as it lies there, after the one that the database knows was lost."""
    from accounts.keyring.checking import accept_key

    with place.work() as work:
        accept_key(work, name)
    click.echo(name)


def _rewrap(begin: Callable[[], AbstractContextManager[Work]], as_json: bool) -> None:
    """Wrap by the newest key whatever is sealed, then let go of the older keys."""
    from accounts.factors.rewrapping import rewrap_factors
    from accounts.keyring.renewing import retire_older
    from cases.attachments import rewrap_attachments
    from cases.sealed import rewrap_fields
    from core.envelope import newest_key
    from hotline.callers import rewrap_tickets
    from hotline.imports.rewrapping import rewrap_imports
    from hotline.supervising.packet import rewrap_packets

    kept = {
        "steps": (rewrap_fields, "步骤 / steps"),
        "papers": (rewrap_attachments, "附件 / papers"),
        "tickets": (rewrap_tickets, "工单 / tickets"),
        "imports": (rewrap_imports, "导入 / imports"),
        "packets": (rewrap_packets, "督办材料 / packets"),
        "factors": (rewrap_factors, "双因素 / second factors"),
    }
    written = {name: _wrapped_anew(begin, rewrap) for name, (rewrap, _) in kept.items()}
    with begin() as work:
        number = newest_key(work.settings)
        retire_older(work)
    told = "，".join(f"{words}: {written[name]}" for name, (_, words) in kept.items())
    print_facts({"key": number, **written}, as_json, lambda: f"personal-{number}.key：{told}")


def _wrapped_anew(begin: Callable[[], AbstractContextManager[Work]], rewrap: Callable[..., Any]) -> int:
    """Wrap what one package keeps sealed by the newest key, batch by batch; return how many were written."""
    total = 0
    last: str | None = ""
    while last is not None:
        with begin() as work:
            written, last = rewrap(work, last)
        total += written
    return total
