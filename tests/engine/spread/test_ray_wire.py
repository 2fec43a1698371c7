"""What is wrong on the way to Ray is said in words, with place, value and remedy, before its library waits for a minute."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from monitor.engine.spread.ray_wire import lacks, refused
from tests.engine.spread.own_authority import tls_of_ray

Tls = dict[str, str]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return tls_of_ray(tmp_path_factory.mktemp("ours") / "ours", "127.0.0.1")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return tls_of_ray(tmp_path_factory.mktemp("theirs") / "theirs", "127.0.0.1")


@contextmanager
def a_peer(tls: Tls | None) -> Iterator[str]:
    """It listens as the head of a cluster does: by TLS for those of its authority, or without."""
    server = socket.create_server(("127.0.0.1", 0))
    context = None
    if tls is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls["RAY_TLS_CA_CERT"])
        context.load_cert_chain(tls["RAY_TLS_SERVER_CERT"], tls["RAY_TLS_SERVER_KEY"])
        context.verify_mode = ssl.CERT_REQUIRED
        context.set_alpn_protocols(["h2"])

    def serve() -> None:
        with suppress(OSError):
            while True:
                link, _ = server.accept()
                with link, suppress(OSError):
                    link.settimeout(1.0)
                    if context is not None:
                        with context.wrap_socket(link, server_side=True) as safe:
                            safe.sendall(b"SETTINGS")
                            safe.recv(64)
                    else:
                        link.recv(64)

    threading.Thread(target=serve, daemon=True).start()
    yield f"127.0.0.1:{server.getsockname()[1]}"
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def test_nothing_is_said_where_certificates_fit(ours: Tls) -> None:
    with a_peer(ours) as at:
        assert refused(at, ours) == ""
    with a_peer(None) as at:
        assert refused(at, {}) == ""


def test_a_certificate_of_another_authority_is_named_with_the_file_to_change(ours: Tls, theirs: Tls) -> None:
    with a_peer(theirs) as at:
        said = refused(at, ours)
        assert said.startswith(f"{at}: the certificate of the cluster is refused")
        assert f"RAY_TLS_CA_CERT = {ours['RAY_TLS_CA_CERT']} must be its authority" in said
        said = refused(at, ours | {"RAY_TLS_CA_CERT": theirs["RAY_TLS_CA_CERT"]})
    assert said.startswith(f"{at}: ")
    assert "no TLS with it" in said or "refuses RAY_TLS_SERVER_CERT" in said


def test_a_certificate_that_does_not_name_the_machine_is_said(tmp_path: Path) -> None:
    tls = tls_of_ray(tmp_path / "elsewhere", "10.0.0.7")
    with a_peer(tls) as at:
        assert "it must name 127.0.0.1" in refused(at, tls)


def test_tls_on_one_side_alone_is_said(ours: Tls) -> None:
    with a_peer(ours) as at:
        assert refused(at, {}) == f"{at} speaks TLS; set RAY_USE_TLS=1 and the certificates, as where Ray starts"
    with a_peer(None) as at:
        assert "RAY_USE_TLS=1 too" in refused(at, ours)


def test_where_nobody_listens_is_said(ours: Tls) -> None:
    with a_peer(None) as at:
        pass
    assert refused(at, {}) == f"nothing answers at {at}; is the cluster's head up?"
    assert refused(at, ours).startswith(f"nothing answers at {at}: Connection refused")


def test_files_that_are_not_there_or_do_not_fit_are_named(ours: Tls, theirs: Tls) -> None:
    assert lacks(ours) == ""
    assert lacks({"RAY_USE_TLS": "1"}) == "RAY_USE_TLS is set and RAY_TLS_SERVER_CERT is not; set it to a file in PEM"
    said = lacks(ours | {"RAY_TLS_CA_CERT": "/nowhere/ca.pem"})
    assert said.startswith("RAY_TLS_CA_CERT = /nowhere/ca.pem: No such file")
    assert "key values mismatch" in lacks(ours | {"RAY_TLS_SERVER_KEY": theirs["RAY_TLS_SERVER_KEY"]})
