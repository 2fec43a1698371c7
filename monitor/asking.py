"""What all share who ask an address over HTTP again and again: the session, the words for a failure, the pause asked for."""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import aiohttp

from monitor.addresses import AddressRefused, guarded_socket
from monitor.bounded_http import BoundedConnector

KEEP_ALIVE_S = 15.0
"""Peers drop idle connections after a minute or less."""


def polling_session(body_bytes: int, timeout_s: float, *, allow_private: bool) -> aiohttp.ClientSession:
    """One connection to one peer, without cookies, proxies of the environment, or bodies that grow when they are unpacked."""
    connector = BoundedConnector(
        body_bytes=2 * body_bytes,  # whoever reads a body counts it exactly, without what chunks add
        socket_factory=guarded_socket(allow_private=allow_private),
        keepalive_timeout=KEEP_ALIVE_S,
        limit=1,
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,  # the limit of bytes counts what is read, so nothing may grow behind it
    )


def cause_of(e: Exception) -> str:
    """The words of the system's error, or else the name of the library's: its text may hold the address with its query."""
    known: Any = getattr(e, "os_error", e)
    if isinstance(known, AddressRefused):
        return str(known)
    if isinstance(e, aiohttp.ClientConnectorCertificateError):
        return "the certificate is not trusted"
    text: str | None = getattr(known, "strerror", None) or getattr(e, "strerror", None)
    return f"{type(e).__name__}: {text}" if text else type(e).__name__


def phrase_of(status: int) -> str:
    """` Not Found` for 404; empty for a status that has no words."""
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def retry_after_s(text: str | None, now: datetime) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or an HTTP date; None if it holds neither."""
    if text is None:
        return None
    if re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII):
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):  # not a date, or one without a zone
        return None
