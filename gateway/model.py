"""What the gateway decides with: systems, grants, and the permit that a token stands for. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Client:
    """A consumer's business system, registered and approved: an OAuth client (RFC 6749 section 2)."""

    id: str
    """The OAuth `client_id`."""
    name: str
    department: str
    state: str
    """pending, active or disabled."""
    networks: tuple[str, ...]
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What a grant allows, exactly: deny is the answer to everything that is not here."""

    kind: str
    """table, api or file: the distribution that the grant is for."""
    fields: tuple[str, ...]
    """Names of the dataset's attributes that may leave the gateway."""
    row_filter: Mapping[str, tuple[str, ...]]
    """Attribute to the values that its rows may have (tables); every entry applies."""
    parameters: Mapping[str, tuple[str, ...]]
    """Controlled parameter to the values that the call may send (api); every entry applies."""
    operations: tuple[str, ...]
    """Names of the api operations that may be called; empty for tables and files."""
    row_limit: int | None
    """The most rows that one call may return."""
    networks: tuple[str, ...]
    """Source networks of the calls, in CIDR form; never empty."""
    purpose: str
    sensitive: bool
    """Write `access.intent` before the provider is asked."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission to use one dataset from one system (QJ art. 24; GZ art. 5)."""

    id: str
    number: str
    application_id: str | None
    dataset_id: str
    dataset_code: str
    client_id: str
    consumer: str
    provider: str
    terms: Terms
    granted_at: datetime
    valid_until: datetime | None
    """The last instant, or None where the rulebook sets no end."""
    state: str
    version: int


@dataclass(frozen=True, slots=True)
class Permit:
    """Everything the data plane needs to judge one call: token, grant, system, dataset, distribution.

    Good only while the policy version that it was read under is the current one; `token_expires` and
    `valid_until` are compared with the clock on every call.
    """

    token_expires: float
    """Seconds since the epoch."""
    token_revoked: bool
    grant_id: str
    grant_number: str
    grant_state: str
    valid_until: float | None
    """Seconds since the epoch, exclusive; None without an end."""
    client_id: str
    client_state: str
    consumer: str
    provider: str
    dataset_id: str
    dataset_code: str
    dataset_state: str
    terms: Terms
    networks: tuple[Network, ...]
    """`terms.networks`, parsed."""
    connection: str | None
    """Name of the connection that the distribution is mounted on; None when nothing is mounted."""
    detail: Mapping[str, Any]
    """The distribution's detail: table, operations or files (schema request/distribution)."""
    attributes: tuple[Mapping[str, Any], ...]
    """The dataset's attributes, in order (schema request/dataset)."""
