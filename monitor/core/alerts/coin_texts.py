"""What an alert says of each coin of the collateral, as texts: its row, what to add of it, and its liquidation price.

`valuation/remedies.py` says what these are. A coin in the first tier of its ladder is done in fewer steps here: what all
alerts of one sheet of prices have in common is kept ready, and whole numbers are divided. Any other coin goes the long way.
Both give the same texts (decision 184).
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec
from msgspec.structs import astuple, replace

from monitor.core.alerts.alert import Figures, Input
from monitor.core.alerts.rows_shown import input_shown
from monitor.core.money import EIGHT_PLACES, ONE, ZERO, divide_down_significant, divide_up, exact, plain, up_to
from monitor.core.rules.ladders import ByAmount
from monitor.core.rules.product import NOTHING, Version
from monitor.core.rules.thresholds import Thresholds
from monitor.core.valuation.remedies import (
    RisingTier,
    Shortfall,
    Valued,
    debt_prices,
    line_price,
    rising_tiers,
    shortfall,
    terms_of,
    to_add,
)
from monitor.core.valuation.valuation import Position, Weight

_DIGITS = 12
"""Of a liquidation price, at least."""
_UP = up_to(_DIGITS)
_SCALE = 30
"""What is missing is divided as a whole number of 1e-30 USD."""
_MOST_SHEETS = 16
MOST_COINS = 2000
"""Kept ready for each of them, 1 kB each."""


class CoinTexts(NamedTuple):
    """By coin, where the rules are known. `rows` are the inputs as JSON."""

    rows: list[str]
    by_asset: dict[str, str | None]
    prices: dict[str, str | None]
    missing: Shortfall
    """What the group lacks at its initial line."""


_About = tuple[str | None, Decimal | None, str | None, datetime | None, str]
"""Quote, price as quoted, source, its time, trust."""


class _Tier(NamedTuple):
    """A tier of a coin's ladder at the initial line, see `remedies.RisingTier`."""

    edge: Decimal | None
    denominator: Decimal
    rest: Decimal
    price: Decimal
    """What one coin more adds to its side of the line within the tier: the divisor of what is missing."""
    step: int
    """What one unit of the coin adds, in 1e-30 USD."""


class _Coin(NamedTuple):
    """A coin at one price, under one version of the rules and the same lines."""

    price: Decimal | None
    about: _About
    begin: str
    """Of its row, up to the quantity."""
    middle: str
    """Of its row, from the price to the value."""
    rises: tuple[_Tier, ...] = ()
    """What counts more as more of it is added; empty where it goes the long way at any value."""
    falls: tuple[RisingTier, ...] = ()
    """What counts less as its price falls, at the liquidation line."""
    unit: Decimal = ONE
    """The smallest amount of it that can be added."""
    places: int = 0
    """Of that."""


