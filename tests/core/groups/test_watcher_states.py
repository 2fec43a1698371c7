"""What older versions kept of all watchers in one dict becomes what each of them remembers."""

from datetime import timedelta
from decimal import Decimal

import msgspec

import tests.core.desk
from monitor.core.events.events import Noticed
from monitor.core.groups.watcher_states import FundState, Told, WatcherStates, from_notices
from monitor.core.rules.settings import ExposureRules, Fund, Rules, Trust
from monitor.core.watch.risk import RiskMonitor
from tests.coin_desk import START, clock, line
from tests.core.desk import Desk

MICROSECONDS = 1767571380000000
"""2026-01-05T00:03:00Z, as the time of a look at the fund was kept."""
OLD = {
    "exposure.concentration|asset:USDT": (1, "above"),
    "exposure.concentration|product:vip_loan": (2, None),
    "book.refused|book#G-4": (1, "no such coin"),
    "book.refused|books/a|b.jsonl:7": (3, None),
    "delivery.failing|ops": (1, "failing"),
    "fund.look|fund": (MICROSECONDS, str(MICROSECONDS + 6000)),
    "fund.exceeded|fund": (1, "said"),
    "monitor.clock_jump|clock": (1, "forward"),
    "price.missing|BTC": (1, "missing"),
    "rules.changed|vip_loan": (1, None),
}


def test_every_notice_goes_to_the_watcher_that_said_it() -> None:
    assert from_notices(OLD) == WatcherStates(
        noticed={
            "book.refused": {"book#G-4": Told(1, "no such coin"), "books/a|b.jsonl:7": Told(3)},
            "delivery.failing": {"ops": Told(1, "failing")},
            "monitor.clock_jump": {"clock": Told(1, "forward")},
        },
        prices={"BTC": Told(1, "missing")},
        fund=FundState(Told(1, "said"), clock("00:03"), clock("00:03") + timedelta(milliseconds=6)),
        concentration={"asset:USDT": Told(1, "above"), "product:vip_loan": Told(2)},
        rules={"vip_loan": 1},
    )


def test_a_fund_that_was_never_looked_at_has_no_times() -> None:
    assert from_notices({}) == WatcherStates()
    assert from_notices({"fund.look|fund": (0, str(MICROSECONDS))}).fund == FundState(due=clock("00:03"))


def test_states_come_back_from_their_json_as_they_were() -> None:
    states = from_notices(OLD)
    assert msgspec.json.decode(msgspec.json.encode(states), type=WatcherStates) == states


def test_a_monitor_goes_on_counting_from_the_old_dict() -> None:
    desk = Desk(line())
    desk.play("00:00 0.5 -")
    memory = desk.monitor.memory
    assert memory is not None
    rules = Rules("desk-1", desk.rules.products, trust=Trust(), fund=Fund(Decimal(5)), exposure=ExposureRules())
    monitor = RiskMonitor(
        rules, msgspec.structs.replace(memory, watchers=from_notices(OLD)), tests.core.desk.new_book()
    )
    assert monitor.standing("book.refused") == ("book#G-4",)
    assert monitor.watcher_states() == from_notices(OLD)
    same = Noticed(START, "delivery.failing", "ops", {}, "failing")
    assert monitor.handle(same).alerts == []
    (again,) = monitor.handle(msgspec.structs.replace(same, fingerprint="failing again")).alerts
    assert again.sequence == 2
