"""How a feed opens a connection: the proxy that the environment names, and in words what stood in the way."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from urllib.request import getproxies, proxy_bypass

from websockets.exceptions import InvalidMessage, InvalidProxy, InvalidStatus, ProxyError
from websockets.proxy import parse_proxy
from websockets.uri import parse_uri

from monitor.addresses import scrubbed, shown_url

LONGEST = 240
"""Letters of a cause: a peer writes some of it."""

_MEANING = {
    400: "the venue does not understand the request",
    401: "the venue wants credentials",
    403: "the venue forbids it",
    404: "the venue has no such address",
    410: "the address is retired",
    418: "the venue has banned this machine's address for too many requests",
    429: "the venue asks for fewer requests",
    451: "the venue does not serve this place, for legal reasons",
}
WAITS = frozenset({401, 403, 404, 410, 418, 429, 451})
"""Answers that no quick retry will change: the feed waits the longest pause at once."""


class Proxy:
    """The proxy that the environment names for an address, if any, and by which variable."""

    def __init__(self, url: str) -> None:
        self.variable = ""
        self.address: str | None = None
        target = parse_uri(url.replace("http", "ws", 1) if url.startswith("http") else url)
        proxies = getproxies()
        kinds = ("wss", "socks", "https", "all") if target.secure else ("ws", "socks", "https", "http", "all")
        kind = next((kind for kind in kinds if proxies.get(kind)), None)
        if kind is not None and not proxy_bypass(f"{target.host}:{target.port}"):
            self.variable = f"{kind}_proxy"
            self.address = proxies[kind]

    def problem(self, e: BaseException | None = None) -> str:
        """Why it cannot be used, in words; empty where there is none, or where nothing is wrong with it."""
        if self.address is None:
            return ""
        what = f"a proxy is named in {self.variable} ({shown_url(self.address)}) and cannot be used"
        try:
            scheme = parse_proxy(self.address).scheme
        except (InvalidProxy, ValueError):
            return f"{what}: its address is not one; write it as http://host:port"
        if not scheme.startswith("http"):
            return f"{what}: only http:// and https:// proxies can be"
        if isinstance(e, OSError | ProxyError | InvalidProxy) and not isinstance(e, ssl.SSLError):
            return f"{what}: {_plain(e)}"
        return ""


def cause(e: BaseException, url: str, proxy: Proxy | None = None) -> str:
    """Why an attempt to connect failed, in words and without secrets."""
    words = (proxy.problem(e) if proxy else "") or _redirect(e) or _status(e) or _plain(e)
    secrets = (url, proxy.address) if proxy is not None and proxy.address else (url,)
    return printable(scrubbed(words, *secrets))[:LONGEST]


def printable(text: str) -> str:
    """A text that a peer wrote, as one line without signs that steer a terminal."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _redirect(e: BaseException) -> str:
    """In a failed redirect the answer of the venue stands behind the error that came of it."""
    for answer in _chain(e):
        if isinstance(answer, InvalidStatus) and 300 <= answer.response.status_code < 400:
            targets = " and ".join(shown_url(place) for place in answer.response.headers.get_all("Location"))
            to = f"to {targets}" if targets else "without saying where to"
            return f"HTTP {answer.response.status_code} is a redirect {to}; put the right address into url"
    return ""


def _status(e: BaseException) -> str:
    if not isinstance(e, InvalidStatus):
        return ""
    code = e.response.status_code
    meaning = _MEANING.get(code, "")
    return f"refused with HTTP {code}" + (f": {meaning}" if meaning else "")


def _plain(e: BaseException) -> str:
    if isinstance(e, TimeoutError):
        return "no answer in time"
    if isinstance(e, ssl.SSLCertVerificationError):
        return f"the certificate is not to be trusted: {e.verify_message}"
    if isinstance(e, ssl.SSLError):
        return f"no TLS: {e.reason or e}"
    if isinstance(e, InvalidMessage | EOFError):
        return f"the answer is no HTTP: {e.__cause__ or e}"
    return f"{type(e).__name__}: {e}"


def _chain(e: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = e
    for _ in range(8):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__
