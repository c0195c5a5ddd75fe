"""`shuxiang audit witness`: what a department does to witness a log."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from core.terminal import Told, as_json_option, explained, facts_table, print_facts

_data = click.option(
    "--data",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The witness's folder.",
)
_name = click.option(
    "--name", required=True, help="What the witness is called, such as audit.example.cn/witness."
)


@click.group()
def witness() -> None:
    """A witness of this or other logs (C2SP tlog-witness)."""


@witness.command("init")
@_data
@_name
@as_json_option
@explained
def witness_init(folder: Path, name: str, as_json: bool) -> None:
    """Make the witness's keys unless it has some, and print those that the log's operator needs."""
    from audit.witness.place import make_keys

    keys = make_keys(folder, name)
    print_facts(keys, as_json, lambda: "\n".join(keys))


@witness.command("serve")
@_data
@_name
@click.option("--log", "logs", multiple=True, help="A log's verifier key, or a file with some; repeatable.")
@click.option("--listen", default="127.0.0.1:8011", show_default=True, help="Address and port.")
@explained
def witness_serve(folder: Path, name: str, logs: tuple[str, ...], listen: str) -> None:
    """Witness the logs that were named now or before, until SIGTERM or Ctrl-C."""
    from audit.witness.place import FOLDER, know_logs, make_keys, open_witness, serving
    from audit.witness.ports import refuse_taken

    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise Told(f"--listen 应为 地址:端口 / must be address:port: {listen}")
    make_keys(folder, name)
    know_logs(folder, logs)
    open_witness(folder).database.close()  # says what is wrong before the server starts
    refuse_taken(host.strip("[]"), int(port))
    os.environ[FOLDER] = str(folder.resolve())
    os.execv(sys.executable, serving(host.strip("[]"), int(port)))  # noqa: S606


@witness.command("status")
@_data
@as_json_option
@explained
def witness_status(folder: Path, as_json: bool) -> None:
    """Show what was cosigned last of each log, and the contradictions that were kept as evidence."""
    from audit.witness.place import open_memory
    from audit.witness.store import list_conflicts, list_known
    from core.times import local_iso

    with open_memory(folder).read() as tx:
        known, conflicts = list_known(tx), list_conflicts(tx)
    facts = {
        "logs": [{**row._asdict(), "at": local_iso(row.at)} for row in known],
        "conflicts": [{**row._asdict(), "at": local_iso(row.at)} for row in conflicts],
    }
    rows = [(row.origin, row.size, row.root, local_iso(row.at)) for row in known]
    rows += [(row.origin, "矛盾 contradiction", row.note, local_iso(row.at)) for row in conflicts]
    print_facts(
        facts,
        as_json,
        lambda: facts_table("见证人 / witness", ("日志 log", "记录数 size", "根 root", "时间 at"), rows),
    )
    if conflicts:
        sys.exit(1)
