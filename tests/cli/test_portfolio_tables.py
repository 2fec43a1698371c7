"""The tables of the commands show what any version of the daemon answers."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.cli import portfolio_tables


def answer(**more: Any) -> dict[str, Any]:
    """A shock that moves no group."""
    nothing = {"groups": 0, "debt_usd": "0", "recognised_usd": "0", "market_usd": "0"}
    stated = {
        "kind": "shocks",
        "scenario": None,
        "shocks": {},
        "groups": 1,
        "at": "2026-03-01T10:00:00Z",
        "before": {"normal": nothing},
        "after": {"normal": nothing},
        "moves": [],
        "newly": {},
        "bankrupt": 1,
        "fund_draw_usd": "0",
        "fees_usd": "0",
        "unknown": 0,
        "is_exact": {"counts": True, "sums": True},
    }
    return stated | more


@pytest.mark.parametrize("name", ["shortfall_usd", "expected_shortfall_usd"])
def test_a_shortfall_is_shown_under_its_new_and_its_old_name(capsys: pytest.CaptureFixture[str], name: str) -> None:
    portfolio_tables.stress(answer(**{name: "1234.567"}))
    assert "shortfall 1,234.57 USD, the fund pays 0.00" in " ".join(capsys.readouterr().out.split())


def test_the_time_of_the_prices_is_shown_in_the_desks_zone_beside_utc(capsys: pytest.CaptureFixture[str]) -> None:
    portfolio_tables.stress(answer(shortfall_usd="0"), "Europe/Warsaw")
    assert "at 2026-03-01 10:00 UTC (11:00 CET)" in " ".join(capsys.readouterr().out.split())
