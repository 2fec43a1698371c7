"""What `monitor doctor` finds of the way to shards on other machines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from monitor.cli.findings import Finding
from monitor.engine.spread.ray_wire import has_tls, lacks
from monitor.tables import EngineTable
from monitor.web_table import is_loopback


def of_ray(engine: EngineTable, environ: Mapping[str, str], home: Path) -> list[Finding]:
    """What is missing where Ray may be reached from beyond this machine. Ray takes both from its environment alone."""
    address = environ.get("RAY_ADDRESS", "") if engine.ray == "auto" else engine.ray
    host = _host(address)
    if not engine.ray:
        return []
    if has_tls(environ) and (why := lacks(environ)):
        return [Finding("ray wire", "trouble", why)]
    if host and is_loopback(host):
        return []
    # Which machines the cluster of this machine has only Ray knows: this one alone needs neither.
    status: Literal["note", "trouble"] = "trouble" if host else "note"
    where = f"Ray at {address}" if host else "where Ray has other machines"
    found = []
    if not has_tls(environ):
        text = f"{where}: no TLS, so who is on the way reads and changes prices, groups and code"
        found.append(
            Finding("ray wire", status, f"{text}; set RAY_USE_TLS=1 and its certificates, here and where Ray starts")
        )
    if not _has_token(environ, home):
        text = f"{where}: no token, so who reaches its ports runs what he likes"
        found.append(
            Finding("ray token", status, f"{text}; set RAY_AUTH_MODE=token and a token, here and where Ray starts")
        )
    return found or [Finding("ray wire", "fine", f"{where}: TLS and a token")]


def _host(address: str) -> str:
    if not address or address in ("auto", "local"):
        return ""
    return urlsplit(address if "//" in address else f"//{address}").hostname or ""


def _has_token(environ: Mapping[str, str], home: Path) -> bool:
    """Ray asks for one in the mode `token`, and where no mode is set and there is one."""
    if environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return False
    if environ.get("RAY_AUTH_TOKEN", "").strip():
        return True
    path = Path(environ.get("RAY_AUTH_TOKEN_PATH") or home / ".ray" / "auth_token")
    try:
        return bool(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return False
