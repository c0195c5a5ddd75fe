"""requests-oauthlib: secrets in the header or the body, and certificates."""

from __future__ import annotations

from typing import Any

from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session
from task import City, Outcome, dress, run, said, steal


def do(task: dict[str, Any], city: City) -> Outcome:
    """Get a token, call, introspect, revoke, call again."""
    name = task["client_id"]
    session = OAuth2Session(client=BackendApplicationClient(name))
    dress(session, task, city)
    basic = HTTPBasicAuth(name, task["secret"]) if task["method"] == "client_secret_basic" else None
    form = {"client_id": name, "client_secret": task.get("secret")}
    shown: dict[str, Any] = {"auth": basic} if basic else {"data": {k: v for k, v in form.items() if v}}
    try:
        token = session.fetch_token(
            city.endpoint("token", task),
            **(
                {"auth": basic} if basic else {"include_client_id": True, "client_secret": task.get("secret")}
            ),
            cert=session.cert,
            verify=city.ca,
            **task["parameters"],
        )
    except OAuth2Error as refused:
        return {"refused": refused.error, "status": refused.status_code}

    def tell(endpoint: str) -> Any:
        data = {"token": token["access_token"], **shown.get("data", {})}
        where = city.endpoint(endpoint, task)
        return session.post(where, data=data, auth=basic, withhold_token=True)

    first = said(session.get(city.url))
    stolen, active = steal(token["access_token"], city), tell("introspection").json()["active"]
    tell("revocation").raise_for_status()
    return {
        "type": token["token_type"],
        "first": first,
        "stolen": stolen,
        "active": active,
        "after": session.get(city.url).status_code,
        "active_after": tell("introspection").json()["active"],
    }


run(do)
