"""Whether the key files are those that the database was used with: a wrong one is found at start, by name.

A database restored beside other keys would otherwise open nothing that is sealed, find no caller by number
and take no query code, and nobody would know why.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from accounts.keyring import store
from accounts.keyring.model import INDEX_KEY, KEYS, ON_GATEWAYS, PERSONAL, KeyFile, files_of
from accounts.keyring.store import KeyCheck
from audit.keys import Cosigner, NoteSigner
from audit.log import record
from audit.signing import LOG_KEY, LOG_MLDSA_KEY, RECEIPT_KEY
from core.errors import ConfigError, Finding, NotFound
from core.keyring import check_value
from core.settings import Settings
from core.text import Text
from core.work import Work


def use_of(settings: Settings, name: str) -> str:
    """Return what a key is used with beside its bytes: the digest of the phone index."""
    return settings.security.index_digest if name == INDEX_KEY else ""


def newest_value(settings: Settings, name: str) -> str:
    """Return the check value of the newest key of a file. Raises ConfigError."""
    return check_value(settings.keys(name)[0], use_of(settings, name))


def note_keys(work: Work) -> None:
    """Note the check value of every key file that has none yet: at `init`, and after an update."""
    known = {check.name for check in store.key_checks_of(work.tx)}
    for file in files_of(work.settings):
        if file.name not in known:
            store.put_check(work.tx, file.name, newest_value(work.settings, file.name), work.now)


def accept_key(work: Work, name: str) -> None:
    """Believe a key file as it lies there, on record: for a session or token key that was made anew by hand.

    Raises NotFound for a key that has no check value or without which something kept could not be read.
    """
    kind = KEYS.get(name)
    if kind is None or not kind.may_be_lost:
        raise NotFound(f"密钥 {name} 不能这样接受", f"the key {name} cannot be accepted as it is")
    store.put_check(work.tx, name, newest_value(work.settings, name), work.now)
    record(work, "keys.accepted", {"key": name})


def refuse_wrong_keys(settings: Settings, tx: Connection) -> None:
    """Raise ConfigError naming every key file that is missing or not the one this database was used with."""
    findings = [
        Finding(str(settings.key_file(check.name)), "", words)
        for check in store.key_checks_of(tx)
        if not settings.is_gateway or check.name in ON_GATEWAYS
        if (words := _fault(settings, check)) is not None
    ]
    findings += _unlike_pairs(settings)
    if findings:
        raise ConfigError(findings)


def _fault(settings: Settings, check: KeyCheck) -> Text | None:
    if not settings.key_file(check.name).is_file():
        return None if check.retired_at is not None else _missing(check.name)
    keys = settings.keys(check.name)
    use = use_of(settings, check.name)
    if any(check_value(key, use) == check.value for key in keys):
        return None
    if check.name == INDEX_KEY and any(check_value(key, u) == check.value for key in keys for u in DIGESTS):
        return Text(
            "security.yaml 的 index_digest 已更改，请先运行 shuxiang keys renew phone-index",
            "index_digest of security.yaml was changed: run shuxiang keys renew phone-index first",
        )
    return _wrong(check.name)


DIGESTS = ("sha256", "sm3")
"""What the index of phone numbers may be made with."""


def _missing(name: str) -> Text:
    if PERSONAL.fullmatch(name):
        return Text(
            "缺少加密个人信息的密钥：数据库中有用它加密的内容。请从密钥备份中恢复这个文件",
            "the key that personal data are sealed with is missing, and this database holds some: "
            "put the file back from the backup of the keys",
        )
    return Text(
        "密钥文件缺失，请从密钥备份中恢复", "the key file is missing: put it back from the backup of the keys"
    )


def _wrong(name: str) -> Text:
    words = Text(
        "密钥与数据库不符，请恢复正确的文件", "not the key that this database was used with: put it back"
    )
    if not PERSONAL.fullmatch(name) and KEYS[name].may_be_lost:
        more = f"shuxiang keys accept {name}"
        return Text(f"{words.zh}，或运行 {more}", f"{words.en}, or run {more}")
    return words


def _unlike_pairs(settings: Settings) -> Iterator[Finding]:
    """Yield the signing keys whose public half beside them is another one's."""
    for name, sort in ((LOG_KEY, NoteSigner), (LOG_MLDSA_KEY, Cosigner), (RECEIPT_KEY, NoteSigner)):
        path = settings.key_file(name)
        public = path.with_suffix(".vkey")
        if not path.is_file() or not public.is_file():
            continue  # whoever signs says so
        try:
            verifier = str(sort.parse(settings.key(name).decode()).verifier)
        except ValueError:
            yield Finding(str(path), "", Text("签名密钥已损坏", "the signing key is damaged"))
            continue
        if verifier != public.read_text(encoding="utf-8").strip():
            words = Text(f"与公钥文件 {public.name} 不成对", f"does not belong to {public.name} beside it")
            yield Finding(str(path), "", words)


def state_of(settings: Settings, tx: Connection, file: KeyFile) -> tuple[KeyCheck | None, bool]:
    """Return what the database knows of a key file, and whether the file fits."""
    check = next((c for c in store.key_checks_of(tx) if c.name == file.name), None)
    return check, check is None or _fault(settings, check) is None
