"""Flexible rates that change daily: which are taken, what they do to debts, and that no day is ever counted twice."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.alerts.alert import Alert
from monitor.core.events.events import API, RatesChanged, TimePassed
from monitor.core.events.rates import Asked, Rates
from monitor.core.loans.interest import interest
from monitor.core.money import exact
from monitor.core.queries.explain import detail
from monitor.core.queries.inbox import Look
from monitor.core.rules.product import HOUR, CoinRates, DatedRate, Product, RateRow
from monitor.core.text import as_json
from monitor.core.watch.risk import RiskMonitor
from tests.coin_desk import START, clock, line, loan, version
from tests.core.desk import Desk, both_books, plainly, product

D = Decimal
FLAT = version(rates={"COIN": "0.001"})


def rates(at: str, *rows: str, source: str = "file", is_whole: bool = False, of: str = "vip_loan") -> RatesChanged:
    """Rows of "24:00 COIN 0.002"."""
    stated = (row.split() for row in rows)
    return RatesChanged(
        clock(at), of, source, tuple(RateRow(clock(when), coin, D(rate)) for when, coin, rate in stated), is_whole
    )


def owing(coin: str = "COIN", **changes: Any) -> Desk:
    """A desk with one group that owes 100 of a coin at 0.001 a day."""
    desk = Desk(line(loans=[loan(coin)]), of=product(FLAT), **changes)
    desk.price("00:00", "0.5")
    return desk


def owed(desk: Desk, group: str = "G-1") -> Decimal:
    """What the group owes in COIN."""
    return dict(desk.sight(group).held.debts)["COIN"]


def look(desk: Desk, time: str, group: str = "G-1") -> dict[str, Any]:
    at, board = clock(time), desk.monitor.board
    return as_json(detail(Look(at, desk.sight(group), board.marks, board.usd, frozenset(), desk.monitor.rules)))


def refused(alerts: list[Alert]) -> list[Any]:
    assert all(alert.type == "book.refused" for alert in alerts)
    return [(r["asset"], r["effective"], r["rate"], r["counted"]) for a in alerts for r in a.facts["rates"]]


@both_books
def test_rule_22_each_midnight_counts_by_the_rate_then_in_force() -> None:
    desk = owing()
    desk.handle(rates("01:00", "24:00 COIN 0.002", "48:00 COIN 0.005", "60:00 COIN 0"))
    amounts = []
    for at in ("23:59", "24:00", "48:00", "72:00", "96:00"):
        desk.pass_time(at)
        amounts.append(owed(desk))
    assert amounts == [D("100"), D("100.2"), D("100.7"), D("100.7"), D("100.7")]


@both_books
def test_a_rate_moves_a_group_over_its_line_at_the_accrual_not_before() -> None:
    desk = Desk(line(), of=product(FLAT))
    desk.price("00:00", "0.7695")
    assert desk.handle(rates("10:00", "10:00 COIN 0.001")) == []
    assert desk.handle(rates("11:00", "11:00 COIN 0.0007")) == []
    desk.play("23:59 ... -;  24:01 ... margin_call.opened@24:00")


@both_books
def test_the_rate_that_is_newer_by_effective_time_holds() -> None:
    """Of one time the one that was given; a version that does not list the coin undoes nothing."""
    rules = product(
        version(rates={"COIN": "0.1"}),
        version(clock("48:00"), rates={"COIN": "0.2"}),
        version(clock("96:00"), rates={}),
        version(clock("120:00"), rates={"COIN": "0.3"}),
    )
    given_ = {
        "COIN": tuple(DatedRate(clock(at), D(r), "x") for at, r in (("24:00", "1"), ("72:00", "2"), ("120:00", "3")))
    }
    rules = msgspec.structs.replace(rules, given=given_)
    x = Desk(line(loans=[loan()]), of=product(FLAT)).sight().group.loans[0]
    with exact():
        grown = [interest(x, rules, START.date() + timedelta(days=n)) for n in range(8)]
    steps = [(b - a) / 100 for a, b in pairwise(grown)]
    assert steps == [1, D("0.2"), 2, 2, 3, 3, 3]


@both_books
@settings(max_examples=150)
@given(st.data())
def test_the_sum_over_any_days_is_that_of_a_walk_from_instant_to_instant(data: st.DataObject) -> None:
    """Versions, rows, lateness, a discount and hours, walked one by one, against the closed form."""
    hours = st.integers(-24 * 6, 24 * 30)
    rate, factor = st.decimals(0, "0.01", places=6), st.decimals(1, 9, places=2)
    dates = sorted(
        {START - timedelta(days=9), *(START + timedelta(hours=h) for h in data.draw(st.lists(hours, max_size=3)))}
    )
    stated = [
        version(
            at,
            rates={"COIN": str(data.draw(rate))} if data.draw(st.booleans()) else {},
            late_interest_factor=str(data.draw(factor)),
        )
        for at in dates
    ]
    rules = product(*stated)
    cheaper = tuple(
        msgspec.structs.replace(v, paid_in_discount=data.draw(st.sampled_from((D(0), D("0.05")))))
        for v in rules.versions
    )
    rows = data.draw(st.dictionaries(hours, rate, max_size=8))
    kept = tuple(DatedRate(START + timedelta(hours=h), r, "x") for h, r in sorted(rows.items()))
    period = data.draw(st.sampled_from((timedelta(days=1), HOUR)))
    rules = msgspec.structs.replace(rules, versions=cheaper, period=period, given={"COIN": kept} if kept else {})
    matures = data.draw(st.none() | hours.map(lambda h: START + timedelta(hours=h)))
    paid = {"kind": "flexible", **({"paid_in": "BNB"} if data.draw(st.booleans()) else {})}
    x = Desk(line(loans=[loan(principal="7.25", rate=paid)]), of=product(FLAT)).sight().group.loans[0]
    x = msgspec.structs.replace(x, matures_at=matures)
    days = data.draw(st.integers(0, 20))
    with exact():
        want, at, end = D(0), START + period, datetime.combine(START.date() + timedelta(days=days), time(), UTC)
        while at <= end:
            want += D("7.25") * _figure(rules, kept, at, matures, is_cheaper="paid_in" in paid)
            at += period
        assert interest(x, rules, end.date()) == want


def _figure(
    rules: Product, rows: tuple[DatedRate, ...], at: datetime, matures: datetime | None, *, is_cheaper: bool
) -> Decimal:
    """The rate of one instant as the rules say it, found by looking at everything."""
    listed = [(v.effective, 0, v.rates["COIN"]) for v in rules.versions if "COIN" in v.rates]
    begun = [x for x in (*listed, *((r.effective, 1, r.rate) for r in rows)) if x[0] <= at]
    rate = max(begun)[2] if begun else rules.versions[0].rates.get("COIN", D(0))
    now = rules.version_at(at)
    rate *= 1 - now.paid_in_discount if is_cheaper else 1
    return rate * (now.late_interest_factor if matures is not None and at > matures else 1)


@both_books
def test_rule_24_until_one_o_clock_a_rate_of_the_day_corrects_its_step() -> None:
    """Never twice for one day: the step is another one, not a second one, and every group is decided again."""
    desk = Desk(line(loans=[loan(principal="100")]), of=product(FLAT))
    desk.price("00:00", "0.7693")
    desk.play("24:00 ... margin_call.opened")
    assert owed(desk) == D("100.1")
    assert desk.handle(rates("24:30", "24:00 COIN 0.0005")) == []
    assert owed(desk) == D("100.05")
    assert desk.short(desk.handle(rates("24:59:59", "24:00 COIN 0.0008")), clock("24:59:59")) == "-"
    assert owed(desk) == D("100.08")
    alerts = desk.handle(rates("25:00", "24:00 COIN 0.0009"))
    assert refused(alerts) == [("COIN", "2026-01-06T00:00:00.000Z", "0.0009", "0.0008")]
    assert "give it from the next time on" in alerts[0].facts["problem"]
    assert (alerts[0].subject, alerts[0].facts["source"]) == ("file#vip_loan", "file")
    assert owed(desk) == D("100.08")


@both_books
def test_a_correction_decides_every_group_anew() -> None:
    desk = Desk(line(), of=product(FLAT))
    desk.price("00:00", "0.769")
    desk.play("24:00 ... -")
    assert desk.short(desk.handle(rates("24:10", "24:00 COIN 0.0015")), clock("24:10")) == "margin_call.opened"


@both_books
def test_a_later_day_keeps_the_step_of_the_day_before() -> None:
    desk = owing()
    desk.pass_time("24:00")
    assert refused(desk.handle(rates("48:10", "24:00 COIN 0.002"))) == [
        ("COIN", "2026-01-06T00:00:00.000Z", "0.002", "0.001")
    ]
    assert owed(desk) == D("100.2")


@both_books
def test_a_known_rate_is_no_event() -> None:
    desk = owing()
    desk.handle(rates("01:00", "24:00 COIN 0.002"))
    desk.pass_time("50:00")
    assert desk.handle(rates("50:00", "24:00 COIN 0.002")) == []
    assert not desk.last.is_durable


@both_books
def test_what_no_loan_was_charged_by_is_taken_as_history() -> None:
    """At an empty monitor all of it; beside loans all that they were not charged by: those of before their put."""
    history = ["-48:00 COIN 0.003", "-24:00 COIN 0.004", "00:00 COIN 0.005", "24:00 COIN 0.006", "72:00 COIN 0.007"]
    empty = Desk(of=product(FLAT))
    assert empty.handle(rates("60:00", *history)) == []
    assert [r.rate for r in empty.monitor.rules.products["vip_loan"].given["COIN"]] == [
        D(f"0.00{n}") for n in range(3, 8)
    ]
    desk = Desk(of=product(FLAT))
    desk.put("34:00", line(loans=[loan()]))
    assert desk.handle(rates("40:00", *history)) == []
    late = Desk(of=product(FLAT))
    late.put("10:00", line(loans=[loan()]))
    assert [r[1][:10] for r in refused(late.handle(rates("40:00", *history)))] == [
        "2026-01-06",
        "2026-01-05",
        "2026-01-04",
        "2026-01-03",
    ]
    other = Desk(of=product(FLAT))
    other.put(
        "10:00",
        line(
            loans=[loan("USDT", rate={"kind": "fixed", "daily": "0.1"}, matures="900:00"), loan("USDT", id="L-2")][:1]
        ),
    )
    assert other.handle(rates("40:00", *history)) == []


@both_books
def test_a_loan_that_is_gone_was_charged_by_nothing() -> None:
    desk = Desk(line(loans=[loan()]), of=product(FLAT))
    for at, id_ in (("34:00", "G-2"), ("35:00", "G-3")):
        desk.put(at, line(id_, loans=[loan()]))
    desk.close("39:00")
    assert desk.handle(rates("40:00", "24:00 COIN 0.002")) == []
    assert len(refused(desk.handle(rates("60:00", "48:00 COIN 0.003")))) == 1


@both_books
def test_a_history_that_says_what_was_counted_is_taken() -> None:
    desk = owing()
    desk.pass_time("40:00")
    assert desk.handle(rates("40:00", "-24:00 COIN 0.001", "00:00 COIN 0.001")) == []
    assert len(desk.monitor.rules.products["vip_loan"].given["COIN"]) == 2


@both_books
def test_a_coin_with_a_rate_may_be_borrowed_from_its_time_on() -> None:
    desk = owing()
    assert "has no flexible rate for NEW" in _why(desk, "01:00")
    desk.handle(rates("02:00", "30:00 NEW 0.01"))
    assert "has no flexible rate for NEW" in _why(desk, "29:00")
    desk.put("30:00", line("G-2", loans=[loan("NEW")]))
    desk.price("30:00", "NEW=0.5")
    desk.change("31:00", products={"vip_loan": product(FLAT, version(clock("32:00"), rates={}))})
    assert desk.last.refused is None
    desk.put("33:00", line("G-3", loans=[loan("NEW")]))
    desk.pass_time("48:00")
    assert dict(desk.sight("G-2").held.debts)["NEW"] == 101


def _why(desk: Desk, at: str) -> str:
    with pytest.raises(Exception, match="flexible rate") as e:
        desk.put(at, line("G-2", loans=[loan("NEW")]))
    return str(e.value)


@both_books
def test_a_source_that_states_all_takes_back_what_is_to_come() -> None:
    """Only its own, and only what is not in force yet."""
    desk = owing()
    desk.handle(rates("01:00", "02:00 COIN 0.002", "24:00 COIN 0.003", "48:00 COIN 0.004", is_whole=True))
    desk.handle(rates("01:00", "72:00 COIN 0.005", source=API))
    desk.handle(rates("03:00", "48:00 COIN 0.004", is_whole=True))
    kept = desk.monitor.rules.products["vip_loan"].given["COIN"]
    assert [(r.rate, r.source) for r in kept] == [(D("0.002"), "file"), (D("0.004"), "file"), (D("0.005"), API)]
    desk.handle(rates("03:00", is_whole=True))
    assert [r.rate for r in desk.monitor.rules.products["vip_loan"].given["COIN"]] == [D("0.002"), D("0.005")]


@both_books
def test_the_api_has_all_its_rates_taken_or_none() -> None:
    desk = owing()
    desk.pass_time("30:00")
    assert desk.handle(rates("30:00", "24:00 COIN 0.002", "48:00 OTHER 0.1", source=API)) == []
    assert desk.last.refused is not None
    assert desk.last.refused.reason == "past"
    assert desk.monitor.rules.products["vip_loan"].given == {}


@both_books
def test_rates_of_no_product_are_refused_and_named() -> None:
    desk = owing()
    (alert,) = desk.handle(rates("01:00", "24:00 COIN 0.1", of="vip_lone"))
    assert (alert.type, alert.facts["problem"]) == (
        "book.refused",
        "found product 'vip_lone', expected one of: vip_loan",
    )


@both_books
def test_rates_outlive_a_restart_and_a_reload() -> None:
    desk, twin = owing(), owing()
    for each in (desk, twin):
        each.handle(rates("01:00", "24:00 COIN 0.002", "24:00 NEW 0.1"))
        each.put("25:00", line("G-2", loans=[loan("NEW", id="L-9")]))
    stated = twin.rules
    twin.monitor = RiskMonitor(stated, memory=twin.monitor.memory, book=type(twin.monitor.book)())
    twin.change("26:00", products=stated.products)
    for each in (desk, twin):
        each.handle(TimePassed(clock("49:00")))
    assert owed(twin) == owed(desk) == D("100.4")
    assert plainly(twin.alerts) == plainly(desk.alerts)


@both_books
def test_a_correction_of_the_hour_may_come_after_a_restart() -> None:
    desk = owing()
    desk.pass_time("24:10")
    desk.restart()
    assert desk.handle(rates("24:20", "24:00 COIN 0.002")) == []
    assert owed(desk) == D("100.2")


@both_books
def test_settling_is_shown_in_the_first_hour_of_the_day() -> None:
    desk = owing()
    shown = []
    for at in ("23:59", "24:00", "24:59:59", "25:00"):
        desk.pass_time(at)
        seen = look(desk, at)
        shown.append((seen["settling"], seen["loans"][0]["settling"]))
    assert shown == [(False, False), (True, True), (True, True), (False, False)]
    desk.put("48:05", line("G-2", loans=[loan()]))
    assert look(desk, "48:05", "G-2")["settling"] is False


@both_books
def test_detail_shows_the_rate_in_force() -> None:
    desk = owing()
    desk.handle(rates("01:00", "05:00 COIN 0.002"))
    assert [look(desk, at)["loans"][0]["daily_rate"] for at in ("04:59", "05:00")] == ["0.001", "0.002"]


@both_books
def test_a_rate_from_now_on_is_not_given_twice() -> None:
    desk = owing()
    asked = Asked("vip_loan", {"COIN": D("0.002")}, None)
    assert asked.rows(desk.monitor.rules, clock("01:00")) == (RateRow(clock("01:00"), "COIN", D("0.002")),)
    desk.handle(rates("01:00", "01:00 COIN 0.002", source=API))
    assert asked.rows(desk.monitor.rules, clock("03:00")) == (RateRow(clock("01:00"), "COIN", D("0.002")),)


@both_books
def test_years_of_rows_cost_a_group_no_more_than_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in calls, not in time: what was worked out once is looked up."""
    rows = tuple(DatedRate(START + timedelta(days=n - 700), D(n) / 10**6, "x") for n in range(1, 731))
    rules = msgspec.structs.replace(product(FLAT), given={"COIN": rows})
    x = Desk(line(loans=[loan()]), of=product(FLAT)).sight().group.loans[0]
    with exact():
        interest(x, rules, date(2026, 1, 20))
        monkeypatch.setattr("monitor.core.loans.interest._worked_out", None)
        found = [interest(x, rules, START.date() + timedelta(days=n)) for n in range(25)]
    assert found[24] - found[23] == 100 * D(724) / 10**6


def test_what_is_kept_is_what_was_given() -> None:
    kept = (CoinRates("vip_loan", "COIN", (DatedRate(START, D("0.1"), "x"),)),)
    assert Rates(kept).kept() == kept
