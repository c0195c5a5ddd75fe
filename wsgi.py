"""The WSGI entry of the control plane: ``granian --interface wsgi wsgi:app``.

``SHUXIANG_CONFIG`` names the deployment's folder, ``SHUXIANG_DATA`` the folder that holds its state.
"""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import REGISTRY

from app import create_app
from audit.metrics import LogFigures
from core.db import Database
from core.logs import install
from core.settings import load_settings
from core.unsafe import refuse_unsafe
from notices.metrics import Deliveries
from schemas import errors
from web.metrics import serve_metrics

install()
_settings = load_settings(
    Path(os.environ.get("SHUXIANG_CONFIG", "config/demo")),
    Path(os.environ.get("SHUXIANG_DATA", "var/demo")),
    errors,
)
refuse_unsafe(_settings, os.environ)
app = create_app(_settings)
_database = Database(_settings.database_url)
REGISTRY.register(Deliveries(_database))
REGISTRY.register(LogFigures(_settings, _database))
serve_metrics(_settings.platform.control_private_listen)
