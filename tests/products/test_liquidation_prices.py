"""At the shown price a group stands on its line or just on the good side, one unit further it is over, for every product."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from monitor import plugins
from monitor.core.loans.group import parse_line
from monitor.core.money import exact
from monitor.core.schema import Invalid
from monitor.core.valuation.remedies import liquidation_prices, valued
from monitor.core.valuation.valuation import Holding, Weight, holding, positions, weigh
from monitor.products import aave_v3
from tests.book_lines import book_line
from tests.effort import examples
from tests.products.shelf import CONFIG, START, Shelf, shipped
from tests.reference.lenders import LENDERS
from tests.reference.lots import lot

D = Decimal
KINDS = sorted(LENDERS)


def unit_of(price: Decimal) -> Decimal:
    """What a price is rounded to: 8 decimals, or 12 significant digits where that is finer."""
    return min(D("1e-8"), D(1).scaleb(price.adjusted() - 11))


def cases(kind: str, groups: int) -> Iterator[tuple[str, Holding, dict[str, Decimal]]]:
    """Random groups of a product around its lines, with prices; some owe what they hold."""
    product = shipped(kind)
    of = lot(kind, (CONFIG / f"{kind}.toml").read_text(), seed=7, groups=groups)
    at, row = of.rows[0]
    usd = {"USDT": D(1), **{coin: D(price) for coin, price in row.items()}}
    for line in of.book:
        group = parse_line(line, at, {kind: product})
        yield group.id, holding(group, product, at), usd


def at_price(held: Holding, usd: dict[str, Decimal], asset: str, price: Decimal) -> Weight:
    return weigh(held, {**usd, asset: price})


def is_over(weight: Weight, held: Holding) -> bool:
    """Past the liquidation line, and not only on it."""
    line, falls = held.lines.liquidation, held.lines.falls
    return not weight.at_or_below(line, falls)


@pytest.mark.parametrize("kind", KINDS)
def test_at_the_shown_price_a_group_is_not_over_and_one_unit_further_it_is(kind: str) -> None:
    shown = owed_only = 0
    with exact():
        for name, held, usd in cases(kind, examples(60, 500)):
            if not held.debts or not held.assets <= usd.keys():
                continue
            of = valued(weigh(held, usd), positions(held, usd), held.lines, held.version)
            prices = liquidation_prices(of, held.lines.liquidation, dict(held.debts), usd)
            assert prices.keys() == held.assets, name
            for asset, price in prices.items():
                if price is None:
                    sides = {
                        is_over(at_price(held, usd, asset, usd[asset] * D(2) ** step), held) for step in range(-40, 41)
                    }
                    assert len(sides) == 1, (name, asset)
                    continue
                shown += 1
                owed_only += asset not in {a for a, _, _ in held.collateral}
                assert not is_over(at_price(held, usd, asset, price), held), (name, asset, price)
                beside = (price - unit_of(price), price + unit_of(price))
                assert any(is_over(at_price(held, usd, asset, each), held) for each in beside if each > 0), (
                    name,
                    asset,
                )
    assert shown > 30
    assert owed_only > 5


@pytest.mark.parametrize(
    ("kind", "group", "coin", "price"),
    [("cross_margin_classic", "S", "ETH", "3818.18181818"), ("vip_loan", "T", "BTC", "91000")],
)
def test_the_price_of_what_is_owed(kind: str, group: str, coin: str, price: str) -> None:
    """4,200 USDT against 1 ETH at the line 1.1, and 100,000 USDT against 1 BTC at 0.91."""
    folder = Path(__file__).parent.parent / "cases" / "lending" / "price-of-what-is-owed"
    lines = [json.loads(row) for row in (folder / "book.jsonl").read_text().splitlines()]
    rules = plugins.module("products", kind).load(tomllib.loads((folder / f"{kind}.toml").read_text()))
    shelf = Shelf(rules, next(line for line in lines if line["id"] == group))
    shelf.price(USDT="1", ETH="3000", BTC="60000")
    assert shelf.detail(group)["liquidation_price"][coin] == price


PEGGED = json.loads(
    (Path(__file__).parent.parent / "cases" / "lending" / "figures.jsonl")
    .read_text()
    .splitlines()[-1]
    .replace("wstETH", "wstETH")
)


def pegged(links: list[list[str]], prices: dict[str, str]) -> dict[str, Any]:
    rules = aave_v3.load({
        "version": [{
            "effective": START,
            "liquidation_thresholds": PEGGED["thresholds"],
            "rates": {"USDC": "0", "ETH": "0"},
            "links": links,
        }]
    })  # fmt: skip
    shelf = Shelf(rules, book_line("aave_v3", PEGGED["collateral"], PEGGED["owed"]))
    shelf.price(**prices)
    return shelf.detail()


def test_a_pegged_pair_moves_together() -> None:
    """BTC carries the debt in USDC; ETH and wstETH may rise to 40/9 times before the health factor is 1."""
    shown = pegged([["ETH", "wstETH"]], PEGGED["prices"])
    (joint,) = shown["liquidation_together"]
    assert joint == {"coins": ["ETH", "wstETH"], "factor": "4.44444444"}
    then = {coin: Decimal(price) for coin, price in PEGGED["prices"].items()}

    def factor_at(joint_factor: Decimal) -> Decimal:
        moved = {c: str(p * joint_factor) if c in ("ETH", "wstETH") else str(p) for c, p in then.items()}
        return Decimal(pegged([], moved)["health_factor"])

    assert factor_at(D("4.44444444")) >= 1 > factor_at(D("4.44444445")) - D("1e-8")
    assert "liquidation_together" not in pegged([], PEGGED["prices"])


@pytest.mark.parametrize(
    ("links", "says"),
    [([["ETH"]], "expected two coins or more"), ([["ETH", "wstETH"], ["BTC", "ETH"]], "ETH stands twice")],
)
def test_a_link_that_cannot_be_is_refused(links: list[list[str]], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        pegged(links, PEGGED["prices"])
