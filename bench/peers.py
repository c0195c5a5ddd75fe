"""The peers and the upstream: what they are told to do, as their own configuration files."""

from __future__ import annotations

import base64
import getpass
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from bench.machine import module

ISSUER = "https://issuer.bench.example"
SCOPE = "records.read"

_NGINX = """
{modules}
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/{name}.pid;
error_log stderr;
events {{ worker_connections 8192; }}
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
    listen 127.0.0.1:{port} backlog=4096;
    default_type application/json;
    location / {{ return 200 '{answer}'; }}
    location /files/ {{ alias {files}/; default_type application/octet-stream; }}
    {late}
  }}
"""

# The same answer after 20 ms: the module sleeps without holding a thread.
_LATE = """
    location = /late {{
      content_by_lua_block {{
        ngx.sleep(0.02)
        ngx.header["Content-Length"] = {length}
        ngx.print('{answer}')
      }}
    }}
"""

_PROXY = """
  upstream provider {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 1000000000; }}
  {extra}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location /static/ {{ alias {files}/; }}
    location / {{
      {check}
      proxy_pass http://provider;
      proxy_buffers 16 64k;
      proxy_max_temp_file_size 0;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
"""

# ES256 once for each token, remembered until it expires; claims looked at on every call; a buffered log.
_LUA = """
  lua_shared_dict verified 8m;
  log_format calls '$msec $remote_addr $sub "$request" $status $body_bytes_sent';
  access_log {folder}/calls.log calls buffer=64k flush=1s;
  init_by_lua_block {{
    cjson = require "cjson.safe"
    local pkey = require "openssl.pkey"
    local digest = require "openssl.digest"
    local file = io.open("{key}")
    key = pkey.new(file:read("*a"))
    file:close()

    function unbase64(text)
      local plain = text:gsub("-", "+"):gsub("_", "/")
      return ngx.decode_base64(plain .. string.rep("=", -#plain % 4))
    end

    local function number(raw)  -- an INTEGER of DER has no leading zeros, and a sign
      raw = raw:gsub("^%z+", "")
      if raw:byte(1) >= 128 then raw = "\\0" .. raw end
      return "\\2" .. string.char(#raw) .. raw
    end

    function verify(token)
      local head, body, signature = token:match("^([^.]+)%.([^.]+)%.([^.]+)$")
      if not head then return nil end
      local header, claims, raw = cjson.decode(unbase64(head)), unbase64(body), unbase64(signature)
      if not header or header.alg ~= "ES256" or not raw or #raw ~= 64 then return nil end
      local pair = number(raw:sub(1, 32)) .. number(raw:sub(33))
      local der = "\\48" .. string.char(#pair) .. pair
      local hash = digest.new("sha256")
      hash:update(head .. "." .. body)
      return key:verify(der, hash) and claims or nil
    end
  }}
"""

_LUA_CHECK = """
      set $sub "-";
      access_by_lua_block {{
        local token = (ngx.var.http_authorization or ""):match("^Bearer (.+)$")
        if not token then return ngx.exit(401) end
        local known = ngx.shared.verified:get(token)
        if not known then
          known = verify(token)
          if not known then return ngx.exit(401) end
          ngx.shared.verified:set(token, known, 300)
        end
        local claims = cjson.decode(known)
        if claims.iss ~= "{issuer}" or claims.exp <= ngx.time() then return ngx.exit(401) end
        if claims.scope ~= "{scope}" or ngx.var.remote_addr ~= "127.0.0.1" then return ngx.exit(403) end
        ngx.var.sub = claims.sub
      }}
"""

