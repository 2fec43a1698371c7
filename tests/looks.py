"""Groups and looks for tests: one product, calm prices, book lines, and the real RiskMonitor to look at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from monitor.core.events.events import GroupPut, MarkPrices
from monitor.core.groups.outcome import Outcome
from monitor.core.loans.group import parse_line
from monitor.core.prices.quote import Quote
from monitor.core.queries.inbox import Look
from monitor.core.rules.product import Product, Version
from monitor.core.rules.settings import Rules, Trust
from monitor.core.rules.thresholds import Thresholds
from monitor.core.watch.risk import RiskMonitor

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
D = Decimal

LINES = Thresholds(D("0.72"), D("0.77"), D("0.91"), D("0.95"))
VERSION = Version(
    effective=datetime(2024, 4, 29, tzinfo=UTC),
    thresholds=LINES,
    ladders={
        "BTC": ((D(10_000_000), D(1)), (D(100_000_000), D("0.975")), (None, D("0.9"))),
        "ETH": ((D(1_000_000), D(1)), (None, D("0.8"))),
        "SOL": ((D(500_000), D("0.9")), (D(5_000_000), D("0.7"))),
    },
    rates={"USDT": D("0.00016"), "BTC": D("0.00005")},
    warnings=(D("0.74"),),
)
RULES = Rules("desk-1", {"vip_loan": Product("vip_loan", (VERSION,))})
CALM = {"BTC": "40000", "ETH": "2000", "SOL": "100", "USDC": "1"}


def look_at(risk: RiskMonitor, group_id: str, at: datetime) -> Look | None:
    """A group between two events, as the sequencer would give it."""
    sight, board = risk.sight(group_id), risk.board
    if sight is None:
        return None
    return Look(at, sight, dict(board.marks), dict(board.usd), frozenset(board.untrusted), risk.rules)


def monitor_with(*lines: dict[str, Any], prices: Mapping[str, str] = CALM, trust: bool = False) -> RiskMonitor:
    """A monitor that was given prices, then lines, all at START."""
    risk = RiskMonitor(msgspec.structs.replace(RULES, trust=Trust(enabled=trust)))
    if trust:  # the first price of a coin waits for a second quote
        quoted(risk, prices, START - timedelta(seconds=1))
    quoted(risk, prices, START)
    for stated in lines:
        out = risk.handle(GroupPut(START, parse_line(stated, START, RULES.products), "api"))
        assert out.refused is None
    return risk


def quoted(risk: RiskMonitor, prices: Mapping[str, str], at: datetime, source: str = "tape") -> Outcome:
    """A batch of prices that arrives; all in USDT but USDC's."""
    quotes = tuple(Quote(a, D(p), "USD" if a == "USDC" else "USDT", source, at) for a, p in prices.items())
    return risk.handle(MarkPrices(at, quotes))


def look_of(stated: dict[str, Any], prices: Mapping[str, str] = CALM, trust: bool = False) -> Look:
    """One group, looked at a second after it was put."""
    look = look_at(monitor_with(stated, prices=prices, trust=trust), stated["id"], START + timedelta(seconds=1))
    assert look is not None
    return look
