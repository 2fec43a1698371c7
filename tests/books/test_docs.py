"""The examples of docs/books.md are configurations that work."""

import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from monitor import plugins
from monitor.books._base import KeptBook, PlainReader
from monitor.clock import SystemClock
from monitor.config import load

ROOT = Path(__file__).parents[2]
SECTIONS = re.split(r"^## ", (ROOT / "docs" / "books.md").read_text(), flags=re.MULTILINE)
MINE = ("binance_vip",)


@pytest.mark.parametrize("kind", MINE)
def test_the_example_of_a_kind_is_taken_and_builds(kind: str, tmp_path: Path) -> None:
    (section,) = [each for each in SECTIONS if each.startswith(f"{kind}\n")]
    (example,) = re.findall(r"```toml\n(.*?)```", section, re.DOTALL)
    (tmp_path / "monitor.toml").write_text(example)
    (tmp_path / "vip_loan.toml").write_bytes((ROOT / "config" / "products" / "vip_loan.toml").read_bytes())
    (tmp_path / "secrets").mkdir()
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for name in re.findall(r'"(secrets/[^"]+)"', example):
        (tmp_path / name).write_bytes(pem if name.endswith(".pem") else b"text")
        (tmp_path / name).chmod(0o600)
    config = load(tmp_path / "monitor.toml")
    (part,) = config.books
    book = plugins.module("books", kind).build(
        part.name, part.config, PlainReader(lambda: config.rules.products), SystemClock(), KeptBook()
    )
    assert book.name == "vip"
