"""Authlib's client: secrets, signatures and certificates."""

from __future__ import annotations

import time
from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import import_key
from task import City, Outcome, dress, run, said, steal


class OnceOnly(PrivateKeyJWT):  # type: ignore[misc]
    """Its signature with claims of their own each time: it writes its `jti` into those that it is given."""

    def sign(self, auth: Any, token_endpoint: str) -> Any:
        """Sign an assertion that ends in a minute; left alone, it would end in an hour."""
        self.claims = {"exp": int(time.time()) + 60}
        return super().sign(auth, token_endpoint)


def do(task: dict[str, Any], city: City) -> Outcome:
    """Get a token, call, introspect, revoke, call again."""
    method = task["method"].removeprefix("self_signed_").replace("tls_client_auth", "none")
    credential = import_key(task["key"]) if "key" in task else task.get("secret")
    session = OAuth2Session(
        task["client_id"],
        credential,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
    )
    dress(session, task, city)
    if "key" in task:
        session.register_client_auth_method(OnceOnly(city.issuer, alg=task["algorithm"]))
    statuses: list[int] = []
    session.register_compliance_hook("access_token_response", lambda r: statuses.append(r.status_code) or r)
    try:
        token = session.fetch_token(
            city.endpoint("token", task), grant_type="client_credentials", **task["parameters"]
        )
    except OAuthError as refused:
        return {"refused": refused.error, "status": statuses[0]}
    secret = token["access_token"]

    def introspect() -> Any:
        return session.introspect_token(city.endpoint("introspection", task), token=secret).json()["active"]

    first, stolen, active = said(session.get(city.url)), steal(secret, city), introspect()
    session.revoke_token(city.endpoint("revocation", task), token=secret).raise_for_status()
    return {
        "type": token["token_type"],
        "first": first,
        "stolen": stolen,
        "active": active,
        "after": session.get(city.url).status_code,
        "active_after": introspect(),
    }


run(do)
