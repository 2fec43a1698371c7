"""A source may have names of its own for coins: they are read as ours, from it alone."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from monitor import config
from monitor.books._aliases import AliasedReader, aliased, renamed
from monitor.books._base import PlainReader
from monitor.core.schema import Invalid
from monitor.engine.columns.names import Names
from monitor.engine.ingest.reader import BlockReader
from tests.coin_desk import START, line, loan
from tests.core.desk import product

PRODUCTS = {"vip_loan": product()}
XBT = {"XBT": "USDT", "xcoin": "COIN"}


def held(coins: dict[str, Any], group: str = "G-1") -> dict[str, Any]:
    return line(group, collateral={f"acct-{group}": coins}, balances={f"acct-{group}": coins}, loans=[loan("xcoin")])


def test_coins_of_collateral_balances_and_loans_are_renamed_and_two_names_are_added_up() -> None:
    reader = AliasedReader(PlainReader(lambda: PRODUCTS), XBT)
    group = reader.parse(held({"XBT": "1.5", "USDT": "2"}), START)
    assert group.collateral == group.balances == {"acct-G-1": {"USDT": Decimal("3.5")}}
    assert [each.asset for each in group.loans] == ["COIN"]
    assert aliased(reader, {}) is reader


@pytest.mark.parametrize("wrong", [{"XBT": "x", "USDT": "2"}, {"XBT": "1", "USDT": 2}])
def test_what_cannot_be_added_up_is_refused_and_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="expected a decimal number in quotes"):
        AliasedReader(PlainReader(lambda: PRODUCTS), XBT).parse(held(wrong), START)
    assert renamed("no line", XBT) == "no line"


def test_a_page_packs_the_lines_without_an_alias_and_leaves_the_others_in_their_places() -> None:
    reader = AliasedReader(BlockReader(lambda: PRODUCTS, Names()), XBT)
    lines = [
        line("G-0"),
        held({"XBT": "1"}, "G-1"),
        line("G-2"),
        line("G-3", collateral={"acct-G-3": {"X\\u0042T": "1"}}),
    ]
    raws = [json.dumps(each).replace("\\\\", "\\").encode() for each in lines]
    packed = reader.pack(raws, START, "book")
    assert packed is not None
    assert (list(packed.batch.ids()), packed.rest) == (["G-0", "G-2"], [1, 3])
    assert [reader.parse(json.loads(raws[i]), START).quantities() for i in packed.rest] == [{"USDT": Decimal(1)}] * 2


@pytest.mark.parametrize(
    ("aliases", "said"),
    [
        ('{ XBT = "BTC" }', None),
        ('{ XBT = "b tc" }', "book[0].aliases.XBT: found 'b tc', expected the name of a coin"),
        ('{ XBT = "WBT", WBT = "BTC" }', "XBT stands for WBT, which is an alias itself"),
    ],
)
def test_aliases_of_a_book_are_checked(aliases: str, said: str | None, tmp_path: Path) -> None:
    case = Path(__file__).parents[1] / "cases" / "lending" / "coins-as-venues-call-them"
    (tmp_path / "vip_loan.toml").write_text((case / "vip_loan.toml").read_text())
    own = f'\n[[book]]\nkind = "file"\npath = "book.jsonl"\naliases = {aliases}\n'
    (tmp_path / "monitor.toml").write_text((case / "monitor.toml").read_text() + own)
    if said is None:
        assert config.load(tmp_path / "monitor.toml").books[0].names.aliases == {"XBT": "BTC"}
    else:
        with pytest.raises(config.BadConfig, match="aliases") as e:
            config.load(tmp_path / "monitor.toml")
        assert said in str(e.value)
