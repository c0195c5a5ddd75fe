"""Personal data at rest: each text sealed under a key of its own, that key wrapped by the platform's.

    sx1.<number of the platform's key>.<wrapped key>.<nonce>.<ciphertext and tag>     (base64url, no padding)

A file is sealed in the same way; what stands before the ciphertext is then kept apart from it.

The first part names the suite: ``sx1`` is AES-256-GCM (NIST SP 800-38D) under AES key wrap (RFC 3394);
``sx2`` is SM4-GCM (GB/T 32907, RFC 8998) with the key wrapped in the same way as the text. A new key of the
platform wraps the small keys anew and leaves the texts alone. The associated data name the place that a text
belongs to, so one moved elsewhere does not open. What does not open is `Unavailable`; none of it is shown.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Callable
from typing import NamedTuple

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256, SM3, HashAlgorithm
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from core.errors import ConfigError, Finding, Unavailable
from core.settings import Settings
from core.text import Text

KEY_BYTES = 32
"""Random bytes in a file `personal-<number>.key`; both suites derive their wrapping key from them."""
_NONCE, _TAG = 12, 16
_KEY_FILE = re.compile(r"personal-([1-9][0-9]{0,8})\.key")


class Suite(NamedTuple):
    """One way of sealing: the cipher, its key's length, and how keys are wrapped and unwrapped."""

    mark: str
    cipher: Callable[[bytes], BlockCipherAlgorithm]
    key_bytes: int
    kdf: Callable[[], HashAlgorithm]
    wrap: Callable[[bytes, bytes], bytes]
    unwrap: Callable[[bytes, bytes], bytes]


def seal(settings: Settings, text: str, aad: str) -> str:
    """Return `text` sealed under the platform's newest key; `aad` names the place where it is kept.

    Raises Unavailable when the platform has no key that can be read.
    """
    envelope, body = seal_bytes(settings, text.encode(), aad)
    return f"{envelope}.{_b64(body)}"


def seal_bytes(settings: Settings, content: bytes, aad: str) -> tuple[str, bytes]:
    """Return what opens a sealed file, and the sealed file, for the place that `aad` names.

    Raises Unavailable when the platform has no key that can be read.
    """
    suite, kek_id = SUITES[settings.platform.personal_cipher], newest_key(settings)
    key = secrets.token_bytes(suite.key_bytes)
    nonce, body = _encrypt(suite, key, content, _bound(suite, aad))
    wrapped = suite.wrap(_wrapping_key(settings, suite, kek_id), key)
    return ".".join((suite.mark, kek_id, _b64(wrapped), _b64(nonce))), body


def open_sealed(settings: Settings, sealed: str, aad: str) -> str:
    """Return the text that was sealed for the place `aad`.

    Raises Unavailable when it was changed or moved, or when the key that wraps it cannot be read.
    """
    envelope, _, body = sealed.rpartition(".")
    return open_bytes(settings, envelope, _unb64(body), aad).decode()


def open_bytes(settings: Settings, envelope: str, body: bytes, aad: str) -> bytes:
    """Return the file that was sealed for the place `aad`.

    Raises Unavailable when it was changed or moved, or when the key that wraps it cannot be read.
    """
    suite, kek_id, wrapped, nonce = _taken_apart(envelope)
    if len(body) < _TAG:
        raise _unreadable()
    wrapping = _wrapping_key(settings, suite, kek_id)
    try:
        key = suite.unwrap(wrapping, wrapped)
        return _decrypt(suite, key, nonce, body, _bound(suite, aad))
    except (InvalidTag, InvalidUnwrap, ValueError):
        raise _unreadable() from None


def rewrap(settings: Settings, sealed: str) -> str:
    """Return the same sealed text with its key wrapped by the platform's newest key; nothing is opened.

    Raises Unavailable when the key that wraps it now cannot be read or does not fit.
    """
    envelope, _, body = sealed.rpartition(".")
    return f"{rewrap_envelope(settings, envelope)}.{body}"


def rewrap_envelope(settings: Settings, envelope: str) -> str:
    """Return what opens a sealed file with its key wrapped by the platform's newest key.

    Raises Unavailable when the key that wraps it now cannot be read or does not fit.
    """
    suite, kek_id, wrapped, nonce = _taken_apart(envelope)
    newest = newest_key(settings)
    if kek_id == newest:
        return envelope
    try:
        key = suite.unwrap(_wrapping_key(settings, suite, kek_id), wrapped)
    except (InvalidTag, InvalidUnwrap, ValueError):
        raise _unreadable() from None
    again = suite.wrap(_wrapping_key(settings, suite, newest), key)
    return ".".join((suite.mark, newest, _b64(again), _b64(nonce)))


