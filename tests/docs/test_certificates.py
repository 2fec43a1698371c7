"""docs/certificates.md: a house authority is trusted where it is named, and only there."""

from __future__ import annotations

import asyncio
import ssl
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from monitor.clock import SystemClock
from tests.docs.blocks import ROOT, blocks_of
from tests.faults.house import House, webhook
from tests.here import Here

NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "House authority")])


def certificate(key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, *, is_authority: bool) -> bytes:
    """One of the house: its authority, or that of a server on loopback, which it signed."""
    now = SystemClock().utc()
    name = NAME if is_authority else x509.Name([])
    made = x509.CertificateBuilder(NAME, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    if not is_authority:
        address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
        made = made.add_extension(address, critical=True)
    return made.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM)


async def test_a_house_authority_is_trusted_by_one_channel_or_by_all_of_the_daemon(tmp_path: Path, here: Here) -> None:
    """A server with a certificate of the house: refused with the reason, and taken by `ca_file` and by `SSL_CERT_FILE`."""
    house_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "house-ca.pem").write_bytes(certificate(house_key, house_key, is_authority=True))
    pair = server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "server.pem").write_bytes(pair + certificate(server_key, house_key, is_authority=False))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "server.pem")
    app = web.Application()
    app.router.add_post("/hook", taken)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}/hook"
    house = House(tmp_path)
    house.write(webhook("plain", url), webhook("named", url) + 'ca_file = "house-ca.pem"\n', feed=False)
    refused = await here("send-test", "plain", "--config", "monitor.toml")
    named = await here("send-test", "named", "--config", "monitor.toml")
    env = {"SSL_CERT_FILE": await bundle(tmp_path)}  # is read when Python starts
    trusted = await asyncio.to_thread(house.command, "send-test", "plain", "--config", "monitor.toml", env=env)
    assert (refused.code, "the certificate is not trusted: unable to get local issuer" in refused.err) == (1, True), (
        refused
    )
    assert named.code == 0, named
    assert trusted.code == 0, trusted
    await runner.cleanup()


async def taken(_: web.Request) -> web.Response:
    return web.Response()


async def bundle(folder: Path) -> str:
    """By the command of the document, with the public authorities of this machine or none."""
    (block,) = [b for b in blocks_of(ROOT / "docs/certificates.md") if b.language == "sh"]
    public = Path("/etc/ssl/certs/ca-certificates.crt")
    command = block.text if await asyncio.to_thread(public.is_file) else block.text.replace(str(public), "")
    process = await asyncio.create_subprocess_shell(command, cwd=folder)
    assert await process.wait() == 0
    return str(folder / "house-and-public.pem")
