"""A contradiction is never quiet: each source is named, and what the worse price would bring, until they agree again."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from monitor.core.alerts.alert import Alert
from monitor.core.events.events import MarkPrices, TimePassed
from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import Trust
from monitor.core.watch.risk import RiskMonitor
from tests.coin_desk import START, line, version
from tests.core import desk as desks
from tests.core.desk import Desk, both_books, plainly, product

pytestmark = both_books

TRUST = Trust(sources=("a", "b"), min_sources=1)
TWO = msgspec.structs.replace(TRUST, min_sources=2)
COINS = ("BTC", "ETH", "SOL", "ADA", "XRP", "DOT", "LTC")
HOLDS = product(version(ladders={coin: [["inf", "1"]] for coin in ("USDT", *COINS)}, rates={"COIN": "0"}))


def when(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def priced(desk: Desk, seconds: float, **by_source: dict[str, str] | str) -> list[Alert]:
    """Prices of COIN, or of several coins, by source."""
    made = []
    for source, prices in by_source.items():
        each = {"COIN": prices} if isinstance(prices, str) else prices
        made += [Quote(coin, Decimal(price), "USD", source, when(seconds)) for coin, price in each.items()]
    return desk.handle(MarkPrices(when(seconds), tuple(made)))


def of(alerts: Iterable[Alert], type_: str) -> list[Alert]:
    return [alert for alert in alerts if alert.type == type_]


def test_sources_that_differ_from_their_first_prices_on_are_a_contradiction_too() -> None:
    desk = Desk(line(), trust=TRUST)
    for second in range(70):
        priced(desk, second, a="0.5", b="0.92")
    assert [(a.type, a.at) for a in desk.alerts] == [("price.stale", when(10)), ("price.contradiction", when(60))]
    for alert in desk.alerts:
        assert alert.facts["reason"] == "live sources differ by more than 2 %: a 0.5, b 0.92"
    facts = desk.alerts[-1].facts
    assert (facts["price"], facts["worst_usd"], facts["worse_ids"]) == (None, "0.92", ["G-1"])
    for second in range(70, 140):
        priced(desk, second, a="0.5", b="0.5")
    assert [(a.type, a.at) for a in desk.alerts[2:]] == [("price.restored", when(70)), ("price.agreed", when(130))]


def test_a_lone_source_where_two_are_wanted_is_named_though_no_price_was_ever_good() -> None:
    desk = Desk(line(), trust=TWO)
    for second in range(30):
        priced(desk, second, a="0.5")
    desk.restart()
    for second in range(30, 62):
        priced(desk, second, a="0.5")
    (alert,) = of(desk.alerts, "price.contradiction")
    assert (alert.at, alert.facts["reason"]) == (when(60), "a lone source")


def test_live_sources_that_differ_are_critical_after_a_minute_with_what_the_worse_one_would_bring() -> None:
    desk = Desk(line(), line("G-2", collateral={"b": {"USDT": "300"}}), trust=TRUST)
    for second in range(3):
        priced(desk, second, a="0.5", b="0.5")
    for second in range(3, 66):
        priced(desk, second, a="0.5", b="0.92")
    (alert,) = of(desk.alerts, "price.contradiction")
    assert (alert.subject, alert.at) == ("COIN", when(63))
    facts = alert.facts
    assert [(s["source"], s["price"], s["age_s"], s["state"]) for s in facts["sources"]] == [
        ("a", "0.5", 0.0, "suspect"),
        ("b", "0.92", 0.0, "suspect"),
    ]
    assert facts["worst_usd"] == "0.92"
    assert facts["worse"] == [{"from": "normal", "to": "liquidation", "groups": 1, "debt_usd": "92"}]
    assert facts["worse_ids"] == ["G-1"]
    assert (facts["groups"], facts["debt_usd"], facts["price"]) == (2, "100", "0.5")
    assert facts["since"] == "2026-01-05T00:00:03.000Z"
    assert "differ by more than 2 %" in facts["reason"]
    assert desk.state().stage == "normal", "words only: nothing is decided on it"


def test_the_worse_price_of_collateral_is_the_lower_one() -> None:
    desk = Desk(line(collateral={"x": {"BTC": "100"}}), trust=TRUST, of=HOLDS)
    for second in range(3):
        priced(desk, second, a={"COIN": "1", "BTC": "2"}, b={"COIN": "1", "BTC": "2"})
    for second in range(3, 66):
        priced(desk, second, a={"COIN": "1", "BTC": "2"}, b={"COIN": "1", "BTC": "1.25"})
    (alert,) = of(desk.alerts, "price.contradiction")
    assert alert.facts["worst_usd"] == "1.25"
    assert alert.facts["worse"] == [{"from": "normal", "to": "margin_call", "groups": 1, "debt_usd": "100"}]


def test_a_lone_print_beside_a_live_source_never_becomes_good_by_lasting() -> None:
    """LINK was printed at 0.0001 for four seconds while another venue showed 3."""
    desk = Desk(line(collateral={"x": {"BTC": "100"}}), trust=TWO, of=HOLDS)
    for second in range(3):
        priced(desk, second, a={"COIN": "1", "BTC": "3"}, b={"COIN": "1", "BTC": "3"})
    for second in range(3, 120):
        priced(desk, second, a={"COIN": "1", "BTC": "0.0001"}, b={"COIN": "1", "BTC": "3"})
    assert desk.state().stage == "normal"
    assert len(of(desk.alerts, "price.contradiction")) == 1
    assert of(desk.alerts, "price.suspect")


def test_a_contradiction_that_is_over_within_a_minute_is_not_told() -> None:
    desk = Desk(line(), trust=TRUST)
    for second in range(3):
        priced(desk, second, a="0.5", b="0.5")
    for second in range(3, 50):
        priced(desk, second, a="0.5", b="0.6")
    for second in range(50, 200):
        priced(desk, second, a="0.5", b="0.5")
    assert not of(desk.alerts, "price.contradiction")
    assert not of(desk.alerts, "price.agreed")


def test_it_is_told_again_each_hour_and_its_end_once() -> None:
    desk = Desk(line(), trust=TRUST)
    for second in range(3):
        priced(desk, second, a="0.5", b="0.5")
    for second in range(3, 2 * 3600 + 120, 9):
        priced(desk, second, a="0.5", b="0.6")
    for second in range(2 * 3600 + 120, 2 * 3600 + 300, 5):
        priced(desk, second, a="0.5", b="0.5")
    told = of(desk.alerts, "price.contradiction")
    assert [alert.at for alert in told] == [when(63), when(3663), when(7263)]
    assert [alert.sequence for alert in told] == [1, 2, 3]
    (over,) = of(desk.alerts, "price.agreed")
    assert over.sequence == 4
    assert over.at == when(2 * 3600 + 120 + 60)


def test_sources_that_differ_again_at_once_are_no_second_contradiction() -> None:
    desk = Desk(line(), trust=TRUST)
    for second in range(3):
        priced(desk, second, a="0.5", b="0.5")
    for second in range(3, 600):
        priced(desk, second, a="0.5", b="0.6" if second % 80 > 2 else "0.5")
    assert len(of(desk.alerts, "price.contradiction")) == 1
    assert not of(desk.alerts, "price.agreed")


def test_too_few_live_sources_are_a_contradiction_and_many_coins_are_one_alert() -> None:
    desk = Desk(*(line(f"G-{c}", collateral={c: {c: "100"}}) for c in COINS), trust=TWO, of=HOLDS)
    both = dict.fromkeys(("COIN", *COINS), "1")
    for second in range(3):
        priced(desk, second, a=both, b=both)
    for second in range(3, 100):
        priced(desk, second, b=both)
    (alert,) = of(desk.alerts, "price.contradiction")
    assert alert.subject == "prices"
    assert alert.facts["assets"] == sorted(both)
    assert alert.facts["groups"] == len(COINS)
    assert not of(desk.alerts, "price.suspect")
    assert len(of(desk.alerts, "feed.down")) == 1


def test_a_contradiction_that_nobody_needs_is_not_told() -> None:
    desk = Desk(trust=TRUST)
    for second in range(3):
        priced(desk, second, a="0.5", b="0.5")
    for second in range(3, 100):
        priced(desk, second, a="0.5", b="0.6")
    assert desk.alerts == []
    desk.put("00:01:40", line())
    for second in range(101, 170):
        priced(desk, second, a="0.5", b="0.6")
    assert len(of(desk.alerts, "price.contradiction")) == 1, "a group that comes later hears of it"


def test_a_power_of_ten_is_critical_from_the_first_message() -> None:
    desk = Desk(line(collateral={"x": {"BTC": "100"}}), trust=msgspec.structs.replace(TRUST, sources=("a",)), of=HOLDS)
    for second in range(5):
        priced(desk, second, a={"COIN": "1", "BTC": "1.25"})
    assert desk.state().stage == "margin_call"
    alerts = priced(desk, 5, a={"COIN": "1", "BTC": "1250"})
    (alert,) = of(alerts, "price.contradiction")
    assert "power of ten" in alert.facts["reason"]
    for second in range(6, 60):
        priced(desk, second, a={"COIN": "1", "BTC": "1250"})
    assert desk.state().stage == "margin_call", "it never cures by lasting"
    assert len(of(desk.alerts, "price.contradiction")) == 1


def test_what_a_fall_by_a_power_of_ten_would_bring_is_said_from_the_first_message() -> None:
    desk = Desk(line(collateral={"x": {"BTC": "100"}}), trust=msgspec.structs.replace(TRUST, sources=("a",)), of=HOLDS)
    for second in range(5):
        priced(desk, second, a={"COIN": "1", "BTC": "10"})
    (alert,) = of(priced(desk, 5, a={"COIN": "1", "BTC": "0.1"}), "price.contradiction")
    assert alert.facts["worst_usd"] == "0.1"
    assert alert.facts["worse"] == [{"from": "normal", "to": "liquidation", "groups": 1, "debt_usd": "100"}]
    assert desk.state().stage == "normal"


def test_a_contradiction_survives_a_restart_at_any_time() -> None:
    def play(desk: Desk, first: int, last: int) -> None:
        for second in range(first, last):
            priced(desk, second, a="0.5", b="0.6" if 3 <= second < 100 else "0.5")

    whole = Desk(line(), trust=TRUST)
    play(whole, 0, 180)
    for cut in (2, 10, 62, 64, 99, 101, 161):
        desk = Desk(line(), trust=TRUST)
        play(desk, 0, cut)
        memory = desk.monitor.memory
        assert memory is not None
        kept = msgspec.json.decode(msgspec.json.encode(memory), type=type(memory))
        desk.monitor = RiskMonitor(desk.rules, kept, desks.new_book())
        play(desk, cut, 180)
        assert plainly(desk.alerts) == plainly(whole.alerts), cut


def test_a_power_of_ten_is_not_said_again_after_a_restart() -> None:
    desk = Desk(line(collateral={"x": {"BTC": "100"}}), trust=msgspec.structs.replace(TRUST, sources=("a",)), of=HOLDS)
    for second in range(5):
        priced(desk, second, a={"COIN": "1", "BTC": "10"})
    priced(desk, 5, a={"COIN": "1", "BTC": "0.1"})
    desk.restart()
    priced(desk, 6, a={"COIN": "1"})
    assert desk.monitor.board.contradicted.keys() == {"BTC"}
    for second in range(7, 90):
        priced(desk, second, a={"COIN": "1", "BTC": "0.1"})
    assert len(of(desk.alerts, "price.contradiction")) == 1
    assert not of(desk.alerts, "price.agreed")


def test_time_alone_brings_no_end() -> None:
    """Both sources fall silent: the price is stale, which is said by itself; the contradiction is over with them."""
    desk = Desk(line(), trust=TRUST)
    for second in range(3):
        priced(desk, second, a="0.5", b="0.5")
    for second in range(3, 70):
        priced(desk, second, a="0.5", b="0.6")
    desk.handle(TimePassed(when(300)))
    assert len(of(desk.alerts, "price.contradiction")) == 1
    assert len(of(desk.alerts, "price.agreed")) <= 1
