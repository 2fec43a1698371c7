"""Debts of a block at an instant, against core loan by loan."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from monitor.core.groups.outcome import StoredGroup
from monitor.core.loans.interest import interest
from monitor.core.money import exact
from monitor.core.rules.settings import Rules
from monitor.engine.columns.agreements import Agreements
from monitor.engine.columns.block import Block
from monitor.engine.columns.names import Names
from monitor.engine.schedule.debts import Debts
from tests.coin_desk import START, line, loan, version
from tests.core.desk import group, product

FIXED: dict[str, Any] = {"rate": {"kind": "fixed", "daily": "0.0002"}}


@pytest.mark.parametrize("days", [1, 3, 30])
def test_a_fixed_rate_waits_for_the_free_days_of_its_coin(days: int) -> None:
    """Loans of one term in two coins: one coin has free days, the other has none."""
    plain = product(version())
    versions = (msgspec.structs.replace(plain.versions[0], free_days={"COIN": 20}),)
    free = msgspec.structs.replace(plain, versions=versions)
    owed = [
        loan(asset, "100", "700:00", id=asset, opened_at="2026-01-04T10:00:00Z", **FIXED) for asset in ("COIN", "USDT")
    ]
    names, kept = Names(), group(line(loans=owed), of=free)
    block = Block.of([StoredGroup(kept, "book", 1, START)], names)
    at = START + timedelta(days=days)
    found = Debts(at, Agreements(at, Rules("desk", {"vip_loan": free}), names), names).interest(block).tolist()
    with exact():
        expected = [float(interest(each, free, *free.moment(at))) for each in kept.loans]
    assert found == pytest.approx(expected, rel=1e-14, abs=0)