class CoinSheet:
    """What alerts have in common that were judged by one version of the rules and the same lines."""

    def __init__(self, version: Version, lines: Thresholds) -> None:
        self.version = version
        self.lines = lines
        self.terms = terms_of(lines, version)
        self._coins: dict[str, _Coin] = {}
        self._earlier: dict[tuple[str, Decimal | None, _About], _Coin] = {}
        """At other prices as well, for those who look at alerts of several ticks in turns."""

    @property
    def kept(self) -> int:
        """How many coins, each at one price, are kept ready."""
        return len(self._earlier)

    def texts(self, figures: Figures, weight: Weight) -> CoinTexts:
        """Of one alert."""
        with exact():
            way = _LongWay(self, figures, weight)
            found = CoinTexts([], {}, {}, way.missing)
            self._fill(found, figures.inputs, way)
            if way.owed.keys() - found.prices.keys():
                found.prices.update(way.debt_prices(found.prices.keys()))
            return found

    def _fill(self, found: CoinTexts, inputs: Sequence[Input], way: _LongWay) -> None:
        rows, by_asset, prices, missing = found
        coins, owed, of_line, of_initial = self._coins, way.owed, way.fall.of_recognised, missing.of_recognised
        excess, over = missing.excess, way.fall.excess
        below = _whole_up(excess) - 1 if missing.is_owed else -1
        for each in inputs:
            asset, quantity, price, quote, quoted, source, at, trust, value, recognised, pinned = astuple(each)
            coin = coins.get(asset)
            if coin is None or coin[0] is not price or coin[1] != (quote, quoted, source, at, trust):
                coin = self._keep(each, (quote, quoted, source, at, trust))
            _, _, begin, middle, rises, falls, _, _ = coin
            if not rises or value is None or recognised is None or pinned is not None:
                way.fill(found, each)
                continue
            text = _trimmed(value)
            counted = text if value == recognised else _trimmed(recognised)
            rows.append(f'{begin}{_trimmed(quantity)}{middle}{text}","recognised_usd":"{counted}"}}')
            if below < 0:
                by_asset[asset] = "0"
            else:
                by_asset[asset] = _added(value, of_initial * recognised, excess, below, coin)
            # As in `remedies.line_price`: what it must be recognised for, by the factor of the line.
            target = over + of_line * recognised
            if asset in owed:
                prices[asset] = way.line_price(each)
            elif target < 0 or not quantity:
                prices[asset] = None
            else:
                for edge, denominator, rest in falls if target else ():
                    if edge is None or target < edge:
                        prices[asset] = _price(target + rest if rest else target, denominator * quantity)
                        break
                    if target == edge:
                        prices[asset] = way.line_price(each)
                        break
                else:
                    prices[asset] = None if target else way.line_price(each)

    def _keep(self, of: Input, about: _About) -> _Coin:
        """A coin's entry, which is the next one that is looked at."""
        key = of.asset, of.price, about
        coin = self._earlier.get(key)
        if coin is None:
            coin = self._coin(of, about)
            if len(self._earlier) >= MOST_COINS:
                self._earlier.clear()
            self._earlier[key] = coin
        # Another object may be the same price.
        coin = self._coins[of.asset] = coin._replace(price=of.price)
        return coin

    def _coin(self, of: Input, about: _About) -> _Coin:
        bare = replace(input_shown(of), quantity="", value_usd="", recognised_usd="")
        begin, rest = _json(bare).split('"quantity":""')
        middle, _ = rest.split('"value_usd":""')
        found = _Coin(of.price, about, f'{begin}"quantity":"', f'"{middle}"value_usd":"')
        ladder, unit = self.version.ladder(of.asset) or NOTHING, self.terms.unit(of.asset)
        places = -int(unit.as_tuple().exponent)
        if of.price is None or type(ladder) is ByAmount or places <= 0:
            return found
        rises = []
        for tier in rising_tiers(ladder, self.terms.factors(self.lines.initial)[1]):
            price = of.price * tier.denominator
            step = (price * unit).scaleb(_SCALE)
            if not step or step != step.to_integral_value():
                return found
            rises.append(_Tier(*tier, price, int(step)))
        falls = rising_tiers(ladder, self.terms.factors(self.lines.liquidation)[1])
        return found._replace(rises=tuple(rises), falls=falls, unit=unit, places=places)


