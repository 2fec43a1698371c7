"""A lender's answers about one group in exact fractions, from the tables of its file and the book line alone.

Written from docs/domain.md and docs/lifecycle.md. Nothing of the monitor is used here: what it answers is compared with this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import ceil, floor, log10
from typing import Any

F = Fraction
Tiers = list[tuple[F | None, F]]
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ORDER = ("immediate", "liquidation", "margin_call", "initial")
BANDS = {"immediate": "immediate", "liquidation": "liquidation", "margin_call": "margin_call", "initial": "restricted"}


@dataclass(frozen=True)
class Lender:
    """What is the same in all versions of a kind."""

    falls: bool = False
    passed: tuple[str, ...] = ()
    period: timedelta = DAY
    counts_all: bool = False


LENDERS = {
    "vip_loan": Lender(passed=("immediate",)),
    "institutional_loan": Lender(),
    "bybit_loan": Lender(period=HOUR),
    "okx_loan": Lender(period=HOUR, counts_all=True),
    "cross_collateral": Lender(),
    "flexible_loan": Lender(period=MINUTE),
    "aave_v3": Lender(falls=True, passed=("liquidation",)),
    "prime_margin": Lender(falls=True, passed=("margin_call",), counts_all=True),
    "cross_margin_pro": Lender(falls=True, period=HOUR),
    "cross_margin_classic": Lender(falls=True, period=HOUR, counts_all=True),
    "isolated_margin": Lender(falls=True, period=HOUR, counts_all=True),
}


def rounded(figure: F, places: int, how: str) -> F:
    """To so many places, "half_even", "half_up", "up" or "down"; up and half up are away from zero."""
    scaled, sign = abs(figure) * 10**places, 1 if figure >= 0 else -1
    by = {"half_even": round, "half_up": lambda x: floor(x + F(1, 2)), "up": ceil, "down": floor}
    return sign * F(by[how](scaled), 10**places)


WHOLE: Tiers = [(None, F(1))]


@dataclass(frozen=True)
class Ladder:
    """Marginal tiers by value, or by the amount of the coin (section 9.9)."""

    tiers: Tiers
    by_amount: bool = False

    def counts(self, quantity: F, price: F) -> F:
        """What a quantity is recognised for."""
        return climb(self.tiers, quantity) * price if self.by_amount else climb(self.tiers, quantity * price)

    def cut(self, scale: F, haircut: F) -> Ladder:
        """By other terms."""
        if scale == 1 and not haircut:
            return self
        cut = [(bound, min(max(share * scale - haircut, F(0)), F(1))) for bound, share in self.tiers]
        return Ladder(cut, self.by_amount)

    def edges(self, quantity: F) -> Iterable[F]:
        """Prices at which a quantity comes to the bound of a tier."""
        if quantity and not self.by_amount:
            yield from (bound / quantity for bound, _ in self.tiers if bound is not None)

    def steps(self, price: F) -> Iterable[F]:
        """Values at which a tier ends while the price stands."""
        yield from (bound * price if self.by_amount else bound for bound, _ in self.tiers if bound is not None)


def ladder(table: Any) -> Ladder:
    """A ladder as a file states it."""
    rows = table["tiers"] if isinstance(table, dict) else table
    return Ladder([(None if b == "inf" else F(b), F(s)) for b, s in rows], isinstance(table, dict))


def climb(tiers: Tiers, value: F) -> F:
    """Rule 30."""
    total = start = F(0)
    for bound, share in tiers:
        end = value if bound is None or value <= bound else bound
        total += (end - start) * share
        if end == value:
            break
        start = end
    return total


def up(value: F, unit: F) -> F:
    return ceil(value / unit) * unit


def down(value: F, unit: F) -> F:
    return floor(value / unit) * unit


class Answers:
    """What the monitor should say of a group: `line` was put at `put`, under `versions` of its kind, and looked at `at`."""

    def __init__(
        self, kind: str, versions: Sequence[dict[str, Any]], line: dict[str, Any], put: datetime, at: datetime
    ) -> None:
        self.kind, self.line, self.put, self.at = kind, line, put, at
        self.lender = LENDERS[kind]
        self.versions = sorted(versions, key=lambda table: table["effective"])
        self.table = self._version_at(at)
        self.terms = line.get("terms", {})
        self.has_tiers = "liability_tiers" in self.table
        self.usd: dict[str, F] = {}
        self._ladders: dict[tuple[str, str], Ladder | None] = {}

    def priced(self, prices: dict[str, str]) -> Answers:
        self.usd = {coin: F(text) for coin, text in prices.items()}
        return self

    def _version_at(self, at: datetime) -> dict[str, Any]:
        begun = [table for table in self.versions if table["effective"] <= at]
        return begun[-1] if begun else self.versions[0]

    def unit(self, coin: str) -> F:
        return F(1, 10 ** self.table.get("places", {}).get(coin, 8))

    # -- what the group is made of --

    @cached_property
    def is_plain(self) -> bool:
        """Pro before its haircuts (section 3.7)."""
        changed = datetime(2025, 1, 21, 10, tzinfo=UTC)
        mode = self.table.get("net_equity") or ("haircut" if self.table["effective"] >= changed else "plain")
        return self.kind == "cross_margin_pro" and mode == "plain"

    @cached_property
    def quantities(self) -> dict[str, F]:
        found: dict[str, F] = {}
        for coins in self.line["collateral"].values():
            for coin, text in coins.items():
                found[coin] = found.get(coin, F(0)) + F(text)
        return {coin: quantity for coin, quantity in found.items() if quantity}

    def ladder_of(self, coin: str, table: str = "ladders") -> Ladder | None:
        """By which ladder a coin counts for a purpose, by the terms of the line; None: it counts nothing."""
        if (coin, table) not in self._ladders:
            self._ladders[coin, table] = self._by_terms(coin, table)
        return self._ladders[coin, table]

    def _by_terms(self, coin: str, table: str) -> Ladder | None:
        own = self.terms.get("ladders", {}).get(coin)
        if own is not None:
            return ladder(own)
        found = self._agreed(coin, table)
        cut = F(self.terms.get("scale", 1)), F(self.terms.get("haircut", 0))
        return None if found is None else found.cut(*cut)

    def _agreed(self, coin: str, table: str) -> Ladder | None:
        if table != "ladders":
            stated = self.table["ladders" if table == "ratios" else table].get(coin)
        elif self.lender.counts_all or self.is_plain:
            return Ladder(WHOLE)
        elif self.kind == "flexible_loan":
            return Ladder(WHOLE) if coin in self.table["collateral"] else None
        elif self.kind == "aave_v3":
            share = self.table["liquidation_thresholds"].get(coin)
            return None if share is None else Ladder([(None, F(share))])
        else:
            stated = self.table.get("ladders", {}).get(coin)
        return None if stated is None else ladder(stated)

    @cached_property
    def held(self) -> dict[str, tuple[F, Ladder]]:
        """Quantity and ladder of each coin that counts."""
        found = ((coin, q, self.ladder_of(coin)) for coin, q in sorted(self.quantities.items()))
        return {coin: (quantity, by) for coin, quantity, by in found if by is not None}

    @cached_property
    def owed(self) -> dict[str, F]:
        found: dict[str, F] = {}
        for loan in self.line["loans"]:
            amount = F(loan["principal"]) + self._interest(loan)
            if amount:
                found[loan["asset"]] = found.get(loan["asset"], F(0)) + amount
        return found

    def _interest(self, loan: dict[str, Any]) -> F:
        """What the line states, and what each instant after it was put adds (rules 22, 24, 25, 33, 34, section 9.8)."""
        booked, period = F(loan.get("interest", "0")), DAY if "daily" in loan["rate"] else self.lender.period
        step = min(period, HOUR) if self.table.get("late_interest") == "hour" else period
        at = EPOCH + ((self.put - EPOCH) // step + 1) * step
        while at <= self.at:
            booked += self._charge(loan, booked, at, period)
            at += step
        return max(booked, -F(loan["principal"]))

    def _charge(self, loan: dict[str, Any], booked: F, at: datetime, period: timedelta) -> F:
        table, opened, matures = self.table, datetime.fromisoformat(loan["opened_at"]), loan.get("matures_at")
        born, principal = self._version_at(opened), F(loan["principal"])
        is_late = matures is not None and at > datetime.fromisoformat(matures)
        by_hour = is_late and period == DAY and table.get("late_interest") == "hour"
        is_free = at.date() < opened.date() + born.get("free_days", {}).get(loan["asset"], 0) * DAY
        if is_free or not born.get("interest", True) or ((at - EPOCH) % period and not by_hour):
            return F(0)
        is_fixed = "daily" in loan["rate"]
        rate = F(loan["rate"]["daily"]) if is_fixed else self._rate(loan)
        if is_late:
            rate = rounded(rate / 24, 24, "half_even") if by_hour else rate
            rate *= F(table.get("late_interest_factor", 3)) if rate > 0 else 0
        bears = principal + (booked if table.get("compounding") else 0)
        if rate > 0 and not is_fixed:
            bears = max(bears - F(table.get("interest_free", {}).get(loan["asset"], "0")), F(0))
        if not table.get("compounding"):
            return bears * rate
        places = table.get("compounding_places", table.get("places", {}).get(loan["asset"], 8))
        return rounded(bears * rate, places, table.get("rounding", "half_even"))

    def _rate(self, loan: dict[str, Any]) -> F:
        rate = F(self.table["rates"][loan["asset"]])
        if "rate_spread" in self.terms:
            rate = max(rate + F(self.terms["rate_spread"]), min(rate, F(0)))
        if rate > 0 and loan["rate"].get("paid_in") == "BNB" and self.kind == "cross_margin_pro":
            rate *= 1 - F(self.table.get("bnb_discount", "0.05"))
        return rate

    @cached_property
    def lines(self) -> dict[str, F]:
        """The lines of the group: of its leverage, of its coin or of the version, under those of its own."""
        found = self.table.get("thresholds", {})
        if self.kind == "flexible_loan":
            own = [self.table["collateral"][coin] for coin in self.held]
            everyone = self.table["collateral"].values()
            found = min(own or everyone, key=lambda lines: [F(lines[n]) for n in ("liquidation", "margin_call")])
        leverage = self.line.get("leverage")
        if leverage is not None:
            found = self._grade([tier for tier in self.table["tiers"] if tier["leverage"] == leverage])
        stated = {name: found[name] for name in ORDER if name in found}
        return {name: F(level) for name, level in (stated | self.line.get("thresholds", {})).items()}

    def _grade(self, tiers: list[dict[str, Any]]) -> dict[str, Any]:
        lent: dict[str, F] = {}
        for loan in self.line["loans"]:
            lent[loan["asset"]] = lent.get(loan["asset"], F(0)) + F(loan["principal"])
        for tier in tiers[:-1]:
            if all(lent.get(coin, F(0)) <= F(cap) for coin, cap in tier.get("up_to", {}).items()):
                return tier
        return tiers[-1]

    # -- sums and band --

    def required(self, coin: str, rate: int = 3) -> Tiers:
        """What a debt in a coin weighs; `rate` 2 is the initial margin, 3 the maintenance margin (rules 37 to 41)."""
        if not self.has_tiers:
            return WHOLE
        rows = self.table["liability_tiers"][coin]
        bounds = [*(F(row[0]) for row in rows[:-1]), None]
        return [(bound, F(row[rate])) for bound, row in zip(bounds, rows, strict=True)]

    @property
    def loss(self) -> F:
        """What open orders might lose, where it counts (section 3.7)."""
        counts = self.has_tiers and not self.is_plain
        return F(self.line.get("open_order_loss", 0)) if counts else F(0)

    @cached_property
    def debt(self) -> F:
        return sum((climb(self.required(coin), amount * self.usd[coin]) for coin, amount in self.owed.items()), F(0))

    @cached_property
    def value_owed(self) -> F:
        return sum((amount * self.usd[coin] for coin, amount in self.owed.items()), F(0))

    @cached_property
    def counted(self) -> F:
        """Recognised value; of liabilities net equity."""
        total = sum((by.counts(quantity, self.usd[coin]) for coin, (quantity, by) in self.held.items()), F(0))
        return total - self.value_owed - self.loss if self.has_tiers else total

    @property
    def market(self) -> F:
        return sum((quantity * self.usd[coin] for coin, (quantity, _) in self.held.items()), F(0))

    def spare(self, debt: F, counted: F, level: F) -> F:
        """How far on the good side of a line: below zero it is passed."""
        return counted - level * debt if self.lender.falls else level * counted - debt

    @property
    def band(self) -> str:
        if not self.debt:
            return "normal"
        if self.counted <= 0:
            return "immediate"
        for name in ORDER:
            if name in self.lines:
                spare = self.spare(self.debt, self.counted, self.lines[name])
                if spare < 0 or (spare == 0 and name not in self.lender.passed):
                    return BANDS[name]
        return "normal"

    # -- the ways back --

    def _factors(self, level: F) -> tuple[F, F]:
        return (level, F(1)) if self.lender.falls else (F(1), level)

    def cure(self) -> dict[str, Any]:
        """To the initial level: repay, add recognised value, or add one coin (rule 13)."""
        of_debt, of_counted = self._factors(self.lines["initial"])
        excess = of_debt * self.debt - of_counted * self.counted
        if excess <= 0 or not self.debt:
            return {"repay_usd": F(0), "add_recognised_usd": F(0), "by_asset": dict.fromkeys(self.held, F(0))}
        missing = excess / of_counted
        return {
            "repay_usd": up(excess / (of_counted if self.has_tiers else of_debt), F(1, 100)),
            "add_recognised_usd": up(missing, F(1, 100)),
            "by_asset": {coin: self._to_add(coin, missing) for coin in self.held},
        }

    def _to_add(self, coin: str, missing: F) -> F | None:
        quantity, by = self.held[coin]
        price = self.usd[coin]
        edges = sorted({quantity, *(step / price for step in by.steps(price) if step / price > quantity)})
        goal = by.counts(quantity, price) + missing
        for low, high in pairwise([*edges, edges[-1] + 1]):
            at_low, at_high = by.counts(low, price), by.counts(high, price)
            is_last = low == edges[-1]
            if at_high > at_low and (at_high >= goal or is_last):
                return up(low + (goal - at_low) * (high - low) / (at_high - at_low) - quantity, self.unit(coin))
        return None

    def liquidation_prices(self) -> dict[str, F | None]:
        """Per coin the nearest price at which the group is at its line, rounded to the good side."""
        return {coin: self._line_price(coin) for coin in sorted({*self.held, *self.owed})}

    def _line_price(self, coin: str) -> F | None:
        line, owed = self.lines["liquidation"], self.owed.get(coin, F(0))
        quantity, by = self.held.get(coin, (F(0), Ladder(WHOLE)))

        required, now = self.required(coin) if owed else WHOLE, self.usd[coin]
        others_owed = self.debt - climb(required, owed * now)
        netted = owed if self.has_tiers else F(0)
        others = self.counted - by.counts(quantity, now) + netted * now

        def spare(price: F) -> F:
            debt = others_owed + climb(required, owed * price)
            return self.spare(debt, others + by.counts(quantity, price) - netted * price, line)

        edges = {F(0), *by.edges(quantity)}
        if owed:
            edges |= {bound / owed for bound, _ in required if bound is not None}
        found = [*roots(spare, sorted(edges))]
        if not found:
            return None
        price, is_better_above = min(found, key=lambda root: abs(root[0] - self.usd[coin]))
        unit = F(1, 10 ** max(8, 11 - exponent(price)))
        return up(price, unit) if is_better_above else down(price, unit)

    # -- what may be done --

    def _piecewise_most(self, room: F, cost: Callable[[F], F], edges: Iterable[F]) -> F:
        """The most that costs no more than the room; the cost rises, and is linear between the edges."""
        steps = sorted({F(0), *(edge for edge in edges if edge > 0)})
        for low, high in pairwise([*steps, steps[-1] + 1]):
            if cost(high) > room or low == steps[-1]:
                slope = (cost(high) - cost(low)) / (high - low)
                return down(low + (room - cost(low)) / slope, F(1, 100))
        raise AssertionError

    def _room_of(self, coin: str, room: F, required: Tiers, owed: F) -> F:
        """What may be borrowed of a coin where it stays in the account (sections 9.3 and 9.5)."""
        by = self.by_purpose(coin, "borrow") or Ladder([(None, F(0))])
        price, has = self.usd[coin], self.held[coin][0] if coin in self.held else F(0)

        def cost(value: F) -> F:
            more = by.counts(has + value / price, price) - by.counts(has, price)
            return climb(required, owed + value) - climb(required, owed) - more

        ends = [bound - owed for bound, _ in required if bound is not None]
        return self._piecewise_most(room, cost, [*ends, *(step - has * price for step in by.steps(price))])

    def by_purpose(self, coin: str, purpose: str) -> Ladder | None:
        """By which ladder a coin counts for loans (`borrow`) or transfers (`transfer`) (sections 3.8 and 9.4)."""
        has_ratios = self.kind in ("cross_margin_classic", "isolated_margin") and "ladders" in self.table
        if has_ratios or f"{purpose}_ladders" in self.table:
            return self.ladder_of(coin, "ratios" if has_ratios else f"{purpose}_ladders")
        return self.ladder_of(coin)

    def for_purpose(self, coin: str, quantity: F, purpose: str) -> F:
        """What a quantity counts for a purpose."""
        by = self.by_purpose(coin, purpose)
        return F(0) if by is None else by.counts(quantity, self.usd[coin])

    def net(self, purpose: str) -> F:
        total = sum((self.for_purpose(coin, quantity, purpose) for coin, (quantity, _) in self.held.items()), F(0))
        return total - self.value_owed - self.loss if self.has_tiers else total

    def rooms(self, stage: str) -> dict[str, F]:
        """USD that may be borrowed of each coin, but for its limits; "" for all coins together."""
        if self.has_tiers:
            coins = sorted(set(self.table["liability_tiers"]) & self.usd.keys())
        else:
            coins = sorted(self.table.get("rates", {}))
        if stage != "normal":
            return dict.fromkeys(["", *coins], F(0))
        if self.has_tiers:
            return self._rooms_on_margin(coins)
        of_debt, _ = self._factors(self.lines["initial"])
        room = max(F(0), self.spare(self.debt, self.net("borrow"), self.lines["initial"]))
        if self.kind not in ("cross_margin_classic", "isolated_margin"):
            return dict.fromkeys(["", *coins], down(room / of_debt, F(1, 100)))
        weighed: Tiers = [(None, self.lines["initial"])]
        found = {coin: self._room_of(coin, room, weighed, F(0)) if room else F(0) for coin in coins}
        return found | {"": min(found.values())}

    def _rooms_on_margin(self, coins: list[str]) -> dict[str, F]:
        margin = sum((climb(self.required(c, 2), q * self.usd[c]) for c, q in self.owed.items()), F(0))
        room = max(F(0), self.net("borrow") - margin)
        found = {}
        for coin in coins:
            required: Tiers = [(bound, 1 + rate) for bound, rate in self.required(coin, 2)]
            found[coin] = self._room_of(coin, room, required, self.owed.get(coin, F(0)) * self.usd[coin])
        return found | {"": min(found.values())}

    def most(self, coin: str, rooms: dict[str, F], stage: str) -> F:
        """USD of one coin that may be borrowed, by its limits too."""
        level = self.line.get("vip_level") or 0
        owed, price = self.owed.get(coin, F(0)), self.usd[coin]
        found, lefts = rooms.get(coin, rooms[""]), []
        for table, factor in (("borrow_limits", price), ("loan_limits", F(1))):
            stated = self.table.get(table, {}).get(coin)
            if stated is not None:
                levels = [stated] if isinstance(stated, str) else stated
                limit = F(levels[min(level, len(levels) - 1)])
                lefts.append(limit * factor - owed * price)
        if stage != "normal" or rooms[""] <= 0 or any(left <= 0 for left in lefts):
            return F(0)
        return min([found, *lefts])

    def may_leave(self, coin: str, quantity: F) -> bool:
        """So much of a coin may leave: what stays is on the good side of the line for transfers (rule 18, section 9)."""
        if not self.owed:
            return True
        taken = self.for_purpose(coin, self.held[coin][0], "transfer") - self.for_purpose(
            coin, self.held[coin][0] - quantity, "transfer"
        )
        if self.has_tiers:
            bar = F(self.table["transfer_out"]) if "transfer_out" in self.table else F(2) if self.is_plain else None
            left = self.net("transfer") + self.value_owed - taken
            return bar is not None and left > bar * self.value_owed
        is_classic = self.kind in ("cross_margin_classic", "isolated_margin")
        line = F(self.table.get("transfer_out", 2)) if is_classic else self.lines["initial"]
        return self.spare(self.debt, self.net("transfer") - taken, line) > 0

    def closable(self) -> dict[tuple[str, str], F]:
        """What one liquidation may repay (section 5, Aave v3, and 9.7): the largest that leaves no rest that is too small."""
        if self.kind != "aave_v3" or self.band not in ("liquidation", "immediate"):
            return {}
        close = {"share": "0.5", "full_at": "0.95", "small_usd": "2000", "leftover_usd": "1000"} | self.table["close"]
        is_low = self.spare(self.debt, self.counted, F(close["full_at"])) <= 0
        found = {}
        for owed, amount in self.owed.items():
            for pledged, (quantity, _) in self.held.items():
                debt, worth = amount * self.usd[owed], quantity * self.usd[pledged]
                is_full = is_low or min(debt, worth) < F(close["small_usd"])
                most = debt if is_full else min(debt, F(close["share"]) * self.debt)
                left, bonus = F(close["leftover_usd"]), close.get("bonus", {}).get(pledged)
                choices = [max(F(0), min(most, debt - left))]
                if bonus is not None:
                    all_of_it = worth / F(bonus)
                    most = min(most, all_of_it)
                    choices = [max(F(0), min(most, debt - left, down((worth - left) / F(bonus), F(1, 10**8))))]
                    choices += [down(all_of_it, F(1, 10**8))] if all_of_it <= most else []
                choices += [debt] if debt <= most else []
                found[owed, pledged] = max(choices)
        return found


def roots(spare: Callable[[F], F], edges: list[F]) -> Iterable[tuple[F, bool]]:
    """Positive zeros, and whether it is better above them; linear between the edges, the last piece has no end."""
    for low, high in pairwise([*edges, edges[-1] + 1]):
        at_low, at_high = spare(low), spare(high)
        if at_high != at_low:
            root = low - at_low * (high - low) / (at_high - at_low)
            if root > 0 and root >= low and (root <= high or low == edges[-1]):
                yield root, at_high > at_low


def exponent(value: F) -> int:
    """The power of ten of the first digit."""
    guess = floor(log10(value.numerator) - log10(value.denominator))
    while F(10) ** guess > value:
        guess -= 1
    while F(10) ** (guess + 1) <= value:
        guess += 1
    return guess


def shown(text: str | None) -> F | None:
    """A figure of the API."""
    return None if text is None else F(Decimal(text))
