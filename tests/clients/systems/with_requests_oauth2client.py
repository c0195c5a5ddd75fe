"""requests_oauth2client: secrets, signatures, certificates, and proofs of possession."""

from __future__ import annotations

from typing import Any

import requests
from requests_oauth2client import (
    ClientSecretBasic,
    ClientSecretPost,
    EndpointError,
    OAuth2Client,
    PrivateKeyJwt,
    PublicApp,
)
from requests_oauth2client.dpop import InvalidUseDPoPNonceResponse
from task import City, Outcome, dress, run, said, steal


def authentication(task: dict[str, Any], city: City) -> requests.auth.AuthBase:
    """How the task's system shows who it is; assertions are for the issuer."""
    name = task["client_id"]
    if task["method"] == "client_secret_basic":
        return ClientSecretBasic(name, task["secret"])
    if task["method"] == "client_secret_post":
        return ClientSecretPost(name, task["secret"])
    if task["method"] == "private_key_jwt":
        key = {"kid": task["kid"], **task["key"]}
        return PrivateKeyJwt(name, key, alg=task["algorithm"], aud=city.issuer)
    return PublicApp(name)


def do(task: dict[str, Any], city: City) -> Outcome:
    """Get a token, call, introspect, revoke, call again."""
    session = requests.Session()
    dress(session, task, city)
    client = OAuth2Client(
        city.endpoint("token", task),
        auth=authentication(task, city),
        introspection_endpoint=city.endpoint("introspection", task),
        revocation_endpoint=city.endpoint("revocation", task),
        session=session,
        dpop_bound_access_tokens="dpop" in task,
        dpop_alg=task.get("dpop", "ES256"),
    )
    try:
        token = client.client_credentials(**task["parameters"])
    except EndpointError as refused:
        return {"refused": refused.error, "status": refused.response.status_code}

    def status() -> int:
        try:
            return session.get(city.url, auth=token).status_code
        except InvalidUseDPoPNonceResponse as wrong:  # it takes every 401 for a demand for a nonce
            return wrong.response.status_code

    first = said(session.get(city.url, auth=token))
    stolen = steal(token.access_token, city)
    active = client.introspect_token(token.access_token)["active"]
    assert client.revoke_access_token(token.access_token)
    return {
        "type": token.token_type,
        "first": first,
        "stolen": stolen,
        "active": active,
        "after": status(),
        "active_after": client.introspect_token(token.access_token)["active"],
    }


run(do)
