"""An authority of a test, and one certificate of it for all programs of a cluster of Ray."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from monitor.clock import SystemClock

PEM = serialization.Encoding.PEM


def tls_of_ray(folder: Path, *addresses: str) -> dict[str, str]:
    """The environment of Ray with a certificate that names these addresses, of an authority that is made for it."""
    folder.mkdir()
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _signed(folder.name, ca_key, folder.name, ca_key, x509.BasicConstraints(ca=True, path_length=0))
    named = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(each)) for each in addresses])
    own = _signed("ray", key, folder.name, ca_key, named)
    secret = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    bodies = {"CA_CERT": authority.public_bytes(PEM), "SERVER_CERT": own.public_bytes(PEM), "SERVER_KEY": secret}
    for name, body in bodies.items():
        (folder / f"{name}.pem").write_bytes(body)
    return {"RAY_USE_TLS": "1", **{f"RAY_TLS_{name}": str(folder / f"{name}.pem") for name in bodies}}


def _signed(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    by: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = SystemClock().utc()
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (subject, issuer)]
    made = x509.CertificateBuilder(names[1], names[0], key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return made.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints)).sign(
        by, hashes.SHA256()
    )
