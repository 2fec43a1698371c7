"""What an alert says of each coin of the collateral, as texts: its row, what to add of it, and its liquidation price.

`valuation/remedies.py` says what these are. A coin that is in the tier in which its ladder sees it is done in fewer steps
here: what all alerts of one sheet of prices have in common is kept ready, and whole numbers are divided. Any other coin goes
the long way. Both give the same texts (decisions 184 and 192).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from monitor.core.alerts.alert import Debt, Figures, Input
from monitor.core.alerts.rows_shown import input_shown
from monitor.core.money import EIGHT_PLACES, ONE, ZERO, divide_down_significant, divide_up, plain, up_to
from monitor.core.rules.ladders import ByAmount
from monitor.core.rules.product import NOTHING, Version
from monitor.core.rules.terms import Terms
from monitor.core.rules.thresholds import Thresholds
from monitor.core.valuation.remedies import (
    Shortfall,
    Valued,
    debt_prices,
    line_price,
    pieces_of,
    rising_tiers,
    shortfall,
    terms_of,
    to_add,
)
from monitor.core.valuation.valuation import Position, Weight

_DIGITS = 12
"""Of a liquidation price, at least."""
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
    repay_usd: Decimal
    add_recognised_usd: Decimal
    """What brings the group to its initial line."""


# Plain tuples, as Python takes them apart in a third of the time of named ones.

_Tier = tuple[Decimal | None, Decimal, Decimal, Decimal | None, int, Decimal, Decimal | None, Decimal, Decimal]
"""A tier of a coin's ladder: bound, share, offset, full, step, low, high, rest, slope.

Of a value up to the bound `value * share + offset` is recognised, and at the bound what is `full`. One unit of the coin adds
a `step` to its side of the initial line, in 1e-30 USD: 0 in a tier that counts nothing. The others are by the factor of the
liquidation line: what is recognised at both ends, the offset as what is missing, and the share.
"""
_Rise = tuple[Decimal | None, Decimal, Decimal, Decimal]
"""A tier that counts something, at the initial line: edge, denominator and rest of `remedies.RisingTier`, and by what one
coin more adds to its side of the line."""
_Fall = tuple[Decimal | None, Decimal, Decimal]
"""The same at the liquidation line."""
_About = tuple[Decimal | None, str | None, Decimal | None, str | None, datetime | None, str]
"""Price, quote, price as quoted, source, its time, trust."""


_Coin = tuple[_About, str, str, tuple[_Tier, ...], tuple[_Rise, ...], tuple[_Fall, ...], int, Decimal]
"""A coin at one price, by the same rules and lines: about, begin, middle, tiers, rises, falls, point, unit.

