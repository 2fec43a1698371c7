"""The monitor behind a reverse proxy: which address people use, whom the proxy speaks for, and which origin is our own."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import quote

from aiohttp import web

from monitor.addresses import Network
from monitor.core.alerts.alert import Alert


def client_of(request: web.Request, trusted: Sequence[Network]) -> str:
    """The address that asks. A trusted proxy names those before it; what an unknown peer claims counts for nothing."""
    address = request.remote or ""
    if not _is_in(address, trusted):
        return address
    before = [part.strip() for line in request.headers.getall("X-Forwarded-For", []) for part in line.split(",")]
    for each in reversed(before):
        if not _is_address(each):
            return address
        address = each
        if not _is_in(each, trusted):
            return each
    return address


def is_https(request: web.Request, trusted: Sequence[Network]) -> bool:
    """The browser speaks https: by its own Origin, or by the word of a trusted proxy."""
    if request.headers.get("Origin", "").startswith("https://"):
        return True
    said = request.headers.get("X-Forwarded-Proto", "")
    return _is_in(request.remote or "", trusted) and said.rpartition(",")[2].strip().lower() == "https"


def asked_host(request: web.Request, trusted: Sequence[Network]) -> str | None:
    """The host that the browser asked for, by the word of a trusted proxy; None where there is no such word."""
    said = request.headers.get("X-Forwarded-Host", "").rpartition(",")[2].strip()
    return said if said and _is_in(request.remote or "", trusted) else None


_PLACES = {
    "price": "prices",
    "feed": "prices",
    "delivery": "prices",
    "channel": "prices",
    "fund": "exposure",
    "exposure": "exposure",
}
"""The page for alerts about no group, by the first word of their type. Feeds and channels stand beside the prices."""


def link_of(public_url: str, alert: Alert) -> str:
    """The page of what an alert is about."""
    is_of_group = str(alert.facts.get("alert_type", "")).startswith("loan_group.")  # `delivery.lost` about its notice
    if alert.group is not None or is_of_group:
        place = f"group/{quote(alert.group.id if alert.group is not None else alert.subject, safe='')}"
    else:
        place = _PLACES.get(alert.type.partition(".")[0], "alerts")
    return f"{public_url.rstrip('/')}/#/{place}"


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    if not networks or not _is_address(address):
        return False
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True
