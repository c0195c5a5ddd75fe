"""The mail client: one connection to the deployment's mail server, every wait limited.

Nothing is left in doubt but what is: once the text of a message has been sent and no answer came, it may have
been taken.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from core.settings_notify import Smtp
from notices.model import FAILED, RETRY, SENT, UNCERTAIN, Outcome

CONNECT_SECONDS, TOTAL_SECONDS = 5.0, 15.0
DOWN = Outcome(RETRY, "smtp_unreachable", down=True)


class Mailer:
    """Sends messages over one connection, which is opened when the first goes out."""

    def __init__(self, smtp: Smtp, password: str | None) -> None:
        self._smtp = smtp
        self._password = password
        self._connection: smtplib.SMTP | None = None

    def send(self, recipient: str, message: bytes) -> Outcome:
        """Hand one message to the server; `message` is 7-bit with CRLF line ends."""
        try:
            connection = self._connection or self._connect()
        except smtplib.SMTPAuthenticationError:
            return Outcome(RETRY, "smtp_sign_in_refused", down=True)
        except smtplib.SMTPNotSupportedError:
            return Outcome(RETRY, "smtp_not_supported", down=True)
        except ssl.SSLError:
            return Outcome(RETRY, "smtp_tls", down=True)
        except (smtplib.SMTPException, OSError):
            return DOWN
        with _cut_off(connection):
            refused = self._announce(connection, recipient)
            return refused or self._hand_over(connection, message)

    def close(self) -> None:
        """Take leave of the server, if it is still there."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(smtplib.SMTPException, OSError), _cut_off(connection):
                connection.quit()
            connection.close()

    def _connect(self) -> smtplib.SMTP:
        smtp, name = self._smtp, self._smtp.sender.rpartition("@")[2]
        connection: smtplib.SMTP
        if smtp.security == "tls":
            connection = smtplib.SMTP_SSL(
                smtp.host, smtp.port, name, timeout=CONNECT_SECONDS, context=ssl.create_default_context()
            )
        else:
            connection = smtplib.SMTP(smtp.host, smtp.port, name, timeout=CONNECT_SECONDS)
        try:
            with _cut_off(connection):
                self._introduce(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _introduce(self, connection: smtplib.SMTP) -> None:
        connection.ehlo_or_helo_if_needed()
        if self._smtp.security == "starttls":
            connection.starttls(context=ssl.create_default_context())
            connection.ehlo()
        if self._smtp.username is not None and self._password is not None:
            connection.login(self._smtp.username, self._password)
        if connection.sock is not None:
            connection.sock.settimeout(TOTAL_SECONDS)

    def _announce(self, connection: smtplib.SMTP, recipient: str) -> Outcome | None:
        """Say from whom and to whom; return why the message does not go out, None when it may."""
        steps: tuple[tuple[Callable[[], tuple[int, bytes]], tuple[int, ...], str], ...] = (
            (lambda: connection.mail(self._smtp.sender), (250,), RETRY),
            (lambda: connection.rcpt(recipient), (250, 251), FAILED),
            (lambda: connection.docmd("DATA"), (354,), RETRY),
        )
        try:
            for step, wanted, lasting in steps:
                code, _ = step()
                if code not in wanted:
                    self._part(connection, code)
                    return Outcome(lasting if code >= 500 else RETRY, f"smtp_{code}")
        except (smtplib.SMTPException, OSError):
            self._drop()
            return Outcome(RETRY, "smtp_connection_lost")
        return None

    def _part(self, connection: smtplib.SMTP, code: int) -> None:
        """Make the connection ready for the next message, unless the server is closing it (421)."""
        if code == 421:
            self._drop()
        else:
            connection.rset()

    def _hand_over(self, connection: smtplib.SMTP, message: bytes) -> Outcome:
        try:
            connection.send(re.sub(rb"(?m)^\.", b"..", message) + b".\r\n")
            code, _ = connection.getreply()
        except (smtplib.SMTPException, OSError):
            self._drop()
            return Outcome(UNCERTAIN, "smtp_no_answer")
        if code == 250:
            return Outcome(SENT)
        return Outcome(FAILED if code >= 500 else RETRY, f"smtp_{code}")

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


@contextmanager
def _cut_off(connection: smtplib.SMTP) -> Iterator[None]:
    """End the connection after `TOTAL_SECONDS`, however slowly the server drips its answers."""

    def cut() -> None:
        with suppress(OSError):
            if connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(TOTAL_SECONDS, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
