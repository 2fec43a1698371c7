"""What every product must hold, whatever it is: each module of monitor/products is found by its name and run on its file.

A thousand random groups are played through prices, interest, a change of the rules and a restart, in a book of objects and
in one of columns. Each run is played once, and several tests look at it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest

from monitor import plugins
from monitor.core.alerts.alert import Alert
from monitor.core.alerts.body import alert_body
from monitor.core.alerts.light import whole
from monitor.core.alerts.payload import alert_item
from monitor.core.events.events import Event, GroupPut, GroupsPut, MarkPrices, ProductsChanged, TimePassed
from monitor.core.loans.group import Loan, parse_line
from monitor.core.loans.interest import interest
from monitor.core.money import exact
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.prices.quote import Quote
from monitor.core.rules.product import Ladder, Product, Version
from monitor.core.rules.settings import Rules, Trust
from monitor.core.rules.thresholds import Thresholds
from monitor.core.stages.stages import DELAYED, LIQUIDATION, MARGIN_CALL, NORMAL
from monitor.core.text import as_json
from monitor.core.valuation.ladder import by_deduction, recognised
from monitor.core.valuation.valuation import band
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.book import ColumnarBook
from monitor.engine.ingest.reader import BlockReader
from tests.book_lines import book_line
from tests.core.alerts.slow_body import slow_body
from tests.products.shelf import shipped

D = Decimal
KINDS = plugins.kinds("products")
BOOKS, CHANGE_AFTER = 1000, 3
ALIKE = frozenset({"okx_loan", "institutional_loan", "prime_margin"})
"""Kinds that are made of what the others are made of: a tenth of the books finds what is their own."""
PRICES = {"BTC": "30000", "ETH": "2000", "BNB": "300", "SOL": "50"}
AT = datetime.fromisoformat("2026-03-02T10:30:00+00:00")

every_product = pytest.mark.parametrize("kind", KINDS)


def prices(product: Product) -> dict[str, Decimal]:
    """Of every coin that any version names; stablecoins and the rest are worth a dollar."""
    named = {a for v in product.versions for a in (*v.ladders, *v.rates, *(v.liability_tiers or ()))}
    return {coin: D(PRICES.get(coin, "1")) for coin in sorted(named)}


def most(kind: str) -> int:
    """How many groups are played."""
    return BOOKS // 10 if kind in ALIKE else BOOKS


def book(product: Product, count: int = BOOKS, seed: int = 7) -> list[dict[str, Any]]:
    """Random groups around the lines of their product: some healthy, some on a line, some past it, some without debt."""
    count = min(count, most(product.kind))
    random, version, usd = Random(seed), product.version_at(AT), prices(product)
    pledged = sorted(a for a in usd if version.ladder(a) is not None)
    lent = sorted(a for a in version.rates if version.takes(a))
    made = []
    for i in range(count):
        coins = random.sample(pledged, random.randint(1, min(version.max_coins or 4, len(pledged))))
        value = D(10) ** random.randint(2, 7)
        holds = {a: str((value * random.randint(1, 99) / 100 / usd[a]).quantize(D("1e-8"))) for a in coins}
        worth = sum((D(q) * usd[a] for a, q in holds.items()), D(0))
        share = D(random.randint(0, 110)) / 100
        owing = random.sample(lent, random.randint(0, min(2, len(lent))))
        owes = {a: str((worth * share / len(owing) / usd[a]).quantize(D("1e-8"))) for a in owing}
        more: dict[str, Any] = {"delayed_liquidation": version.grace is not None and random.random() < 0.5}
        if version.lines_by_leverage and random.random() < 0.8:
            more["leverage"] = random.choice(sorted(version.lines_by_leverage))
        made.append(book_line(product.kind, holds, owes, f"G-{i:04}", AT.isoformat(), **more))
        if version.paid_in_discount and owing:
            made[-1]["loans"][0]["rate"] = {"kind": "flexible", "paid_in": "BNB"}
    return made


def puts(product: Product, lines: Iterable[dict[str, Any]]) -> list[Event]:
    """The groups one by one."""
    return [GroupPut(AT, parse_line(stated, AT, {product.kind: product}), "book") for stated in lines]


def market(product: Product) -> list[Event]:
    """Prices that fall, fall again and recover, interest thrice between two of them, and other rules in the middle."""
    usd, random = prices(product), Random(11)
    made: list[Event] = []
    for step, factor in enumerate(("1", "0.93", "0.8", "0.97", "1.4", "1.02", "0.5", "2.5")):
        at = AT + 3 * step * product.period + timedelta(seconds=step)
        moved = {a: p * (D(factor) if a in PRICES else 1) * D(random.randint(990, 1010)) / 1000 for a, p in usd.items()}
        made.append(MarkPrices(at, tuple(Quote(a, p, "USD", "feed", at) for a, p in moved.items())))
        if step == CHANGE_AFTER:
            made.append(ProductsChanged(at, rules_of(harder(product))))
    return made


def harder(product: Product) -> Product:
    """The same product with less for every coin, dearer loans and liabilities, and lines that are met earlier."""
    return msgspec.structs.replace(product, versions=tuple(map(_harder, product.versions)))


def _harder(version: Version) -> Version:
    tiers = version.liability_tiers
    return msgspec.structs.replace(
        version,
        thresholds=_nearer(version.thresholds),
        warnings=tuple(w * _nearing(version.thresholds) for w in version.warnings),
        lines_by_coin={coin: _nearer(lines) for coin, lines in version.lines_by_coin.items()},
        lines_by_leverage={
            leverage: tuple(msgspec.structs.replace(grade, lines=_nearer(grade.lines)) for grade in grades)
            for leverage, grades in version.lines_by_leverage.items()
        },
        ladders={coin: _scaled(ladder, D("0.97")) for coin, ladder in version.ladders.items()},
        unlisted=None if version.unlisted is None else _scaled(version.unlisted, D("0.97")),
        rates={coin: 3 * rate for coin, rate in version.rates.items()},
        liability_tiers=None
        if tiers is None
        else {
            coin: msgspec.structs.replace(t, maintenance=_scaled(t.maintenance, D("1.1"))) for coin, t in tiers.items()
        },
    )


def _nearing(lines: Thresholds) -> Decimal:
    return D("1.01") if lines.falls else D("0.99")


def _nearer(lines: Thresholds) -> Thresholds:
    return msgspec.structs.replace(lines, **{k: level * _nearing(lines) for k, level in lines.stated.items()})


def _scaled(ladder: Ladder, factor: Decimal) -> Ladder:
    return tuple((bound, share * factor) for bound, share in ladder)


def rules_of(product: Product) -> Rules:
    return Rules("desk-1", {product.kind: product}, trust=Trust(enabled=False))


def play(monitor: RiskMonitor, tape: Iterable[Event]) -> list[Any]:
    """All alerts, as values that can be compared whole."""
    return [plainly(alert) for event in tape for alert in monitor.handle(event).alerts]


class Seen(NamedTuple):
    """What a run of a product's thousand groups as objects gave."""

    alerts: list[Any]
    stages: set[str]
    bands: set[str]


