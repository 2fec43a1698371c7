"""Real proxies before a server of ours, configured by the files in `deploy/`: nginx and Caddy as processes of their own.

Where a program is absent, the tests that need it skip and say so.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from monitor.core.schema import read
from monitor.web.live import Limits
from monitor.web.page import PageFiles
from monitor.web_table import WebConfig
from tests.book_lines import line
from tests.faults.house import ROOT, until
from tests.web.desk import WebDesk, serving

SECRET = "abcdefghijklmnopqrstuvwxyz0123456789"
TOKEN = {"name": "ops", "role": "admin", "secret": SECRET}
FILES = {
    "nginx": ("loan-monitor.conf", "below-a-path.conf"),
    "caddy": ("Caddyfile", "below-a-path.Caddyfile"),
}
BLOCKS = [(kind, (ROOT / "deploy" / kind / file).read_text()) for kind, files in FILES.items() for file in files]
SIGNED_IN = {
    "nginx": (ROOT / "deploy" / "nginx" / "signed-in.conf").read_text(),
    "caddy": (ROOT / "deploy" / "caddy" / "signed-in.Caddyfile").read_text(),
}
"""Behind a service that signs people in."""
SERVICE = "127.0.0.1:4180"
PLAIN = """
server {
    listen 443 ssl http2;
    server_name risk.desk.example;
    ssl_certificate /etc/ssl/risk.desk.example.pem;
    ssl_certificate_key /etc/ssl/risk.desk.example.key;
    location / { proxy_pass http://127.0.0.1:8080; }
}
"""
"""As most people begin: Host is that of the upstream, nothing is forwarded, and the proxy speaks HTTP/1.0."""


class Here(AbstractResolver):
    """Every name is this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        flags = socket.AI_NUMERICHOST
        found = ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=flags)
        return [found]

    async def close(self) -> None:
        """Nothing to free."""


def made_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for the names of the documentation, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine to make a certificate")
    made, key = folder / "cert.pem", folder / "key.pem"
    names = "subjectAltName=DNS:risk.desk.example,DNS:desk.example"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(made), "-days", "2", "-subj", "/CN=desk", "-addext", names]
    subprocess.run(command, check=True, capture_output=True)
    return made, key


class Proxied:
    """A proxy that is running: the address that people open, and clients of their own."""

    def __init__(self, url: str, certificate: Path, upstream: str) -> None:
        self.url, self.certificate, self.upstream = url, certificate, upstream

    @property
    def origin(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @asynccontextmanager
    async def person(self, address: str = "127.0.0.1") -> AsyncIterator[aiohttp.ClientSession]:
        """A browser at an address of this machine, with cookies."""
        tls = ssl.create_default_context(cafile=str(self.certificate))
        connector = aiohttp.TCPConnector(resolver=Here(), ssl=tls, local_addr=(address, 0))
        async with aiohttp.ClientSession(connector=connector, base_url=f"{self.url}/") as session:
            yield session


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def nginx(text: str, folder: Path, port: int) -> list[str]:
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = text.replace("listen 443", f"listen 127.0.0.1:{port}")
    whole = f"pid {folder}/pid;\nerror_log {folder}/error.log;\ndaemon off;\nmaster_process off;\nevents {{}}\n"
    (folder / "nginx.conf").write_text(f"{whole}http {{\naccess_log off;\n{temporary}{text}}}\n")
    return ["nginx", "-p", str(folder), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]


def caddy(text: str, folder: Path, port: int, certificate: tuple[Path, Path]) -> list[str]:
    """Its own certificates need the internet: ours stand in for them."""
    mine = rf"\1:{port} {{\n    bind 127.0.0.1\n    tls {certificate[0]} {certificate[1]}"
    text = re.sub(r"^(\w\S+) \{", mine, text, count=1, flags=re.MULTILINE)
    (folder / "Caddyfile").write_text("{\n    admin off\n    auto_https disable_redirects\n}\n" + text)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", f"{folder}/Caddyfile"]


@asynccontextmanager
async def proxied(
    kind: str, text: str, certificate: tuple[Path, Path], folder: Path, *, service: str = SERVICE, **web: Any
) -> AsyncIterator[tuple[Proxied, WebDesk]]:
    """A desk behind a proxy. `public_url=True`: the configuration names the address; False: it does not.

    `service`: where the one is that signs people in."""
    if shutil.which(kind) is None:
        pytest.skip(f"no {kind} on this machine; install it by the package tool")
    port = free_port()
    name = "desk.example" if "/monitor/" in text else "risk.desk.example"
    url = f"https://{name}:{port}" + ("/monitor" if "/monitor/" in text else "")
    if web.pop("public_url", True):
        web["public_url"] = url
    desk = WebDesk()
    config = read(WebConfig, {"tokens": [TOKEN], **web}, "web", folder)
    async with serving(desk, config, Limits(status_every=4), PageFiles()) as upstream:
        text = text.replace("127.0.0.1:8080", upstream.removeprefix("http://")).replace(SERVICE, service)
        text = re.sub(r"/etc/ssl/\S+\.pem", str(certificate[0]), text)
        text = re.sub(r"/etc/ssl/\S+\.key", str(certificate[1]), text)
        command = nginx(text, folder, port) if kind == "nginx" else caddy(text, folder, port, certificate)
        env = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        with (folder / "proxy.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, env=env)

        def listens() -> bool:
            assert process.returncode is None, (folder / "proxy.log").read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        try:
            await until(listens, f"{kind} listens")
            yield Proxied(url, certificate[0], upstream), desk
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()


async def put(http: aiohttp.ClientSession, id_: str) -> None:
    """Puts a group by the API, as a program does."""
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with http.put(
        URL(f"v1/groups/{quote(id_, safe='')}", encoded=True), json=line(id_), headers=headers
    ) as answer:
        assert answer.status == 201, await answer.text()
