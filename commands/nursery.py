"""``python -m commands.nursery gateway|office``: what the processes of a deployment begin as.

`gateway` has imported what the data plane needs and no more: neither Flask nor `web`. `serve` starts both and
hands them the configuration that it has checked, so all that they bear work by that one, whatever the files
say meanwhile.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

from core.nursery import Ending, Order, wait_for_orders
from core.settings import Settings

PRELOADED = {
    "gateway": ("gateway.plane", "hotline.numbers", "commands.processes"),
    "office": (
        *("app", "wsgi", "control", "audit.sealer", "cases.books", "setup_deployment", "notices.sender"),
        *("supervision.process", "hotline.statistics.publishing", "catalog.quality.standing"),
        *("hotline.imports.running", "demo.workday_service", "demo.prepare", "commands.processes"),
    ),
}
"""What each sort of process imports anyway."""


def main(sort: str) -> None:
    """Import, then become each process that is ordered; return in the nursery when nobody orders any more."""
    ending = Ending()
    for module in PRELOADED[sort]:
        import_module(module)
    found = wait_for_orders()
    ending.of(lambda: None if found is None else _work(*found))


def _work(settings: Settings, order: Order) -> None:
    from commands.place import Place
    from commands.processes import run

    os.umask(0o077)
    place = Place(settings.folder, settings.data, settings)
    run.main(list(order.words), prog_name="shuxiang run", obj=place)


if __name__ == "__main__":
    main(sys.argv[1])
