"""The deployment: static files that say what this installation is, read once at start.

    config/<name>/platform.yaml     name, addresses, rulebooks, keys, bounds
                  departments.yaml  who takes part
                  connections.yaml  the named upstreams that distributions may be mounted on
                  accounts.yaml     the people to create at first start
                  audit.yaml        witnesses, time stamps and retention of the access log
                  security.yaml     what is demanded of systems and people who come in
                  hotline.yaml      divisions and duties, where the deployment runs a hotline
                  datasets/*.yaml   manifests for `shuxiang apply`

Every fault is reported with file, JSON pointer and a sentence in both languages, and stops the start.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml

from core.administrators import APART, are_apart
from core.errors import ConfigError, FieldError, Finding
from core.keyring import ring
from core.networks import Network
from core.postgresql import with_password
from core.secret_files import check_place, read_secret_file
from core.settings_audit import Audit, audit_faults, audit_of
from core.settings_hotline import Hotline, hotline_faults, hotline_of
from core.settings_notify import INBOX_ONLY, Notify, Smtp, notify_faults, notify_of, signing_key, smtp_of
from core.settings_oidc import oidc_faults
from core.settings_security import Security, security_faults, security_of
from core.settings_tls import ProviderTls, ServerTls, provider_tls_of, server_tls_of, tls_faults
from core.text import Text, text_of

Check = Callable[[str, object], list[FieldError]]
"""`schemas.errors`, handed in because `core` stands before `schemas`."""


@dataclass(frozen=True, slots=True)
class Department:
    """A body that provides, consumes, manages or audits; `id` is what everything else refers to."""

    id: str
    name: Text
    uscc: str
    level: str
    parent: str | None
    roles: frozenset[str]
    hotline_unit: bool
    notify: Notify = INBOX_ONLY
    """How it is told of what waits for it, besides its inbox."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A named upstream. `kind` is api (base_url), table (database_url) or file (folder)."""

    id: str
    kind: str
    title: Text
    department: str
    base_url: str | None = None
    networks: tuple[Network, ...] = ()
    database_url: str | None = None
    folder: Path | None = None
    tls: ProviderTls | None = None
    """An authority or a certificate of one's own for a provider that asks for it."""
    headers: Mapping[str, str] | None = None
    """Header name to secret reference (``env:NAME`` or ``file:PATH``); resolved by `Settings.secret`."""
    connect_seconds: float = 3.0
    total_seconds: float = 30.0
    max_bytes: int = 64 * 1024 * 1024
    calls_at_once: int = 256
    """Calls to an api that one worker has under way; those of one department may be half of them."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person to create at first start, with a one-time password."""

    login: str
    name: str
    department: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Platform:
    """What `platform.yaml` says, with the defaults filled in."""

    id: str
    title: Text
    place: Text
    tenant_of: Text | None
    """The platform one level up that this one runs on as a tenant; None where it stands for itself."""
    control_listen: tuple[str, int]
    gateway_listen: tuple[str, int]
    gateway_tls: ServerTls | None
    """Where the data plane ends TLS itself; None: a front does, or nobody."""
    private_listen: tuple[str, int]
    """Where worker 0 of the data plane serves /metrics, away from the callers; worker 1 on the next port."""
    control_private_listen: tuple[str, int]
    """Where the control plane serves /metrics."""
    control_url: str
    gateway_url: str
    rulebooks: Mapping[str, str]
    """Domain to rulebook id: ``{"sharing": "sharing/qianjiang"}``."""
    manager: str
    auditor: str
    log_origin: str
    day_end: str
    trusted_proxies: tuple[Network, ...]
    gateway_workers: int
    drain_seconds: int
    """How long what is under way may take when a worker of the data plane is replaced or stopped."""
    token_seconds: int
    default_term_days: int | None
    """A deployment default, not the regulation's: the term of a grant that the rulebook leaves open."""
    seal_seconds: float
    sweep_seconds: float
    probe_seconds: float
    """How often it is looked whether published data can be had; 0: never."""
    smtp: Smtp | None
    notice_days: int
    """How many days a notice is kept."""
    session_idle_minutes: int
    session_hours: int
    journal_segment_bytes: int
    disk_reserve_bytes: int
    max_body_bytes: int
    quality_memory_mb: int
    quality_seconds: int
    quality_every_days: int
    """After how many days published data are checked again; 0 for never by itself."""
    personal_cipher: str
    """What personal data are sealed with: aes-256-gcm or sm4-gcm."""
    code_pattern: str
    """What a dataset's classification code must look like; the sequence number is the platform's."""
    demo: bool
    """Make up the demo's upstream data at `init`, and run its working-day service with `serve`."""
    database_url: str | None
    """PostgreSQL as the state store; None for SQLite in the data folder."""
    database_password: str | None
    """Secret reference of the password that goes with it."""
    runs: str
    """What this host runs: `whole`, or `gateway` for the data plane alone, with a log of its own."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One dataset as a static file: what `shuxiang apply` registers."""

    file: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole deployment, and the folder that holds its state."""

    folder: Path
    data: Path
    platform: Platform
    departments: Mapping[str, Department]
    connections: Mapping[str, Connection]
    accounts: tuple[Account, ...]
    manifests: tuple[Manifest, ...]
    hotline: Hotline = field(default_factory=Hotline)
    audit: Audit = field(default_factory=Audit)
    security: Security = field(default_factory=Security)

    @property
    def database_url(self) -> str:
        """The state store: ``SHUXIANG_DATABASE_URL``, what platform.yaml says, or SQLite in the data folder.

        Holds the password; what people read is `core.db.Database.name`. Raises ConfigError without it.
        """
        given, password = self.platform.database_url, self.platform.database_password
        if instead := os.environ.get("SHUXIANG_DATABASE_URL"):
            return instead
        if given is None:
            return f"sqlite:///{self.data / 'state.sqlite'}"
        return given if password is None else with_password(given, self.secret(password))

    @property
    def is_gateway(self) -> bool:
        """Whether this host runs the data plane alone, for a control plane elsewhere."""
        return self.platform.runs == "gateway"

    @property
    def log_database_url(self) -> str:
        """What goes with this host's access log: outbox, anchor, what is kept of it.

        The state store; on a gateway host SQLite of its own, for its log has nobody else's records.
        """
        return f"sqlite:///{self.data / 'log.sqlite'}" if self.is_gateway else self.database_url

    @property
    def secure_cookies(self) -> bool:
        """Cookies carry ``Secure`` and the ``__Host-`` prefix whenever people reach the console by TLS."""
        return self.platform.control_url.startswith("https:")

    def key_file(self, name: str) -> Path:
        """Return the path of a platform key; `shuxiang init` makes them."""
        return self.data / "keys" / name

    def key(self, name: str) -> bytes:
        """Return a platform key's bytes. Raises ConfigError when it is missing or readable by others."""
        path = self.key_file(name)
        if not path.is_file():
            raise ConfigError(
                [_finding(path, "", "缺少密钥，请先运行 shuxiang init", "key missing, run shuxiang init")]
            )
        return read_secret_file(path)

    def keys(self, name: str) -> tuple[bytes, ...]:
        """Return the keys in a key file of random bytes, the newest first. Raises ConfigError as `key`."""
        return ring(self.key(name))

    def check_secrets(self) -> None:
        """Raise ConfigError naming every secret that is missing or open to others."""
        findings: list[Finding] = []
        references = [r for c in self.connections.values() for r in (c.headers or {}).values()]
        references += [r for p in self.security.oidc for r in (p.client_secret, p.private_key) if r]
        if self.platform.smtp is not None and self.platform.smtp.password is not None:
            references.append(self.platform.smtp.password)
        if self.platform.database_password is not None:
            references.append(self.platform.database_password)
        for read, wanted in ((self.secret, references), (self.signing_key, self._signing_secrets())):
            for reference in wanted:
                try:
                    read(reference)
                    self._check_place(reference)
                except ConfigError as wrong:
                    findings += wrong.findings
        if findings:
            raise ConfigError(findings)

    def _check_place(self, reference: str) -> None:
        scheme, _, rest = reference.partition(":")
        if scheme == "file":
            check_place(self._secret_path(rest))

    def _secret_path(self, rest: str) -> Path:
        return self.folder / rest.replace("{data}", str(self.data))

    def _signing_secrets(self) -> list[str]:
        return [d.notify.webhook.secret for d in self.departments.values() if d.notify.webhook is not None]

    def signing_key(self, reference: str) -> bytes:
        """Return the key that signs a department's webhooks. Raises ConfigError when it is none."""
        try:
            return signing_key(self.secret(reference))
        except ValueError as wrong:
            raise ConfigError(
                [
                    _finding(
                        self.folder,
                        "",
                        f"密钥 {reference} 应为 whsec_ 加 24 至 64 字节的 Base64",
                        f"secret {reference} must be whsec_ and 24 to 64 bytes in base64",
                    )
                ]
            ) from wrong

    def secret(self, reference: str) -> str:
        """Return the secret behind ``env:NAME`` or ``file:PATH``.

        A path is relative to the deployment's folder; ``{data}`` stands for the data folder.
        """
        scheme, _, rest = reference.partition(":")
        if scheme == "env" and os.environ.get(rest):
            return os.environ[rest]
        if scheme == "file":
            return read_secret_file(self._secret_path(rest)).decode().strip()
        raise ConfigError(
            [_finding(self.folder, "", f"找不到密钥 {reference}", f"secret {reference} is not set")]
        )


