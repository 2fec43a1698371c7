"""A coin that no product lists and no feed prices is said once, with the coin that it may be, and its end is said too."""

from datetime import timedelta
from typing import Any

import msgspec

from monitor.core.events.events import ProductsChanged
from monitor.core.rules.settings import Trust
from monitor.core.watch.risk import RiskMonitor
from tests.coin_desk import clock, line, version
from tests.core.desk import Desk, both_books, product

pytestmark = both_books

TRUST = Trust(stale_after=timedelta(hours=9), missing_after=timedelta(seconds=60))
WHOLE = [["inf", "1"]]


def holding(coin: str, group: str = "G-1") -> dict[str, Any]:
    return line(group, collateral={f"acct-{group}": {"USDT": "1000", coin: "5"}})


def test_at_the_first_start_feeds_have_their_time_and_then_one_alert_tells_of_all_groups() -> None:
    desk = Desk(*(holding("usdt", f"G-{i}") for i in range(3)), trust=TRUST)
    desk.play("00:00:59 ... -; 00:01:01 ... price.missing:COIN@00:01 book.unknown_coin:usdt@00:01; 00:30 ... -")
    facts = desk.alerts[-1].facts
    assert facts["problem"] == "no product lists usdt, and no feed prices it; is it USDT?"
    assert (facts["groups"], facts["group_ids"]) == (3, ["G-0", "G-1", "G-2"])


def test_while_prices_are_there_it_is_said_when_it_is_put_and_ends_when_it_is_mended() -> None:
    desk = Desk(line(), trust=TRUST)
    desk.play("00:00 COIN=0.5 -")
    assert desk.put("00:01", holding("XBT", "G-2")) == "book.unknown_coin:XBT"
    assert desk.put("00:02", holding("XBT", "G-3")) == "-"
    assert desk.put("00:03", line("G-2", collateral={"acct-G-2": {"USDT": "1000"}})) == "-"
    desk.play("00:04 ... -")
    assert desk.close("00:05", "G-3") == "-"
    desk.play("00:05:11 ... book.coin_known:XBT@00:05:10")
    assert desk.put("00:06", holding("XBT", "G-2")) == "book.unknown_coin:XBT"
    desk.play("00:07 XBT=1 -; 00:07:11 ... book.coin_known:XBT@00:07:10")


def test_a_coin_that_some_product_or_feed_has_is_known_though_it_counts_nothing() -> None:
    rules = product(version(ladders={"USDT": WHOLE}, rates={"COIN": "0", "USDT": "0", "RATED": "0"}))
    desk = Desk(line(), of=rules, trust=TRUST)
    desk.play("00:00 COIN=0.5,PRICED=1 -")
    assert desk.put("00:01", holding("RATED", "G-2")) == "-"
    assert desk.put("00:01", holding("PRICED", "G-3")) == "-"


def test_what_was_said_survives_a_restart_and_a_product_that_lists_the_coin_mends_it() -> None:
    desk = Desk(line(), trust=TRUST)
    desk.play("00:00 COIN=0.5 -")
    assert desk.put("00:01", holding("XBT", "G-2")) == "book.unknown_coin:XBT"
    again = Desk(trust=TRUST)
    again.monitor = RiskMonitor(desk.rules, desk.monitor.memory, type(desk.monitor.book)())
    again.monitor.awaken(clock("00:02"))
    again.play("00:04 ... -")
    listed = product(version(ladders={"USDT": WHOLE, "XBT": WHOLE}))
    rules = msgspec.structs.replace(again.rules, products={"vip_loan": listed})
    again.handle(ProductsChanged(clock("00:05"), rules))
    assert [a.type for a in again.play("00:05:11 ... book.coin_known:XBT@00:05:10")] == ["book.coin_known"]
