"""What the gateway decides with: systems, grants, and the permit that a token stands for. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any, NamedTuple

from catalog.model import shared_items

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Authentication:
    """How a system shows who it is, and what its tokens are bound to."""

    method: str
    """client_secret, private_key_jwt, tls_client_auth or self_signed_tls_client_auth."""
    binding: str = "none"
    """none, dpop (RFC 9449) or certificate (RFC 8705 section 3)."""
    subject: str | None = None
    """Subject of the certificates of a system with tls_client_auth, as RFC 4514 writes it."""


@dataclass(frozen=True, slots=True)
class Change:
    """Another way of authentication that a department asks for; the platform manager decides."""

    authentication: Authentication
    asked_at: datetime
    asked_by: str


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
    authentication: Authentication
    description: str = ""
    approved_at: datetime | None = None
    approved_by: str | None = None
    method_approved_at: datetime | None = None
    """When the authentication in force was approved; None before the first approval."""
    method_approved_by: str | None = None
    change: Change | None = None
    asked_by: str | None = None
    """Who asked for the authentication in force; whoever it was does not approve it."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One secret, public key or certificate of a system; it has two at most while it changes over."""

    id: str
    client_id: str
    kind: str
    """client_secret, public_key or certificate."""
    digest: str
    """Of a secret, in hex; of a key (RFC 7638) or a certificate (RFC 8705) its thumbprint."""
    created_at: datetime
    created_by: str
    not_after: datetime | None
    revoked_at: datetime | None
    public: Mapping[str, Any] | None = None
    """The public key as a JWK, or the certificate as PEM; None for a secret."""

    def is_active(self, now: datetime) -> bool:
        """Tell whether the credential is accepted at `now`."""
        return self.revoked_at is None and (self.not_after is None or now < self.not_after)


@dataclass(frozen=True, slots=True)
class Offer:
    """A dataset as an applicant meets it: what may be asked for, and who provides it."""

    id: str
    code: str
    title: str
    provider: str
    share_class: str
    controlled_params: bool
    is_public: bool
    was_public: bool
    """Whether it has been published once."""
    attributes: tuple[Mapping[str, Any], ...]
    """In order (schema request/dataset)."""
    required_materials: tuple[str, ...]
    distributions: Mapping[str, Mapping[str, Any]]
    """Kind to the distribution's detail (schema request/distribution)."""

    @property
    def shared(self) -> list[Mapping[str, Any]]:
        """The attributes that somebody may be given."""
        return shared_items(self.attributes, self.share_class)


@dataclass(frozen=True, slots=True)
class Application:
    """What a department asks for; state and clocks are those of the case with the same id."""

    id: str
    number: str
    dataset_id: str
    dataset_code: str
    dataset_title: str
    client_id: str
    client_name: str
    consumer: str
    provider: str
    document: Mapping[str, Any]
    """Every field of schema request/application filled in."""
    previous_grant: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Use:
    """Who is to use what: the system and the dataset of a grant, and the application behind it, if any."""

    application_id: str | None
    dataset_id: str
    dataset_code: str
    dataset_title: str
    client_id: str
    client_name: str
    consumer: str
    provider: str


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
    needs_ticket: bool = False
    """Whether every call must name an open ticket of the hotline that the consumer works on."""
    calls_per_day: int | None = None
    """How many calls it allows on one day in Shanghai, all tokens together; None for no bound."""
    calls_per_second: int | None = None
    """How many calls it allows in a second, all tokens together (`gateway/limits.py`); None for no bound."""
    calls_at_once: int | None = None
    """How many of its calls may be under way; None for no bound."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission to use one dataset from one system (QJ art. 24; GZ art. 5)."""

    id: str
    number: str
    application_id: str | None
    dataset_id: str
    dataset_code: str
    dataset_title: str
    client_id: str
    client_name: str
    consumer: str
    provider: str
    terms: Terms
    granted_at: datetime
    valid_until: datetime | None
    """The end, an instant from which on nothing is served (a day's last microsecond); None without an end."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token as the store knows it."""

    digest: str
    grant_id: str
    grant_number: str
    client_id: str
    dataset_code: str
    kind: str
    issued_at: datetime
    expires_at: datetime
    usable: bool
    """Neither revoked nor of a system or grant that is not active; its times are the reader's to compare."""
    valid_until: datetime | None
    cnf: str | None = None
    """What the token is bound to: "jkt:" or "x5t:" and a thumbprint; None for a bearer token."""


class Notice(NamedTuple):
    """What the answers to one permit say of open corrections."""

    header: tuple[tuple[str, str], ...]
    """Ready to be sent; empty when there is nothing to say."""
    numbers: tuple[str, ...]
    """The corrections that it names, for the record of the call."""


@dataclass(frozen=True, slots=True)
class Permit:
    """Everything the data plane needs to judge one call: token, grant, system, dataset, distribution.

    Good only while the policy version that it was read under is the current one; `token_expires` and
    `valid_until` are compared with the clock on every call.
    """

    token_expires: float
    """Seconds since the epoch."""
    token_revoked: bool
    cnf: str | None
    """What the token is bound to: "jkt:" or "x5t:" and a thumbprint; None for a bearer token."""
    grant_id: str
    grant_number: str
    grant_usable: bool
    """Whether the rulebook lets data flow in the grant's state."""
    grant_ended: bool
    valid_until: float | None
    """The same end in seconds since the epoch; None without an end."""
    client_id: str
    client_state: str
    consumer: str
    provider: str
    dataset_id: str
    dataset_code: str
    dataset_public: bool
    terms: Terms
    networks: tuple[Network, ...]
    """`terms.networks`, parsed."""
    connection: str | None
    """Name of the connection that the distribution is mounted on; None when nothing is mounted."""
    detail: Mapping[str, Any]
    """The distribution's detail: table, operations or files (schema request/distribution)."""
    attributes: tuple[Mapping[str, Any], ...]
    """The dataset's attributes, in order (schema request/dataset)."""
    notice: Notice
    """What the answers say of open corrections, worked out once."""
    paths: dict[str | None, tuple[Mapping[str, Any], str]] = field(
        default_factory=dict, compare=False, repr=False
    )
    """The api operations that were asked for without a query, and the provider's paths for them."""
