"""Why a deployment must not start as it is: each reason names file and setting (docs/configuration.md)."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from core.errors import ConfigError, Finding
from core.keyring import weakness
from core.secret_files import check_place, read_secret_file
from core.settings import Settings
from core.text import Text

_WIDEST = {4: 8, 6: 16}
"""The shortest prefix that a network of trusted proxies may have."""
_DEFAULT_LOGINS = frozenset({"admin", "administrator", "root", "sysadmin", "superuser", "test", "guest"})
_RANDOM = re.compile(r"(session|pseudonym|token|phone-index|personal-[0-9]+)\.key")
"""The key files that hold random bytes; the others have a form of their own."""
_OFF = frozenset({"", "0", "false", "no", "off"})

Rule = Callable[[Settings, Mapping[str, str]], Iterator[tuple[str, str, Text]]]
"""Yields the file, the pointer and the reason of everything that it finds."""


def refuse_unsafe(settings: Settings, environment: Mapping[str, str]) -> None:
    """Raise ConfigError with every reason why this deployment must not start."""
    found = [
        Finding(str(settings.folder / file) if file else "environment", pointer, words)
        for rule in RULES
        for file, pointer, words in rule(settings, environment)
    ]
    found += _open_folders(settings)
    found += _bad_keys(settings)
    if found:
        raise ConfigError(found)


def warnings(settings: Settings) -> Iterator[Text]:
    """Yield what is allowed to run and should not stay as it is."""
    if hasattr(os, "geteuid") and os.geteuid() == 0 and not settings.platform.demo:
        yield Text("正以 root 身份运行，请使用专用账号", "runs as root: give it an account of its own")


def _plain_http(settings: Settings, _: Mapping[str, str]) -> Iterator[tuple[str, str, Text]]:
    for name in ("control_url", "gateway_url"):
        url = urlsplit(getattr(settings.platform, name))
        if url.scheme != "https" and not is_loopback(url.hostname or ""):
            words = Text(
                "对外地址必须使用 https，密码和令牌不得明文传输",
                "a public address must be https: passwords and tokens would travel in the clear",
            )
            yield "platform.yaml", f"/{name}", words


def _demo_for_others(settings: Settings, _: Mapping[str, str]) -> Iterator[tuple[str, str, Text]]:
    platform = settings.platform
    hosts = [platform.control_listen[0], platform.gateway_listen[0]]
    hosts += [urlsplit(url).hostname or "" for url in (platform.control_url, platform.gateway_url)]
    if platform.demo and not all(is_loopback(host) for host in hosts):
        words = Text("演示部署只能用于本机", "a demonstration is for this machine alone")
        yield "platform.yaml", "/demo", words


def _no_front(settings: Settings, _: Mapping[str, str]) -> Iterator[tuple[str, str, Text]]:
    for name in ("control_listen", "gateway_listen"):
        host = getattr(settings.platform, name)[0]
        ends_tls = name == "gateway_listen" and settings.platform.gateway_tls is not None
        if not (is_loopback(host) or settings.platform.trusted_proxies or ends_tls):
            words = Text(
                "监听了本机以外的地址，却没有声明 TLS 前置代理（trusted_proxies）",
                "listens beyond this machine without a front for TLS: name it in trusted_proxies",
            )
            yield "platform.yaml", f"/{name}", words


def _metrics_for_all(settings: Settings, _: Mapping[str, str]) -> Iterator[tuple[str, str, Text]]:
    for name in ("private_listen", "control_private_listen"):
        host = getattr(settings.platform, name)[0]
        if host in ("", "*") or _is_unspecified(host):
            words = Text("指标不得向所有网络开放", "figures are not for every network: name an address")
            yield "platform.yaml", f"/{name}", words


def _trusts_everybody(settings: Settings, _: Mapping[str, str]) -> Iterator[tuple[str, str, Text]]:
    for i, network in enumerate(settings.platform.trusted_proxies):
        if network.prefixlen < _WIDEST[network.version]:
            words = Text(
                f"{network} 过宽，任何人都能冒充来源地址",
                f"{network} is too wide: anybody could write where a call comes from",
            )
            yield "platform.yaml", f"/trusted_proxies/{i}", words


def _default_accounts(settings: Settings, _: Mapping[str, str]) -> Iterator[tuple[str, str, Text]]:
    for i, account in enumerate(settings.accounts):
        if account.login.casefold() in _DEFAULT_LOGINS:
            words = Text(
                f"“{account.login}”是常见的默认账号名，请改用个人账号",
                f"{account.login!r} is a default account: give each person one of their own",
            )
            yield "accounts.yaml", f"/accounts/{i}/login", words


def _environment(_: Settings, environment: Mapping[str, str]) -> Iterator[tuple[str, str, Text]]:
    for name, zh, en in (
        ("AUTHLIB_INSECURE_TRANSPORT", "会允许明文传输令牌", "lets tokens travel in the clear"),
        ("FLASK_DEBUG", "会把程序内部显示给任何人", "shows the inside of the program to anybody"),
        ("SSLKEYLOGFILE", "会把 TLS 会话密钥写入文件", "writes the keys of TLS connections to a file"),
    ):
        # Authlib takes any word for a yes, Flask does not.
        off = _OFF if name == "FLASK_DEBUG" else {""}
        if environment.get(name, "").strip().lower() not in off:
            yield "", f"/{name}", Text(f"环境变量 {name} {zh}", f"{name} {en}; unset it")


RULES: tuple[Rule, ...] = (
    _plain_http,
    _demo_for_others,
    _no_front,
    _metrics_for_all,
    _trusts_everybody,
    _default_accounts,
    _environment,
)


def _open_folders(settings: Settings) -> Iterator[Finding]:
    """Yield the folders that others could change, or look into where they hold secrets."""
    folders = ((settings.data, 0o077), (settings.key_file(""), 0o077), (settings.folder, 0o002))
    for folder, forbidden in folders:
        if folder.is_dir() and stat.S_IMODE(folder.stat().st_mode) & forbidden:
            words = Text(
                "文件夹权限过宽，其他账号可以读取或改动",
                f"the folder is open to others; use chmod {'o-w' if forbidden == 0o002 else '700'}",
            )
            yield Finding(str(folder), "", words)


def _bad_keys(settings: Settings) -> Iterator[Finding]:
    """Yield what is wrong with the platform's key files: whose they are, where they lie, whether random."""
    for path in sorted(settings.key_file("").glob("*.key")):
        try:
            content = read_secret_file(path)
            check_place(path)
        except ConfigError as wrong:
            yield from wrong.findings
            continue
        words = weakness(content) if _RANDOM.fullmatch(path.name) else None
        if words is not None:
            yield Finding(str(path), "", words)


def is_loopback(host: str) -> bool:
    """Tell whether an address reaches nothing but this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_unspecified(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return False