@cache
def reference(kind: str) -> Seen:
    """Played once, as several tests compare with it."""
    product, groups = shipped(kind), PlainBook()
    monitor = RiskMonitor(rules_of(product), book=groups)
    seen = Seen([], set(), set())
    for event in [*puts(product, book(product)), *market(product)]:
        seen.alerts.extend(play(monitor, [event]))
        if isinstance(event, MarkPrices):
            with exact():
                for w in groups.records():
                    assert w.weight is not None
                    seen.stages.add(w.state.stage)
                    seen.bands.add(band(w.weight, w.held.lines))
    return seen


def plainly(alert: Alert) -> Any:
    return msgspec.structs.asdict(msgspec.structs.replace(whole(alert), detected_at=alert.at))


@every_product
def test_lines_are_in_order_and_warnings_come_before_them(kind: str) -> None:
    for version in shipped(kind).versions:
        for lines in (version.thresholds, *version.lines_by_coin.values()):
            levels = list(lines.stated.values())
            assert levels == sorted(set(levels), reverse=lines.falls)
            assert all(lines.is_worse(lines.first, w) for w in version.warnings)
        assert version.grace is None or version.thresholds.immediate is not None


@every_product
def test_ladders_are_complete_and_recognise_no_more_for_less(kind: str) -> None:
    """From nothing to beyond the last bound: recognised value never falls, nor rises faster than market value."""
    for version in shipped(kind).versions:
        found = [*version.ladders.values(), *([version.unlisted] if version.unlisted else [])]
        assert found
        for ladder in found:
            steps = climb(ladder)
            assert all(b - a >= 0 for a, b in steps)
            assert all(b - a >= d - c for (a, b), (c, d) in pairwise(steps)), "concave"
        for tiers in (version.liability_tiers or {}).values():
            for table in (tiers.maintenance, tiers.initial):
                steps = climb(table)
                assert table[-1][0] is None
                assert all(b - a <= d - c for (a, b), (c, d) in pairwise(steps)), "convex"
                assert recognised(table, D(10) ** 9) == by_deduction(table, D(10) ** 9)


def climb(ladder: Ladder) -> list[tuple[Decimal, Decimal]]:
    """What is recognised at both ends of equal steps of value, the tiers' bounds among them."""
    last = max((bound for bound, _ in ladder if bound is not None), default=D(1000))
    step = last / 1000
    with exact():
        return [(recognised(ladder, step * i), recognised(ladder, step * (i + 1))) for i in range(1100)]


