"""`monitor.api`: a group is worth there what the monitor itself says, and what is wrong is named."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from monitor import api
from monitor.api import BadPrice, Invalid, MissingPrice, rules_of, value
from tests.book_lines import line
from tests.looks import START
from tests.web.desk import WebDesk, serving
from tests.web.test_admission import ask

ROOT = Path(__file__).parents[1]
PRODUCTS = ROOT / "config/products"
RULES = rules_of(PRODUCTS / "vip_loan.toml")
PRICES = {"BTC": "30000", "USDT": "1"}


@pytest.mark.parametrize("btc", ["200000", "13000", "12500", "10000", "9000"])
async def test_a_group_is_worth_what_the_monitor_says(btc: str) -> None:
    """In each band: sums, LTV, lines, cures and liquidation prices of GET /v1/groups/{id}."""
    desk = WebDesk()
    stated = line(
        collateral={"a": {"BTC": "9.5", "SOL": "20"}, "b": {"BTC": "0.5"}}, thresholds={"margin_call": "0.75"}
    )
    async with serving(desk) as url, aiohttp.ClientSession(base_url=url) as http:
        desk.prices({"BTC": btc, "SOL": "20"})
        assert (await ask(http, "PUT", "/v1/groups/G-1", stated))[0] == 201
        _, _, told = await ask(http, "GET", "/v1/groups/G-1")
        prices = {c["asset"]: c["price"] for c in told["contributions"]} | {"USDT": told["loans"][0]["price"]}
    found = value(stated, desk.rules.products, prices, at=desk.clock.now)
    assert (found.band, found.ltv) == (told["band"], Decimal(told["ltv"]))
    for name in ("debt_usd", "recognised_usd", "market_usd"):
        assert getattr(found, name) == Decimal(told[name])
    assert {name: str(level) for name, level in found.lines.items()} == told["thresholds"]
    assert found.cure.repay_usd == Decimal(told["cure"]["repay_usd"])
    assert found.cure.by_asset == {a: None if q is None else Decimal(q) for a, q in told["cure"]["by_asset"].items()}
    shown = {a: None if p is None else Decimal(p) for a, p in told["liquidation_price"].items()}
    assert found.liquidation_price == shown


@pytest.mark.parametrize("file", sorted(PRODUCTS.glob("*.toml")), ids=lambda file: file.stem)
def test_the_rules_of_every_agreement_are_read(file: Path) -> None:
    kind = file.stem.removesuffix("_demo")
    found = rules_of(file, kind, name="ours")
    assert (found.kind, found.name) == (kind, "ours")
    with pytest.raises((Invalid, MissingPrice)):
        value(line(product="ours", labels={}), found, {}, at=START)


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(MissingPrice, match="no price of BTC, USDT; state each in USD"):
        value(line(), RULES, {}, at=START)
    with pytest.raises(Invalid, match=r"loans\[0\].principal: found '-1'"):
        value(line(owed="-1"), RULES, PRICES, at=START)
    with pytest.raises(Invalid, match=r"prices.BTC: found 30000.5, expected a text or a Decimal"):
        value(line(), RULES, {**PRICES, "BTC": 30000.5}, at=START)  # type: ignore[dict-item]
    with pytest.raises(BadPrice):
        value(line(), RULES, {**PRICES, "BTC": Decimal(0)}, at=START)
    with pytest.raises(Invalid, match="product: found 'vip_loan', expected one of: other"):
        value(line(), rules_of(PRODUCTS / "vip_loan.toml", name="other"), PRICES, at=START)


def test_without_a_time_it_is_now() -> None:
    assert value(line(), RULES, PRICES).debt_usd >= Decimal(100_000)


def test_a_line_may_come_as_the_struct_that_it_is() -> None:
    stated: Any = api.msgspec.convert(line(), api.GroupLine)
    assert value(stated, RULES, PRICES, at=START) == value(line(), RULES, PRICES, at=START)


def test_the_library_is_typed_and_loads_no_daemon() -> None:
    assert (ROOT / "monitor/py.typed").exists()
    asked = "import sys, monitor.api; print([m for m in ('aiohttp', 'numba', 'numpy', 'redis', 'sqlite3') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