Its row begins so up to the quantity, and goes on so from the price to the value. It has no tiers where it goes the long way
at any value. The unit is the smallest amount of it that can be added; the point stands where that has one, from the right.
"""
_NO_COIN: _Coin = ((None, None, None, None, None, ""), "", "", (), (), (), 0, ONE)


class CoinSheet:
    """What alerts have in common that were judged by one version of the rules and the same lines."""

    def __init__(self, version: Version, lines: Thresholds) -> None:
        self.version = version
        self.lines = lines
        self.terms = terms_of(lines, version)
        self._coins: dict[str, _Coin] = {}
        self._earlier: dict[tuple[str, _About], _Coin] = {}
        """At other prices as well, for those who look at alerts of several ticks in turns."""

    @property
    def kept(self) -> int:
        """How many coins, each at one price, are kept ready."""
        return len(self._earlier)

    def texts(self, figures: Figures, weight: Weight) -> CoinTexts:
        """Of one alert. Within `exact`."""
        way = _LongWay.of(self, figures, weight)
        found = CoinTexts([], {}, {}, way.missing.repay_usd, way.missing.add_recognised_usd)
        self._fill(found, figures.inputs, way)
        way.add_debts(found.prices)
        return found

    def _fill(self, found: CoinTexts, inputs: Sequence[Input], way: _LongWay) -> None:
        """Straight on and with few calls: it is half of what an alert takes."""
        rows, by_asset, prices, _, lacking = found
        coins, owed = self._coins, way.owed
        excess, of_initial, _, is_owed = way.missing
        over, of_line, _, _ = way.fall
        below = _whole_up(excess) - 1 if is_owed else -1
        for each in inputs:
            asset, quantity, value, counted = each.asset, each.quantity, each.value_usd, each.recognised_usd
            about, begin, middle, tiers, rises, falls, point, unit = coins.get(asset, _NO_COIN)
            price, quote, quoted, source, at, trust = about
            if (
                price is not each.price
                or quote is not each.quote
                or quoted is not each.quote_price
                or source is not each.source
                or at is not each.price_at
                or trust is not each.trust
            ):
                _, begin, middle, tiers, rises, falls, point, unit = self._keep(each)
            if not tiers or value is None or counted is None or each.pinned is not None:
                way.fill(found, each)
                continue
            bound, share, offset, full, step, low, high, rest, slope = tiers[0]
            if bound is not None and value > bound:
                _, share, offset, full, step, low, high, rest, slope = _tier_of(tiers, value)
            if not step or (value * share + offset if offset else value * share) != counted:
                way.fill(found, each)
                continue
            text = plain(value)
            recognised = text if value == counted else plain(counted)
            rows.append(f'{begin}{plain(quantity)}{middle}{text}","recognised_usd":"{recognised}"}}')
            if not is_owed:
                by_asset[asset] = "0"
            elif full is None or counted + lacking <= full:
                # What is added brings what is missing, by one share. The quotient is rounded up.
                by_asset[asset] = _in_units(below // step + 1, point)
            else:
                by_asset[asset] = _added(excess + of_initial * counted, value, rises, unit)
            # As in `remedies.line_price`: what it must be recognised for, by the factor of the line.
            target = over + of_line * counted
            if asset in owed or not quantity:
                prices[asset] = way.line_price(each)
            elif target < ZERO:
                prices[asset] = None
            elif low < target and (high is None or target < high):
                prices[asset] = _price(target + rest if rest else target, slope * quantity)
            else:
                prices[asset] = _other_price(target, quantity, falls) or way.line_price(each)

    def _keep(self, of: Input) -> _Coin:
        """A coin's entry, which is the next one that is looked at."""
        about = of.price, of.quote, of.quote_price, of.source, of.price_at, of.trust
        coin = self._earlier.get((of.asset, about))
        if coin is None:
            coin = self._coin(of, about)
            if len(self._earlier) >= MOST_COINS:
                self._earlier.clear()
            self._earlier[of.asset, about] = coin
        # Other objects may be the same price.
        coin = self._coins[of.asset] = (about, *coin[1:])
        return coin

    def _coin(self, of: Input, about: _About) -> _Coin:
        bare = replace(input_shown(of), quantity="", value_usd="", recognised_usd="", pinned=UNSET)
        begin, rest = _json(bare).split('"quantity":""')
        middle, _ = rest.split('"value_usd":""')
        texts = f'{begin}"quantity":"', f'"{middle}"value_usd":"'
        ladder, unit = self.version.ladder(of.asset) or NOTHING, self.terms.unit(of.asset)
        places = -int(unit.as_tuple().exponent)
        the_long_way: _Coin = (about, *texts, (), (), (), -places, unit)
        if of.price is None or type(ladder) is ByAmount or places <= 0:
            return the_long_way
        of_initial, of_line = (self.terms.factors(line)[1] for line in (self.lines.initial, self.lines.liquidation))
        tiers: list[_Tier] = []
        for floor, bound, share, offset in pieces_of(ladder):
            step = (of.price * of_initial * share * unit).scaleb(_SCALE)
            if step != step.to_integral_value() or bool(step) != (share > 0):
                return the_long_way
            full = None if bound is None else bound * share + offset
            low, high = of_line * (floor * share + offset), None if full is None else of_line * full
            tiers.append((bound, share, offset, full, int(step), low, high, -of_line * offset, of_line * share))
        rises = tuple((*tier, of.price * tier.denominator) for tier in rising_tiers(ladder, of_initial))
        falls = tuple((edge, denominator, rest) for edge, denominator, rest in rising_tiers(ladder, of_line))
        return about, *texts, tuple(tiers), rises, falls, -places, unit


def _tier_of(tiers: Sequence[_Tier], value: Decimal) -> _Tier:
    """The tier in which a value is; the last one for a value beyond it."""
    for tier in tiers:
        bound = tier[0]
        if bound is None or value <= bound:
            return tier
    return tiers[-1]


def _in_units(count: int, point: int) -> str:
    """So many of the smallest amount of a coin."""
    text = str(count)
    if len(text) <= -point:
        text = text.zfill(1 - point)
    text = f"{text[:point]}.{text[point:]}"
    return text if text[-1] != "0" else text.rstrip("0").rstrip(".")