def load_settings(folder: Path, data: Path, check: Check) -> Settings:
    """Read and check a deployment. Raises ConfigError with every fault found, not just the first."""
    folder = folder.resolve()
    findings: list[Finding] = []
    raw = {
        name: _read(folder, name, check, findings)
        for name in ("platform", "departments", "connections", "accounts")
    }
    for name in ("hotline", "audit", "security"):
        if (folder / f"{name}.yaml").exists():
            raw[name] = _read(folder, name, check, findings)
    manifests = tuple(_manifests(folder, check, findings))
    if findings:
        raise ConfigError(findings)
    data = data.resolve()
    settings = Settings(
        folder,
        data,
        _platform(raw["platform"], lambda text: _place(text, folder, data)),
        {d["id"]: _department(d) for d in raw["departments"]["departments"]},
        {c["id"]: _connection(c, folder, data) for c in raw["connections"]["connections"]},
        tuple(_account(a) for a in raw["accounts"]["accounts"]),
        manifests,
        hotline_of(raw.get("hotline")),
        audit_of(raw.get("audit"), folder, data),
        security_of(raw.get("security")),
    )
    findings += _cross_check(settings, raw)
    if findings:
        raise ConfigError(findings)
    return settings


def read_yaml(path: Path) -> Any:
    """Read one YAML file (safe loader, duplicate keys refused).

    Raises ConfigError with the line, or with why the file cannot be read.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError as missing:
        raise ConfigError([_finding(path, "", "文件不存在", "file is missing")]) from missing
    except OSError as wrong:
        reason = wrong.strerror or str(wrong)
        raise ConfigError(
            [_finding(path, "", f"文件无法读取:{reason}", f"file cannot be read: {reason}")]
        ) from wrong
    except (yaml.YAMLError, UnicodeDecodeError) as wrong:
        mark = getattr(wrong, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        reason = getattr(wrong, "problem", None) or str(wrong)
        raise ConfigError(
            [Finding(f"{path}{where}", "", Text(f"不是有效的 YAML:{reason}", f"not valid YAML: {reason}"))]
        ) from wrong


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # ten times as fast
    """A safe loader that refuses a key given twice and keeps dates as text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"键“{key}”重复 / key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


