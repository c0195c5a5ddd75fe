"""What goes out: a notice as an e-mail and as the body and signature of a webhook. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import orjson

from core.settings import Platform
from core.text import Text
from core.times import SHANGHAI, local_iso
from notices.model import Delivery, Notice

_SUBJECT_LENGTH = 300


def email_of(delivery: Delivery, platform: Platform, sender: str) -> bytes:
    """Return the message for one address: both languages, plain text, 7-bit, CRLF line ends.

    The Message-ID is the delivery's own (RFC 5322 section 3.6.4), so that a repeat would be known as one, and
    Auto-Submitted keeps vacation replies away (RFC 3834).
    """
    notice = delivery.notice
    message = EmailMessage(policy=SMTP)
    message["Subject"] = _one_line(f"{notice.subject.zh} / {notice.subject.en}")[:_SUBJECT_LENGTH]
    message["From"] = Address(display_name=_one_line(platform.title.zh), addr_spec=sender)
    message["To"] = Address(addr_spec=delivery.target)
    message["Date"] = format_datetime(notice.posted_at.astimezone(SHANGHAI))
    message["Message-ID"] = f"<{delivery.id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_text(notice, platform), charset="utf-8", cte="base64")
    return message.as_bytes()


def _one_line(text: str) -> str:
    """Return a text without line ends and control characters, which would end a header field."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+", " ", text).strip()


def _text(notice: Notice, platform: Platform) -> str:
    halves = [
        _half(notice.subject.zh, notice.body.zh, _due(notice, "截止时间"), _cite(notice, "依据")),
        _half(notice.subject.en, notice.body.en, _due(notice, "Due"), _cite(notice, "Provision")),
    ]
    foot = Text(
        f"{platform.title.zh}自动发送，请勿回复。请登录平台办理：",
        f"Sent by {platform.title.en}; replies are not read. Sign in to go on:",
    )
    address = platform.control_url + notice.link
    return "\n\n----\n\n".join([*halves, f"{foot.zh}\n{foot.en}\n{address}"]) + "\n"


def _half(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def _due(notice: Notice, label: str) -> str:
    return f"{label}: {notice.due.astimezone(SHANGHAI):%Y-%m-%d %H:%M} (UTC+8)" if notice.due else ""


def _cite(notice: Notice, label: str) -> str:
    return f"{label}: {notice.cite}" if notice.cite else ""


def payload(notice: Notice, platform: Platform) -> bytes:
    """Return the body of a webhook (Standard Webhooks): type, timestamp, data; the same for every try."""
    document = {
        "type": f"notice.{notice.kind}",
        "timestamp": local_iso(notice.posted_at),
        "data": {
            "id": notice.id,
            "platform": platform.id,
            "about": notice.about or None,
            "department": notice.department,
            "role": notice.role or None,
            "subject": notice.subject._asdict(),
            "body": notice.body._asdict(),
            "due": local_iso(notice.due) if notice.due else None,
            "cite": notice.cite,
            "url": platform.control_url + notice.link,
        },
    }
    return orjson.dumps(document)


def signed_headers(key: bytes, id: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the three header fields of a webhook: its id, the time of this try, and the signature of both
    and the body (Standard Webhooks, symmetric)."""
    timestamp = str(int(now.timestamp()))
    signature = hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
