"""Binance's VIP loans as a model: accounts, orders and requests that change, served in the documented bodies."""

from __future__ import annotations

import random
from decimal import ROUND_DOWN, Decimal
from typing import Any

from monitor.books import _vip_extra as extra
from monitor.books import binance_vip as book
from monitor.books._binance import ACCOUNT, TIME
from tests.books.venues.server import Answer, Venue

D = Decimal
FIRST_ID = 756783308056935434
"""Beyond 2 to the 53rd: no float holds it."""
BEGINS_MS = 1_767_571_200_000
"""The day on which the virtual clock begins."""
USD = {"BTC": D(50_000), "ETH": D(3_000), "USDT": D(1), "USDC": D(1)}
ALL = (
    book.ORDERS, book.COINS, book.STATUSES, book.LADDERS, book.OFFERS, book.RATES, extra.RATE_HISTORY, extra.ACCRUED,
    extra.FORCED, extra.MAX_BORROWABLE,
)  # fmt: skip


class VipVenue:
    """The model, and the venue that serves it. `holds_interest`: its totalDebt holds the residual interest."""

    def __init__(self, venue: Venue, *, holds_interest: bool = True) -> None:
        self.venue = venue
        self.holds_interest = holds_interest
        self.balances: dict[str, dict[str, Decimal]] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.requests: list[dict[str, Any]] = []
        self.ratios = {"BTC": [("100%", "1-10000000"), ("80%", ">10000000")], "ETH": [("90%", ">1")]}
        self.rates = {"USDT": "0.00016", "USDC": "0.00015"}
        self.locked: set[str] = set()
        """Accounts whose key is refused."""
        self._next = FIRST_ID
        self.shuffles = random.Random(0)
        venue.on(TIME.path, lambda _: {"serverTime": venue.now_ms()})
        venue.on(ACCOUNT.path, self._account)
        venue.on(book.ORDERS.path, self._ongoing)
        venue.on(book.COINS.path, lambda q: self._paged(q, self._coins()))
        venue.on(book.STATUSES.path, lambda q: self._paged(q, self.requests))
        venue.on(
            book.LADDERS.path, lambda _: {"rows": [self._ladder(c) for c in self.ratios], "total": len(self.ratios)}
        )
        venue.on(book.OFFERS.path, lambda _: {"rows": [], "total": 0})
        venue.on(book.RATES.path, self._rates)
        venue.on(extra.RATE_HISTORY.path, lambda q: {"rows": [{"coin": q["coin"], "annualizedInterestRate": "0.0647"}]})
        venue.on(extra.ACCRUED.path, lambda _: {"rows": [], "total": 0})

    # -- what happens there --

    def borrow(self, accounts: str, coins: str, coin: str, amount: str, receiving: str, **more: Any) -> str:
        """A new order; returns its id."""
        id_, self._next = str(self._next), self._next + 1
        self.orders[id_] = {
            "id": id_, "coin": coin, "principal": D(amount), "interest": D(0), "accounts": accounts, "coins": coins,
            "receiving": receiving, "rate": more.get("rate", "flexible rate"), "term": more.get("term", "open term"),
            "expires": more.get("expires", 0), "opened": BEGINS_MS,
        }  # fmt: skip
        self.requests.append({"loanAccountId": receiving, "orderId": id_, "requestId": id_, "loanCoin": coin,
                              "loanAmount": amount, "collateralAccountId": accounts, "collateralCoin": coins,
                              "loanTerm": "30", "status": "Accruing_Interest", "loanDate": str(BEGINS_MS)})  # fmt: skip
        return id_

    def say(self, order: str, status: str) -> None:
        """The state of an order's request; one that is over goes on no longer."""
        next(r for r in self.requests if r["orderId"] == order)["status"] = status
        if status in ("Repaid", "Liquidated"):
            del self.orders[order]

    def hold(self, account: str, **coins: str) -> None:
        """Sets what an account holds."""
        self.balances.setdefault(account, {}).update({coin: D(amount) for coin, amount in coins.items()})

    def happen(self, chance: random.Random) -> None:
        """Something at random."""
        order = chance.choice(sorted(self.orders)) if self.orders else None
        account = chance.choice(sorted(self.balances))
        coin = chance.choice(sorted(self.balances[account]) or ["BTC"])
        what = chance.random()
        if order is None or (what < 0.15 and len(self.orders) < 12):
            groups = {"1": ("1,2", "R1"), "2": ("1,2", "R1"), "3": ("3", "R3"), "4": ("4", "R4")}
            accounts, receiving = groups[account]
            self.borrow(accounts, "BTC,ETH", chance.choice(["USDT", "USDC"]), str(chance.randrange(10, 900)), receiving)
        elif what < 0.3:
            self.orders[order]["interest"] += D(chance.randrange(1, 10**8)).scaleb(-8)
        elif what < 0.4:
            self.orders[order]["principal"] *= D(chance.randrange(5, 10)) / 10
        elif what < 0.5:
            self.say(order, "Repaid")
        elif what < 0.53:
            self.say(order, "Liquidating")
        elif what < 0.56:
            for other in [o for o in self.orders.values() if o["receiving"] == self.orders[order]["receiving"]]:
                self.say(other["id"], "Liquidated")
        elif what < 0.7:
            other = chance.choice(sorted(self.balances))
            moved = (self.balances[account].get(coin, D(0)) * D("0.25")).quantize(D("1e-8"), ROUND_DOWN)
            self.balances[account][coin] = self.balances[account].get(coin, D(0)) - moved
            self.balances[other][coin] = self.balances[other].get(coin, D(0)) + moved
        else:
            self.balances[account][coin] = D(chance.randrange(0, 10**10)).scaleb(-8)

    # -- what it serves --

    def _paged(self, query: dict[str, str], rows: list[dict[str, Any]]) -> dict[str, Any]:
        current, limit = int(query.get("current", "1")), int(query.get("limit", "10"))
        return {"rows": rows[(current - 1) * limit : current * limit], "total": len(rows)}

    def _ongoing(self, query: dict[str, str]) -> Any:
        page = self._paged(query, list(self.orders.values()))
        return page | {"rows": [self._row(order) for order in page["rows"]]}

    def _account(self, query: dict[str, str]) -> Any:
        # The key says whose account it is: keys of the tests are named after their accounts.
        account = self.venue.keys_seen[-1].removeprefix("key-")
        if account in self.locked:
            return Answer(401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."})
        rows = [
            {"asset": coin, "free": str(amount / 2), "locked": str(amount - amount / 2)}
            for coin, amount in self.balances[account].items()
        ]
        self.shuffles.shuffle(rows)
        return {
            "accountType": "SPOT",
            "balances": [*rows, {"asset": "DOGE", "free": "7", "locked": "0"}],
            "newField": 1,
        }

    def recognised(self, receiving: str) -> Decimal:
        """What the lender recognises of a group's collateral."""
        mine = [o for o in self.orders.values() if o["receiving"] == receiving]
        accounts = {a for o in mine for a in o["accounts"].split(",")}
        shares = {"BTC": D(1), "ETH": D("0.9")}
        return sum((self.balances[a].get(c, D(0)) * USD[c] * shares[c] for a in accounts for c in shares), D(0))

    def debt(self, receiving: str) -> Decimal:
        """What it owes by the lender's reckoning."""
        mine = [o for o in self.orders.values() if o["receiving"] == receiving]
        return sum(((o["principal"] + o["interest"]) * USD[o["coin"]] for o in mine), D(0))

    def _row(self, order: dict[str, Any]) -> dict[str, Any]:
        recognised = self.recognised(order["receiving"])
        ltv = self.debt(order["receiving"]) / recognised if recognised else D("9.9999")
        total = order["principal"] + (order["interest"] if self.holds_interest else D(0))
        return {
            "orderId": int(order["id"]), "loanCoin": order["coin"], "totalDebt": f"{total:f}",
            "loanRate": order["rate"], "residualInterest": f"{order['interest']:f}",
            "collateralAccountId": order["accounts"], "collateralCoin": order["coins"],
            "totalCollateralValueAfterHaircut": f"{recognised:.8f}", "lockedCollateralValue": f"{recognised:.8f}",
            "currentLTV": f"{ltv:.6f}", "expirationTime": order["expires"], "loanDate": str(order["opened"]),
            "loanTerm": order["term"], "somethingNew": {"a": [1]},
        }  # fmt: skip

    def _coins(self) -> list[dict[str, Any]]:
        return [
            {"collateralAccountId": account, "collateralCoin": "BTC,ETH"}
            for account in sorted({a for o in self.orders.values() for a in o["accounts"].split(",")})
        ]

    def _ladder(self, coin: str) -> dict[str, Any]:
        row = {"collateralCoin": coin}
        for name, (ratio, bounds) in zip(("1st", "2nd", "3rd", "4th"), self.ratios[coin], strict=False):
            row |= {f"_{name}CollateralRatio": ratio, f"_{name}CollateralRange": bounds}
        return row

    def _rates(self, query: dict[str, str]) -> Any:
        return [
            {
                "asset": coin,
                "flexibleDailyInterestRate": self.rates[coin],
                "flexibleYearlyInterestRate": "0.05",
                "time": 1,
            }
            for coin in query["loanCoin"].split(",")
            if coin in self.rates
        ]

    # -- what the monitor must hold --

    def groups(self) -> dict[str, Any]:
        """By receiving account: debts by order, and designated collateral by account."""
        found: dict[str, Any] = {}
        for order in self.orders.values():
            group = found.setdefault(order["receiving"], {"debts": {}, "collateral": {}})
            group["debts"][order["id"]] = order["principal"] + order["interest"]
            for account in order["accounts"].split(","):
                held = {c: self.balances[account].get(c, D(0)) for c in ("BTC", "ETH")}
                group["collateral"][account] = {c: q for c, q in held.items() if q}
        return found


def faults(venue: Venue, chance: random.Random) -> None:
    """Some of what goes wrong, at random places."""
    path = chance.choice([call.path for call in (*ALL[:6], ACCOUNT, TIME)])
    venue.fail(
        path,
        chance.choice(
            [
                Answer(500, {"code": -1000, "msg": "unknown"}),
                Answer(503, b"<html>busy</html>"),
                Answer(
                    429, {"code": -1003, "msg": "Too many requests."}, {"Retry-After": str(chance.randrange(1, 40))}
                ),
                Answer(400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}),
                Answer(200, b'{"rows": [{"orderId": 7'),
                Answer(200, {"rows": [], "total": 3}),
                Answer(200, {"rows": None, "total": ""}),
                Answer(200, {"rows": [{"orderId": 1}, {"orderId": 1}], "total": 2}),
                Answer(200, {"rows": []}, is_cut=True),
                Answer(200, {"rows": [], "total": 0}, after_s=30.0),
            ]
        ),
    )
