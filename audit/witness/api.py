"""The face of a witness: ``granian --interface wsgi --factory audit.witness.api:application``."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from flask import Flask, Response, request
from sqlalchemy.exc import OperationalError

from audit.witness.place import FOLDER, open_witness
from audit.witness.protocol import ADD_CHECKPOINT, SUBMISSION_MOST
from audit.witness.server import Witness
from core.times import utc_now


def application() -> Flask:
    """Return the witness whose folder the environment names."""
    return create_app(open_witness(Path(os.environ[FOLDER])))


def create_app(witness: Witness, clock: Callable[[], datetime] = utc_now) -> Flask:
    """Return the application of a witness."""
    app = Flask("witness", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = SUBMISSION_MOST

    @app.post(ADD_CHECKPOINT)
    def add_checkpoint() -> Response:
        answer = witness.add_checkpoint(request.get_data(cache=False), clock)
        return Response(answer.body, answer.status, {"Content-Type": answer.content_type})

    @app.get("/livez")
    def livez() -> Response:
        return Response("{}", content_type="application/health+json")

    @app.errorhandler(OperationalError)
    def busy(_wrong: OperationalError) -> Response:
        return Response("the witness cannot write to its disk\n", 503, {"Content-Type": "text/plain"})

    return app
