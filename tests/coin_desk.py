"""The group and the rules of the small desks: one group whose LTV is the price of the coin that it owes.

G-1 holds 100 USDT, recognised in full, and owes 100 COIN at no interest. So a price of COIN of 0.77 is an LTV of exactly 77 %.
The tests of core and those of the reference model play on it. Nothing here knows the monitor.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 1, 5, tzinfo=UTC)
THRESHOLDS = {"initial": "0.72", "margin_call": "0.77", "liquidation": "0.91", "immediate": "0.95"}
WHOLE = [["inf", "1"]]


def version(effective: datetime = START - timedelta(days=365), **changes: Any) -> dict[str, Any]:
    """One version of a product that recognises USDT in full, warns at 74 %, and lends COIN for nothing.

    Term loans are not heard of before they mature, unless `changes` say so.
    """
    rules = {
        "effective": effective,
        "thresholds": THRESHOLDS,
        "warnings": ["0.74"],
        "ladders": {"USDT": WHOLE},
        "rates": {"USDT": "0.001503", "COIN": "0"},
        "renewal_window": "0s",
        "maturity_notice": "0s",
    }
    return rules | changes


def loan(asset: str = "COIN", principal: str = "100", matures: str | None = None, **changes: Any) -> dict[str, Any]:
    """One loan; `matures` is a clock time of the scenario."""
    terms = {
        "id": "L-1",
        "asset": asset,
        "principal": principal,
        "interest": "0",
        "rate": {"kind": "flexible"},
        "term": "open" if matures is None else "30d",
        "opened_at": "2025-12-20T10:00:00Z",
        "matures_at": None if matures is None else clock(matures).isoformat(),
    }
    return terms | changes


def line(group: str = "G-1", **changes: Any) -> dict[str, Any]:
    """One group that holds 100 USDT and owes 100 COIN."""
    terms = {
        "id": group,
        "product": "vip_loan",
        "receiving_account": f"in-{group}",
        "collateral": {f"acct-{group}": {"USDT": "100"}},
        "loans": [loan()],
    }
    return terms | changes


def clock(text: str) -> datetime:
    """Reads "26:10" or "26:10:30" as so long after the start of the scenario."""
    hours, minutes, *seconds = text.split(":")
    return START + timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds[0]) if seconds else 0)
