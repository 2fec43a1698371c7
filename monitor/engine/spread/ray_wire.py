"""What is wrong on the way to a cluster of Ray, in words: its library says after a minute that it could not connect."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path

USE_TLS = "RAY_USE_TLS"
CERTIFICATE, KEY, AUTHORITY = "RAY_TLS_SERVER_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_CA_CERT"
ON = ("1", "true")
LIMIT_S = 5.0
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
"""What begins a connection of gRPC: who does not take our certificate says so in its answer."""


def has_tls(environ: Mapping[str, str]) -> bool:
    """Ray reads it from its environment alone."""
    return environ.get(USE_TLS, "").lower() in ON


def lacks(environ: Mapping[str, str]) -> str:
    """What TLS needs and is not there; empty where nothing is wrong."""
    for name in (CERTIFICATE, KEY, AUTHORITY):
        path = environ.get(name, "")
        if not path:
            return f"{USE_TLS} is set and {name} is not; set it to a file in PEM"
        try:
            Path(path).read_bytes()
        except OSError as e:
            return f"{name} = {path}: {e.strerror}; name a file in PEM that the monitor may read"
    try:
        _context(environ)
    except (ssl.SSLError, OSError) as e:
        names = f"{CERTIFICATE} = {environ[CERTIFICATE]}, {KEY} = {environ[KEY]}, {AUTHORITY} = {environ[AUTHORITY]}"
        return f"{names}: {_said(e)}; they must be a certificate, its own key and its authority, in PEM"
    return ""


def refused(address: str, environ: Mapping[str, str]) -> str:
    """Why `host:port` cannot be spoken to as the environment says; empty where it can. Waits some seconds at most."""
    host, _, port = address.rpartition(":")
    where = host.strip("[]"), int(port)
    if not has_tls(environ):
        is_tls = _speaks_tls(where)
        if is_tls is None:
            return f"nothing answers at {address}; is the cluster's head up?"
        return f"{address} speaks TLS; set {USE_TLS}=1 and the certificates, as where Ray starts" if is_tls else ""
    if why := lacks(environ):
        return why
    try:
        with _connected(where) as plain, _context(environ).wrap_socket(plain, server_hostname=where[0]) as link:
            link.sendall(_HELLO)
            if link.recv(1):
                return ""
    except ssl.SSLCertVerificationError as e:
        remedy = f"{AUTHORITY} = {environ[AUTHORITY]} must be its authority, and it must name {where[0]}"
        return f"{address}: the certificate of the cluster is refused: {e.verify_message}; {remedy}"
    except ssl.SSLError as e:
        return f"{address}: no TLS with it: {_said(e)}; the cluster must have {USE_TLS}=1 too"
    except OSError as e:
        return f"nothing answers at {address}: {_said(e)}; is the cluster's head up, with {USE_TLS}=1 too?"
    return f"{address}: it refuses {CERTIFICATE} = {environ[CERTIFICATE]}; it must be of the authority of the cluster"


def _context(environ: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=environ[AUTHORITY])
    context.load_cert_chain(environ[CERTIFICATE], environ[KEY])
    context.set_alpn_protocols(["h2"])
    return context


def _connected(where: tuple[str, int]) -> socket.socket:
    return socket.create_connection(where, LIMIT_S)


def _speaks_tls(where: tuple[str, int]) -> bool | None:
    """Whether it answers the first word of TLS; None where nothing answers at all."""
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE  # it is only looked at, and told nothing
    anybody.set_alpn_protocols(["h2"])
    try:
        plain = _connected(where)
    except OSError:
        return None
    with plain, contextlib.suppress(OSError), anybody.wrap_socket(plain):
        return True
    return False


def _said(e: OSError) -> str:
    return e.strerror or type(e).__name__