_OURS = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag not in _OURS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# As YAML 1.2 has it: `off`, `no` and `on` are words, dates are text.
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def _finding(path: Path, pointer: str, zh: str, en: str) -> Finding:
    return Finding(str(path), pointer, Text(zh, en))


def _read(folder: Path, name: str, check: Check, findings: list[Finding]) -> Any:
    path = folder / f"{name}.yaml"
    try:
        document = read_yaml(path)
    except ConfigError as wrong:
        findings += wrong.findings
        return None
    findings += [Finding(str(path), e.pointer, e.message) for e in check(f"config/{name}", document)]
    return document


def _manifests(folder: Path, check: Check, findings: list[Finding]) -> Iterable[Manifest]:
    for path in sorted((folder / "datasets").glob("*.yaml")):
        try:
            document = read_yaml(path)
        except ConfigError as wrong:
            findings += wrong.findings
            continue
        findings += [Finding(str(path), e.pointer, e.message) for e in check("config/dataset", document)]
        yield Manifest(str(path), document)


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def _place(text: str, folder: Path, data: Path) -> Path:
    return folder / text.replace("{data}", str(data)).replace("{config}", str(folder))


def _platform(raw: Mapping[str, Any], place: Callable[[str], Path]) -> Platform:
    return Platform(
        id=raw["id"],
        title=text_of(raw["title"]),
        place=text_of(raw["place"]),
        tenant_of=text_of(raw["tenant_of"]) if "tenant_of" in raw else None,
        control_listen=_listen(raw.get("control_listen", "127.0.0.1:8001")),
        gateway_listen=_listen(raw.get("gateway_listen", "127.0.0.1:8000")),
        gateway_tls=server_tls_of(raw.get("gateway_tls"), place),
        private_listen=_listen(raw.get("private_listen", "127.0.0.1:8002")),
        control_private_listen=_listen(raw.get("control_private_listen", "127.0.0.1:8009")),
        control_url=raw["control_url"].rstrip("/"),
        gateway_url=raw["gateway_url"].rstrip("/"),
        rulebooks=raw["rulebooks"],
        manager=raw["manager"],
        auditor=raw["auditor"],
        log_origin=raw["log_origin"],
        day_end=raw.get("day_end", "24:00"),
        trusted_proxies=tuple(ip_network(n) for n in raw.get("trusted_proxies", ())),
        gateway_workers=raw.get("gateway_workers", 2),
        drain_seconds=raw.get("drain_seconds", 20),
        token_seconds=raw.get("token_seconds", 300),
        default_term_days=raw.get("default_term_days"),
        seal_seconds=raw.get("seal_seconds", 0.5),
        sweep_seconds=raw.get("sweep_seconds", 20),
        probe_seconds=raw.get("probe_seconds", 300),
        smtp=smtp_of(raw.get("smtp")),
        notice_days=raw.get("notice_days", 400),
        session_idle_minutes=raw.get("session_idle_minutes", 15),
        session_hours=raw.get("session_hours", 8),
        journal_segment_bytes=raw.get("journal_segment_bytes", 64 * 1024 * 1024),
        disk_reserve_bytes=raw.get("disk_reserve_bytes", 256 * 1024 * 1024),
        max_body_bytes=raw.get("max_body_bytes", 1024 * 1024),
        quality_memory_mb=raw.get("quality_memory_mb", 512),
        quality_seconds=raw.get("quality_seconds", 120),
        quality_every_days=raw.get("quality_every_days", 7),
        personal_cipher=raw.get("personal_cipher", "aes-256-gcm"),
        code_pattern=raw.get("code_pattern", "^[123][0-9]{5,11}$"),
        demo=raw.get("demo", False),
        database_url=raw.get("database_url"),
        database_password=raw.get("database_password"),
        runs=raw.get("runs", "whole"),
    )


