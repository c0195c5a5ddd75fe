"""What every answer tells the browser about trust: no foreign content, no framing, no copies kept."""

from __future__ import annotations

from flask import Flask, Response, request
from flask_wtf import CSRFProtect

from core.settings import Settings

# Bootstrap's style sheet draws arrows and ticks with data: images; nothing else comes from there.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""The content security policy (CSP Level 3): pages run no script, unless they ask (docs/decisions/0024)."""
OWN_SCRIPTS = f"{POLICY}; script-src 'self'; connect-src 'self'"
"""The policy of the few pages that run a file of ours: it makes calls quicker, and asks for passkeys."""

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # The form check compares the referrer with the host when people come by TLS.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_YEAR = 31_536_000
_ASSETS = ("/static/", "/bootstrap/static/")


def protect(app: Flask, csrf: CSRFProtect, settings: Settings) -> None:
    """Set the headers on every answer, and have forms checked where pages are served (see `web.pages`)."""
    app.config.update(WTF_CSRF_CHECK_DEFAULT=False, WTF_CSRF_TIME_LIMIT=None)
    app.extensions["csrf"] = csrf

    @app.after_request
    def _headers(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if settings.secure_cookies:
            response.headers.setdefault("Strict-Transport-Security", f"max-age={_YEAR}")
        if request.path.startswith(_ASSETS):
            response.headers["Cache-Control"] = "public, max-age=3600"
        elif response.mimetype == "text/html":
            response.headers["Cache-Control"] = "no-store"
        elif response.status_code >= 400:  # a 404 may be kept without being asked to (RFC 9111 section 4.2.2)
            response.headers.setdefault("Cache-Control", "no-store")
        return response
