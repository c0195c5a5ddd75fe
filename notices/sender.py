"""The sender: takes what is due from the outbox and sends it, e-mail and each webhook beside the others."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime

from core.db import Database
from core.settings import Settings
from core.settings_notify import Webhook
from core.times import utc_now
from notices.letters import email_of, payload, signed_headers
from notices.model import EMAIL, FAILED, RETRY, Delivery, Outcome
from notices.outbox import Outbox
from notices.smtp import Mailer
from notices.webhooks import Poster

POLL_SECONDS = 2.0
AT_ONCE = 8
"""How many places are sent to side by side."""
GROUP_SECONDS = 30.0
"""How long one place may take before the others have their turn again."""

NOT_CONFIGURED = Outcome(FAILED, "not_configured")
"""The address or the webhook has been taken out of the deployment since the notice was posted."""

Send = Callable[[Delivery], Outcome]

_log = logging.getLogger(__name__)


def run(settings: Settings, database: Database, clock: Callable[[], datetime] = utc_now) -> None:
    """Send what is due, again and again, until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    outbox = Outbox(database, clock)
    while not stop.is_set():
        try:
            sent = send_once(settings, outbox, stop.is_set)
        except Exception:
            _log.exception("the outbox of notices could not be read")
            sent = 0
        if sent == 0:
            stop.wait(POLL_SECONDS)


def send_once(settings: Settings, outbox: Outbox, stopping: Callable[[], bool] = lambda: False) -> int:
    """Claim what is due now and send it; return how many deliveries were claimed."""
    claimed = outbox.claim()
    groups: dict[str, list[Delivery]] = {}
    for delivery in claimed:
        place = EMAIL if delivery.channel == EMAIL else f"webhook of {delivery.notice.department}"
        groups.setdefault(place, []).append(delivery)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = [pool.submit(_send_group, settings, outbox, group, stopping) for group in groups.values()]
    for each in done:
        each.result()
    return len(claimed)


def _send_group(
    settings: Settings, outbox: Outbox, group: Sequence[Delivery], stopping: Callable[[], bool]
) -> None:
    """Send what goes to one place, one after the other; leave off when it does not answer."""
    until = time.monotonic() + GROUP_SECONDS
    with _way(settings, outbox, group[0]) as send:
        for i, delivery in enumerate(group):
            if stopping() or time.monotonic() > until:
                outbox.release(group[i:])
                return
            if not outbox.begin(delivery):
                continue
            outcome = _try(send, delivery)
            outbox.settle(delivery, outcome)
            if outcome.down:
                outbox.postpone(group[i + 1 :], outcome)
                return


def _try(send: Send, delivery: Delivery) -> Outcome:
    try:
        return send(delivery)
    except Exception:
        _log.exception("delivery %s could not be sent", delivery.id)
        return Outcome(RETRY, "internal")


@contextmanager
def _way(settings: Settings, outbox: Outbox, first: Delivery) -> Iterator[Send]:
    """Yield what sends the deliveries of a group."""
    if first.channel == EMAIL:
        with _by_email(settings) as send:
            yield send
        return
    department = settings.departments.get(first.notice.department)
    webhook = department.notify.webhook if department else None
    yield _by_webhook(settings, webhook, outbox.clock) if webhook else lambda _: NOT_CONFIGURED


@contextmanager
def _by_email(settings: Settings) -> Iterator[Send]:
    smtp = settings.platform.smtp
    if smtp is None:
        yield lambda _: NOT_CONFIGURED
        return
    password = settings.secret(smtp.password) if smtp.password else None
    with closing(Mailer(smtp, password)) as mailer:

        def send(delivery: Delivery) -> Outcome:
            department = settings.departments.get(delivery.notice.department)
            if department is None or delivery.target not in department.notify.email:
                return NOT_CONFIGURED
            return mailer.send(delivery.target, email_of(delivery, settings.platform, smtp.sender))

        yield send


def _by_webhook(settings: Settings, webhook: Webhook, clock: Callable[[], datetime]) -> Send:
    key = settings.signing_key(webhook.secret)
    poster = Poster(webhook.url, webhook.networks)

    def send(delivery: Delivery) -> Outcome:
        now = clock()
        body = payload(delivery.notice, settings.platform)
        return poster.post(signed_headers(key, delivery.id, body, now), body, now)

    return send
