"""`shuxiang run`: the processes that `serve` watches, one by one."""

from __future__ import annotations

from urllib.parse import urlsplit

import click

from commands.place import Place, place_of
from core.terminal import Told, explained
from core.times import utc_now
from core.work import SYSTEM, Work


@click.group("run", hidden=True)
def run() -> None:
    """The processes that `serve` watches."""
    from core.logs import install

    install()


@run.command("control")
@place_of
@explained
def run_control(place: Place) -> None:
    """The control plane."""
    from control import serve_control
    from core.handed import listeners
    from wsgi import application

    settings = place.settings()
    app = application(settings, *listeners("control-private"))
    serve_control(
        app, *settings.platform.control_listen, app.config["MAX_CONTENT_LENGTH"], *listeners("control")
    )


@run.command("gateway")
@click.option("--index", type=int, default=0)
@place_of
@explained
def run_gateway(place: Place, index: int) -> None:
    """One worker of the data plane."""
    from gateway.plane import run_worker
    from hotline.numbers import is_open_number

    run_worker(place.settings(), index, is_open_number)


@run.command("sealer")
@place_of
@explained
def run_sealer(place: Place) -> None:
    """The sealer of the access log."""
    from audit.files import Inconsistent
    from audit.sealer import run as run_log
    from core.db import Database

    settings = place.settings()
    try:
        run_log(settings, Database(settings.log_database_url))
    except Inconsistent as wrong:
        raise Told(f"日志不可继续，封存停止 / the log must not be continued: {wrong}") from wrong


@run.command("sweeper")
@place_of
@explained
def run_sweeper(place: Place) -> None:
    """Puts on record, every few seconds, what fell due."""
    from setup_deployment import sweep_until_stopped

    with place.open() as begin:
        sweep_until_stopped(begin, place.settings().platform.sweep_seconds)


@run.command("notifier")
@place_of
@explained
def run_notifier(place: Place) -> None:
    """Sends notices by e-mail and webhook as they fall due."""
    from core.db import Database
    from notices.sender import run as send_notices

    settings = place.settings()
    send_notices(settings, Database(settings.database_url))


@run.command("statistics")
@place_of
@explained
def run_statistics(place: Place) -> None:
    """Sums up calls and looks, every few minutes, whether published data can be had."""
    from cases.books import open_rulebooks
    from core.db import Database
    from hotline.statistics.publishing import REFRESH_SECONDS, publish_statistics, read_statistics
    from supervision.process import run as keep_statistics

    def refresh() -> None:
        with database.read() as tx:
            rows = read_statistics(Work(tx, books, SYSTEM, utc_now(), settings))
        publish_statistics(settings, rows)

    settings = place.settings()
    database = Database(settings.database_url)
    books = open_rulebooks(settings, database, utc_now())
    has_hotline = "hotline" in settings.platform.rulebooks
    more = [(refresh, REFRESH_SECONDS)] if has_hotline else []
    keep_statistics(settings, database, books, more=more)


@run.command("quality")
@place_of
@explained
def run_quality(place: Place) -> None:
    """Checks published data against their dictionaries, one after the other."""
    from catalog.quality.standing import check_until_stopped

    with place.open() as begin:
        check_until_stopped(begin, place.settings())


@run.command("importer")
@place_of
@explained
def run_importer(place: Place) -> None:
    """Turns the rows of handed-in tables into tickets."""
    from hotline.imports.running import import_until_stopped

    with place.open() as begin:
        import_until_stopped(begin)


@run.command("workday-service")
@place_of
@explained
def run_workday_service(place: Place) -> None:
    """The demo's upstream API, where the deployment's connection expects it."""
    from demo.prepare import service_key
    from demo.workday_service import serve as serve_days

    settings = place.settings()
    address = urlsplit(settings.connections["workday_api"].base_url or "")
    serve_days(str(address.hostname), int(address.port or 80), service_key(settings).read_text().strip())
