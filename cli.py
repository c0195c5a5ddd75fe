"""The `shuxiang` command: what it works on, and every command there is.

Every command that prints facts takes ``--json``. Commands import what they need when they run, so that each
starts soon.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from audit.commands import audit
from commands.accounts import accounts
from commands.deployment import apply, check, init
from commands.hotline import hotline
from commands.keys import keys
from commands.notices import notices
from commands.permissions import permissions
from commands.place import Place
from commands.processes import run
from commands.quality import quality
from commands.rulebooks import rulebook
from commands.running import demo, serve, sweep
from commands.statistics import statistics

DEMO_CONFIG = Path(__file__).parent / "config" / "demo"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="SHUXIANG_CONFIG",
    default=DEMO_CONFIG,
    show_default="config/demo",
    help="The deployment's folder.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="SHUXIANG_DATA",
    default=Path("var/demo"),
    show_default=True,
    help="The folder that holds its state.",
)
@click.version_option(package_name="shuxiang")
@click.pass_context
def main(context: click.Context, config: Path, data: Path) -> None:
    """数享: data catalog and sharing gateway for government departments."""
    os.umask(0o077)  # what we write is for this account alone
    context.obj = Place(config, data)


for command in (check, init, apply, serve, run, sweep, demo):
    main.add_command(command)
for command in (accounts, audit, hotline, keys, notices, permissions, quality, rulebook, statistics):
    main.add_command(command)


if __name__ == "__main__":
    main()
