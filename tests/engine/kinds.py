"""Random products of every kind for whole runs: what differs between lenders, with the coins and dates of the market."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from random import Random
from typing import Any

import msgspec

from monitor.core.money import exact, plain
from monitor.core.rules.product import Product
from monitor.core.rules.terms import LabelTerms
from monitor.core.schema import read
from monitor.core.valuation.ladder import recognised
from monitor.core.valuation.valuation import Holding, Weight
from monitor.products import aave_v3, cross_collateral, cross_margin_pro, flexible_loan, isolated_margin, vip_loan

D = Decimal
Table = dict[str, Any]
LINES = (("0.72", "0.77", "0.91", "0.95"), ("0.68", "0.75", "0.88", "0.94"), ("0.70", "0.78", "0.90", "0.96"))
LEVELS = (("1.5", "1.3", "1.1"), ("1.4", "1.2", "1"), ("2", "1.25", "1.05"))
LEVERAGES = (3, 10)
NAMED = ("initial", "margin_call", "liquidation", "immediate")
OWN: dict[str, tuple[dict[str, str], ...]] = {
    "vip_loan": ({"initial": "0.65"}, {"margin_call": "0.79"}, {"immediate": "0.99"}),
    "flat_loan": ({"initial": "0.65"}, {"margin_call": "0.79"}, {"immediate": "0.99"}),
    "pro": ({"initial": "2.5"}, {"liquidation": "0.9"}),
    "isolated": ({"initial": "2.5"}, {"liquidation": "1.01"}),
    "free": ({"initial": "0.4"},),
    "aave": ({"initial": "1.6"},),
    "pair": ({"initial": "0.3"},),
    "compounding": ({"initial": "0.65"}, {"margin_call": "0.79"}),
    "late_by_hour": ({"initial": "0.65"}, {"margin_call": "0.79"}),
}
"""Lines of their own that groups may state, by kind."""
STRICT = {"vip_loan": {"liquidation": "0.87"}, "flat_loan": {"liquidation": "0.87"}, "aave": {"liquidation": "1.05"}}
"""Lines that a group meets before it meets those of its product."""
OTHER_INTEREST = ("compounding", "late_by_hour")
ALL = tuple(kind for kind in OWN if kind not in OTHER_INTEREST)
DAILY_AND_HOURLY = tuple(kind for kind in ALL if kind != "pair")
MOST_COINS = {"pair": 1, "isolated": 2}


class Kinds:
    """Makes products. `held` coins may be pledged, `owed` ones borrowed; the last of either are on no list."""

    def __init__(self, random: Random, held: Sequence[str], owed: Sequence[str], odd: str) -> None:
        self._random, self._held, self._owed, self._odd = random, held, sorted(set(owed)), odd

    def product(self, kind: str, dates: Sequence[datetime]) -> Product:
        """A version of other rules for each date."""
        module: Any = {
            "pro": cross_margin_pro,
            "isolated": isolated_margin,
            "free": cross_collateral,
            "aave": aave_v3,
            "pair": flexible_loan,
        }.get(kind, vip_loan)
        made: Callable[[], Table] = getattr(self, f"_{kind}", self._vip)
        file: Table = {"version": [{"effective": date, **made()} for date in dates]}
        product: Product = module.load(file | ({"period": "hour"} if kind == "compounding" else {}))
        return msgspec.structs.replace(product, kind=kind, name=kind)

    def with_overrides(self, product: Product, labels: Sequence[dict[str, str]]) -> Product:
        """The agreement with terms for some of these labels."""
        r = self._random
        some = [found for found in labels if r.random() < 0.7]
        lines = (*OWN[product.name], STRICT.get(product.name, {}))
        stated = [{**self.terms(product.name), "labels": each, "thresholds": r.choice(({}, *lines))} for each in some]
        return msgspec.structs.replace(product, overrides=tuple(read(LabelTerms, each) for each in stated))

    def terms(self, kind: str) -> Table:
        """A few figures of a label or a group."""
        r = self._random
        cuts: list[Table] = [{}, {"scale": "0.9"}, {"scale": "0.75"}, {"haircut": "0.05"}, {"haircut": "0.3"}]
        found = dict(r.choice(cuts))
        if r.random() < 0.3:
            found["ladders"] = {coin: self.ladder() for coin in r.sample([*self._held, self._odd], 2)}
        if r.random() < 0.4:
            found["rate_spread"] = r.choice(("0.0002", "-0.0001", "0.01"))
        if kind in ("vip_loan", "flat_loan") and r.random() < 0.3:
            found["grace"] = r.choice(("30m", "3h"))
        return found

    def _vip(self) -> Table:
        r = self._random
        return {
            "thresholds": self._lines(LINES),
            "warnings": r.choice(([], ["0.74"], ["0.70", "0.73"])),
            "ladders": self._ladders(),
            "rates": self._rates(),
            "grace": r.choice(("1h", "24h")),
        }

    def _compounding(self) -> Table:
        r = self._random
        places = {coin: r.choice((2, 6, 8)) for coin in self._owed}
        return self._vip() | {
            "compounding": r.random() < 0.8,
            "hours": r.choice(("begun", "full")),
            "rounding": r.choice(("half_even", "up")),
            "places": places,
            "interest_free": {coin: r.choice(("0.5", "1000")) for coin in self._owed if r.random() < 0.3},
        }

    def _late_by_hour(self) -> Table:
        return self._vip() | {
            "rates": self._rates() | {"C1": "-0.0005"},
            "late_interest": self._random.choice(("hour", "hour", "day")),
            "compounding": self._random.random() < 0.3,
        }

    def _pro(self) -> Table:
        return {
            "thresholds": self._lines(LEVELS),
            "warnings": self._random.choice(([], ["1.35", "1.45"])),
            "ladders": self._ladders(),
            "net_equity": self._random.choice(("plain", "haircut")),
            "rates": self._rates(),
            "liability_tiers": {coin: self._tiers() for coin in self._owed},
            "bnb_discount": self._random.choice(("0", "0.05")),
        }

    def _isolated(self) -> Table:
        caps = {coin: D(self._random.randint(1, 10**6)) for coin in self._random.sample(self._owed, 2)}
        tiers: list[Table] = []
        for leverage in LEVERAGES:
            lines = self._lines(LEVELS)
            harder = {name: plain(D(level) + D("0.02")) for name, level in lines.items()}
            tiers += [
                {"leverage": leverage, **lines, "up_to": {coin: plain(cap) for coin, cap in caps.items()}},
                {"leverage": leverage, **harder},
            ]
        return {"thresholds": self._lines(LEVELS), "tiers": tiers, "rates": self._rates(), "fee_by_tier": True}

    def _free(self) -> Table:
        return {
            "thresholds": dict(zip(NAMED, ("0.6", "0.75", "0.9"), strict=False)),
            "ladders": self._ladders(),
            "rates": self._rates(),
            "free_days": {coin: self._random.choice((1, 20, 40)) for coin in self._owed[:3]},
            "interest": self._random.random() < 0.7,
        }

    def _aave(self) -> Table:
        shares = {coin: plain(D(self._random.randint(50, 95)) / 100) for coin in self._listed()}
        return {"liquidation_thresholds": shares, "rates": self._rates(), "warnings": ["1.05"]}

    def _pair(self) -> Table:
        lines = [dict(zip(NAMED, found[:3], strict=False)) for found in LINES]
        return {"collateral": {coin: self._random.choice(lines) for coin in self._listed()}, "rates": self._rates()}

    def _lines(self, sets: Sequence[tuple[str, ...]]) -> dict[str, str]:
        return dict(zip(NAMED, self._random.choice(sets), strict=False))

    def _listed(self) -> list[str]:
        return sorted({coin for coin in self._held if self._random.random() < 0.85} - {self._odd} | {"USDT"})

    def _rates(self) -> dict[str, str]:
        r = self._random
        return {coin: r.choice(("0", "0.0001", "0.001503")) for coin in self._held} | {
            "USDT": r.choice(("0", "0.0003"))
        }

    def _ladders(self) -> dict[str, list[list[str]]]:
        return {coin: self.ladder() for coin in self._listed()}

    def ladder(self) -> list[list[str]]:
        """One to eight tiers. In one of three cases the last has a bound."""
        r, tiers = self._random, self._random.randint(1, 8)
        bounds = self._bounds(tiers)
        shares = sorted((D(r.randint(100, 10_000)) / 10_000 for _ in bounds), reverse=True)
        ladder = [[plain(bound), plain(share)] for bound, share in zip(bounds, shares, strict=True)]
        if r.random() < 0.67:
            ladder[-1][0] = "inf"
        return ladder

    def _tiers(self) -> list[list[Any]]:
        """One to five tiers of a liability."""
        r = self._random
        bounds = self._bounds(r.randint(1, 5))
        rates = sorted(D(r.randint(1, 50)) / 100 for _ in bounds)
        return [
            [plain(bound), 20 - i, "0.5", plain(rate)]
            for i, (bound, rate) in enumerate(zip(bounds, rates, strict=True))
        ]

    def _bounds(self, count: int) -> list[Decimal]:
        return sorted({D(self._random.randint(1, 9999)) * 10 ** self._random.randint(0, 4) for _ in range(count)})


def missing(held: Holding, weight: Weight, line: Decimal, coin: str, usd: Decimal) -> Decimal:
    """USD that must be borrowed besides, in a coin, to bring a group to a line; 0 or less where it is beyond."""
    level = 1 / line if held.lines.falls else line
    if held.tiers is None:
        return level * weight.recognised - weight.debt
    tiers = held.tiers[coin].maintenance
    value = dict(held.debts).get(coin, D(0)) * usd

    def is_within(more: Decimal) -> bool:
        with exact():
            debt = weight.debt + recognised(tiers, value + more) - recognised(tiers, value)
            return debt <= level * (weight.recognised - more)

    low, high = D(0), max(weight.recognised, D(0))
    with localcontext(prec=60):
        for _ in range(110):
            middle = (low + high) / 2
            low, high = (middle, high) if is_within(round(middle, 40)) else (low, middle)
    return low
