"""The peers and the upstream: what they are told to do, as their own configuration files."""

from __future__ import annotations

import base64
import getpass
import json
import os
import time
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER = "https://issuer.bench.example"
SCOPE = "records.read"

_NGINX = """
{user}
daemon off;
worker_processes 1;
pid {folder}/{name}.pid;
error_log stderr;
events {{ worker_connections 2048; }}
http {{
  access_log off;
  sendfile on;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/{name}-body;
  proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-fastcgi;
  uwsgi_temp_path {folder}/{name}-uwsgi;
  scgi_temp_path {folder}/{name}-scgi;
  {body}
}}
"""

_UPSTREAM = """
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    default_type application/json;
    location / {{ return 200 '{answer}'; }}
  }}
"""

_PROXY = """
  upstream provider {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location /files/ {{ alias {files}/; }}
    location / {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
"""

_HAPROXY = """
global
  nbthread 1
  maxconn 2000
  log stdout format raw local0

defaults
  mode http
  log global
  timeout connect 3s
  timeout client 75s
  timeout server 30s
  http-reuse always

frontend sharing
  bind 127.0.0.1:{port} backlog 1024
  http-request set-var(txn.token) http_auth_bearer
  http-request set-var(txn.client) var(txn.token),jwt_payload_query('$.sub')
  http-request set-var(txn.scope) var(txn.token),jwt_payload_query('$.scope')
  http-request set-var(txn.issuer) var(txn.token),jwt_payload_query('$.iss')
  http-request set-var(txn.ends) var(txn.token),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  acl signed var(txn.token),jwt_verify(ES256,"{key}") -m int 1
  acl ours var(txn.issuer) -m str {issuer}
  acl over var(txn.ends),sub(txn.now) -m int le 0
  acl granted var(txn.scope) -m str {scope}
  acl near src 127.0.0.0/8
  http-request deny deny_status 401 if !signed or !ours or over
  http-request deny deny_status 403 if !granted or !near
  log-format "%Ts.%ms %ci %[var(txn.client)] %HM %HP %ST %B %Ta"
  default_backend provider

backend provider
  server upstream 127.0.0.1:{upstream} pool-max-conn 512
"""


def upstream_config(folder: Path, port: int, answer: bytes) -> Path:
    """Write the configuration of the provider, which always gives the same answer, and return its path."""
    text = answer.decode()
    if "'" in text or "$" in text:
        raise ValueError("nginx would read the answer as something else")
    return _nginx(folder, "upstream", _UPSTREAM.format(port=port, answer=text))


def proxy_config(folder: Path, port: int, upstream: int, files: Path) -> Path:
    """Write the configuration of nginx as a plain proxy and file server: no tokens, no log."""
    return _nginx(folder, "nginx", _PROXY.format(port=port, upstream=upstream, files=files))


def _nginx(folder: Path, name: str, body: str) -> Path:
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""  # or it could not read our folder
    path = folder / f"{name}.conf"
    path.write_text(_NGINX.format(user=user, folder=folder, name=name, body=body))
    return path


def haproxy_config(folder: Path, port: int, upstream: int, key: Path) -> Path:
    """Write the configuration of HAProxy with token check, expiry, scope, source and a log line per call."""
    path = folder / "haproxy.cfg"
    path.write_text(_HAPROXY.format(port=port, upstream=upstream, key=key, issuer=ISSUER, scope=SCOPE))
    return path


def make_jwts(folder: Path, count: int) -> tuple[Path, list[str]]:
    """Return the file of a public key and `count` ES256 tokens (RFC 7518 section 3.4) for HAProxy."""
    key = ec.generate_private_key(ec.SECP256R1())
    path = folder / "es256.pem"
    path.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return path, [_jwt(key, number) for number in range(count)]


def _jwt(key: ec.EllipticCurvePrivateKey, number: int) -> str:
    claims = {"iss": ISSUER, "sub": f"system-{number}", "scope": SCOPE, "exp": int(time.time()) + 3600}
    signed = f"{_part({'alg': 'ES256', 'typ': 'at+jwt'})}.{_part(claims)}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _part(document: object) -> str:
    return _base64(json.dumps(document).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
