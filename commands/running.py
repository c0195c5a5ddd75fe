"""`shuxiang serve|sweep|demo`: everything at once, in order."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.deployment import initialised, warn, write_private
from commands.place import Place, place_of
from core.settings import Settings
from core.terminal import Told, as_json_option, err, explained, explaining, out, print_facts

if TYPE_CHECKING:
    from serve import Nurseries


@click.command("serve")
@place_of
@explained
def serve(place: Place) -> None:
    """Start and watch both planes, the sealer and the sweeper; SIGTERM or Ctrl-C stops them in order."""
    _serve(place, lambda: None)


def _serve(place: Place, once_ready: Callable[[], None]) -> None:
    from serve import Nurseries, lock

    data = place.data.resolve()
    with lock(data):
        nurseries = Nurseries(place.config.resolve(), data)  # they import while we check
        try:
            _supervise(_checked(place), nurseries, once_ready, lambda: _read_anew(place))
        finally:
            nurseries.close()


def _checked(place: Place) -> Settings:
    """Return what the files say. Raises ConfigError with every reason why it must not be put into force."""
    from audit.place import check_name
    from audit.signing import log_signers
    from core.envelope import check_sealing
    from core.unsafe import refuse_unsafe
    from gateway.tls import check_tls

    settings = place.settings()
    refuse_unsafe(settings, os.environ)
    check_name(settings)
    settings.check_secrets()
    _check_keys(settings)
    log_signers(settings)
    check_sealing(settings)
    check_tls(settings)
    warn(settings)
    return settings


def _read_anew(place: Place) -> Settings:
    from serve import NotReloaded

    try:
        with explaining():
            return _checked(place)
    except Told as wrong:
        raise NotReloaded(wrong.message) from wrong


def _check_keys(settings: Settings) -> None:
    """Raise ConfigError unless the key files are those that the database was used with."""
    from accounts.keyring.checking import refuse_wrong_keys
    from core.db import Database
    from core.migrate import at_head

    database = Database(settings.database_url)
    try:
        if settings.data.is_dir() and at_head(database):  # else the control plane says what to do
            with database.read() as tx:
                refuse_wrong_keys(settings, tx)
    finally:
        database.close()


def _supervise(
    settings: Settings, nurseries: Nurseries, once_ready: Callable[[], None], reread: Callable[[], Settings]
) -> None:
    from core.handed import tell
    from serve import supervise, wait_until_ready

    say = partial(err.print, markup=False, soft_wrap=True)
    supervisor = supervise(settings, nurseries, say, reread)
    supervisor.start()
    try:
        if not wait_until_ready(supervisor, settings, 60):
            raise Told("服务未能在 60 秒内就绪 / the services did not become ready within 60 s")
        out.print(
            f"控制面 control plane  {settings.platform.control_url}\n"
            f"数据面 data plane     {settings.platform.gateway_url}",
            markup=False,
        )
        tell("READY=1")
        once_ready()
        supervisor.watch()
    finally:
        supervisor.stop()
        supervisor.watch()


@click.command("sweep")
@place_of
@as_json_option
@explained
def sweep(place: Place, as_json: bool) -> None:
    """Put on record what fell due by now: lapses and breaches, each once."""
    from cases.sweep import sweep as sweep_cases

    with place.work() as work:
        moved = sweep_cases(work)
    print_facts({"cases": moved}, as_json, lambda: f"{moved} 件 / cases")


@click.command("demo")
@click.option("--story-only", is_flag=True, help="End when the story has been told.")
@place_of
@explained
def demo(place: Place, story_only: bool) -> None:
    """Set up the demo city, start everything, play the story over HTTP, then stay up."""
    from demo.http import Unexpected
    from demo.story import tell

    settings = place.settings()
    settings.data.mkdir(parents=True, exist_ok=True)
    made = initialised(settings)
    sign_ins = settings.data / "first-sign-in.txt"
    if made:
        write_private(sign_ins, "".join(f"{login}\t{password}\n" for login, password in made.items()))

    def play() -> None:
        try:
            with place.open() as begin:
                tell(settings, begin, out)
        except Unexpected as wrong:
            raise Told(str(wrong)) from wrong
        shown = _shown(sign_ins)
        out.print(
            f"\n登录名和一次性密码 sign-ins: {shown}  (首次登录须更改 / change at first sign-in)",
            markup=False,
        )
        if story_only:
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            out.print("Ctrl-C 停止 / to stop", markup=False)

    _serve(place, play)


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
