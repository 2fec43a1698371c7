"""Addresses of other machines: which are public, how to connect to no other, and how to show one without its secrets.

The check of an address stands where the socket is made. A check of the name would miss two cases: nobody resolves an
address that stands in the URL, and a name may resolve to another address by the time of the connection.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiohttp

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# `is_global` lets these pass, though they lead inside or nowhere: protocol assignments (a cloud's metadata), multicast,
# documentation, and relays and tunnels that carry any IPv4 address.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(n)
    for n in (
        "0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
        "2001::/32", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
)  # fmt: skip
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""The assigned part of IPv6. Outside lie translations to IPv4 (NAT64, SIIT), local, old and unassigned ranges."""


def is_public(address: str) -> bool:
    """Whether an IP address is a host on the public internet, and nothing else."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    is_given_out = ip.version == 4 or ip in _GLOBAL_UNICAST
    return is_given_out and ip.is_global and not any(ip in net for net in _NOT_PUBLIC)


class AddressRefused(OSError):
    """The host's address is private, loopback or reserved, and the configuration does not allow such."""

    def __init__(self) -> None:
        super().__init__("the address is private or reserved; allow_private = true permits that")


def is_inside(host: str, allow: Sequence[Network] = ()) -> bool:
    """Whether the host is an address that is neither public nor allowed. A name is judged when we connect to it."""
    try:
        return not (is_public(host) or is_allowed(host, allow))
    except ValueError:
        return False


def is_allowed(address: str, allow: Sequence[Network]) -> bool:
    """Whether an IP address lies in one of the networks; an IPv4 address in the form of IPv6 counts as what it is."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip in network for network in allow)


def is_own(address: str) -> bool:
    """Whether an IP address is one of this machine's: a packet to it would leave from itself. Sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, _DISCARD_PORT))
            return str(probe.getsockname()[0]) == address
    except OSError:
        return False  # no way leads there, so neither will the connection


_DISCARD_PORT = 9


def guarded_socket(
    *, allow_private: bool, allow: Sequence[Network] = ()
) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    """Makes the sockets of a `TCPConnector(socket_factory=...)`, and raises AddressRefused for an address inside.

    aiohttp calls it for every connection with the final address, even where the URL states an address. Inside is what is
    not public, and this machine by its public address, as far as `allow` does not name it.
    """

    def make(addr_info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = addr_info
        host = str(address[0])
        if not allow_private and not is_allowed(host, allow) and (not is_public(host) or is_own(host)):
            raise AddressRefused
        return socket.socket(family, kind, protocol)

    return make


_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?", re.ASCII)


def is_host(name: str | None) -> bool:
    """Whether a text can be the name or the address of a host, an international name in its ASCII form included."""
    if not name or len(name) > 253:
        return False
    try:
        ipaddress.ip_address(name.strip("[]").partition("%")[0])
    except ValueError:
        try:
            return _HOST.fullmatch(name.encode("idna").decode()) is not None
        except UnicodeError:
            return _HOST.fullmatch(name) is not None
    return True


def check_port(key: str, url: str) -> None:
    """Raises ValueError where the address names a port that there is not."""
    try:
        port = urlsplit(url).port
    except ValueError:
        port = 0
    if port == 0:
        found = urlsplit(url).netloc.rpartition("@")[2].rpartition(":")[2]
        raise ValueError(f"{key}: found port {found[:40]!r}, expected a number from 1 to 65535")


def check_redis(key: str, url: str) -> None:
    """Raises ValueError unless it is the address of a Redis: a host by name or number, or a socket of this machine."""
    parts = urlsplit(url)
    is_socket = parts.scheme == "unix" and parts.path not in ("", "/")
    if not is_socket and (parts.scheme not in ("redis", "rediss") or not is_host(parts.hostname)):
        expected = "expected redis://host:port/db, rediss:// or unix:///path"
        raise ValueError(f"{key}: found {shown_url(url)!r}, {expected}")
    check_port(key, url)


def check_certificates(key: str, path: Path) -> None:
    """Raises ValueError where a file of trusted certificates cannot be used."""
    try:
        ssl.create_default_context(cafile=str(path))
    except OSError as e:
        raise ValueError(f"{key}: {path}: {e.strerror or e}; expected certificates in PEM form") from None


_DEFAULT_PORTS = {"http": "80", "https": "443"}


def origin_of(url: str) -> tuple[str, str, str] | None:
    """Scheme, host and port of an address, or of an Origin header; None where it has none."""
    try:
        parts = urlsplit(url)
        port = str(parts.port) if parts.port else _DEFAULT_PORTS.get(parts.scheme, "")
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port


def check_public_url(url: str) -> None:
    """Raises ValueError unless it is an origin that people can open, with a path or without."""
    parts = urlsplit(url)
    if origin_of(url) is None or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(
            f"found {url[:80]!r}, expected the address that people open, such as https://risk.desk.example"
        )


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """The networks that a configuration lists. Raises ValueError."""
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError:
            raise ValueError(f"found {text[:60]!r}, expected an address or a network such as 10.0.0.0/24") from None
    return tuple(found)


def shown_url(url: str) -> str:
    """Scheme, host and port of a URL. Its user, path and query stay out: they may hold secrets."""
    try:
        parts = urlsplit(url)
        if "@" in parts.path:
            _ = parts.port  # a port of letters may be the first piece of a password that holds a slash
    except ValueError:
        return "no address"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}" if host else "no address"


def scrubbed(text: str, *urls: str) -> str:
    """A text, such as that of an exception, without what these addresses hold of secrets: user, password, tokens."""
    for url in urls:
        for secret in sorted(_secrets(url), key=len, reverse=True):
            text = text.replace(secret, "***")
    return _USERINFO.sub(r"\1***@", text)


_USERINFO = re.compile(r"(//)[^/@\s'\"]*@")
_SHORTEST_SECRET = 3
"""A shorter piece would take away letters of other words."""


def _secrets(url: str) -> set[str]:
    """The pieces of an address that may be secret, as they stand, decoded, and as a header would carry them."""
    head, _, query = url.partition("?")
    user = head.partition("//")[2].partition("/")[0].rpartition("@")[0]
    password = user.partition(":")[2]
    pieces = {user, password, *(pair.partition("=")[2] for pair in re.split("[&#]", query))}
    pieces |= {unquote(piece) for piece in pieces}
    pieces.add(base64.b64encode(unquote(user).encode(errors="replace")).decode())
    return {piece for piece in pieces if len(piece) >= _SHORTEST_SECRET}
