"""The identity providers of a running control plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from accounts.oidc.provider import Provider
from core.settings import Settings
from core.settings_oidc import IdentityProvider

EXTENSION = "shuxiang_oidc"
"""Where app.py keeps them: id to `Provider`."""


def providers_of(settings: Settings) -> Mapping[str, Provider]:
    """Return the providers that the deployment names, by id. Raises ConfigError for a missing secret."""
    return {
        known.id: Provider(
            _with_certificates(settings, known),
            f"{settings.platform.control_url}/sign-in/back/{known.id}",
            settings.secret(known.client_secret) if known.client_secret else None,
            settings.secret(known.private_key) if known.private_key else None,
        )
        for known in settings.security.oidc
    }


def _with_certificates(settings: Settings, known: IdentityProvider) -> IdentityProvider:
    """Name the file of certificates in full: it is relative to the deployment's folder, `{data}` its data."""
    if known.ca_file is None:
        return known
    place = known.ca_file.replace("{data}", str(settings.data))
    return replace(known, ca_file=str(settings.folder / place))
