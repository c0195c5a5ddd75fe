"""nginx in front of a deployment, with the very file that people are given, but for addresses and places."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.clients.authority import Authority
from tests.ports import free_port
from tests.tools import need

SHIPPED = Path(__file__).parents[2] / "deploy" / "nginx" / "shuxiang.conf"
OWN_ADDRESS = "127.0.0.2"
"""Where the front's own connections come from: callers come from another address, as they do elsewhere."""
AROUND = """daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_bind {address};
    include {folder}/shuxiang.conf;
}}
"""


class Front:
    """The front of one deployment."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self._folder, self._authority = folder, authority
        self.people, self.systems, self.data = free_port(), free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, port: int) -> str:
        """An address of the front."""
        return f"https://localhost:{port}"

    def start(self, control: str, gateway: str) -> None:
        """Start nginx for two planes that listen there, as `host:port`."""
        shown = self._authority.issue("localhost")
        changes = {
            "127.0.0.1:8001": control,
            "127.0.0.1:8000": gateway,
            "share.example.gov.cn;\n    listen 443 ": f"localhost;\n    listen 127.0.0.1:{self.people} ",
            "share.example.gov.cn;\n    listen 8443 ": f"localhost;\n    listen 127.0.0.1:{self.systems} ",
            "data.example.gov.cn;\n    listen 443 ": f"localhost;\n    listen 127.0.0.1:{self.data} ",
            "listen 443 ssl default_server": f"listen 127.0.0.1:{self.people} ssl default_server",
            "listen 8443 ssl default_server": f"listen 127.0.0.1:{self.systems} ssl default_server",
            "/etc/nginx/shuxiang/front.crt": str(shown.certificate),
            "/etc/nginx/shuxiang/front.key": str(shown.key),
            "/etc/nginx/shuxiang/authorities.pem": str(self._authority.file),
        }
        text = SHIPPED.read_text(encoding="utf-8")
        for old, new in changes.items():
            assert text.count(old) >= 1, old
            text = text.replace(old, new)
        assert ":443" not in text.replace("#   https", ""), "an address that is not of this test is left"
        (self._folder / "shuxiang.conf").write_text(text, encoding="utf-8")
        whole = AROUND.format(folder=self._folder, address=OWN_ADDRESS)
        (self._folder / "nginx.conf").write_text(whole, encoding="utf-8")
        command = [need("/usr/sbin/nginx"), "-p", str(self._folder), "-c", str(self._folder / "nginx.conf")]
        with (self._folder / "nginx.log").open("ab") as log:
            self._process = subprocess.Popen([*command, "-e", "stderr"], stderr=log)

    def log(self) -> str:
        """What nginx complained about."""
        return (self._folder / "nginx.log").read_text(encoding="utf-8")

    def stop(self) -> None:
        """Stop nginx."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
