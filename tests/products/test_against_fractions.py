"""Random groups of every product: what GET /v1/groups/{id} answers is what exact fractions say (tests/products/fractions.py)."""

from __future__ import annotations

import copy
import tomllib
from datetime import UTC, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from tests.effort import examples, more_in_a_soak
from tests.products.fractions import LENDERS, Answers, shown
from tests.products.shelf import CONFIG, Shelf, module

WORTH = {"BTC": 30000.0, "ETH": 2000.0, "BNB": 300.0, "SOL": 50.0, "LINK": 15.0}
OTHERS = ["BTC", "ETH", "SOL", "USDT", "USDC"]
MOST_COINS = {"flexible_loan": 1, "isolated_margin": 2}
LEVERAGES = {"cross_margin_classic": (3, 5), "isolated_margin": (10, 5, 3)}
GROUPS = 25
"""Of one table and one set of prices."""


@more_in_a_soak
@pytest.mark.parametrize("kind", sorted(LENDERS))
def test_every_figure_of_a_random_group_is_the_exact_one(kind: str) -> None:
    for seed in range(examples(500, 4000) // GROUPS):
        makes = Maker(kind, seed)
        shelf = Shelf(module(kind).load({**makes.stated, "version": copy.deepcopy(makes.versions)}), at=makes.put)
        shelf.price(**makes.prices)
        lines = [makes.group(number) for number in range(GROUPS)]
        for line in lines:
            assert shelf.put(line).refused is None
        shelf.wait(makes.look)
        for line in lines:
            answers = Answers(kind, makes.versions, line, makes.put, makes.look).priced(makes.prices)
            try:
                compare(shelf.detail(line["id"]), answers)
            except AssertionError as e:
                e.add_note(f"{kind}, seed {seed}: {line} at {makes.prices}, rules {answers.table}")
                raise


def compare(found: dict[str, Any], exact: Answers) -> None:
    """Sums, band, ways back and what may be done."""
    assert shown(found["debt_usd"]) == exact.debt
    assert shown(found["recognised_usd"]) == exact.counted
    assert shown(found["market_usd"]) == exact.market
    assert found["band"] == exact.band
    cure, wanted = found["cure"], exact.cure()
    assert shown(cure["repay_usd"]) == wanted["repay_usd"]
    assert shown(cure["add_recognised_usd"]) == wanted["add_recognised_usd"]
    assert {coin: shown(text) for coin, text in cure["by_asset"].items()} == wanted["by_asset"]
    prices = {coin: shown(text) for coin, text in found["liquidation_price"].items()}
    assert prices == exact.liquidation_prices()
    same_permissions(found, exact)
    closable = {(row["debt"], row["collateral"]): shown(row["closable_usd"]) for row in found.get("closable", [])}
    assert closable == exact.closable()


def same_permissions(found: dict[str, Any], exact: Answers) -> None:
    """Room to borrow, and that no unit more of any coin may leave than is said."""
    stage = found["stage"]
    rooms = exact.rooms(stage)
    assert shown(found["borrowable_usd"]) == rooms[""]
    for coin, row in found["borrowable"].items():
        most = exact.most(coin, rooms, stage)
        assert shown(row["most_usd"]) == most, coin
        amount, unit = shown(row["most"]), exact.unit(coin)
        assert amount is not None
        assert amount % unit == 0
        assert amount <= most / exact.usd[coin] < amount + unit
    withdrawable = found["permitted"]["withdrawable"]
    for coin, (quantity, _) in exact.held.items():
        amount, unit = Fraction(withdrawable.get(coin, "0")), exact.unit(coin)
        assert amount % unit == 0
        assert amount <= quantity
        if stage == "liquidation":
            assert amount == 0
            continue
        assert not amount or exact.may_leave(coin, amount), (coin, amount)
        assert amount + unit > quantity or not exact.may_leave(coin, amount + unit), (coin, amount)


class Maker:
    """One table of a product, one set of prices, and groups around its lines."""

    def __init__(self, kind: str, seed: int) -> None:
        self.rng, self.kind = Random(f"{kind}/{seed}"), kind
        rng = self.rng
        self.stated = tomllib.loads((CONFIG / f"{kind}.toml").read_text())
        versions = self.stated["version"]
        for table in versions:
            table["effective"] = table["effective"].astimezone(UTC)
            self._vary(table)
        self.versions = versions
        self.table = rng.choice(versions)
        begins = self.table["effective"] + timedelta(days=rng.randrange(1, 9))
        self.put = begins.replace(hour=10, minute=30)
        ends = [table["effective"] for table in versions if table["effective"] > self.put]
        later = rng.choice((0, 1, 3, 7, 20)) * LENDERS[kind].period + timedelta(minutes=rng.choice((0, 1, 45)))
        self.look = min([self.put + later, *(end - timedelta(minutes=1) for end in ends)])
        rates = list(self.table.get("rates", {}))
        tiers = self.table.get("liability_tiers")
        self.lent = sorted(rates if tiers is None else set(rates) & set(tiers))
        self.pledged = sorted(self._pledged())
        coins = {*self.lent, *self.pledged, *(tiers or ()), *self.table.get("loan_limits", ())}
        coins |= set(self.table.get("fixed_rates", ())) | set(self.table.get("borrow_limits", ()))
        self.prices = {coin: self._number(WORTH.get(coin, 1.0) * rng.uniform(0.5, 2), 6) for coin in sorted(coins)}
        if "USDT" in self.prices:
            self.prices["USDT"] = "1"  # as the rules of these tests state

    def _pledged(self) -> list[str]:
        if self.kind == "flexible_loan":
            return list(self.table["collateral"])
        if self.kind == "aave_v3":
            return list(self.table["liquidation_thresholds"])
        stated = list(self.table.get("ladders", {}))
        return (stated or OTHERS)[:8]

    def _vary(self, table: dict[str, Any]) -> None:
        """Other ladders, places, limits and bonuses than the file that ships."""
        rng = self.rng
        if self.kind in LEVERAGES and rng.random() < 0.5:
            table["ladders"] = {coin: [["inf", "1"]] for coin in OTHERS}
        for name in ("ladders", "borrow_ladders", "transfer_ladders"):
            for coin in table.get(name, {}):
                if rng.random() < 0.6:
                    table[name][coin] = self._ladder(coin)
        table["places"] = {coin: rng.choice((5, 6, 8, 12)) for coin in OTHERS if rng.random() < 0.4}
        self._vary_interest(table)
        if self.kind == "cross_margin_pro" and rng.random() < 0.5:
            table["transfer_out"] = rng.choice(("1.5", "2", "1.1"))
        if self.kind == "aave_v3":
            table["close"] |= {"bonus": {coin: rng.choice(("1.05", "1.1")) for coin in OTHERS if rng.random() < 0.6}}

    def _vary_interest(self, table: dict[str, Any]) -> None:
        """Other interest than the file that ships states (section 9.8)."""
        rng = self.rng
        if rng.random() < 0.3:
            table["compounding"] = rng.random() < 0.8
            table["rounding"] = rng.choice(("half_even", "half_up", "up", "down"))
        if rng.random() < 0.2:
            table["compounding_places"] = rng.choice((2, 12, 24))
        if rng.random() < 0.3:
            table["interest_free"] = {coin: rng.choice(("0.3", "5000")) for coin in OTHERS if rng.random() < 0.5}
        if rng.random() < 0.3:
            table["late_interest"] = "hour"
        if rng.random() < 0.3:
            table["terms"] = rng.choice((["7d", "45d"], ["14d"], ["90d", "30d"]))
        if rng.random() < 0.2 and table.get("rates"):
            table["rates"][rng.choice(list(table["rates"]))] = "-0.00002"

    def _ladder(self, coin: str) -> Any:
        rng = self.rng
        is_by_amount = rng.random() < 0.5
        top = 10 ** rng.uniform(4, 7) / (WORTH.get(coin, 1.0) if is_by_amount else 1)
        bounds = sorted({self._number(top * rng.uniform(0.1, 1), 3) for _ in range(rng.randint(1, 4))}, key=Decimal)
        shares = sorted((rng.randrange(0, 1001) for _ in bounds), reverse=True)
        rows = [[bound, str(Decimal(share) / 1000)] for bound, share in zip(bounds, shares, strict=True)]
        if rng.random() < 0.5:
            rows.append(["inf", str(Decimal(rng.randrange(0, shares[-1] + 1)) / 1000)])
        return {"by": "amount", "tiers": rows} if is_by_amount else rows

    def _number(self, value: float, digits: int) -> str:
        return format(Decimal(f"{value:.{digits}g}"), "f")

    def group(self, number: int) -> dict[str, Any]:
        rng, name = self.rng, f"G-{number}"
        chosen = rng.sample(self.pledged, rng.randint(1, min(MOST_COINS.get(self.kind, 4), len(self.pledged))))
        usd = 10 ** rng.uniform(3.5, 7.3)
        holds = {coin: self._amount(usd * rng.uniform(0.05, 1), coin) for coin in chosen}
        split = {coin: self._number(float(text) * 0.3, 4) for coin, text in holds.items() if rng.random() < 0.3}
        line: dict[str, Any] = {
            "id": name,
            "product": self.kind,
            "receiving_account": f"{name}-in",
            "collateral": {f"{name}-a": holds, f"{name}-b": split},
            "vip_level": rng.choice((None, 0, 3, 9)),
            "loans": [],
        }
        if self.kind in LEVERAGES and rng.random() < 0.6:
            known = {tier["leverage"] for tier in self.table.get("tiers", ())}
            line["leverage"] = rng.choice([each for each in LEVERAGES[self.kind] if each in known])
        if self.kind in ("vip_loan",):
            line["delayed_liquidation"] = rng.random() < 0.5
        if self.kind == "cross_margin_pro" and rng.random() < 0.4:
            line["open_order_loss"] = self._number(usd * rng.uniform(0, 0.05), 5)
        if rng.random() < 0.4:
            line["terms"] = self._terms(chosen)
        line["loans"] = self._loans(line)
        return line

    def _amount(self, usd: float, coin: str) -> str:
        return self._number(usd / WORTH.get(coin, 1.0), self.rng.choice((3, 6, 12, 17)))

    def _terms(self, coins: list[str]) -> dict[str, Any]:
        rng = self.rng
        found: dict[str, Any] = {}
        if rng.random() < 0.5 and self.kind not in ("flexible_loan", "aave_v3"):
            coin = rng.choice(coins)
            found["ladders"] = {coin: self._ladder(coin)}
        if rng.random() < 0.6:
            key, low, high = rng.choice((("scale", 80, 100), ("haircut", 0, 12)))
            found[key] = str(Decimal(rng.randint(low, high)) / 100)
        if rng.random() < 0.3:
            found["rate_spread"] = rng.choice(("0.00001", "-0.0000001", "-0.5"))
        return found

    def _loans(self, line: dict[str, Any]) -> list[dict[str, Any]]:
        """Loans whose sum is near one of the lines, far from all, or nothing."""
        rng = self.rng
        exact = Answers(self.kind, self.versions, line, self.put, self.put).priced(self.prices)
        level = float(rng.choice([*exact.lines.values()])) * rng.uniform(0.95, 1.05)
        if rng.random() < 0.3:
            level = rng.uniform(0.2, 3)
        value = float(exact.counted)
        debt = value / level if LENDERS[self.kind].falls else value * level
        debt = max(value / (1 + level * 0.06) if exact.has_tiers else debt, 50.0)
        owing = rng.choices(self.lent, k=rng.choice((0, 1, 1, 1, 2, 3)))
        return [self._loan(f"{line['id']}-L{i}", coin, debt / len(owing)) for i, coin in enumerate(owing)]

    def _loan(self, id_: str, coin: str, usd: float) -> dict[str, Any]:
        rng = self.rng
        opened = self.put - timedelta(days=rng.choice((0, 0, 1, 2, 5, 13)), seconds=rng.randrange(86400))
        rate: dict[str, Any] = {"kind": "flexible"}
        if self.kind == "cross_margin_pro" and rng.random() < 0.3:
            rate["paid_in"] = "BNB"
        term, matures = "open", None
        if rng.random() < 0.25:
            term = rng.choice(self.table.get("terms", ["30d", "60d"]))
            opened = self.put - timedelta(days=rng.choice((0, 29, 10, 45)), hours=1)
            matures = (opened + timedelta(days=int(term[:-1]))).isoformat()
            rate = {"kind": "fixed", "daily": "0.00021"} if rng.random() < 0.5 else rate
        principal = float(usd) / float(self.prices[coin])
        return {
            "id": id_,
            "asset": coin,
            "principal": self._number(principal, rng.choice((3, 6, 12))),
            "interest": self._number(principal * 0.001, 4) if rng.random() < 0.3 else "0",
            "rate": rate,
            "term": term,
            "opened_at": opened.isoformat(),
            "matures_at": matures,
        }
