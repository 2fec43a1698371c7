"""Random books and markets for whole runs: groups at their lines, and prices that walk, crash, land, stall and come back."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal, localcontext
from typing import Any

import msgspec

from monitor.core.alerts.matching import Match
from monitor.core.alerts.silences import Acknowledge, MakeSilence, Unsilence
from monitor.core.events.entries import Entry
from monitor.core.events.events import (
    BookEntry,
    GroupClosed,
    MarkPrices,
    OperatorAct,
    ProductsChanged,
    RatesChanged,
    TimePassed,
)
from monitor.core.loans.group import parse_line
from monitor.core.money import exact, plain
from monitor.core.prices.quote import Frame, Quote
from monitor.core.rules.product import Product, RateRow
from monitor.core.rules.settings import Lifecycle, Rules, Trust
from monitor.core.schema import read
from monitor.core.stages.stages import NORMAL
from monitor.core.valuation.valuation import Holding, holding, weigh
from tests.coin_desk import START
from tests.engine.kinds import LEVERAGES, MOST_COINS, OWN, STRICT, Kinds, missing
from tests.engine.twins import Line, Twins

D = Decimal
COINS = [f"C{k}" for k in range(12)]
LATE, ODD, RATE = "LATE", "ODD", "USDC"
"""A coin whose price comes late, one that no ladder lists, and the one that may convert USDT."""
HELD = [*COINS, "USDT", RATE, LATE, ODD]
OWED = ["USDT", "USDT", RATE, *COINS[:4], ODD]
LABELS = ({"desk": "EU"}, {"borrower": "acme", "desk": "US"}, {"borrower": "beta"})
NEAR = (D(0), D(0), D("1e-18"), D("-1e-18"), *(D(s) * m for s in (1, -1) for m in map(D, ("1e-10", "1.1e-9", "1e-8"))))
PAUSES = (0, 0.5, 1, 1, 2, 60, 450, 900, 901, 3600, 5 * 3600, 13 * 3600)
QUICK = (0, 0.5, 1, 1, 1, 1.5, 3, 4, 11, 900)
TRUSTED = Trust(enabled=False)
WARY = Trust(stale_after=timedelta(seconds=10), confirm_after=timedelta(seconds=3))
RATED = msgspec.structs.replace(WARY, usdt_usd=RATE)


class Market:
    """A book and a market told to both monitors. `near` is how many of eight groups are put at one of their lines."""

    def __init__(
        self,
        seed: int,
        groups: int,
        near: int,
        trust: Trust,
        fold_at: int,
        kinds: Sequence[str] = ("vip_loan", "flat_loan"),
        *,
        has_terms: bool = False,
    ) -> None:
        """`has_terms`: labels and lines of some groups state other terms than their agreement."""
        self.random, self.kinds = random.Random(seed), kinds
        self.has_terms = has_terms
        self._making = Kinds(self.random, HELD, OWED, ODD)
        self._own: dict[str, list[Line]] = {
            kind: [self._making.terms(kind) for _ in range(4)] for kind in (kinds if has_terms else ())
        }
        self.now, self.near = START + timedelta(hours=9), near
        self._next = self._entries = self._silences = 0
        self.usd = {coin: self.price(0) for coin in COINS} | {"USDT": D(1), RATE: D(1), ODD: self.price(0)}
        self.start = dict(self.usd)
        self.silent: set[str] = set()
        self.confirmed = self.now
        """Until an event is told after it, prices kept over a restart are waited for, which no memory keeps."""
        self.twins = Twins(self.rules(trust), fold_at)
        self.quote(self.usd)
        singles = self.random.choice((0, 20, 60))
        for line in self.lines(singles):
            self.twins.put_one(line, self.now)
        while len(self.twins.objects) < groups:
            self.twins.put(self.lines(min(400, groups - len(self.twins.objects))), self.now)

    # -- rules --

    def rules(self, trust: Trust) -> Rules:
        lifecycle = Lifecycle(clear_hold=timedelta(seconds=self.random.choice((0, 5, 900))))
        products = {kind: self.product(kind) for kind in self.kinds}
        return Rules("desk-1", products, lifecycle, trust)

    def product(self, kind: str) -> Product:
        """Two versions: the second comes into force in the run, or was in force before it."""
        hours = self.random.choice((-48, 2, 14, 20))
        dates = START - timedelta(days=400), START + timedelta(hours=9 + hours, minutes=1)
        product = self._making.product(kind, dates)
        return self._making.with_overrides(product, LABELS) if self.has_terms else product

    # -- groups --

    def lines(self, count: int) -> list[Line]:
        return [self.line() for _ in range(count)]

    def line(self, id_: str | None = None) -> Line:
        r = self.random
        if id_ is None:
            self._next += 1
            id_ = f"G{self._next:05}"
        kind = r.choice(self.kinds)
        most = MOST_COINS.get(kind)
        stated: Line = {"id": id_, "product": kind}
        accounts = [f"{id_}-in"] if r.random() < 0.7 or most else [f"{id_}-{k}" for k in range(r.randint(1, 3))]
        stated["receiving_account"] = f"{id_}-in"
        stated["collateral"] = {account: dict(list(self.coins().items())[:most]) for account in accounts}
        stated["loans"] = [self.loan(k) for k in range(r.choice((0, 1, 1, 1, 2, 3)))]
        stated["delayed_liquidation"] = r.random() < 0.5 and kind in ("vip_loan", "flat_loan")
        if kind == "isolated" and r.random() < 0.7:
            stated["leverage"] = r.choice(LEVERAGES)
        if r.random() < 0.15:
            stated["labels"] = {"desk": r.choice(("EU", "US"))}
        if self.has_terms and r.random() < 0.5:
            stated["labels"] = r.choice(LABELS)
        if self.has_terms and r.random() < 0.3:
            stated["terms"] = r.choice(self._own[kind])
        if self.has_terms and r.random() < 0.3:
            stated["thresholds"] = STRICT.get(kind, {})
        if r.random() < 0.15:
            stated["thresholds"] = r.choice(OWN[kind])
        aimed = r.randrange(8) < self.near
        return self.aimed(stated, r.choice(NEAR)) if aimed else self.loaded(stated)

    def coins(self) -> dict[str, str]:
        r = self.random
        chosen = r.sample(HELD, r.choice((0, 1, 2, 4, 7)))
        return {coin: plain(self.amount(coin, wide=r.random() < 0.05)) for coin in chosen}

    def amount(self, coin: str, *, wide: bool = False) -> Decimal:
        """Worth between a dollar and ten millions."""
        if self.random.random() < 0.03:
            return D(0)
        worth = D(self.random.randint(1, 10**9)) / 10 ** self.random.randint(2, 9)
        digits = 22 if wide else 8
        with localcontext(prec=60):
            amount: Decimal = worth / self.usd.get(coin, D(1)) + (D(1) / 7 if wide else 0)
            return amount.quantize(D(1).scaleb(-digits))

    def loan(self, number: int) -> Line:
        r, coin = self.random, self.random.choice(OWED)
        terms: Line = {
            "id": f"L{number}",
            "asset": coin,
            "principal": plain(self.amount(coin)),
            "rate": {"kind": "flexible"},
            "term": "open",
            "opened_at": "2025-12-20T10:00:00Z",
        }
        if r.random() < 0.2:
            matures = self.now + timedelta(hours=r.choice((-40, -20, -1, 1, 4, 11, 30, 600)), seconds=r.randint(0, 3))
            terms |= {"term": "30d", "matures_at": matures.isoformat()}
            if r.random() < 0.5:
                terms["rate"] = {"kind": "fixed", "daily": r.choice(("0", "0.0002"))}
        if r.random() < 0.1:
            terms["rate"] = terms["rate"] | {"paid_in": "BNB"}
        terms["opened_at"] = r.choice(("2025-12-20T10:00:00Z", "2026-01-04T23:00:00Z", "2024-10-01T00:00:00Z"))
        return terms | ({"interest": "0.25"} if r.random() < 0.3 else {})

    def loaded(self, stated: Line) -> Line:
        """With its loans brought to some LTV around the lines, most times."""
        r = self.random
        return self.aimed(stated, D(r.randint(-900, 300)) / 1000) if r.random() < 0.8 else stated

    def aimed(self, stated: Line, beside: Decimal) -> Line:
        """With one more loan that brings the metric to a line, but for this share of it."""
        product = self.twins.rules.products[stated["product"]]
        group = parse_line(stated, self.now, self.twins.rules.products)
        with exact():
            held = holding(group, product.of(group), self.now)
            try:
                weight = weigh(held, self.usd)
            except KeyError:
                return stated
            line = self.random.choice(self.lines_watched(held))
        coin = self.random.choice(("USDT", "USDT", RATE, *COINS[:2]))
        with localcontext(prec=60):
            usd = missing(held, weight, line * (1 + beside), coin, self.usd[coin])
            principal = round(usd / self.usd[coin], 24)
        if principal <= 0:
            return stated
        more = {
            "id": "LX",
            "asset": coin,
            "principal": plain(principal),
            "rate": {"kind": "flexible"},
            "term": "open",
            "opened_at": "2025-12-20T10:00:00Z",
        }
        return stated | {"loans": [*stated["loans"], more]}

    def lines_watched(self, held: Holding) -> list[Decimal]:
        """All levels at which something may be decided about a group."""
        lines, warnings = held.lines, held.version.warnings
        margin = self.twins.rules.lifecycle.clear_margin
        return [*lines.stated.values(), *warnings, *(lines.eased(level, margin) for level in (*warnings, lines.first))]

    # -- events --

    def price(self, exponent: int) -> Decimal:
        return D(self.random.randint(10**5, 10**8)).scaleb(self.random.randint(-8, -3) + exponent)

    def quote(self, coins: Iterable[str], source: str = "perp") -> None:
        """Prices of these coins, as a frame, as quotes, or as both; the silent ones stay silent."""
        r = self.random
        told = [coin for coin in coins if coin in self.usd and coin not in self.silent and coin != "USDT"]
        in_usdt, at_ms = [coin for coin in told if coin != RATE], int(self.now.timestamp() * 1000)
        split = r.choice((0, len(in_usdt), len(in_usdt) // 2)) if len(in_usdt) > 1 else 0
        framed, single = in_usdt[:split], in_usdt[split:]
        texts = tuple(plain(self.usd[coin]) for coin in framed)
        frames = (Frame(source, "USDT", tuple(framed), texts, at_ms, beside=texts),) if framed else ()
        quotes = [Quote(coin, self.usd[coin], "USDT", source, self.now, beside=self.usd[coin]) for coin in single]
        quotes += [Quote(RATE, self.usd[RATE], "USD", "rate", self.now, beside=self.usd[RATE])] if RATE in told else []
        if quotes or frames:
            self.twins.tell(MarkPrices(self.now, tuple(quotes), frames))

    def move(self, coins: Sequence[str], low: float, high: float) -> None:
        """Multiplies prices by factors in a range, and tells them."""
        for coin in coins:
            if coin in self.usd and coin != "USDT":
                factor = D(repr(self.random.uniform(low, high)))
                # A rate of USDT is never far from one, a price never out of range.
                factor = 1 + (factor - 1) / 100 if coin == RATE else factor
                with localcontext(prec=14):
                    self.usd[coin] = min(max(self.usd[coin] * factor, D("1e-16")), D("1e13"))
        self.quote(coins)

    def land(self, coins: Iterable[str]) -> None:
        """Prices are those of the start again, at which many groups were put upon their lines."""
        self.usd |= {coin: self.start[coin] for coin in coins if coin in self.start}
        self.quote(coins)

    def aim(self) -> None:
        """One price brings one group as near to one of its lines as 30 digits can say."""
        w = self.random.choice(self.twins.objects.records())
        coins = [(a, n) for a, n in w.held.debts if a in COINS and a not in {c for c, _, _ in w.held.collateral}]
        usd = self.twins.plain.board.usd
        if not coins or w.held.tiers is not None or any(a not in usd for a in w.held.assets):
            return
        coin, amount = self.random.choice(coins)
        with exact():
            weight = weigh(w.held, usd)
            line = self.random.choice(self.lines_watched(w.held))
        with localcontext(prec=60):
            rest = missing(w.held, weight, line, coin, usd[coin]) + amount * usd[coin]
        with localcontext(prec=30):
            price = rest / amount / usd["USDT"]
        if D("1e-15") < price < D("1e14"):
            self.usd[coin] = price
            self.quote([coin])

    def step(self, pauses: Sequence[float]) -> None:
        """Something happens to the market, the book, the rules or the process."""
        r, before = self.random, self.now
        self.now += timedelta(seconds=r.choice(pauses))
        everything = list(self.usd)
        if self.now - before > timedelta(seconds=10) and r.random() < 0.5:
            self.twins.tell(TimePassed(self.now))
        match r.choices(*zip(*CHANCES.items(), strict=True))[0]:
            case "walk":
                self.move(everything, 0.97, 1.03)
            case "nudge":
                self.move(everything, 1 - 2e-8, 1 + 2e-8)
            case "one":
                self.move([r.choice(everything)], 0.9, 1.1)
            case "ten":
                self.move(r.sample(everything, 10), 0.95, 1.05)
            case "land":
                self.land(everything)
            case "aim":
                self.aim()
            case "jump":
                self.move(r.sample(everything, r.choice((1, 3))), 0.5, 1.8)
            case "crash":
                self.move(r.choice((everything, r.sample(everything, 2))), 1e-6, 1.1e-6)
            case "silence":
                self.silent = set(r.sample(everything, r.choice((0, 0, 1, 3))))
                self.land(everything)
            case "other feed":
                self.quote(r.sample(everything, 5), source="spot")
            case "book":
                self.change_book()
            case "operator":
                self.operate()
            case "late":
                self.usd.setdefault(LATE, self.price(0))
                self.quote([LATE])
            case "rates":
                self.give_rates()
            case "rules":
                rules = self.rules(self.twins.rules.trust)
                self.twins.tell(ProductsChanged(self.now, rules))
            case "restart" if self.twins.told > self.confirmed:
                self.twins.restart()
            case "start anew":
                self.twins.restart_both(self.now)
                self.confirmed = self.now + self.twins.rules.trust.stale_after

    def change_book(self) -> None:
        """Puts, puts again, entries and closes, of some groups each."""
        r, ids = self.random, list(self.twins.objects.ids())
        if r.random() < 0.4:
            some = [self.line(id_) for id_ in r.sample(ids, r.choice((1, 30)))]
            self.twins.put([*some, *self.lines(r.choice((0, 5, 60)))], self.now)
        for id_ in r.sample(ids, r.choice((1, 5))):
            self.twins.put_one(self.line(id_), self.now)
        for id_ in r.sample(ids, r.choice((1, 10))):
            self.enter(id_)
        for id_ in r.sample(ids, r.choice((0, 1, 5, len(ids) // 6))):
            self.twins.tell(GroupClosed(self.now, id_, "book"))

    def operate(self) -> None:
        """Acknowledges where groups are bad, silences some and ends that again."""
        r, later = (
            self.random,
            self.random.choice((None, self.now + timedelta(hours=1), self.now + timedelta(hours=30))),
        )
        states = [w.state for w in self.twins.objects.records() if w.state.stage != NORMAL]
        for state in r.sample(states, min(len(states), 5)):
            act = Acknowledge(state.group, state.episode, state.stage, state.last_alert or "", "x", later)
            self.twins.tell(OperatorAct(self.now, "ops", act))
        self._silences += 1
        match = r.choice(
            (Match(group="*1*"), Match(severity="warning"), Match(product="vip_loan"), Match(type="price.*"))
        )
        end, worst = self.now + timedelta(hours=r.randint(1, 40)), r.choice((None, None, "margin_call", "critical"))
        said = MakeSilence(f"sil-{self._silences}", match, end, "x", worst, worst is None and r.random() < 0.2)
        self.twins.tell(OperatorAct(self.now, "ops", said))
        self.twins.tell(OperatorAct(self.now, "ops", Unsilence(f"sil-{r.randint(1, self._silences)}")))

    def give_rates(self) -> None:
        """Daily rates of some coins, at midnights and between, long past, just now and to come."""
        r, midnight = self.random, self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        if r.random() < 0.4:  # into the hour in which a day's step may still be corrected
            self.now = midnight + timedelta(days=1, minutes=r.choice((0, 5, 59, 60)))
            midnight += timedelta(days=1)
            self.twins.tell(TimePassed(self.now))
        times = [midnight + timedelta(days=n, hours=h) for n in (-500, -1, 0, 0, 0, 1, 2) for h in (0, 0, 0, 9)]
        rows = {
            (r.choice(times), r.choice(HELD)): D(r.choice(("0", "0.0001", "0.01", "0.3")))
            for _ in range(r.choice((1, 9)))
        }
        stated = tuple(RateRow(at, coin, rate) for (at, coin), rate in rows.items())
        source = r.choice(("rates", "other"))
        self.twins.tell(
            RatesChanged(self.now, r.choice(sorted(self.twins.rules.products)), source, stated, r.random() < 0.3)
        )

    def enter(self, id_: str) -> None:
        r = self.random
        self._entries += 1
        later = (self.now + timedelta(hours=r.randint(1, 30))).isoformat()
        stated = r.choice(
            (
                {"type": "repay", "asset": r.choice(OWED), "percent": r.choice(("1", "50", "100"))},
                {"type": "deposit", "account": f"{id_}-in", "asset": r.choice(HELD), "quantity": "3.25"},
                {"type": "enroll", "delayed_liquidation": r.random() < 0.5},
                {"type": "extend_grace", "until": later, "reason": "x"},
                {"type": "waive", "until": later, "reason": "x"},
                {"type": "override", "thresholds": r.choice(OTHER_LINES), "until": later, "reason": "x"},
                {"type": "liquidated"},
            )
        )
        entry: Any = read(Entry, stated)
        self.twins.tell(BookEntry(self.now, id_, f"e-{self._entries}", entry))


OTHER_LINES = ({"initial": "0.6"}, {"liquidation": "0.92"}, {"margin_call": "0.75", "liquidation": "0.93"})
CHANCES = {
    "walk": 8, "nudge": 5, "one": 6, "ten": 5, "land": 5, "aim": 8, "jump": 3, "crash": 3, "silence": 3,
    "other feed": 2, "book": 4, "operator": 3, "late": 1, "rules": 1, "rates": 3, "restart": 2, "start anew": 1,
}  # fmt: skip
