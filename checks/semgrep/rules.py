"""A bad example of each rule, and a good one; nothing imports this file."""
# ruff: noqa
# mypy: ignore-errors

import hashlib
import hmac
import logging
import os
import pickle
import random
import secrets
import ssl
import subprocess
import tempfile
import uuid
from datetime import UTC, date, datetime

import flask
import httpx
import jinja2
import requests
import yaml
from cryptography.hazmat.primitives import hashes
from markupsafe import Markup
from sqlalchemy import text

_log = logging.getLogger(__name__)

# ruleid: outgoing-request
requests.get(url)
# ruleid: outgoing-request
httpx.post(url)
# ok: outgoing-request
upstream.get(url)

# ruleid: certificate-not-checked
fetch(url, verify=False)
# ruleid: certificate-not-checked
context.check_hostname = False
# ruleid: certificate-not-checked
ssl._create_unverified_context()
# ok: certificate-not-checked
fetch(url, verify=True)

# ruleid: sql-put-together
text(f"SELECT * FROM {table}")
# ruleid: sql-put-together
text("SELECT * FROM people WHERE name = '%s'" % name)
# ruleid: sql-put-together
tx.exec_driver_sql(f"DROP TABLE {table}")
# ok: sql-put-together
text("SELECT * FROM people WHERE name = :name")

# ruleid: code-from-text
eval(condition)
# ruleid: code-from-text
pickle.loads(body)
# ok: code-from-text
evaluate(condition)

# ruleid: shell
subprocess.run(f"ls {folder}", shell=True)
# ruleid: shell
os.system("ls " + folder)
# ok: shell
subprocess.run(["ls", folder])

# ruleid: weak-digest
hashlib.md5(content)
# ruleid: weak-digest
hashlib.new("sha1", content)
# ruleid: weak-digest
hashes.SHA1()
# ok: weak-digest
hashlib.sha256(content)

# ruleid: guessable-random
random.choice(letters)
# ruleid: guessable-random
uuid.uuid1()
# ok: guessable-random
secrets.choice(letters)

# ruleid: digest-compared-in-the-open
hmac.new(key, text, "sha256").hexdigest() == given
# ruleid: digest-compared-in-the-open
given == hmac.digest(key, text, "sha256")
# ok: digest-compared-in-the-open
hmac.compare_digest(hmac.digest(key, text, "sha256"), given)

# ruleid: name-of-a-file-before-the-file
tempfile.mktemp()
# ok: name-of-a-file-before-the-file
tempfile.NamedTemporaryFile()

# ruleid: yaml-of-any-kind
yaml.load(stream)
# ruleid: yaml-of-any-kind
yaml.load(stream, Loader=yaml.Loader)
# ok: yaml-of-any-kind
yaml.load(stream, _Loader)

# ruleid: template-without-escaping
jinja2.Environment(loader=loader)
# ruleid: template-without-escaping
flask.render_template_string(words)
# ok: template-without-escaping
jinja2.Environment(loader=loader, autoescape=True)

# ruleid: markup-put-together
Markup(f"<b>{name}</b>")
# ruleid: markup-put-together
Markup("<b>%s</b>" % name)
# ok: markup-put-together
Markup("<b>{}</b>").format(name)

# ruleid: secret-in-a-log
_log.warning("refused %s", token)
# ruleid: secret-in-a-log
logging.info(f"signed in with {password}")
# ok: secret-in-a-log
_log.warning("refused a token of %s", client_id)

# ruleid: clock-without-a-zone
datetime.utcnow()
# ruleid: clock-without-a-zone
datetime.now()
# ruleid: clock-without-a-zone
date.today()
# ok: clock-without-a-zone
datetime.now(UTC)
