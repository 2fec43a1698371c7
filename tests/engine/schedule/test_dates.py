"""Dates of loans, Spot interest and rules that change, on hundreds of groups in columns and as objects: always the same."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from monitor.core.events.events import GroupsPut, MarkPrices, ProductsChanged, TimePassed
from monitor.core.rules.settings import Rules, Trust
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.book import ColumnarBook
from monitor.engine.ingest.reader import BlockReader
from tests.coin_desk import START, line, loan, version
from tests.core.desk import product, quotes
from tests.engine.twins import Line, Twins

RATES = {"COIN": "0.01", "USDT": "0.005"}
OFF = Trust(enabled=False)
GROUPS = 240


def rules(**changes: Any) -> Rules:
    stated = {"renewal_window": "3d", "maturity_notice": "24h", "rates": RATES} | changes
    later = version(START + timedelta(days=5), **stated | {"ladders": {"USDT": [["60", "1"], ["inf", "0.9"]]}})
    return Rules("desk-1", {"vip_loan": product(version(**stated), later)}, trust=OFF)


def group(rng: Random, number: int) -> Line:
    """Up to two loans, term or open, some of them past; Spot balances that pay some days of interest, or none."""
    owed = []
    for place in range(rng.choice((1, 1, 2))):
        hours = rng.choice((-30, -5, 12, 24, 49, 72, 96, 120, 200, 240))
        # Half of all end at midnight, where every date of a loan meets the accrual.
        matures = rng.choice((None, f"{hours}:00", f"{hours // 24 * 24}:00"))
        owed.append(loan(rng.choice(("COIN", "USDT")), str(rng.randint(10, 70)), matures, id=f"L-{place}"))
    stated = line(f"G-{number}", loans=owed, delayed_liquidation=rng.random() < 0.5)
    if rng.random() < 0.4:
        stated["balances"] = {f"w{number}": {rng.choice(("COIN", "USDT")): rng.choice(("0", "0.5", "1", "2.5"))}}
    if rng.random() < 0.2:
        stated["collateral"] = {f"a{number}": {"USDT": "60"}, f"b{number}": {"USDT": "40"}}
    return stated


@pytest.mark.parametrize("fold_at", [0, 512])
@pytest.mark.parametrize("seed", range(3))
def test_a_fortnight_of_dates_and_interest_is_told_alike(seed: int, fold_at: int) -> None:
    """Put before the first price and after it, over restarts, with windows that a reload makes longer and shorter."""
    rng, told = Random(seed), Counter[str]()
    desk = Twins(rules(), fold_at)
    lines = [group(rng, n) for n in range(GROUPS)]
    desk.put(lines[: GROUPS // 2], START)
    told.update(a.type for a in desk.tell(MarkPrices(START, quotes("COIN=0.6", START))).alerts)
    desk.put(lines[GROUPS // 2 :], START + timedelta(hours=1))
    changes: dict[int, Rules] = {
        9: rules(renewal_window="6d"),
        20: rules(renewal_window="1d", maturity_notice="48h"),
        33: rules(rates={"COIN": "0.02", "USDT": "0"}),
    }
    for step in range(56):
        at = START + timedelta(hours=6 * step + rng.choice((1, 6)))
        if step in changes:
            told.update(a.type for a in desk.tell(ProductsChanged(at, changes[step])).alerts)
        event = MarkPrices(at, quotes(f"COIN={rng.choice(('0.5', '0.6', '0.75', '0.8'))}", at))
        told.update(a.type for a in desk.tell(event if rng.random() < 0.5 else TimePassed(at)).alerts)
        if rng.random() < 0.1:
            desk.restart()
        if rng.random() < 0.2:
            desk.put_one(group(rng, rng.randrange(GROUPS)), at)
    assert min(told[f"loan.{kind}"] for kind in ("renewal_open", "maturing", "overdue", "interest_shortfall")) > 10, (
        told
    )
    assert told["rules.changed"] == 1, told  # of a version that comes into force; a reload is none
    desk.check_groups(f"G-{n}" for n in range(0, GROUPS, 7))


def test_midnight_looks_exactly_only_at_groups_whose_interest_may_be_short() -> None:
    """Of 200 groups in columns half state balances that pay a month."""
    desk = Twins(rules(), 0)
    desk.put([line(f"G-{n}", balances={f"w{n}": {"COIN": "39.5"}} if n % 2 else {}) for n in range(200)], START)
    desk.tell(MarkPrices(START, quotes("COIN=0.5", START)))
    columnar = desk.book.columnar
    assert columnar is not None
    desk.tell(TimePassed(START + timedelta(days=3)))
    assert list(columnar.spare(["vip_loan"])) == []
    desk.tell(TimePassed(START + timedelta(days=40)))
    assert list(columnar.spare(["vip_loan"])) == []  # what is known to be short is not looked at again
    desk.tell(TimePassed(START + timedelta(days=41)))
    said = [columnar.rows.state(row).short for row in range(200)]
    assert said.count(("COIN",)) == 100
    assert list(columnar.spare(["vip_loan"])) == []


def test_a_midnight_that_opens_many_renewals_is_one_outcome() -> None:
    desk = Twins(rules(), 0)
    matures = "240:00"
    desk.put([line(f"G-{n}", loans=[loan(matures=matures)]) for n in range(300)], START)
    desk.tell(MarkPrices(START, quotes("COIN=0.5", START)))
    out = desk.tell(TimePassed(START + timedelta(days=7)))
    assert [a.type for a in out.alerts if a.group is not None] == ["loan.renewal_open"] * 300
    assert len(out.states) == 300


def test_a_change_of_rules_counts_many_groups_by_the_screens_sums_and_says_so() -> None:
    """1,100 groups of 100 USDT each. The next version recognises 80 % of that."""
    at = START + timedelta(hours=1)
    half = version(effective=at, rates=RATES, ladders={"USDT": [["inf", "0.8"]]})
    both = Rules("desk-1", {"vip_loan": product(version(rates=RATES), half)}, trust=OFF)
    monitor = RiskMonitor(both, book=ColumnarBook(0))
    assert isinstance(monitor.book, ColumnarBook)
    names = monitor.book.names
    raws = [json.dumps(line(f"G-{n}")).encode() for n in range(1_100)]
    packed = BlockReader(lambda: monitor.rules.products, names).pack(raws, START, "book")
    monitor.handle(GroupsPut(START, "book", packed.batch))
    monitor.handle(MarkPrices(START, quotes("COIN=0.5", START)))
    (changed,) = monitor.handle(TimePassed(at)).alerts
    assert changed.type == "rules.changed"
    shown = {key: changed.facts[key] for key in ("groups", "recognised_before_usd", "recognised_after_usd", "is_exact")}
    assert shown == {
        "groups": 1_100,
        "recognised_before_usd": "110000",
        "recognised_after_usd": "88000",
        "is_exact": False,
    }