def _department(raw: Mapping[str, Any]) -> Department:
    return Department(
        raw["id"],
        text_of(raw["name"]),
        raw["uscc"],
        raw["level"],
        raw.get("parent"),
        frozenset(raw.get("roles", ())),
        raw.get("hotline_unit", False),
        notify_of(raw.get("notify")),
    )


def _connection(raw: Mapping[str, Any], folder: Path, data: Path) -> Connection:
    def place(text: str) -> str:
        return text.replace("{data}", str(data)).replace("{config}", str(folder))

    names = ("connect_seconds", "total_seconds", "max_bytes", "calls_at_once")
    bounds = {name: raw[name] for name in names if name in raw}
    return Connection(
        raw["id"],
        raw["kind"],
        text_of(raw["title"]),
        raw["department"],
        base_url=raw["base_url"].rstrip("/") if "base_url" in raw else None,
        networks=tuple(ip_network(n) for n in raw.get("networks", ())),
        database_url=place(raw["database_url"]) if "database_url" in raw else None,
        folder=Path(place(raw["folder"])) if "folder" in raw else None,
        tls=provider_tls_of(raw.get("tls"), lambda text: _place(text, folder, data)),
        headers=raw.get("headers"),
        **bounds,
    )


def _account(raw: Mapping[str, Any]) -> Account:
    return Account(raw["login"], raw["name"], raw["department"], frozenset(raw["roles"]))


