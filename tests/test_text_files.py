"""A byte order mark at the start of a file is no part of a key or a secret."""

import codecs
from pathlib import Path

import pytest

from monitor import config
from monitor.secret_files import read_secret
from monitor.text_files import read_text

TEXT = "geheim-Ł"
FORMS = {
    "plain": TEXT.encode(),
    "utf-8": codecs.BOM_UTF8 + TEXT.encode(),
    "utf-16, little": codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
    "utf-16, big": codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_text_is_read_as_its_mark_says(tmp_path: Path, form: str) -> None:
    (tmp_path / "secret").write_bytes(FORMS[form] + (b"" if "16" in form else b"\n"))
    assert read_text(tmp_path / "secret").strip() == TEXT
    (tmp_path / "secret").chmod(0o600)
    assert read_secret(None, tmp_path / "secret") == TEXT


def test_a_text_of_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes("Ł".encode("iso8859-2"))
    with pytest.raises(UnicodeDecodeError):
        read_text(tmp_path / "secret")


def test_a_configuration_with_a_mark_is_read(tmp_path: Path) -> None:
    for name in ("monitor.toml", "vip_loan.toml"):
        source = Path("config") / (name if name == "monitor.toml" else f"products/{name}")
        text = source.read_text().replace("products/vip_loan.toml", "vip_loan.toml")
        (tmp_path / name).write_bytes(codecs.BOM_UTF8 + text.encode())
    try:
        config.load(tmp_path / "monitor.toml")
    except config.BadConfig as e:
        assert not [p for p in e.problems if "is not TOML" in p], e.problems