@every_product
def test_interest_never_falls_in_time_and_is_the_same_in_one_piece_or_two(kind: str) -> None:
    product = shipped(kind)
    random = Random(5)
    for asset in product.version_at(AT).rates:
        stated = book_line(kind, {}, {asset: "1000"}, opened_at=AT.isoformat())["loans"]
        group = parse_line({**book_line(kind, {}, {}), "loans": stated}, AT, {kind: product})
        (loan,) = group.loans
        day, minute = product.moment(AT)
        loan = msgspec.structs.replace(loan, since=day, minute=minute)
        spans = [10 ** random.uniform(0, 5.5) for _ in range(60)]  # from a minute to most of a year
        times = sorted(AT + timedelta(minutes=minutes) for minutes in spans)
        with exact():
            owed = [owed_at(product, loan, at) for at in times]
            assert owed == sorted(owed)
            assert owed[-1] > 0
            middle = times[30]
            day, minute = product.moment(middle)
            settled = msgspec.structs.replace(loan, interest=owed[30], since=day, minute=minute)
            assert owed_at(product, settled, times[-1]) == owed[-1]


def owed_at(product: Product, loan: Loan, at: datetime) -> Decimal:
    return interest(loan, product, *product.moment(at))


@every_product
def test_a_thousand_books_give_the_same_alerts_in_another_run_and_through_idle_time(kind: str) -> None:
    product = shipped(kind)
    tape = [*puts(product, book(product)), *market(product)]
    alerts = reference(kind).alerts
    idle: list[Event] = []
    for before, after in pairwise(tape):
        idle += [before, TimePassed(before.at + (after.at - before.at) * 2 / 3)]
    again = play(RiskMonitor(rules_of(product)), [*idle, tape[-1]])
    assert sorted(again, key=by_id) == sorted(alerts, key=by_id)
    assert {a["type"] for a in alerts} >= {"loan_group.liquidation.triggered", "loan_group.liquidation.cleared"}


@every_product
def test_the_body_of_each_alert_is_that_of_the_long_way(kind: str) -> None:
    """Cure amounts and liquidation prices included, as bytes: prices fall, rise and come back, and rules change."""
    products = {kind: shipped(kind)}
    alerts = [Alert(**alert) for alert in reference(kind).alerts]
    some = alerts[:: max(len(alerts) // 400, 1)]
    assert any(alert.figures is not None and alert.group is not None for alert in some)
    for alert in some:
        for rules in (products, {kind: harder(products[kind])}, {}):
            assert alert_body(alert, 7, rules) == slow_body(alert, 7, rules)
            assert alert_body(alert, 7, rules) == msgspec.json.encode(as_json(alert_item(alert, 7, rules)))


def by_id(alert: dict[str, Any]) -> str:
    return str(alert["id"])


@every_product
def test_a_run_that_is_cut_and_continued_from_its_memory_gives_the_same_alerts(kind: str) -> None:
    """Before the rules change, and after; what goes on is held in columns."""
    product = shipped(kind)
    tape = [*puts(product, book(product, most(kind) // 5)), *market(product)]
    first = RiskMonitor(rules_of(product))
    parts = [play(first, tape[:-7])]
    memories = [first.memory]
    parts.append(play(first, tape[-7:-2]))
    memories.append(first.memory)
    whole = [*parts[0], *parts[1], *play(first, tape[-2:])]
    for at, memory, rules in ((-7, memories[0], rules_of(product)), (-2, memories[1], first.rules)):
        second = RiskMonitor(rules, memory, ColumnarBook(fold_at=0))
        before = parts[0] if at == -7 else [*parts[0], *parts[1]]
        assert sorted([*before, *play(second, tape[at:])], key=by_id) == sorted(whole, key=by_id)


@every_product
def test_exact_and_fast_screens_agree_on_every_alert(kind: str) -> None:
    """Every group in columns from its line on: none is left to the exact path, and none stays an object."""
    product, groups = shipped(kind), ColumnarBook(fold_at=0)
    rules = rules_of(product)
    monitor, reader = RiskMonitor(rules, book=groups), BlockReader(lambda: rules.products, groups.names)
    batch, rest = reader.pack([json.dumps(stated).encode() for stated in book(product)], AT, "book")
    assert rest == []
    # A batch speaks of all its groups at once: those of USDT alone have prices already.
    told = play(monitor, [GroupsPut(AT, "book", batch)])
    assert (len(groups), len(groups.fresh)) == (most(kind), 0)
    alerts = reference(kind).alerts
    assert sorted(told, key=by_id) == sorted(alerts[: len(told)], key=by_id)
    assert play(monitor, market(product)) == alerts[len(told) :]
    assert len(groups.fresh) == 0


@every_product
def test_every_stage_and_band_of_the_product_is_reached(kind: str) -> None:
    version, (_, stages, bands) = shipped(kind).version_at(AT), reference(kind)
    expected = {NORMAL, LIQUIDATION}
    expected |= {MARGIN_CALL} if version.thresholds.margin_call is not None else set()
    expected |= {DELAYED} if version.grace is not None else set()
    assert stages == expected
    assert bands >= {"normal", "restricted", "liquidation", "immediate"} - (
        {"immediate"} if version.thresholds.immediate is None else set()
    )
    assert ("margin_call" in bands) == (MARGIN_CALL in stages)
