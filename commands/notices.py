"""`shuxiang notices`: what goes out by e-mail and webhook."""

from __future__ import annotations

import click

from commands.place import Place, place_of
from core.terminal import as_json_option, explained, facts_table, print_facts
from core.times import utc_now


@click.group("notices")
def notices() -> None:
    """Notices on their way out by e-mail and webhook."""


@notices.command("send")
@click.option("--once", is_flag=True, help="Send what is due now, then end.")
@as_json_option
@place_of
@explained
def notices_send(place: Place, once: bool, as_json: bool) -> None:
    """Send what is due until stopped, beside or in place of `serve`; nothing is sent twice."""
    from core.db import Database
    from notices.outbox import Outbox
    from notices.sender import run as send_notices
    from notices.sender import send_once

    settings = place.settings()
    settings.check_secrets()
    with place.open():  # says so when there is no database yet
        pass
    database = Database(settings.database_url)
    if not once:
        send_notices(settings, database)
        return
    outbox, sent = Outbox(database, utc_now), 0
    while count := send_once(settings, outbox):
        sent += count
    print_facts({"tried": sent}, as_json, lambda: f"{sent} 条已处理 / tried")


@notices.command("status")
@as_json_option
@place_of
@explained
def notices_status(place: Place, as_json: bool) -> None:
    """Show how many notices wait to go out, went out, failed, or may have gone out."""
    from notices.outbox import status

    with place.work() as work:
        facts = status(work)
    print_facts(
        facts, as_json, lambda: facts_table("通知发送 / notices sent on", ("", ""), list(facts.items()))
    )
