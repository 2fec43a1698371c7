"""A price that most groups need and that is not there, or not believed, costs no exact look per tick (decision 9)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from monitor.core.events.events import GroupsPut, MarkPrices, TimePassed
from monitor.core.groups import loan_book
from monitor.core.rules.settings import Lifecycle, Rules, Trust
from monitor.core.valuation import valuation
from monitor.core.watch import exposed
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.book import ColumnarBook
from monitor.engine.ingest.reader import BlockReader
from tests.coin_desk import START, line, loan, version
from tests.core.desk import product, quotes

GROUPS = 1_000
LADDERS = {coin: [["inf", "1"]] for coin in ("USDT", "BTC", "DARK")}
CALM = "BTC=1,COIN=0.7"
CALL = "BTC=1,COIN=0.8"


def put(monitor: RiskMonitor, dark: str) -> None:
    """Six of ten groups hold DARK beside BTC; all are at an LTV of 80 % where COIN is 0.8, and none needs DARK for that."""
    book = monitor.book
    assert isinstance(book, ColumnarBook)
    lines = []
    for n in range(GROUPS):
        coins = {"USDT": "50", "BTC": "50"} | ({"DARK": dark} if n % 10 < 6 else {})
        held = {"receiving_account": f"a{n}", "collateral": {f"a{n}": coins}}
        lines.append(line(f"G{n:04}", loans=[loan()], **held))
    reader = BlockReader(lambda: monitor.rules.products, book.names)
    packed = reader.pack([json.dumps(each).encode() for each in lines], START, "book")
    assert packed.rest == []
    monitor.handle(GroupsPut(START, "book", packed.batch))


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every group that is weighed exactly, or made from its columns."""
    made: list[Any] = []

    def counted(looks_at: Callable[..., Any]) -> Callable[..., Any]:
        def look(*args: Any) -> Any:
            made.append(args)
            return looks_at(*args)

        return look

    monkeypatch.setattr(loan_book, "weigh", counted(valuation.weigh))
    monkeypatch.setattr(ColumnarBook, "find", counted(ColumnarBook.find))
    return made


def new_monitor() -> RiskMonitor:
    trust = Trust(stale_after=timedelta(seconds=10))
    rules = Rules("desk-1", {"vip_loan": product(version(ladders=LADDERS, warnings=[]))}, Lifecycle(), trust)
    return RiskMonitor(rules, book=ColumnarBook())


def ticks(monitor: RiskMonitor, since_s: int, count: int, prices: str) -> int:
    """Prices of all coins but DARK, every second; the number of alerts."""
    alerts = 0
    for n in range(count):
        at = START + timedelta(seconds=since_s + n)
        alerts += len(monitor.handle(MarkPrices(at, quotes(prices.replace("BTC=1", f"BTC=1.000{n}"), at))).alerts)
    return alerts


def test_a_stale_coin_that_most_hold_costs_no_exact_look(looks: list[Any]) -> None:
    """Those in a margin call are below the line at which they would be cured, were it believed."""
    monitor = new_monitor()
    monitor.handle(MarkPrices(START, quotes(f"DARK=0.00001,{CALL}", START)))
    put(monitor, dark="1")
    assert all(monitor.sight(f"G{n:04}").state.stage == "margin_call" for n in range(0, GROUPS, 97))
    assert ticks(monitor, 1, 10, CALL) == 0
    assert [a.type for a in monitor.handle(TimePassed(START + timedelta(seconds=11))).alerts] == ["price.stale"]
    # All that can be believed to be cured is: the groups without the stale coin.
    assert ticks(monitor, 12, 1, CALM) == GROUPS * 4 // 10
    looks.clear()
    assert ticks(monitor, 13, 9, CALM) == 0
    assert looks == []
    at = START + timedelta(seconds=22)
    assert len(monitor.handle(MarkPrices(at, quotes(f"DARK=0.00001,{CALM}", at))).alerts) == GROUPS * 6 // 10 + 1


def test_a_missing_coin_that_most_hold_costs_no_exact_look(looks: list[Any]) -> None:
    """Whatever the other prices are: a group without a price of its own is not evaluated."""
    monitor = new_monitor()
    monitor.handle(MarkPrices(START, quotes(CALM, START)))
    put(monitor, dark="1")
    assert ticks(monitor, 1, 1, CALL) == GROUPS * 4 // 10
    looks.clear()
    assert ticks(monitor, 2, 8, CALL) == 0
    assert looks == []
    at = START + timedelta(seconds=10)
    assert len(monitor.handle(MarkPrices(at, quotes(f"DARK=0.00001,{CALL}", at))).alerts) >= GROUPS * 6 // 10


@pytest.mark.parametrize(("most", "sums"), [(GROUPS, None), (GROUPS - 1, "indicative")])
def test_a_feed_that_dies_decides_the_holders_once_and_bounds_the_exact_sums(
    looks: list[Any], monkeypatch: pytest.MonkeyPatch, most: int, sums: str | None
) -> None:
    """All coins become stale at one time: one screening, one alert, and exact sums only for so many groups in all."""
    monkeypatch.setattr(exposed, "EXACT_SUMS_AT_ONCE", most)
    monitor = new_monitor()
    monitor.handle(MarkPrices(START, quotes(f"DARK=0.00001,{CALM}", START)))
    put(monitor, dark="1")
    asked: list[Any] = []
    suspects = ColumnarBook.suspects
    monkeypatch.setattr(ColumnarBook, "suspects", lambda *args: asked.append(args) or suspects(*args))
    looks.clear()
    dead = monitor.handle(TimePassed(START + timedelta(seconds=11))).alerts
    assert len(asked) == 1
    assert [(a.type, a.facts["assets"], a.facts["groups"], a.facts.get("sums")) for a in dead] == [
        ("feed.down", ["BTC", "COIN", "DARK"], GROUPS, sums)
    ]
    assert len(looks) == (0 if sums else GROUPS)
    assert Decimal(dead[0].facts["debt_usd"]) == Decimal(70) * GROUPS
    at = START + timedelta(seconds=12)
    back = monitor.handle(MarkPrices(at, quotes(f"DARK=0.00001,{CALM}", at))).alerts
    assert [(a.type, a.facts.get("sums")) for a in back] == [("feed.up", sums)]