def _added(target: Decimal, value: Decimal, rises: Sequence[_Rise], unit: Decimal) -> str | None:
    """As `remedies.to_add` has it, of a coin that comes to another tier."""
    for edge, denominator, rest, gain in rises:
        if edge is None or target <= edge:
            return plain(divide_up(target + rest - value * denominator, gain, unit))
    return None


def _other_price(target: Decimal, quantity: Decimal, falls: Sequence[_Fall]) -> str | None:
    """As `remedies.line_price` has it, of a coin that comes to another tier. None: at the edge of one, or beyond all."""
    if target:
        for edge, denominator, rest in falls:
            if edge is None or target < edge:
                return _price(target + rest, denominator * quantity)
            if target == edge:
                break
    return None


def _price(numerator: Decimal, denominator: Decimal) -> str:
    price = _divide(numerator, denominator)
    if price.adjusted() >= _DIGITS - 8:
        price = divide_up(numerator, denominator, EIGHT_PLACES)
    return plain(price)


_divide = up_to(_DIGITS).divide


class _LongWay(NamedTuple):
    """The figures of the coins of one alert by `valuation/remedies.py`. Within `exact`."""

    sheet: CoinSheet
    weight: Weight
    missing: Shortfall
    """At the initial line."""
    fall: Shortfall
    """At the liquidation line."""
    owed: dict[str, Decimal]
    usd: dict[str, Decimal]
    """Prices of what is owed."""

    @classmethod
    def of(cls, sheet: CoinSheet, figures: Figures, weight: Weight) -> _LongWay:
        debt, counted, terms, lines = weight.debt, weight.recognised, sheet.terms, sheet.lines
        missing = shortfall(debt, counted, terms, lines.initial)
        fall = shortfall(debt, counted, terms, lines.liquidation)
        return cls(sheet, weight, missing, fall, *_owed(figures.debts))

    def fill(self, found: CoinTexts, of: Input) -> None:
        """All of a coin."""
        found.rows.append(_json(input_shown(of)))
        found.by_asset[of.asset] = _text(to_add(self._valued(of.asset), _position(of), self.missing))
        found.prices[of.asset] = self.line_price(of)

    def line_price(self, of: Input) -> str | None:
        """The price at which the group is at its liquidation line."""
        owed = self.owed.get(of.asset, ZERO)
        return _text(line_price(self._valued(of.asset), _position(of), owed, self._line, self.fall))

    def add_debts(self, prices: dict[str, str | None]) -> None:
        """Those of the coins that are owed and not held."""
        if self.sheet.terms.tiers is None:
            prices |= {asset: self._debt_price(asset) for asset in sorted(self.owed) if asset not in prices}
        else:
            found = debt_prices(self._valued(), self._line, self.owed, self.usd, prices.keys())
            prices |= {asset: _text(price) for asset, price in found.items()}

    def _debt_price(self, asset: str) -> str | None:
        """As `remedies.debt_prices` has it, where a debt is what is owed."""
        owed, price = self.owed[asset], self.usd.get(asset)
        if price is None:
            return None
        if not owed:
            return _text(debt_prices(self._valued(), self._line, {asset: owed}, {asset: price}, set())[asset])
        factor = self.sheet.terms.factors(self._line)[0] * owed
        rest = factor * price - self.fall.excess
        return plain(divide_down_significant(rest, factor, _DIGITS)) if rest > ZERO else None

    @property
    def _line(self) -> Decimal:
        return self.sheet.lines.liquidation

    def _valued(self, *assets: str) -> Valued:
        ladders = self.sheet.version.ladders_of(assets)
        return Valued(self.weight.debt, self.weight.recognised, (), ladders, self.sheet.terms)


_sheets: dict[tuple[int, Thresholds], CoinSheet] = {}


def sheet_of(version: Version, lines: Thresholds, terms: Terms | None = None) -> CoinSheet:
    """What is kept ready for a version and lines, and nothing yet for a group's own terms. Any thread may ask."""
    if terms is not None:
        return CoinSheet(version.under(terms, {}), lines)
    key = id(version), lines
    found = _sheets.get(key)
    if found is None:
        found = CoinSheet(version, lines)  # keeps the version, so that no other one has its id
        if len(_sheets) >= _MOST_SHEETS:
            _sheets.clear()
        _sheets[key] = found
    return found


def _owed(debts: Sequence[Debt]) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """By coin what is owed of it, and its price."""
    owed: dict[str, Decimal] = {}
    usd: dict[str, Decimal] = {}
    for debt in debts:
        asset = debt.asset
        owed[asset] = owed.get(asset, ZERO) + debt.principal + debt.interest
        if debt.price is not None:
            usd[asset] = debt.price
    return owed, usd


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
