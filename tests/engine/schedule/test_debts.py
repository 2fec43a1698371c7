"""Debts of a block at an instant, against core loan by loan."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from monitor.core.groups.outcome import StoredGroup
from monitor.core.loans.interest import interest
from monitor.core.money import exact
from monitor.core.rules.product import Product
from monitor.core.rules.settings import Rules
from monitor.engine.columns import loan_kinds
from monitor.engine.columns.agreements import Agreements
from monitor.engine.columns.block import Block
from monitor.engine.columns.names import Names
from monitor.engine.schedule.debts import Debts
from monitor.products import vip_loan
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


def kinds_of_interest(rate: str = "0.0003") -> Product:
    """Hourly interest that compounds since a day ago, and late interest by the hour."""
    stated = {"rates": {"USDT": rate, "COIN": "0.00007"}, "late_interest": "hour", "places": {"USDT": 2}}
    later = version(START - timedelta(days=1), **stated, compounding=True, rounding="up")
    return vip_loan.load({"period": "hour", "version": [version(**stated), later]})


def of(block: Block, names: Names, product: Product, at: datetime) -> Debts:
    return Debts(at, Agreements(at, Rules("desk", {"vip_loan": product}), names), names)


@pytest.mark.parametrize("hours", [0, 1, 30, 31, 800])
def test_compounding_loans_of_a_block_owe_what_core_says_to_the_last_bit(hours: int) -> None:
    """Each loan for itself: two that are alike but for their principals round differently."""
    product, put = kinds_of_interest(), START - timedelta(days=2)
    loans = [loan("USDT", f"{n}7.13", id=f"L-{n}", interest="0.5") for n in range(1, 6)]
    loans += [loan("COIN", "100", "10:00", id="late", **FIXED), loan("COIN", "0", id="none", interest="3")]
    names, kept = Names(), group(line(loans=loans), put, product)
    block, at = Block.of([StoredGroup(kept, "book", 1, put)], names), START + timedelta(hours=hours)
    found = of(block, names, product, at).interest(block).tolist()
    with exact():
        assert found == [float(interest(each, product, *product.moment(at))) for each in kept.loans]


def test_debts_that_compound_hold_for_the_same_rules_and_hour_alone() -> None:
    names, product = Names(), kinds_of_interest()
    block = Block.of([StoredGroup(group(line(loans=[loan("USDT")]), of=product), "book", 1, START)], names)
    now = of(block, names, product, START)
    now.interest(block)
    assert now.hold_for(of(block, names, product, START + timedelta(minutes=59)))
    assert not now.hold_for(of(block, names, product, START + timedelta(hours=1)))
    assert not now.hold_for(of(block, names, kinds_of_interest("0.0004"), START))


@pytest.mark.parametrize("hours", [9, 10, 11, 23, 24, 25, 47, 48, 800])
def test_late_hours_of_a_daily_product_are_owed_as_core_says(hours: int) -> None:
    """Loans that are late since another minute, day or never, and some that were settled meanwhile."""
    product = vip_loan.load({"version": [version(rates={"USDT": "0.0003", "COIN": "0.00007"}, late_interest="hour")]})
    due = ("09:30", "10:00", "10:59", "33:00", None)
    loans = [loan("USDT", f"{n}7", matures, id=f"L-{n}") for n, matures in enumerate(due, 1)]
    loans += [loan("COIN", "100", matures, id=f"F-{n}", **FIXED) for n, matures in enumerate(due[:4])]
    names, kept = Names(), group(line(loans=loans), of=product)
    later = [msgspec.structs.replace(x, id=f"{x.id}-later", minute=60 * n) for n, x in enumerate(kept.loans, 5)]
    kept = msgspec.structs.replace(kept, loans=(*kept.loans, *later))
    block, at = Block.of([StoredGroup(kept, "book", 1, START)], names), START + timedelta(hours=hours)
    found = of(block, names, product, at).interest(block).tolist()
    with exact():
        expected = [float(interest(each, product, *product.moment(at))) for each in kept.loans]
    assert found == pytest.approx(expected, rel=1e-14, abs=0)


@pytest.mark.parametrize("hours", [12, 30, 60, 2000])
def test_rates_below_zero_are_owed_as_core_says(hours: int) -> None:
    """Flexible and fixed ones, late ones, and one that has nothing left to owe."""
    product = vip_loan.load({"version": [version(rates={"USDT": "-0.0003", "COIN": "-0.9"}, late_interest="hour")]})
    below: dict[str, Any] = {"rate": {"kind": "fixed", "daily": "-0.0002"}}
    loans = [
        loan(coin, "107", matures, id=f"{coin}-{matures}") for coin in ("USDT", "COIN") for matures in ("30:00", None)
    ]
    loans += [loan("USDT", "100", "30:00", id="below", **below), loan("USDT", "100", "30:00", id="above", **FIXED)]
    names, kept = Names(), group(line(loans=loans), of=product)
    block, at = Block.of([StoredGroup(kept, "book", 1, START)], names), START + timedelta(hours=hours)
    found = of(block, names, product, at).interest(block).tolist()
    with exact():
        expected = [float(interest(each, product, *product.moment(at))) for each in kept.loans]
    assert found == pytest.approx(expected, rel=1e-14, abs=0)


def aging() -> tuple[StoredGroup, Product, Product]:
    """A group whose loans become late one after the other, some by the hour, under two rules that count late hours otherwise."""
    loans = [loan("USDT", f"{n}7", f"{9 + 7 * n}:30", id=f"L-{n}") for n in range(12)]
    loans += [loan("COIN", "100", f"{10 + 11 * n}:00", id=f"F-{n}", **FIXED) for n in range(12)]
    loans += [loan("COIN", "1", id="open"), loan("USDT", "2", id="other")]
    rates = {"USDT": "0.0003", "COIN": "0.00007"}
    by_hour, by_day = (
        vip_loan.load({"version": [version(rates=rates, **more)]}) for more in ({"late_interest": "hour"}, {})
    )
    return StoredGroup(group(line(loans=loans), of=by_hour), "book", 1, START), by_hour, by_day


@pytest.mark.parametrize("spare", [1000, -1])
def test_what_a_block_remembers_of_its_loans_changes_no_bit(spare: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours and midnights in turn, a step back, other rules and back: as a block that knows nothing yet."""
    monkeypatch.setattr(loan_kinds, "_MORE", spare)
    stored, by_hour, by_day = aging()
    names = Names()
    block = Block.of([stored] * 3, names)
    stated = {kind: Rules("desk", {"vip_loan": kind_}) for kind, kind_ in (("hour", by_hour), ("day", by_day))}
    went_on = 0
    for hours, kind in [*((h, "hour") for h in range(1, 150)), (20, "hour"), (21, "day"), (80, "day"), (81, "hour")]:
        at, before = START + timedelta(hours=hours), block.loan_kinds
        rules = stated[kind]
        found = Debts(at, Agreements(at, rules, names), names).owed(block)
        afresh = Debts(at, Agreements(at, rules, names), names).owed(Block(block.columns))
        assert found.tobytes() == afresh.tobytes(), hours
        went_on += (
            before is not None
            and before is not block.loan_kinds
            and block.loan_kinds is not None
            and (before.first == block.loan_kinds.first and len(before.kinds) < len(block.loan_kinds.kinds))
        )
    assert went_on > 10 or spare < 0, "the block worked all out anew each time"
