"""The examples of docs/books.md are loaded as they stand, and what cannot work in them is named before a book runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from monitor.cli.main import check_config
from monitor.config import BadConfig, load
from monitor.daemon import wiring

ROOT = Path(__file__).parents[2]
EXAMPLES = [
    e for e in re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "books.md").read_text(), re.S) if "[[book]]" in e
]
LENDERS = ("binance_margin", "bybit", "okx", "aave", "coinbase_prime")
KINDS = (
    "cross_margin_classic", "isolated_margin", "bybit_loan", "okx_loan", "aave_v3", "prime_margin", "vip_loan"
)  # fmt: skip


def kind_of(example: str) -> str:
    (book,) = tomllib.loads(example)["book"]
    return str(book["kind"])


OURS = [example for example in EXAMPLES if kind_of(example) in LENDERS]


def written(folder: Path, example: str, products: tuple[str, ...] = KINDS) -> Path:
    """A configuration with the example in it, and the files that it names."""
    tables = [f'[[product]]\nkind = "{kind}"\nfile = "{ROOT}/config/products/{kind}.toml"\n' for kind in products]
    text = '[monitor]\nname = "desk-1"\nstate_dir = "state"\n' + "\n".join(tables) + example
    for name in re.findall(r'_file = "(.*?)"', example):
        (folder / name).write_text("a-secret-of-the-test")
        (folder / name).chmod(0o600)
    path = folder / "desk.toml"
    path.write_text(text)
    return path


def test_each_lender_has_an_example() -> None:
    assert {kind_of(example) for example in OURS} == set(LENDERS)


@pytest.mark.parametrize("example", OURS, ids=kind_of)
def test_an_example_is_loaded_and_check_config_finds_nothing(
    example: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, example)
    assert check_config(config=path) == 0, capsys.readouterr()
    (book,) = load(path).books
    assert (book.kind, book.name) == (kind_of(example), tomllib.loads(example)["book"][0]["name"])


@pytest.mark.parametrize("example", OURS, ids=kind_of)
def test_a_key_that_cannot_be_read_is_named(example: str, tmp_path: Path) -> None:
    path = written(tmp_path, example)
    config = load(path)
    for key, file in config.books[0].config.secrets.items():
        file.unlink()
        (problem,) = wiring.unusable(path, config.named)
        assert key in problem
        assert str(file) in problem
        file.write_text("a-secret-of-the-test")


@pytest.mark.parametrize("example", OURS, ids=kind_of)
def test_a_product_that_is_not_configured_is_named(example: str, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="which is not configured; add a"):
        load(written(tmp_path, example, ("vip_loan",)))


def test_either_product_of_a_cross_account_is_enough(tmp_path: Path) -> None:
    (example,) = [example for example in OURS if kind_of(example) == "binance_margin"]
    load(written(tmp_path, example, ("cross_margin_pro", "isolated_margin")))
    with pytest.raises(BadConfig) as found:
        load(written(tmp_path, example, ("cross_margin_pro",)))
    assert "'isolated_margin'" in str(found.value)