def _added(value: Decimal, counted: Decimal, excess: Decimal, below: int, coin: _Coin) -> str | None:
    """As `remedies.to_add` has it. `counted` is what the coin is recognised for, by the factor of the line; `below` is what
    is missing as a whole number, less one."""
    target = excess + counted
    for edge, denominator, rest, price, step in coin.rises:
        if edge is None or target <= edge:
            now = value * denominator - rest
            if now != counted:
                # It is in a lower tier.
                return _trimmed(divide_up(target - now, price, coin.unit))
            # What is added brings what is missing, by one share. The quotient is rounded up.
            text, places = str(below // step + 1), coin.places
            if len(text) <= places:
                text = text.zfill(places + 1)
            text = f"{text[:-places]}.{text[-places:]}"
            return text if text[-1] != "0" else text.rstrip("0").rstrip(".")
    return None


def _price(numerator: Decimal, denominator: Decimal) -> str:
    quotient = _UP.divide(numerator, denominator)
    if quotient.adjusted() >= _DIGITS - 8:
        quotient = divide_up(numerator, denominator, EIGHT_PLACES)
    return _trimmed(quotient)


def _trimmed(value: Decimal) -> str:
    """As `plain`, for a number that is not below zero."""
    text = str(value)
    if "E" in text:
        return plain(value)
    return text.rstrip("0").rstrip(".") if text[-1] == "0" and "." in text else text


class _LongWay:
    """The figures of the coins of one alert by `valuation/remedies.py`. Within `exact`."""

    def __init__(self, sheet: CoinSheet, figures: Figures, weight: Weight) -> None:
        self.owed = _owed(figures)
        self._sheet = sheet
        self._figures = figures
        self._weight = weight
        self._line = sheet.lines.liquidation
        self.missing = shortfall(weight.debt, weight.recognised, sheet.terms, sheet.lines.initial)
        self.fall = shortfall(weight.debt, weight.recognised, sheet.terms, self._line)

    def fill(self, found: CoinTexts, of: Input) -> None:
        """All of a coin."""
        found.rows.append(_json(input_shown(of)))
        found.by_asset[of.asset] = _text(to_add(self._valued(of.asset), _position(of), self.missing))
        found.prices[of.asset] = self.line_price(of)

    def line_price(self, of: Input) -> str | None:
        """The price at which the group is at its liquidation line."""
        owed = self.owed.get(of.asset, ZERO)
        return _text(line_price(self._valued(of.asset), _position(of), owed, self._line, self.fall))

    def debt_prices(self, held: AbstractSet[str]) -> dict[str, str | None]:
        """Those of the coins that are owed and not held."""
        usd = {debt.asset: debt.price for debt in self._figures.debts if debt.price is not None}
        if self._sheet.terms.tiers is None:
            return {asset: self._debt_price(asset, usd.get(asset)) for asset in sorted(self.owed.keys() - held)}
        found = debt_prices(self._valued(), self._line, self.owed, usd, held)
        return {asset: _text(price) for asset, price in found.items()}

    def _debt_price(self, asset: str, price: Decimal | None) -> str | None:
        """As `remedies.debt_prices` has it, where a debt is what is owed."""
        owed = self.owed[asset]
        if price is None:
            return None
        if not owed:
            return _text(debt_prices(self._valued(), self._line, {asset: owed}, {asset: price}, set())[asset])
        factor = self._sheet.terms.factors(self._line)[0] * owed
        rest = factor * price - self.fall.excess
        return plain(divide_down_significant(rest, factor, _DIGITS)) if rest > 0 else None

    def _valued(self, *assets: str) -> Valued:
        ladders = self._sheet.version.ladders_of(assets)
        return Valued(self._weight.debt, self._weight.recognised, (), ladders, self._sheet.terms)


_sheets: dict[tuple[int, Thresholds], CoinSheet] = {}


def sheet_of(version: Version, lines: Thresholds) -> CoinSheet:
    """What is kept ready for a version and lines. Any thread may ask."""
    key = id(version), lines
    found = _sheets.get(key)
    if found is None:
        found = CoinSheet(version, lines)  # keeps the version, so that no other one has its id
        if len(_sheets) >= _MOST_SHEETS:
            _sheets.clear()
        _sheets[key] = found
    return found


def _owed(figures: Figures) -> dict[str, Decimal]:
    owed: dict[str, Decimal] = {}
    for debt in figures.debts:
        owed[debt.asset] = owed.get(debt.asset, ZERO) + (debt.principal + debt.interest)
    return owed


def _position(of: Input) -> Position:
    return Position(of.asset, of.quantity, of.price, of.value_usd, of.recognised_usd)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


_encode = msgspec.json.Encoder().encode


def _json(of: msgspec.Struct) -> str:
    return _encode(of).decode()


def _whole_up(value: Decimal) -> int:
    """The value in 1e-30, rounded up to the next whole one: to round up twice is to round up once."""
    scaled = value.scaleb(_SCALE)
    whole = int(scaled)
    return whole if whole == scaled else whole + 1
