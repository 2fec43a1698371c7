"""A storm that is decided by column, and the same one decided one by one: new calls, calls that become worse, liquidations."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

from monitor.core.alerts.matching import Match
from monitor.core.alerts.silences import MakeSilence
from monitor.core.events.events import Event, GroupsPut, MarkPrices, OperatorAct
from monitor.core.groups.outcome import Outcome
from monitor.core.rules.settings import Lifecycle, Rules
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.book import ColumnarBook
from monitor.engine.ingest.reader import BlockReader
from tests.coin_desk import START, line, loan, version
from tests.core.desk import OFF, product, quotes

LADDERS = {"BTC": [["60", "1"], ["200", "0.9"], ["inf", "0.4"]], "USDT": [["inf", "1"]]}
OF = product(version(ladders=LADDERS, warnings=["0.70", "0.74"], rates={"USDT": "0.001503", "COIN": "0.0001"}))
GROUPS = 90
FALLS = ("100", "91.3", "57")
"""Prices of BTC: all are well, a third is called, all but a few are called or liquidated."""
NEVER = 10**9
DEFAULTS = Lifecycle()


class Storm:
    """A monitor of so many groups. `plain_from`: from how many suspects on it decides by column."""

    def __init__(self, plain_from: int, groups: int = GROUPS, how: Lifecycle = DEFAULTS) -> None:
        self.book = ColumnarBook(plain_from=plain_from)
        self.monitor = RiskMonitor(Rules("desk-1", {"vip_loan": OF}, how, OFF), book=self.book)
        self.monitor.handle(MarkPrices(START, quotes(f"BTC={FALLS[0]},COIN=1", START)))
        reader = BlockReader(lambda: self.monitor.rules.products, self.book.names)
        packed = reader.pack([json.dumps(stated(n, groups)).encode() for n in range(groups)], START, "book")
        assert not packed.rest
        self.outcomes = [self.monitor.handle(GroupsPut(START, "book", packed.batch))]

    def fall(self) -> list[Outcome]:
        """All that happens: a silence over some groups, then the falls."""
        self._tell(
            OperatorAct(
                START,
                "desk",
                MakeSilence("sil-1", Match(labels={"desk": "US"}), START + timedelta(days=1), "maintenance"),
            )
        )
        for n, price in enumerate(FALLS[1:], 1):
            at = START + timedelta(seconds=n)
            self._tell(MarkPrices(at, quotes(f"BTC={price},COIN=1.000001", at)))
        return self.outcomes

    def _tell(self, event: Event) -> None:
        self.outcomes.append(self.monitor.handle(event))


def stated(n: int, groups: int = GROUPS) -> dict[str, Any]:
    """Counts 196.12 USDT at first; owes 62 % to 76.9 % of that. Every fifth is enrolled, every seventh has lines of its own."""
    owed = Decimal("121.6") + Decimal(n) * Decimal("29.3") / groups
    changes: dict[str, Any] = {
        "receiving_account": f"in-G{n:05}",
        "collateral": {f"in-G{n:05}": {"BTC": "1", "USDT": "100.12345678"}},
        "loans": [loan(principal=f"{owed:.8f}", matures=("1500:00", "400:00")[n % 2] if n % 3 == 0 else None)],
        "labels": {"desk": "US"} if n % 9 == 0 else {"desk": "EU", "n": str(n % 4)},
    }
    if n % 5 == 0:
        changes["delayed_liquidation"] = True
    if n % 7 == 0:
        changes["thresholds"] = {"margin_call": "0.79"}
    return line(f"G{n:05}", **changes)