def _cross_check(settings: Settings, raw: Mapping[str, Any]) -> Iterable[Finding]:
    """What no schema can say: references point at something, ids are unique, ports differ."""
    folder = settings.folder
    known = settings.departments
    for file, key in (
        ("departments", "id"),
        ("departments", "uscc"),
        ("connections", "id"),
        ("accounts", "login"),
    ):
        yield from _repeated(folder / f"{file}.yaml", file, raw[file][file], key)
    yield from _platform_points_somewhere(settings)
    yield from tls_faults(folder, raw["platform"], raw["connections"]["connections"])
    yield from notify_faults(folder, raw["platform"], raw["departments"]["departments"])
    for i, d in enumerate(raw["departments"]["departments"]):
        if d.get("parent") is not None and d["parent"] not in known:
            yield _unknown(folder / "departments.yaml", f"/departments/{i}/parent", d["parent"])
    for file in ("connections", "accounts"):
        for i, entry in enumerate(raw[file][file]):
            if entry["department"] not in known:
                yield _unknown(folder / f"{file}.yaml", f"/{file}/{i}/department", entry["department"])
    for i, account in enumerate(raw["accounts"]["accounts"]):
        if not are_apart(account["roles"]):
            yield Finding(str(folder / "accounts.yaml"), f"/accounts/{i}/roles", APART)
    units = {d.id: d.hotline_unit for d in known.values()}
    yield from hotline_faults(folder / "hotline.yaml", raw.get("hotline") or {}, units)
    yield from audit_faults(folder / "audit.yaml", settings.audit)
    front = bool(settings.platform.trusted_proxies)
    yield from security_faults(folder / "security.yaml", settings.security, has_front=front)
    yield from oidc_faults(folder / "security.yaml", settings.security.oidc, settings.platform.control_url)
    for manifest in settings.manifests:
        yield from _manifest_points_somewhere(settings, manifest)


def _manifest_points_somewhere(settings: Settings, manifest: Manifest) -> Iterable[Finding]:
    document = manifest.document
    if document["provider"] not in settings.departments:
        yield _unknown(Path(manifest.file), "/provider", document["provider"])
    for i, distribution in enumerate(document.get("distributions", ())):
        yield from _mount(settings, manifest.file, i, document["provider"], distribution)


def _platform_points_somewhere(settings: Settings) -> Iterable[Finding]:
    platform, file = settings.platform, settings.folder / "platform.yaml"
    for where, department in (("manager", platform.manager), ("auditor", platform.auditor)):
        if department not in settings.departments:
            yield _unknown(file, f"/{where}", department)
    host, port = platform.private_listen
    workers = [(host, port + i) for i in range(platform.gateway_workers)]
    listens = [platform.control_listen, platform.gateway_listen, platform.control_private_listen, *workers]
    if len(set(listens)) < len(listens):
        yield _finding(file, "/gateway_listen", "监听地址重复", "two services listen on one address")


def _mount(
    settings: Settings, file: str, index: int, provider: str, distribution: Mapping[str, Any]
) -> Iterable[Finding]:
    pointer = f"/distributions/{index}/connection"
    connection = settings.connections.get(distribution["connection"])
    if connection is None:
        yield _unknown(Path(file), pointer, distribution["connection"])
    elif connection.kind != distribution["kind"]:
        yield _finding(
            Path(file),
            pointer,
            f"连接是 {connection.kind} 类",
            f"the connection is of kind {connection.kind}",
        )
    elif connection.department != provider:
        yield _finding(
            Path(file), pointer, "连接属于另一部门", "the connection belongs to another department"
        )


def _unknown(path: Path, pointer: str, name: str) -> Finding:
    return _finding(path, pointer, f"“{name}”没有定义", f"{name!r} is not defined")


def _repeated(path: Path, top: str, entries: list[Mapping[str, Any]], key: str) -> Iterable[Finding]:
    seen: set[Any] = set()
    for i, entry in enumerate(entries):
        if entry[key] in seen:
            yield _finding(path, f"/{top}/{i}/{key}", f"“{entry[key]}”重复", f"{entry[key]!r} is given twice")
        seen.add(entry[key])