_HAPROXY = """
global
  nbthread 1
  maxconn 8000
  tune.bufsize 32768
  log stdout format raw local0

defaults
  mode http
  log global
  timeout connect 3s
  timeout client 75s
  timeout server 30s
  http-reuse always

frontend sharing
  bind 127.0.0.1:{port} backlog 4096
  http-request set-var(txn.token) http_auth_bearer
  http-request set-var(txn.client) var(txn.token),jwt_payload_query('$.sub')
  http-request set-var(txn.scope) var(txn.token),jwt_payload_query('$.scope')
  http-request set-var(txn.issuer) var(txn.token),jwt_payload_query('$.iss')
  http-request set-var(txn.ends) var(txn.token),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  acl signed var(txn.token),jwt_verify({algorithm},"{key}") -m int 1
  acl ours var(txn.issuer) -m str {issuer}
  acl over var(txn.ends),sub(txn.now) -m int le 0
  acl granted var(txn.scope) -m str {scope}
  acl near src 127.0.0.0/8
  http-request deny deny_status 401 if !signed or !ours or over
  http-request deny deny_status 403 if !granted or !near
  log-format "%Ts.%ms %ci %[var(txn.client)] %HM %HP %ST %B %Ta"
  default_backend provider

backend provider
  server upstream 127.0.0.1:{upstream} pool-max-conn 1000
"""


def upstream_config(folder: Path, port: int, answer: bytes, files: Path) -> Path:
    """Write the configuration of the provider, which always gives the same answer, and return its path."""
    text = answer.decode()
    if "'" in text or "$" in text or "\\" in text:
        raise ValueError("nginx would read the answer as something else")
    late = _LATE.format(answer=text, length=len(answer)) if module("ngx_http_lua_module") else ""
    return _nginx(folder, "upstream", _UPSTREAM.format(port=port, answer=text, files=files, late=late))


def proxy_config(folder: Path, port: int, upstream: int, files: Path) -> Path:
    """Write the configuration of nginx as a plain proxy and file server: no tokens, no log."""
    places = {"port": port, "upstream": upstream, "files": files}
    return _nginx(folder, "nginx", _PROXY.format(**places, extra="", check=""))


def lua_config(folder: Path, port: int, upstream: int, files: Path, key: Path) -> Path:
    """Write the configuration of nginx that checks ES256 tokens in Lua, remembers them, and logs."""
    extra = _LUA.format(folder=folder, key=key)
    check = _LUA_CHECK.format(issuer=ISSUER, scope=SCOPE)
    places = {"port": port, "upstream": upstream, "files": files}
    return _nginx(folder, "nginx-lua", _PROXY.format(**places, extra=extra, check=check))


def _nginx(folder: Path, name: str, body: str) -> Path:
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""  # or it could not read our folder
    wanted = [module("ndk_http_module"), module("ngx_http_lua_module")] if "_by_lua_block" in body else []
    modules = "\n".join(f"load_module {path};" for path in wanted)
    path = folder / f"{name}.conf"
    path.write_text(_NGINX.format(modules=modules, user=user, folder=folder, name=name, body=body))
    return path


def haproxy_config(folder: Path, port: int, upstream: int, algorithm: str, key: str | Path) -> Path:
    """Write the configuration of HAProxy with token check, expiry, scope, source and a log line per call.

    `key` is the file of a public key for ES256, the secret for HS256.
    """
    path = folder / f"haproxy-{algorithm}.cfg"
    places = {"port": port, "upstream": upstream, "algorithm": algorithm, "key": key}
    path.write_text(_HAPROXY.format(**places, issuer=ISSUER, scope=SCOPE))
    return path


def make_es256(folder: Path, count: int) -> tuple[Path, list[str]]:
    """Return the file of a public key and `count` ES256 tokens (RFC 7518 section 3.4)."""
    key = ec.generate_private_key(ec.SECP256R1())
    path = folder / "es256.pem"
    path.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )

    def sign(text: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return path, [_jwt("ES256", number, sign) for number in range(count)]


def make_hs256(count: int) -> tuple[str, list[str]]:
    """Return a secret and `count` HS256 tokens (RFC 7518 section 3.2)."""
    secret = secrets.token_hex(32)

    def sign(text: bytes) -> bytes:
        return hmac.digest(secret.encode(), text, "sha256")

    return secret, [_jwt("HS256", number, sign) for number in range(count)]


def _jwt(algorithm: str, number: int, sign: Callable[[bytes], bytes]) -> str:
    claims = {"iss": ISSUER, "sub": f"system-{number}", "scope": SCOPE, "exp": int(time.time()) + 3 * 3600}
    signed = f"{_part({'alg': algorithm, 'typ': 'at+jwt'})}.{_part(claims)}"
    return f"{signed}.{_base64(sign(signed.encode()))}"


def _part(document: object) -> str:
    return _base64(json.dumps(document).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
