"""Two years of a small lender's desk, made up: prices, a book, what happened to it, rates of each day, three sets of rules.

Everything is seeded. The desk looks at its groups now and then, as a real one does: it asks for collateral or a repayment
where LTV is high, lends more where it is low, renews term loans before they mature, and liquidates. Its own figures are
rough (float, without interest): they only decide what it does, and what that leads to is for the reference to say.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any

from tests.reference.terms import DAY, stamp

Line = dict[str, Any]
Row = tuple[datetime, dict[str, str]]

START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(hours=4)
COINS = {"BTC": 42000.0, "ETH": 2300.0, "BNB": 310.0, "SOL": 100.0, "XRP": 0.6, "ADA": 0.6, "LINK": 15.0, "USDC": 1.0}
LENT = ("USDT", "USDT", "USDC", "BTC")
SECOND, THIRD = datetime(2024, 9, 10, tzinfo=UTC), datetime(2025, 6, 15, 10, 30, tzinfo=UTC)
"""When the ladders change: once at a midnight, once between two rows of prices."""
QUIET = {"G-renewed", "G-late", "G-ladder", "G-short"}
"""Groups with a story of their own; the desk leaves them alone."""

PRODUCT = """\
[[version]]
effective = {effective}
thresholds = {{ initial = "0.72", margin_call = "0.77", liquidation = "0.91", immediate = "0.95" }}
grace = "24h"
late_interest_factor = "3"
renewal_window = "7d"
maturity_notice = "24h"
warnings = [{warnings}]
[version.ladders]
BTC = [["5000000", "1"], ["50000000", "0.975"], ["inf", "0.9"]]
ETH = [["5000000", "1"], ["50000000", "0.95"], ["inf", "0.9"]]
BNB = [["2000000", "0.95"], ["inf", "0.85"]]
SOL = [["1000000", "{sol}"], ["5000000", "0.8"]]
XRP = [["1000000", "0.9"], ["5000000", "0.75"]]
ADA = [["1000000", "{ada}"], ["5000000", "0.7"]]
LINK = [["1000000", "0.9"], ["3000000", "0.8"]]
USDC = [["inf", "{usdc}"]]
[version.rates]
{rates}
[version.loan_limits]
USDT = ["4000000", "8000000", "60000000"]
"""


def product() -> str:
    """The product file. In the second version USDC counts less, in the third it counts in full again."""
    first = PRODUCT.format(
        effective="2023-06-01T00:00:00Z",
        warnings='"0.74"',
        sol="0.95",
        ada="0.9",
        usdc="1",
        rates='USDT = "0.00016"\nUSDC = "0.00015"\nBTC = "0.00004"',
    )
    second = PRODUCT.format(
        effective=stamp(SECOND),
        warnings='"0.74", "0.7"',
        sol="0.85",
        ada="0.9",
        usdc="0.8",
        rates='USDT = "0.0002"\nUSDC = "0.00019"\nBTC = "0.00005"',
    )
    # BTC is lent no longer: loans that there are keep the rate that they had.
    third = PRODUCT.format(
        effective=stamp(THIRD),
        warnings='"0.745"',
        sol="0.9",
        ada="0.8",
        usdc="1",
        rates='USDT = "0.00018"\nUSDC = "0.00017"',
    )
    return "\n".join((first, second, third))


def rates(seed: int) -> list[tuple[datetime, str, Decimal]]:
    """A rate file's rows: a new flexible rate of two coins from each midnight on, for all but some months."""
    rng, rows = Random(f"rates-{seed}"), []
    for day in range((END - START) // DAY + 1):
        at = START + day * DAY
        for coin, rate in (("USDT", 16), ("USDC", 15)):
            if not 150 <= day < 190:
                rows.append((at, coin, Decimal(rate * 100 + rng.randrange(-400, 900)).scaleb(-7)))
    return rows


@dataclass
class Held:
    """A group as the desk thinks of it."""

    line: Line
    collateral: dict[str, float]
    loans: dict[str, Line] = field(default_factory=dict)
    next_look: datetime = START


@dataclass(frozen=True)
class Years:
    """All that a run is made of."""

    product: str
    rates: list[tuple[datetime, str, Decimal]]
    book: list[Line]
    rows: list[Row]
    entries: list[Line]

    @property
    def table(self) -> dict[str, Any]:
        return tomllib.loads(self.product)


@cache
def years(seed: int, groups: int) -> Years:
    """The same arguments give the same two years."""
    rng = Random(f"years-{seed}")
    rows = list(_rows(rng))
    desk = _Desk(rng, rows)
    desk.open(groups)
    desk.work()
    entries = sorted(desk.entries, key=lambda entry: str(entry["at"]))
    return Years(product(), rates(seed), [held.line for held in desk.groups], rows, entries)


def _rows(rng: Random) -> Iterator[Row]:
    """Prices that wander around where they began; every fifth row is not at a full hour, and some coins are left out."""
    off = dict.fromkeys(COINS, 0.0)
    for number in range((END - START) // STEP + 1):
        market = rng.gauss(0, 0.011) + (rng.choice((-0.09, 0.07)) if rng.random() < 0.004 else 0)
        for coin in COINS:
            off[coin] += -0.004 * off[coin] + market + rng.gauss(0, 0.008)
        late = timedelta(minutes=37, seconds=21) if number % 5 == 4 else timedelta(0)
        prices = {coin: COINS[coin] * math.exp(off[coin] * (1 if coin != "USDC" else 0.004)) for coin in COINS}
        said = {coin: text(price) for coin, price in prices.items() if number == 0 or rng.random() < 0.97}
        yield START + number * STEP + late, said


def text(number: float, digits: int = 6) -> str:
    """Six significant digits in plain notation."""
    return format(Decimal(f"{number:.{digits}g}"), "f")


class _Desk:
    """What the people of the lender do."""

    def __init__(self, rng: Random, rows: list[Row]) -> None:
        self.rng, self.rows = rng, rows
        self.groups: list[Held] = []
        self.entries: list[Line] = []
        self.price = {coin: float(price) for coin, price in rows[0][1].items()} | {"USDT": 1.0}
        self._numbers = 0

    # The book at the start.

    def open(self, groups: int) -> None:
        for number in range(1, groups - len(QUIET) + 1):
            self._group(f"G-{number}")
        renewed = self._loan("USDT", 800_000, START - 4 * DAY, "30d", "0.00021")
        self._put("G-renewed", {"BTC": 50.0}, [renewed])
        late = self._loan("USDT", 300_000, datetime(2024, 2, 20, 9, 15, tzinfo=UTC), "30d", None)
        self._put("G-late", {"BTC": 20.0}, [late], delayed_liquidation=True)
        # LTV is 65 %, 81.25 % while USDC counts for 80 %, then 65 % again, and no price has moved.
        self._put("G-ladder", {"USDC": 1_000_000.0}, [self._loan("USDC", 600_000, START, "open", None)])
        short = self._loan("USDT", 500_000, START, "open", None)
        self._put(
            "G-short", {"ETH": 700.0}, [short], balances={"G-short-in": {"USDT": "9000"}, "G-short-b": {"USDT": "600"}}
        )

    def _group(self, name: str) -> None:
        rng = self.rng
        coins = rng.sample(sorted(COINS), rng.randint(1, 4))
        usd = 10 ** rng.uniform(5, 7.2)
        collateral = {coin: usd * rng.uniform(0.2, 1) / len(coins) / COINS[coin] for coin in coins}
        worth = sum(quantity * COINS[coin] for coin, quantity in collateral.items())
        loans = []
        for _ in range(rng.randint(1, 3)):
            term = rng.choice(("open", "30d", "60d", "30d"))
            fixed = "0.00018" if term != "open" and rng.random() < 0.5 else None
            lent = "USDT" if fixed else rng.choice(LENT)
            opened = START - timedelta(days=rng.uniform(0.5, 28))
            loans.append(self._loan(lent, worth * rng.uniform(0.12, 0.3) / self.price[lent], opened, term, fixed))
        more: Line = {"delayed_liquidation": rng.random() < 0.5}
        if rng.random() < 0.2:
            more["thresholds"] = {"initial": "0.65", "margin_call": "0.7", "liquidation": "0.85"}
        if rng.random() < 0.5:
            more["balances"] = {f"{name}-in": {coin: text(worth * rng.uniform(0, 0.05)) for coin in ("USDT", "USDC")}}
        if rng.random() < 0.6:
            more["vip_level"] = rng.randint(0, 3)
        self._put(name, collateral, loans, **more)

    def _put(self, name: str, collateral: dict[str, float], loans: list[Line], **more: Any) -> None:
        accounts = {f"{name}-a": {coin: text(quantity) for coin, quantity in collateral.items()}, f"{name}-b": {}}
        line = {
            "id": name,
            "product": "vip_loan",
            "receiving_account": f"{name}-in",
            "collateral": accounts,
            "loans": loans,
            **more,
        }
        next_look = START + timedelta(days=self.rng.uniform(1, 15))
        self.groups.append(Held(line, dict(collateral), {loan["id"]: dict(loan) for loan in loans}, next_look))

    def _loan(self, coin: str, principal: float, opened: datetime, term: str, fixed: str | None) -> Line:
        self._numbers += 1
        days = {"30d": 30, "60d": 60}.get(term)
        return {
            "id": f"L-{self._numbers}",
            "asset": coin,
            "principal": text(principal),
            "interest": "0",
            "term": term,
            "rate": {"kind": "flexible"} if fixed is None else {"kind": "fixed", "daily": fixed},
            "opened_at": stamp(opened),
            "matures_at": None if days is None else stamp(opened + timedelta(days=days)),
        }

    # Two years of work.

    def work(self) -> None:
        """Looks at each group every few days, on the prices of that time, and at term loans before they mature."""
        for at, prices in self.rows[1:-1]:
            self.price |= {coin: float(price) for coin, price in prices.items()}
            for held in self.groups:
                if held.next_look <= at:
                    held.next_look = at + timedelta(days=self.rng.uniform(4, 25))
                    if held.line["id"] not in QUIET:
                        self._look(held, self._moment(at))
                for loan in list(held.loans.values()):
                    if loan["matures_at"] is not None and at >= self._reminded(loan):
                        self._near_maturity(held, loan, at)
        self._late()

    def _moment(self, at: datetime) -> datetime:
        """Mostly some time after the row, sometimes at its very time."""
        return at if self.rng.random() < 0.2 else at + timedelta(seconds=self.rng.randrange(1, 7200))

    def _reminded(self, loan: Line) -> datetime:
        """A fixed number of days before the maturity, by the loan's number."""
        early = 1 + int(loan["id"].removeprefix("L-")) % 9
        return datetime.fromisoformat(loan["matures_at"]) - timedelta(days=early, hours=2)

    def _ltv(self, held: Held) -> float:
        debt = sum(float(loan["principal"]) * self.price[loan["asset"]] for loan in held.loans.values())
        worth = sum(quantity * self.price[coin] for coin, quantity in held.collateral.items())
        return debt / worth / 0.9 if worth else 0.0

    def _look(self, held: Held, at: datetime) -> None:
        rng, ltv = self.rng, self._ltv(held)
        if not held.loans or ltv < 0.58:
            self._lend(held, at)
        elif ltv > 0.9 and rng.random() < 0.6:
            self._say(held, at, {"type": "liquidated"})
            held.loans.clear()
        elif ltv > 0.7:
            self._ask(held, at, ltv)
        elif rng.random() < 0.2:
            self._say(held, at, {"type": "enroll", "delayed_liquidation": rng.random() < 0.5})

    def _lend(self, held: Held, at: datetime) -> None:
        """Lends more, up to 60 to 75 % in all."""
        worth = sum(quantity * self.price[coin] for coin, quantity in held.collateral.items())
        debt = sum(float(loan["principal"]) * self.price[loan["asset"]] for loan in held.loans.values())
        more = worth * 0.9 * self.rng.uniform(0.6, 0.75) - debt
        if more <= 0 or len(held.loans) > 6:
            return
        lent = self.rng.choice(LENT[:3])
        loan = self._loan(lent, more / self.price[lent], at, self.rng.choice(("open", "30d", "60d")), None)
        held.loans[loan["id"]] = dict(loan)
        self._say(held, at, {"type": "borrow", "loan": loan})

    def _ask(self, held: Held, at: datetime, ltv: float) -> None:
        """Collateral is added, or a part repaid; some borrowers do nothing."""
        rng, account = self.rng, f"{held.line['id']}-a"
        if rng.random() < 0.25:
            return
        if rng.random() < 0.5:
            coin = rng.choice(sorted(held.collateral))
            quantity = text(held.collateral[coin] * rng.uniform(0.05, 0.4))
            held.collateral[coin] += float(quantity)
            self._say(held, at, {"type": "deposit", "account": account, "asset": coin, "quantity": quantity})
            return
        share = rng.choice((10, 25, 40))
        for coin in sorted({loan["asset"] for loan in held.loans.values()}):
            self._say(held, at, {"type": "repay", "asset": coin, "percent": str(share)})
        for loan in held.loans.values():
            loan["principal"] = text(float(loan["principal"]) * (1 - share / 100))

    def _near_maturity(self, held: Held, loan: Line, at: datetime) -> None:
        """Renews most term loans at the rate of the day; the others are repaid in full. One is forgotten."""
        if held.line["id"] == "G-late":
            return
        if self.rng.random() < 0.8 or held.line["id"] == "G-renewed":
            term = "30d" if held.line["id"] == "G-renewed" else self.rng.choice(("30d", "60d"))
            if loan["rate"]["kind"] == "fixed":
                loan["rate"] = {"kind": "fixed", "daily": self.rng.choice(("0.00017", "0.00019", "0.000235"))}
            matures_at = datetime.fromisoformat(loan["matures_at"])
            loan["matures_at"] = stamp(matures_at + timedelta(days=int(term[:-1])))
            self._say(held, at, {"type": "renew", "loan": loan["id"], "term": term, "rate": loan["rate"]})
        else:
            del held.loans[loan["id"]]
            self._say(held, at, {"type": "repay", "asset": loan["asset"], "percent": "100", "loan": loan["id"]})

    def _late(self) -> None:
        """The forgotten loan is paid twelve days after it matured, with its tripled interest."""
        (late,) = [held for held in self.groups if held.line["id"] == "G-late"]
        (loan,) = late.line["loans"]
        paid = datetime.fromisoformat(loan["matures_at"]) + 12 * DAY + timedelta(hours=1)
        self._say(late, paid, {"type": "repay", "asset": loan["asset"], "percent": "100"})

    def _say(self, held: Held, at: datetime, content: Line) -> None:
        head = {"group": held.line["id"], "id": f"E-{len(self.entries) + 1}", "at": stamp(at)}
        self.entries.append(head | content)
