"""`Data-Notice`: what an answer says of open corrections, a list of RFC 9651 structured fields. Pure.

    Data-Notice: disputed;number="C-2026-000001";since=@1771234567;items="name";served-as-usual;href="https://..."

One member for each correction that concerns what the grant gives, the newest first, as far as a header may
grow; then ``more;count=N``. A record is named, by its digest, to those alone who may see every record's key.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

from catalog.corrections.model import Dispute
from gateway.model import Notice, Terms

MOST_MEMBERS, MOST_CHARACTERS = 20, 4000
MOST_IN_ITEMS = 500
"""Longer names are left out of a member: what is left says that any attribute may be meant."""


def notice_of(disputes: Iterable[Dispute], terms: Terms, console: str) -> Notice:
    """Return what to say of `disputes` under a grant's terms; `console` is where people read more."""
    concerned = [d for d in disputes if d.concerns(terms.fields)]
    if not concerned:
        return Notice((), ())
    members: list[str] = []
    size = 0
    for dispute in concerned[:MOST_MEMBERS]:
        member = _member(dispute, terms, console)
        size += len(member) + 2
        if size > MOST_CHARACTERS:
            break
        members.append(member)
    numbers = tuple(d.number for d in concerned[: len(members)])
    if left := len(concerned) - len(members):
        members.append(f"more;count={left}")
    return Notice((("Data-Notice", ", ".join(members)),), numbers)


def _member(dispute: Dispute, terms: Terms, console: str) -> str:
    shown = _text(",".join(name for name in dispute.items if name in terms.fields))
    parts = [
        "disputed",
        f"number={_text(dispute.number)}",
        f"since=@{int(dispute.since.timestamp())}",
        f"items={shown}" if dispute.items and len(shown) <= MOST_IN_ITEMS else "",
        *_record(dispute, terms),
        "served-as-usual" if dispute.served_as_usual else "",
        f"href={_text(console + dispute.link)}" if dispute.link else "",
    ]
    return ";".join(part for part in parts if part)


def _record(dispute: Dispute, terms: Terms) -> list[str]:
    """Name the record to those who may see any; a digest of few possible keys is soon found by trying."""
    is_partial = bool(terms.row_filter or terms.parameters)
    key = _text(",".join(dispute.record_key))
    if dispute.record_digest is None or is_partial or len(key) > MOST_IN_ITEMS:
        return []
    if not set(dispute.record_key) <= set(terms.fields):
        return []
    raw = base64.b64encode(bytes.fromhex(dispute.record_digest)).decode("ascii")
    return [f"key={key}", f"record=:{raw}:"]


def _text(text: str) -> str:
    """Return a String (RFC 9651 section 3.3.3), or a Display String (section 3.3.8) where it is not ASCII."""
    if all(" " <= c <= "~" for c in text):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    plain = (chr(b) if 0x20 <= b <= 0x7E and b not in b'%"' else f"%{b:02x}" for b in text.encode())
    return f'%"{"".join(plain)}"'
