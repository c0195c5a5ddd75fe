"""`shuxiang audit prove|check`: get the proof of a record; check proofs by the file that anybody can take."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from core.terminal import Place, as_json_option, explained

_LOG_KEYS = ("log.vkey", "log-mldsa.vkey")
_RECEIPT_KEYS = ("receipt.vkey",)


class _Failed(click.ClickException):
    """Nothing could be found out, which is neither yes nor no."""

    exit_code = 2


@click.command("prove")
@click.argument("record_id")
@click.option("--url", help="Ask the platform at this address instead of the log in the data folder.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the proof to this file.")
@click.pass_obj
@explained
def prove(place: Place, record_id: str, url: str | None, out: Path | None) -> None:
    """Get the proof that the record RECORD_ID (header Audit-Record) is in the log, as a .tlog-proof."""
    proof = _fetched(url, _uuid(record_id)) if url else _local(place, _uuid(record_id))
    if out is None:
        click.echo(proof, nl=False)
        return
    try:
        out.write_text(proof, encoding="utf-8", newline="\n")
    except OSError as wrong:
        raise _Failed(f"无法写入 {out}：{wrong.strerror} / cannot be written") from wrong
    click.echo(str(out), err=True)


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise click.BadParameter(f"{text} 不是记录编号 / is no record id") from None


def _fetched(url: str, record_id: str) -> str:
    from audit.checking.fetch import Unreachable, fetch_proof

    try:
        return fetch_proof(url, record_id)
    except Unreachable as wrong:
        raise _Failed(str(wrong)) from wrong


def _local(place: Place, record_id: str) -> str:
    from audit.keeping.finding import place_of
    from audit.place import log_folder
    from audit.proofs import not_sealed_yet, prove_inclusion

    with place.work() as work:
        folder, index = place_of(work.tx, log_folder(work.settings), record_id)
        if index is None:
            raise not_sealed_yet()
        return prove_inclusion(folder, index)


@click.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--key", multiple=True, help="Verifier key of the log, or a file; each must have signed.")
@click.option("--witness", multiple=True, help="Verifier key of a witness, or a file.")
@click.option(
    "--needed", type=int, help="How many witnesses must have cosigned; default: all that are given."
)
@click.option("--old", type=click.Path(path_type=Path), help="A checkpoint or proof that was kept earlier.")
@click.option("--envelope", type=click.Path(path_type=Path), help="The record's envelope.")
@click.option("--body", type=click.Path(path_type=Path), help="The record's body, or the API's answer.")
@click.option("--receipt", help="The value of Audit-Receipt, or a file that holds it.")
@click.option("--receipt-key", multiple=True, help="Verifier key of the receipts, or a file.")
@as_json_option
@click.pass_obj
def check(place: Place, /, **asked: Any) -> None:
    """Check proofs, consistency proofs, checkpoints and archive units, offline, by verifier.py.

    Keys that are not given are this deployment's own. Exit status: 0 all hold, 1 something does not or
    a file is damaged, 2 a file is not there or an option is wrong.
    """
    from argparse import Namespace

    from audit.checking.verifier import run

    keys = place.data / "keys"
    given = {name: value for name, value in asked.items() if name != "as_json"}
    given["key"] = asked["key"] or _own(keys, _LOG_KEYS)
    given["receipt_key"] = asked["receipt_key"] or _own(keys, _RECEIPT_KEYS)
    sys.exit(run(Namespace(**given, json=asked["as_json"])))


def _own(keys: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(keys / name) for name in names if (keys / name).is_file())
