"""The proxies of deploy/, run with their own configuration: only addresses, ports and paths are others."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import NamedTuple

from harness.process import free_port
from harness.waiting import eventually

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
GATEWAY = "127.0.0.1:8080"
FOLDER = "/etc/ssl/onepush"


class Certificate(NamedTuple):
    """PEM files of a self-signed certificate for localhost."""

    chain: Path
    key: Path
    both: Path


def make_certificate(folder: Path) -> Certificate:
    """Let openssl make one that lives two days."""
    found = Certificate(folder / "fullchain.pem", folder / "privkey.pem", folder / "onepush.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(found.key), "-out", str(found.chain)]
    subprocess.run([*command, *names, *files], check=True, capture_output=True, timeout=60)
    found.both.write_bytes(found.chain.read_bytes() + found.key.read_bytes())
    return found


def replaced(text: str, changes: dict[str, str]) -> str:
    """The text with these parts exchanged; each of them must be there."""
    for old, new in changes.items():
        assert old in text, f"{old!r} is not in the configuration any more"
        text = text.replace(old, new)
    return text


def nginx_configuration(folder: Path, port: int, servers: str, chain: Path, key: Path) -> Path:
    """A whole nginx.conf around deploy/nginx.conf. ``servers``: the lines of its upstream."""
    site = folder / "site.conf"
    changes = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        f"server {GATEWAY};": servers,
        f"{FOLDER}/fullchain.pem": str(chain),
        f"{FOLDER}/privkey.pem": str(key),
        "/var/log/nginx": str(folder),
    }
    site.write_text(replaced((DEPLOY / "nginx.conf").read_text(), changes))
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds if kind in _built_in())
    user = "user root;" if os.geteuid() == 0 else ""
    whole = folder / "nginx.conf"
    whole.write_text(
        f"{user}\npid {folder}/nginx.pid;\ndaemon off;\nerror_log {folder}/main.log;\n"
        f"events {{ worker_connections 1000; }}\nhttp {{ {temporary}\ninclude {site}; }}\n"
    )
    return whole


def _built_in() -> set[str]:
    """Kinds of upstreams that this nginx was built with: their folders have to be named."""
    told = subprocess.run(["nginx", "-V"], capture_output=True, text=True, timeout=10, check=True).stderr
    optional = {"fastcgi", "uwsgi", "scgi"}
    return {"client_body", "proxy"} | {one for one in optional if f"--without-http_{one}_module" not in told}


def haproxy_configuration(folder: Path, port: int, servers: str, both: Path) -> Path:
    """deploy/haproxy.cfg. ``servers``: the lines of its backend."""
    text = (DEPLOY / "haproxy.cfg").read_text()
    line = next(line for line in text.splitlines() if GATEWAY in line)
    changes = {
        "bind :443": f"bind 127.0.0.1:{port}",
        line: servers,
        f"{FOLDER}/onepush.pem": str(both),
        "log /dev/log local0 notice": "log stdout format raw local0",
        "maxconn 20000": "maxconn 500",
    }
    if os.geteuid() != 0:
        changes |= {"    user haproxy\n    group haproxy\n": ""}
    whole = folder / "haproxy.cfg"
    whole.write_text(replaced(text, changes))
    return whole


class Proxy:
    """A running proxy in front of one or more gateways."""

    def __init__(self, name: str, folder: Path, certificate: Certificate, ports: list[int]) -> None:
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.certificate = certificate
        self._folder = folder
        command = self._nginx(ports) if name == "nginx" else self._haproxy(ports)
        with (folder / "output.log").open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        eventually(self._listens)

    def _nginx(self, ports: list[int]) -> list[str]:
        servers = "\n".join(f"server 127.0.0.1:{port};" for port in ports)
        chain, key, _ = self.certificate
        whole = nginx_configuration(self._folder, self.port, servers, chain, key)
        return ["nginx", "-p", str(self._folder), "-c", str(whole)]

    def _haproxy(self, ports: list[int]) -> list[str]:
        servers = "\n".join(f"    server g{number} 127.0.0.1:{port}" for number, port in enumerate(ports))
        whole = haproxy_configuration(self._folder, self.port, servers, self.certificate.both)
        return ["haproxy", "-db", "-f", str(whole)]

    def _listens(self) -> bool:
        assert self._process.poll() is None, f"the proxy has ended:\n{self.logged()}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def logged(self) -> str:
        """Everything it has written anywhere."""
        return "\n".join(path.read_text("utf-8", "replace") for path in self._folder.rglob("*.log"))

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(10)


def is_installed(*tools: str) -> bool:
    """Whether all of these commands are there."""
    return all(map(shutil.which, tools))
