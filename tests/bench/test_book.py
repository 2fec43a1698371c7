"""The book of the benchmark: the same for everybody, and the same as columns, as a book file and as frames."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np

from bench import desk
from bench.book import SCALE, book, exact_ltv, exact_usd, market, recognised, walk
from bench.storm import crash, part
from monitor.core.loans.group import parse_line
from monitor.core.valuation.valuation import holding, weigh


def test_the_first_groups_of_a_book_are_a_book() -> None:
    whole = book(50, market())
    few = whole.first(10)
    assert len(few) == 10
    assert len(few.collateral) == few.collateral.start[-1] == np.count_nonzero(whole.collateral.group < 10)
    assert np.array_equal(few.debts.units, whole.debts.units[: len(few.debts)])


def test_a_group_never_holds_an_asset_twice() -> None:
    held = book(2_000, market()).collateral
    key = held.group.astype(np.int64) * 600 + held.asset
    assert (np.diff(key) > 0).all()


def test_the_lowest_line_is_what_the_tiers_count() -> None:
    m = market()
    b = book(200, m)
    counted = recognised(m, b.collateral.quantity * m.usd[b.collateral.asset], b.collateral.asset)
    sums = np.add.reduceat(counted, b.collateral.start[:-1])
    exact = [float(exact_ltv(b, g, exact_usd(m.price))[1]) for g in range(200)]
    assert np.allclose(sums, exact, rtol=1e-13)


def test_core_reads_of_a_line_what_the_columns_hold() -> None:
    m = market()
    b = desk.of_one_product(book(30, m))
    rules = desk.rules(m)
    usd = dict(zip(desk.NAMES, exact_usd(m.price), strict=True))
    for g, line in enumerate(desk.book_lines(b)):
        group = parse_line(json.loads(line), desk.START, rules.products)
        weight = weigh(holding(group, rules.products[group.product], desk.START), usd)
        assert (weight.debt, weight.recognised) == exact_ltv(b, g, exact_usd(m.price))


def test_a_frame_brings_every_price() -> None:
    m = market()
    price = walk(m.price, np.random.default_rng(1), 0.01)
    event = desk.received(desk.new_feed(), desk.frame(price, desk.START), desk.START)
    monitor = desk.new_monitor(m)
    monitor.handle(event)
    found = {name: monitor.board.usd[name] for name in desk.NAMES}
    assert found == {name: Decimal(int(p)) / SCALE for name, p in zip(desk.NAMES, price, strict=True)}


def test_a_crash_moves_most_groups_at_once_and_can_be_cut_into_commits() -> None:
    m = market()
    outcome, _ = crash(desk.new_monitor(m), m, 200)
    assert len(outcome.alerts) > 150
    some = part(outcome, 10, 12)
    assert [a.id for a in some.alerts] == [a.id for a in outcome.alerts[10:12]]
    assert set(some.states) == {a.subject for a in some.alerts}
