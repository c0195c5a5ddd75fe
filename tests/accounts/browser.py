"""Somebody at a browser, and what the log says of them."""

from __future__ import annotations

import re
from typing import Any

import orjson
from sqlalchemy import select

from audit.store import audit_outbox

LOGIN = "zhao.min"
PASSWORD = "七月的江水慢慢流过平原 2026"
WRONG = "登录名或密码不正确"


class Browser:
    """A person at a browser, who fills in the forms that the pages show."""

    def __init__(self, app: Any) -> None:
        self.client = app.test_client()

    def get(self, path: str) -> Any:
        """Open a page."""
        return self.client.get(path)

    def token(self, page: str) -> str:
        """Return the form token of a page."""
        html = self.client.get(page).get_data(as_text=True)
        found = re.search(r'name="csrf_token" value="([^"]+)"', html)
        assert found, f"{page} has no form"
        return found[1]

    def send(self, page: str, action: str | None = None, **fields: str) -> Any:
        """Open `page`, fill in the form that posts to `action` (or to the page itself) and send it."""
        return self.client.post(action or page, data={"csrf_token": self.token(page), **fields})

    def sign_in(self, login: str, password: str, **more: str) -> Any:
        """Sign in."""
        return self.send("/sign-in", login=login, password=password, **more)

    def is_signed_in(self) -> bool:
        """Tell whether the desk opens."""
        return self.get("/").status_code == 200


def bodies(world: Any, kind: str | None = None) -> list[dict[str, Any]]:
    """Return the bodies of the control plane's records, the oldest first."""
    with world.database.read() as tx:
        rows = tx.execute(select(audit_outbox.c.body).order_by(audit_outbox.c.seq)).scalars()
        found = [orjson.loads(row) for row in rows]
    return [body for body in found if kind in (None, body["k"])]
