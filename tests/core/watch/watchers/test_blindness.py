"""Blindness is said once: a coin, or a feed where many go together; what flaps when it begins and when it has ended."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

import msgspec

from monitor.core.alerts.alert import Alert
from monitor.core.events.events import ClockStood, Event, FeedSaid, MarkPrices, PriceSilent, TimePassed
from monitor.core.rules.settings import Trust
from monitor.core.watch.risk import RiskMonitor
from tests.coin_desk import START, line, version
from tests.core import desk as desks
from tests.core.desk import Desk, both_books, plainly, product, quotes

pytestmark = both_books

TRUST = Trust(stale_after=timedelta(seconds=10), confirm_after=timedelta(seconds=3), sources=("feed", "other"))
COINS = ("BTC", "ETH", "SOL", "ADA")
HOLDS = product(version(ladders={coin: [["inf", "1"]] for coin in ("USDT", *COINS)}, rates={"COIN": "0"}))


def holds(id_: str, *coins: str) -> dict[str, object]:
    return line(id_, collateral={f"{id_}-a": dict.fromkeys(coins, "100")})


def desk_of(*coins: str, trust: Trust = TRUST) -> Desk:
    """A group for each coin, and all of them owe COIN."""
    return Desk(*(holds(f"G-{i}", coin) for i, coin in enumerate(coins, 1)), trust=trust, of=HOLDS)


def at(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def priced(desk: Desk, seconds: float, *coins: str, price: str = "1") -> list[Alert]:
    when = START + at(seconds)
    return desk.handle(MarkPrices(when, quotes(",".join(f"{coin}={price}" for coin in coins), when)))


def passed(desk: Desk, seconds: float) -> list[Alert]:
    return desk.handle(TimePassed(START + at(seconds)))


def said(alerts: Iterable[Alert]) -> list[str]:
    return [f"{alert.type}:{alert.subject}" for alert in alerts if alert.group is None]


# -- once a feed --


def test_a_feed_that_dies_is_one_alert_that_lists_its_coins() -> None:
    desk = desk_of(*COINS)
    priced(desk, 0, "COIN", *COINS)
    (down,) = passed(desk, 11)
    assert (down.type, down.subject, down.at) == ("feed.down", "feed", START + at(10))
    assert down.facts["assets"] == sorted(["COIN", *COINS])
    assert (down.facts["groups"], down.facts["debt_usd"], down.facts["recognised_usd"]) == (4, "400", "400")
    assert down.facts["cause"] == "no new price within the limit"
    assert down.facts["group_ids"] == ["G-1", "G-2", "G-3", "G-4"]


def test_coins_that_follow_each_other_within_five_seconds_go_together() -> None:
    desk = desk_of(*COINS)
    for second, coin in enumerate(("COIN", *COINS)):
        priced(desk, second, coin)
    assert said(passed(desk, 13.5)) == []
    (down,) = passed(desk, 30)
    assert (down.type, down.at) == ("feed.down", START + at(14))
    assert len(down.facts["assets"]) == 5


def test_a_feed_that_is_back_is_one_alert_and_the_first_prices_decide_at_once() -> None:
    desk = desk_of(*COINS)
    priced(desk, 0, "COIN", *COINS, price="0.5")
    passed(desk, 11)
    alerts = priced(desk, 60, "COIN", *COINS, price="0.55")
    assert said(alerts) == ["feed.up:feed"]
    assert alerts[-1].facts["assets"] == sorted(["COIN", *COINS])
    assert not desk.sight("G-1").blind


def test_a_coin_that_does_not_come_back_with_its_feed_is_named_and_has_its_own_return() -> None:
    desk = desk_of(*COINS)
    priced(desk, 0, "COIN", *COINS)
    passed(desk, 11)
    assert said(priced(desk, 60, "COIN", *COINS[:-1])) == []
    (up,) = passed(desk, 66)
    assert (up.type, up.at) == ("feed.up", START + at(65))
    assert up.facts["still_blind"] == ["ADA"]
    assert said(priced(desk, 67, "COIN", *COINS)) == ["price.restored:ADA"]


def test_few_coins_that_come_back_are_told_one_by_one() -> None:
    desk = desk_of(*COINS)
    priced(desk, 0, "COIN", *COINS)
    passed(desk, 11)
    assert said(priced(desk, 60, "COIN", "BTC")) == []
    assert said(passed(desk, 66)) == ["price.restored:BTC", "price.restored:COIN"]
    assert said(priced(desk, 67, "COIN", *COINS)) == ["feed.up:feed"]


def test_two_coins_are_told_one_by_one_and_at_once() -> None:
    desk = desk_of("BTC")
    priced(desk, 0, "COIN", "BTC")
    alerts = passed(desk, 11)
    assert said(alerts) == ["price.stale:BTC", "price.stale:COIN"]
    assert {alert.at for alert in alerts} == {START + at(10)}


def test_one_coin_of_a_feed_that_lives_is_told_at_once() -> None:
    desk = desk_of(*COINS)
    for second in range(0, 14, 2):
        priced(desk, second, "COIN", *(COINS[1:] if second else COINS))
    (alert,) = desk.alerts[-1:]
    assert said([alert]) == ["price.stale:BTC"]
    assert alert.at == START + at(10)
    assert len(said(desk.alerts)) == 1


def test_more_coins_of_a_feed_that_is_down_are_one_more_alert() -> None:
    desk = desk_of(*COINS, "USDT")
    trust = msgspec.structs.replace(TRUST, usdt_usd="USDT")
    desk = desk_of(*COINS, trust=trust)
    priced(desk, 0, "COIN", "USDT")
    priced(desk, 3, *COINS)
    passed(desk, 60)
    assert Counter(said(desk.alerts)) == {"feed.down:feed": 1}


def test_coins_that_never_came_are_one_alert_with_the_cause_of_the_feed() -> None:
    desk = desk_of(*COINS)
    desk.handle(FeedSaid(START, "feed", connected=False, cause="refused with HTTP 451"))
    (down,) = passed(desk, 11)
    assert (down.type, down.facts["cause"]) == ("feed.down", "refused with HTTP 451")
    assert len(down.facts["assets"]) == 5
    (up,) = [a for a in priced(desk, 60, "COIN", *COINS) if a.group is None]
    assert up.type == "feed.up"


# -- the cause --


def test_a_coin_that_never_came_has_the_cause_of_its_feed() -> None:
    desk = Desk(line(), trust=msgspec.structs.replace(TRUST, sources=("venue",)))
    cause = "the subscription was refused: 2 Invalid request: unknown stream"
    desk.handle(FeedSaid(START, "venue", connected=False, cause=cause))
    (alert,) = passed(desk, 11)
    assert (alert.type, alert.facts["reason"]) == ("price.stale", f"venue: {cause}")


def test_a_coin_that_the_feed_does_not_price_has_that_as_its_reason() -> None:
    desk = Desk(line(), trust=msgspec.structs.replace(TRUST, sources=("venue",)))
    desk.handle(FeedSaid(START, "venue", connected=True, states={"COIN": "settled: the market is over"}))
    (alert,) = passed(desk, 11)
    assert alert.facts["reason"] == "venue: settled: the market is over"


def test_a_coin_that_falls_silent_has_the_cause_of_its_feed() -> None:
    desk = Desk(line(), trust=TRUST)
    priced(desk, 0, "COIN")
    desk.handle(FeedSaid(START + at(2), "feed", connected=False, cause="closed by the venue"))
    (alert,) = passed(desk, 11)
    assert alert.facts["reason"] == "no new price within the limit; feed: closed by the venue"


def test_a_cause_is_gone_once_the_feed_is_connected() -> None:
    desk = Desk(line(), trust=TRUST)
    desk.handle(FeedSaid(START, "feed", connected=False, cause="closed by the venue"))
    desk.handle(FeedSaid(START + at(1), "feed", connected=True))
    priced(desk, 2, "COIN")
    (alert,) = passed(desk, 13)
    assert alert.facts["reason"] == "no new price within the limit"


# -- flapping --


def alternating(desk: Desk, first: int, last: int) -> None:
    for second in range(first, last):
        priced(desk, second, "COIN", price="0.6" if second % 2 else "0.5")


def test_a_price_that_flaps_is_told_when_it_begins_and_when_it_has_ended() -> None:
    desk = Desk(line(), trust=TRUST)
    alternating(desk, 0, 40)
    for second in range(40, 60):
        priced(desk, second, "COIN", price="0.5")
    begun, back, flaps, over = desk.alerts
    assert said(desk.alerts) == [
        "price.suspect:COIN",
        "price.restored:COIN",
        "price.suspect:COIN",
        "price.restored:COIN",
    ]
    assert (begun.at, back.at, flaps.at) == (START + at(1), START + at(2), START + at(3))
    assert "flaps" not in begun.facts
    assert (flaps.facts["flaps"], flaps.facts["flapping"]) == (2, True)
    assert (over.at, over.facts["flaps"]) == (START + at(50), 20)
    assert "flapping" not in over.facts


def test_a_price_that_ends_its_flapping_untrusted_is_told_so_with_the_count() -> None:
    desk = Desk(line(), trust=TRUST)
    alternating(desk, 0, 40)
    passed(desk, 120)
    over = desk.alerts[-1]
    assert (over.type, over.facts["flaps"]) == ("price.stale", 20)
    assert len(desk.alerts) == 4
    assert said(priced(desk, 121, "COIN", price="0.5")) == ["price.restored:COIN"]


def test_a_price_that_comes_more_seldom_than_its_limit_does_not_tell_of_each_minute() -> None:
    desk = Desk(line(), trust=TRUST)
    for minute in range(30):
        priced(desk, 60 * minute, "COIN", price="0.5")
    assert said(desk.alerts) == ["price.stale:COIN", "price.restored:COIN", "price.stale:COIN"]


def test_a_second_loss_long_after_the_first_is_a_new_one() -> None:
    desk = Desk(line(), trust=TRUST)
    priced(desk, 0, "COIN")
    passed(desk, 15)
    for second in range(20, 100):
        priced(desk, second, "COIN")
    passed(desk, 200)
    alerts = [alert for alert in desk.alerts if alert.group is None]
    assert said(alerts) == ["price.stale:COIN", "price.restored:COIN", "price.stale:COIN"]
    assert all("flaps" not in alert.facts for alert in alerts)


def test_decisions_follow_the_marks_while_a_price_flaps() -> None:
    """The price in force stays what was confirmed; a jump that lasts is believed in the middle of it."""
    desk = Desk(line(), trust=TRUST)
    alternating(desk, 0, 11)
    for second in range(11, 15):
        priced(desk, second, "COIN", price="0.93")
    assert desk.state().stage == "liquidation"


def test_a_feed_that_comes_and_goes_is_told_when_that_begins_and_when_it_has_ended() -> None:
    desk = desk_of(*COINS)
    for second in range(0, 200, 15):
        priced(desk, second, "COIN", *COINS)
    for second in range(200, 300, 5):
        priced(desk, second, "COIN", *COINS)
    words = [alert for alert in desk.alerts if alert.group is None]
    assert said(words) == ["feed.down:feed", "feed.up:feed", "feed.down:feed", "feed.up:feed"]
    assert words[-1].facts["flaps"] == 13
    assert "flapping" not in words[-1].facts


# -- what is remembered --


def test_whatever_waits_to_be_said_survives_a_restart_at_any_time() -> None:
    """A monitor that knows what the memory holds goes on as the one before it would."""
    events: list[Event] = []
    for second in range(5):
        when = START + at(second)
        events.append(MarkPrices(when, quotes(("COIN=1", *(f"{c}=1" for c in COINS))[second], when)))
    events += [FeedSaid(START + at(5), "feed", connected=False, cause="closed"), TimePassed(START + at(13))]
    events += [TimePassed(START + at(30))]
    for second in range(60, 80):
        when = START + at(second)
        prices = ",".join(f"{coin}={'1' if second % 2 else '1.3'}" for coin in ("COIN", *COINS[: 2 + second % 3]))
        events.append(MarkPrices(when, quotes(prices, when)))
    events += [TimePassed(START + at(300))]
    whole = desk_of(*COINS)
    for event in events:
        whole.handle(event)
    for cut in range(1, len(events)):
        desk = desk_of(*COINS)
        for event in events[:cut]:
            desk.handle(event)
        memory = desk.monitor.memory
        assert memory is not None
        kept = msgspec.json.decode(msgspec.json.encode(memory), type=type(memory))
        desk.monitor = RiskMonitor(desk.rules, kept, desks.new_book())
        for event in events[cut:]:
            desk.handle(event)
        assert plainly(desk.alerts) == plainly(whole.alerts), cut


def test_a_coin_that_is_silent_while_our_time_stands_still_is_not_held_back() -> None:
    """The wall was set back by an hour: until it has caught up, no deadline runs that would tell of it."""
    desk = desk_of(*COINS)
    priced(desk, 0, "COIN", *COINS)
    for second in range(1, 12):
        desk.handle(ClockStood(START, Decimal(1)))
        if second <= 5:
            priced(desk, 0, "COIN", *COINS[1:], price=f"1.0{second:02}")
    desk.handle(PriceSilent(START, "BTC"))
    assert "price.stale:BTC" not in said(desk.alerts), "the others may follow within five seconds"
    desk.handle(ClockStood(START, Decimal(1)))
    assert "price.stale:BTC" in said(desk.alerts)


def test_a_feed_that_is_gone_is_named_where_too_few_are_left() -> None:
    """Under two sources the one that still speaks is not the one that is down."""
    desk = desk_of(*COINS, trust=msgspec.structs.replace(TRUST, min_sources=2, sources=("feed", "other")))
    all_coins = ",".join(f"{coin}=1@{source}" for coin in ("COIN", *COINS) for source in ("feed", "other"))
    for second in range(3):
        desk.handle(MarkPrices(START + at(second), quotes(all_coins, START + at(second))))
    desk.handle(FeedSaid(START + at(3), "other", connected=False, cause="refused with HTTP 451"))
    for second in range(3, 40):
        priced(desk, second, "COIN", *COINS[:2])
        priced(desk, second + 0.5, *COINS[2:])
    (down,) = [alert for alert in desk.alerts if alert.type.startswith(("feed.", "price.s"))]
    assert (down.type, down.subject, down.facts["cause"]) == ("feed.down", "other", "refused with HTTP 451")
    assert down.facts["assets"] == sorted(["COIN", *COINS])