def newest_key(settings: Settings) -> str:
    """Return the number of the platform's newest key. Raises Unavailable when there is none."""
    numbers = _numbers(settings)
    if not numbers:
        raise Unavailable(
            "缺少加密个人信息的密钥，请运行 shuxiang init",
            "the key that seals personal data is missing; run shuxiang init",
            code="personal_key_missing",
        )
    return str(max(numbers))


def has_key(settings: Settings) -> bool:
    """Tell whether the platform has a key for personal data."""
    return bool(_numbers(settings))


def key_name(number: str) -> str:
    """Return the file name of one of the platform's keys for personal data."""
    return f"personal-{number}.key"


def check_sealing(settings: Settings) -> None:
    """Raise ConfigError when personal data could not be sealed: no key, or a cipher that this build lacks.

    A gateway host has no such key, and nobody's data to seal.
    """
    if settings.is_gateway:
        return
    file = str(settings.folder / "platform.yaml")
    try:
        seal(settings, "", "check")
    except UnsupportedAlgorithm:
        name = settings.platform.personal_cipher
        words = Text(
            f"本机的密码库不支持 {name}", f"this build of the cryptography library does not offer {name}"
        )
        raise ConfigError([Finding(file, "/personal_cipher", words)]) from None
    except Unavailable as lacking:
        raise ConfigError([Finding(str(settings.key_file("")), "", lacking.message)]) from None


# --- the platform's keys --------------------------------------------------------------------------


def _numbers(settings: Settings) -> list[int]:
    folder = settings.key_file("")
    names = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    return [int(found[1]) for name in names if (found := _KEY_FILE.fullmatch(name))]


def _wrapping_key(settings: Settings, suite: Suite, kek_id: str) -> bytes:
    try:
        secret = settings.key(key_name(kek_id))
    except ConfigError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise Unavailable(
            f"密钥 {key_name(kek_id)} 缺失或不可用",
            f"the key {key_name(kek_id)} is missing or unusable",
            code="personal_key_missing",
        )
    return HKDF(suite.kdf(), suite.key_bytes, None, f"shuxiang personal {suite.mark}".encode()).derive(secret)


# --- the suites -----------------------------------------------------------------------------------


def _encrypt(suite: Suite, key: bytes, plain: bytes, aad: bytes) -> tuple[bytes, bytes]:
    nonce = secrets.token_bytes(_NONCE)
    with_key = Cipher(suite.cipher(key), modes.GCM(nonce)).encryptor()
    with_key.authenticate_additional_data(aad)
    body = with_key.update(plain) + with_key.finalize()
    return nonce, body + with_key.tag


def _decrypt(suite: Suite, key: bytes, nonce: bytes, body: bytes, aad: bytes) -> bytes:
    with_key = Cipher(suite.cipher(key), modes.GCM(nonce, body[-_TAG:])).decryptor()
    with_key.authenticate_additional_data(aad)
    # finalize() raises before a byte of what update() gave leaves this function.
    return with_key.update(body[:-_TAG]) + with_key.finalize()


def _bound(suite: Suite, aad: str) -> bytes:
    return f"{suite.mark}|{aad}".encode()


def _sm4_wrap(wrapping: bytes, key: bytes) -> bytes:
    return b"".join(_encrypt(_SM4, wrapping, key, b"sx2 key"))


def _sm4_unwrap(wrapping: bytes, wrapped: bytes) -> bytes:
    return _decrypt(_SM4, wrapping, wrapped[:_NONCE], wrapped[_NONCE:], b"sx2 key")


_AES = Suite("sx1", algorithms.AES, 32, SHA256, aes_key_wrap, aes_key_unwrap)
_SM4 = Suite("sx2", algorithms.SM4, 16, SM3, _sm4_wrap, _sm4_unwrap)
SUITES = {"aes-256-gcm": _AES, "sm4-gcm": _SM4}
"""The setting `personal_cipher` to its suite."""
_BY_MARK = {suite.mark: suite for suite in SUITES.values()}


# --- the written form -----------------------------------------------------------------------------


def _taken_apart(envelope: str) -> tuple[Suite, str, bytes, bytes]:
    parts = envelope.split(".")
    if len(parts) != 4 or parts[0] not in _BY_MARK or not _KEY_FILE.fullmatch(key_name(parts[1])):
        raise _unreadable()
    mark, kek_id = parts[:2]
    wrapped, nonce = (_unb64(part) for part in parts[2:])
    if len(nonce) != _NONCE:
        raise _unreadable()
    return _BY_MARK[mark], kek_id, wrapped, nonce


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _unb64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _unreadable() from None
    if _b64(raw) != text:
        raise _unreadable()
    return raw


def _unreadable() -> Unavailable:
    return Unavailable(
        "加密保存的内容已损坏，或不属于此处",
        "what is kept sealed is damaged or does not belong here",
        code="sealed_unreadable",
    )
