"""The monitor as a library: what a loan group is worth under an agreement at given prices, as the daemon works it out.

    from monitor.api import rules_of, value

    rules = rules_of("config/products/vip_loan.toml")
    found = value(line, rules, {"BTC": "30000", "USDT": "1"})
    print(found.ltv, found.band)

No daemon runs, nothing is read but the file of the rules, and nothing is kept.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import msgspec

from monitor import plugins
from monitor.clock import SystemClock
from monitor.core.loans.group import GroupLine, parse_line
from monitor.core.money import ZERO, exact
from monitor.core.prices.quote import BadPrice, price
from monitor.core.rules.product import Product
from monitor.core.schema import Invalid, Problem
from monitor.core.valuation.remedies import Cure, cure, liquidation_prices, valued
from monitor.core.valuation.shown_figures import figure_of, ltv_of
from monitor.core.valuation.valuation import Holding, band, holding, positions, weigh

__all__ = ["BadPrice", "Cure", "GroupLine", "GroupValue", "Invalid", "MissingPrice", "Product", "rules_of", "value"]

VIP_LOAN = "vip_loan"


class MissingPrice(KeyError):
    """A coin that decides about the group has no price; `assets` names all of them."""

    def __init__(self, assets: list[str]) -> None:
        super().__init__(assets)
        self.assets = assets

    def __str__(self) -> str:
        return f"no price of {', '.join(self.assets)}; state each in USD, such as {{'{self.assets[0]}': '1.5'}}"


class GroupValue(msgspec.Struct, frozen=True, kw_only=True):
    """What a group is worth. Sums are exact, in USD; `ltv` and `level` are rounded as they are shown.

    `band` is normal, restricted, margin_call, liquidation or immediate: beyond which line the figures are. A stage of the
    daemon also knows what came before, such as a grace period.
    """

    debt_usd: Decimal
    recognised_usd: Decimal
    market_usd: Decimal
    ltv: Decimal | None
    """None where nothing is recognised."""
    level: Decimal | None
    """The figure that the agreement compares with its lines: an LTV, a margin level or a health factor."""
    band: str
    lines: Mapping[str, Decimal]
    cure: Cure
    """What to repay or to add until the group is at its initial line again."""
    liquidation_price: Mapping[str, Decimal | None]
    """By coin: the USD price at which the group is liquidated, all others held."""


def rules_of(file: str | Path, kind: str = VIP_LOAN, name: str | None = None) -> Product:
    """The rules of an agreement from its TOML file, such as those of config/products.

    `kind`: which lender's formulas they are for, as [[product]] states it; `name`: what lines call it, else its kind.
    Raises OSError, ValueError where the file is no TOML, and Invalid with every problem of its rules.
    """
    found: Product = plugins.module("products", kind).load(tomllib.loads(Path(file).read_text("utf-8")))
    return msgspec.structs.replace(found, name=name or kind)


def value(
    line: GroupLine | Mapping[str, object],
    rules: Product | Mapping[str, Product],
    prices: Mapping[str, Decimal | str],
    *,
    at: datetime | None = None,
) -> GroupValue:
    """What a group is worth at these prices in USD.

    `line` is a line of a loan book, the body of PUT /v1/groups/{id}; `rules` the agreement that it names, or several by name.
    `at`: when, with its zone; now if not stated. The interest of the line is what had accrued until then. Raises Invalid with
    every problem of the line, BadPrice, and MissingPrice. Prices are texts or decimals: a float is not exact.
    """
    when = at or SystemClock().utc()
    products = {rules.name: rules} if isinstance(rules, Product) else rules
    stated = msgspec.to_builtins(line) if isinstance(line, GroupLine) else dict(line)
    group = parse_line(stated, when, products)
    usd = {asset: _price(asset, each) for asset, each in prices.items()}
    with exact():
        return _valued(holding(group, products[group.product].of(group), when), usd)


def _valued(held: Holding, usd: Mapping[str, Decimal]) -> GroupValue:
    if missing := sorted(held.assets - usd.keys()):
        raise MissingPrice(missing)
    weight = weigh(held, usd)
    of = valued(weight, positions(held, usd), held.lines, held.version)
    return GroupValue(
        debt_usd=weight.debt,
        recognised_usd=weight.recognised,
        market_usd=sum((p.value for p in of.held if p.value is not None), ZERO),
        ltv=ltv_of(held, weight),
        level=figure_of(held, weight),
        band=band(weight, held.lines),
        lines=held.lines.stated,
        cure=cure(of, held.lines.initial),
        liquidation_price=liquidation_prices(of, held.lines.liquidation, dict(held.debts), usd),
    )


def _price(asset: str, stated: Decimal | str) -> Decimal:
    """A price in USD. Raises BadPrice, and Invalid for what is neither a text nor a decimal."""
    if isinstance(stated, Decimal):
        return price(str(stated))
    if not isinstance(stated, str):
        what = f"found {stated!r}, expected a text or a Decimal, such as '30000': a float is not exact"
        raise Invalid([Problem(f"prices.{asset}", what)])
    return price(stated)
