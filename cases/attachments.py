"""Papers that belong to a case: checked by what they are, not by what they are called, and kept by digest.

A file is stored under its own SHA-256 before its row is written. Should the transaction fail, a file without
a row remains, which nobody can reach and which the same paper, sent again, finds in place.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

from audit.log import record
from cases import store
from cases.model import Attachment, Case
from core.archives import lists_more_than
from core.envelope import open_bytes, open_sealed, rewrap, rewrap_envelope, seal, seal_bytes
from core.errors import Conflict, NotFound, TooLarge, Unavailable, invalid
from core.ids import new_id
from core.settings import Settings
from core.times import millis
from core.work import Work

MOST_BYTES = 10 * 1024 * 1024
MOST_PER_CASE = 20
MOST_PARTS = 5000
"""Parts that an OFD document may have."""
_MAGIC = ((b"%PDF-", "application/pdf"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))
_ZIP, _OFD = b"PK\x03\x04", "application/ofd"
ENDINGS = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg", _OFD: "ofd"}
_ALSO = {"image/jpeg": ("jpeg", "jpe")}


def add_attachment(
    work: Work,
    case: Case,
    *,
    type: str,
    sealed: bool,
    name: str,
    content: bytes,
    personal: bool = False,
) -> Attachment:
    """Keep a paper of a case, on record. The caller has checked that the actor may add to the case.

    One that is `personal` is kept encrypted, content and name. Raises TooLarge over MOST_BYTES, Invalid for a
    file that is neither PDF, PNG, JPEG nor OFD, Conflict when the case has MOST_PER_CASE papers already.
    """
    if len(content) > MOST_BYTES:
        raise TooLarge(f"附件不得超过 {MOST_BYTES} 字节", f"a file has at most {MOST_BYTES} bytes")
    if len(store.attachments_of(work.tx, case.id)) >= MOST_PER_CASE:
        raise Conflict(f"附件最多 {MOST_PER_CASE} 个", f"a case has at most {MOST_PER_CASE} attachments")
    media_type = sniffed(content)
    if media_type is None:
        raise invalid("/content", "只接受 PDF、PNG、JPEG、OFD 文件", "must be a PDF, PNG, JPEG or OFD file")
    made = Attachment(
        id=new_id(millis(work.now)),
        case_id=case.id,
        type=type,
        sealed=sealed,
        name=_plain_name(name, media_type),
        media_type=media_type,
        size=len(content),
        digest=hashlib.sha256(content).hexdigest(),
        added_at=work.now,
        added_by=work.actor.login,
    )
    if personal:
        made, content = _made_personal(work, made, content)
    _keep(_place(work.settings, made.digest), content)
    store.insert_attachment(work.tx, made)
    body = {"case": case.id, "attachment": made.id, "type": type, "digest": made.digest, "size": made.size}
    record(work, "attachment.added", body)
    return made


def _made_personal(work: Work, paper: Attachment, content: bytes) -> tuple[Attachment, bytes]:
    """Return a paper as it is kept where it may hold personal data: name and content sealed for it alone."""
    envelope, body = seal_bytes(work.settings, content, f"{paper.case_id}:{paper.id}:content")
    name = seal(work.settings, paper.name, f"{paper.case_id}:{paper.id}:name")
    kept = replace(
        paper,
        name=_plain_name("", paper.media_type),
        digest=hashlib.sha256(body).hexdigest(),
        envelope=envelope,
        sealed_name=name,
    )
    return kept, body


def attachments_of(work: Work, case: Case) -> tuple[Attachment, ...]:
    """Return the papers of a case, the oldest first."""
    return store.attachments_of(work.tx, case.id)


def name_of(work: Work, paper: Attachment) -> str:
    """Return the name of a paper in the clear; the caller has checked who asks."""
    if paper.sealed_name is None:
        return paper.name
    return open_sealed(work.settings, paper.sealed_name, f"{paper.case_id}:{paper.id}:name")


def rewrap_attachments(work: Work, after: str, limit: int = 500) -> tuple[int, str | None]:
    """Wrap the keys of sealed papers by the platform's newest key, in the next `limit` papers behind `after`.

    Returns how many were written anew, and the last one looked at: None when there is none left. The files
    stay as they are.
    """
    papers = store.sealed_attachments_after(work.tx, after, limit)
    for paper in papers:
        envelope = rewrap_envelope(work.settings, paper.envelope or "")
        name = rewrap(work.settings, paper.sealed_name or "")
        store.set_envelope(work.tx, paper.id, envelope, name)
    return len(papers), papers[-1].id if papers else None


def read_attachment(work: Work, case: Case, attachment_id: str) -> tuple[Attachment, bytes]:
    """Return a paper of a case and its content. Raises NotFound, or Unavailable when it is not as it was."""
    found = next((a for a in store.attachments_of(work.tx, case.id) if a.id == attachment_id), None)
    if found is None:
        raise NotFound("没有这个附件", "no such attachment")
    try:
        content = _place(work.settings, found.digest).read_bytes()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != found.digest:
        raise Unavailable("附件内容缺失或已损坏", "the attachment's content is missing or damaged")
    if found.envelope is not None:
        place = f"{found.case_id}:{found.id}:content"
        content = open_bytes(work.settings, found.envelope, content, place)
    return found, content


def sniffed(content: bytes) -> str | None:
    """Return the media type that the content itself shows, None for anything that is not accepted."""
    for magic, media_type in _MAGIC:
        if content.startswith(magic):
            return media_type
    return _OFD if content.startswith(_ZIP) and _is_ofd(content) else None


def _is_ofd(content: bytes) -> bool:
    """An OFD document (GB/T 33190) is a zip archive with OFD.xml at its root; nothing is unpacked."""
    if lists_more_than(content, MOST_PARTS):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return "OFD.xml" in archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return False


def _plain_name(name: str, media_type: str) -> str:
    """Return a name to show: the last part of what was sent, without characters that do something.

    It ends as its content wants it: a file may be a PDF and a page of HTML at once, and whoever opens it
    where it was saved gets what its name says.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    plain = "".join(c for c in last if c.isprintable()).strip(" .")[:200]
    if not plain:
        return f"attachment.{ENDINGS[media_type]}"
    fitting = (ENDINGS[media_type], *_ALSO.get(media_type, ()))
    return plain if plain.lower().endswith(tuple(f".{end}" for end in fitting)) else f"{plain}.{fitting[0]}"


def _place(settings: Settings, digest: str) -> Path:
    return settings.data / "attachments" / digest[:2] / digest


def _keep(place: Path, content: bytes) -> None:
    """Write a file whole or not at all, and durably."""
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(dir=place.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, place)
    except OSError as fault:
        Path(temporary).unlink(missing_ok=True)
        raise Unavailable("附件无法保存", "the attachment cannot be stored") from fault
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
