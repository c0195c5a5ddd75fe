"""The WSGI entry of the control plane, with its metrics: ``granian --interface wsgi wsgi:app``.

``SHUXIANG_CONFIG`` names the deployment's folder, ``SHUXIANG_DATA`` the folder that holds its state.
"""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask
from prometheus_client import REGISTRY

from app import create_app
from audit.metrics import LogFigures
from core.db import Database
from core.handed import Listener
from core.logs import install
from core.settings import Settings, load_settings
from core.unsafe import refuse_unsafe
from notices.metrics import Deliveries
from schemas import errors
from web.metrics import serve_metrics


def application(settings: Settings, given: Listener | None = None) -> Flask:
    """Return the control plane of a deployment and serve its metrics. Raises ConfigError.

    `given` listens at `control_private_listen` already.
    """
    refuse_unsafe(settings, os.environ)
    made = create_app(settings)
    database = Database(settings.database_url)
    REGISTRY.register(Deliveries(database))
    REGISTRY.register(LogFigures(settings, database))
    serve_metrics(settings.platform.control_private_listen, given)
    return made


def __getattr__(name: str) -> Flask:
    """Make `app` when a server asks for it, and not when `application` is imported (PEP 562)."""
    if name != "app":
        raise AttributeError(name)
    install()
    folder, data = (
        Path(os.environ.get(variable, default))
        for variable, default in (("SHUXIANG_CONFIG", "config/demo"), ("SHUXIANG_DATA", "var/demo"))
    )
    app = globals()["app"] = application(load_settings(folder, data, errors))
    return app
