"""`shuxiang audit columns`: the blocks that searches and questions read, made at the terminal."""

from __future__ import annotations

import click

from core.terminal import Place, as_json_option, err, explained, print_facts


@click.command("columns")
@click.option("--again", is_flag=True, help="Make every block again from the bodies.")
@as_json_option
@click.pass_obj
@explained
def columns(place: Place, again: bool, as_json: bool) -> None:
    """Make what searches read of the log; the sealer, which must not run, does so by itself."""
    from contextlib import closing

    from rich.progress import Progress

    from audit.columns.blocks import kept_from
    from audit.columns.maker import Maker, announcing, behind, outdated
    from audit.columns.renewal import ask_renewal
    from audit.place import log_folder
    from audit.sealer import open_sealer
    from core.db import Database
    from core.times import utc_now

    settings = place.settings()
    folder, database = log_folder(settings), Database(settings.log_database_url)
    with closing(open_sealer(settings, database, utc_now())) as sealer, Progress(console=err) as progress:
        if again and sealer.size:
            ask_renewal(folder, 0, sealer.size - 1)
        maker = Maker(folder, announcing(database, utc_now), grace=0)
        total = behind(folder) + sum(block.rows for block in outdated(folder))
        task = progress.add_task("columns", total=total)
        made = 0
        while block := maker.step():
            made += block.rows
            progress.update(task, completed=made)
        facts = {"size": sealer.size, "from": kept_from(folder), "made": made}
    print_facts(facts, as_json, lambda: f"{made} / {facts['size']}")
