"""What the platform says of itself: the authorization server (RFC 8414) and the data plane (RFC 9728). Pure.

Everything here depends on the deployment's profile, so that a client can read what it must do.
"""

from __future__ import annotations

from typing import Any

from core.settings import Settings
from core.settings_security import FAPI2
from gateway.methods import METHODS, PRIVATE_KEY_JWT, methods_of
from gateway.signatures import ALGORITHMS
from gateway.wanted import DETAILS_TYPE

GRANT_TYPE = "client_credentials"
_ENDPOINTS = {"token": "token", "introspection": "introspect", "revocation": "revoke"}
"""What RFC 8414 calls our endpoints, and the last word of their addresses."""


def addresses_of(settings: Settings, endpoint: str) -> tuple[str, ...]:
    """Return the addresses of an OAuth endpoint: for everybody, and for callers with a certificate if any."""
    bases = (settings.platform.control_url, settings.security.client_certificate_url)
    return tuple(f"{base}/oauth/{endpoint}" for base in bases if base is not None)


def audiences_of(settings: Settings, endpoint: str) -> tuple[str, ...]:
    """Return what a client assertion may be addressed to at an endpoint.

    The issuer alone in FAPI 2.0 (section 5.3.2.1 number 8); else the token endpoint and the one asked, too,
    which is what clients of RFC 7523 as it was send.
    """
    issuer = settings.platform.control_url
    if settings.security.security_profile == FAPI2:
        return (issuer,)
    return (issuer, *addresses_of(settings, "token"), *addresses_of(settings, endpoint))


def server_metadata(settings: Settings) -> dict[str, Any]:
    """Describe the authorization server (RFC 8414)."""
    issuer, alias = settings.platform.control_url, settings.security.client_certificate_url
    return {
        "issuer": issuer,
        **_endpoints(issuer),
        **_authentication(settings),
        "grant_types_supported": [GRANT_TYPE],
        "response_types_supported": [],
        "authorization_details_types_supported": [DETAILS_TYPE],
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "tls_client_certificate_bound_access_tokens": _takes_certificates(settings),
        **({"mtls_endpoint_aliases": _endpoints(alias)} if alias is not None else {}),
        "service_documentation": f"{issuer}/openapi.json",
        "ui_locales_supported": ["zh-CN", "en"],
    }


def resource_metadata(settings: Settings) -> dict[str, Any]:
    """Describe the data plane as a protected resource (RFC 9728)."""
    fapi2, certificates = settings.security.security_profile == FAPI2, _takes_certificates(settings)
    return {
        "resource": settings.platform.gateway_url,
        "authorization_servers": [settings.platform.control_url],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "dpop_bound_access_tokens_required": fapi2 and not certificates,
        "tls_client_certificate_bound_access_tokens": certificates,
        "authorization_details_types_supported": [DETAILS_TYPE],
        "resource_name": str(settings.platform.title),
    }


def _endpoints(base: str) -> dict[str, str]:
    return {f"{name}_endpoint": f"{base}/oauth/{last}" for name, last in _ENDPOINTS.items()}


def _authentication(settings: Settings) -> dict[str, list[str]]:
    """Say how a system authenticates at each endpoint: everywhere in the same ways."""
    methods = methods_of(settings)
    ways = [name for method in methods for name in METHODS[method].transports]
    signed = list(ALGORITHMS) if PRIVATE_KEY_JWT in methods else []
    said = {}
    for name in _ENDPOINTS:
        said[f"{name}_endpoint_auth_methods_supported"] = ways
        said[f"{name}_endpoint_auth_signing_alg_values_supported"] = signed
    return said


def _takes_certificates(settings: Settings) -> bool:
    return settings.security.client_certificate_header is not None
