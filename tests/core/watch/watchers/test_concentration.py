"""A coin, a product or a borrower is more of the book than the desk allows: said once, on both books, and so is its end."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

import tests.core.desk
from monitor.core.events.events import ClockStood, PriceSilent, TimePassed
from monitor.core.rules.settings import ExposureRules, Lifecycle, Rules, Trust
from monitor.core.watch.risk import RiskMonitor
from monitor.core.watch.watchers.concentration import ABOVE
from tests.coin_desk import START, clock, line
from tests.core.desk import Desk, both_books, plainly
from tests.core.portfolio.test_exposure import BOOK, exposed_desk
from tests.core.runs import DESK, TRUSTED, events, rules, steps
from tests.effort import examples, more_in_a_soak

D = Decimal


@both_books
def test_a_share_above_the_limit_is_said_once_and_so_is_its_end() -> None:
    """USDT is 390 of 590; with BTC at 400 it is 390 of 1990. A look comes at the whole minute, on the prices till then."""
    of = exposed_desk(*BOOK, max_share={"asset": D("0.9"), "borrower": D("0.67")})
    assert of.price("00:01", "BTC=51") == "-"
    of.change("00:01:30", exposure=ExposureRules(max_share={"asset": D("0.6"), "borrower": D("0.67")}))
    assert of.price("00:01:40", "BTC=50") == "-"
    assert of.price("00:02", "BTC=400") == "exposure.concentration:asset:USDT"
    assert of.alerts[-1].facts == {
        "by": "asset",
        "key": "USDT",
        "share": "0.66101694",
        "max_share": "0.6",
        "of": "market_usd",
        "value_usd": "390",
        "total_usd": "590",
        "groups": 3,
    }
    assert (
        of.price("00:03:10", "BTC=399") == "exposure.concentration:asset:BTC@00:03 exposure.restored:asset:USDT@00:03"
    )
    assert of.price("00:04:10", "BTC=398") == "-"
    assert of.pass_time("00:09") == "-"


@both_books
def test_a_share_must_fall_below_its_limit_by_the_clear_margin() -> None:
    """The limit of 0.6 is left at 0.594: 390 of 650 is 0.6, of 654 is 0.5963, of 660 it is 0.59."""
    of = exposed_desk(*BOOK, max_share={"asset": D("0.6")})
    assert of.pass_time("00:01") == "exposure.concentration:asset:USDT"
    assert of.play("00:01:01 BTC=65 -; 00:02 BTC=66 -; 00:03 BTC=67.5 -") == []
    assert of.pass_time("00:04") == "exposure.restored:asset:USDT"


@both_books
def test_a_share_that_nobody_watches_any_more_is_not_above_for_ever() -> None:
    of = exposed_desk(*BOOK, max_share={"asset": D("0.6")})
    of.pass_time("00:01")
    assert of.change("00:01:10", exposure=ExposureRules()) == "-"
    assert of.pass_time("00:02") == "exposure.restored:asset:USDT"
    assert of.change("00:02:10", exposure=ExposureRules(max_share={"asset": D("0.6")})) == "-"
    assert of.pass_time("00:03") == "exposure.concentration:asset:USDT"
    told = [a for a in of.alerts if a.type.startswith("exposure.")]
    assert [a.sequence for a in told] == [1, 2, 3]
    assert len({a.id for a in told}) == 3


@both_books
def test_what_is_restored_in_one_look_is_said_in_the_order_in_which_it_went_above() -> None:
    of = exposed_desk(*BOOK, max_share={"asset": D("0.4")})
    assert of.pass_time("00:01") == "exposure.concentration:asset:USDT"
    of.price("00:01:01", "BTC=400")
    assert of.pass_time("00:02") == "exposure.concentration:asset:BTC exposure.restored:asset:USDT"
    of.price("00:02:01", "BTC=80")
    assert of.pass_time("00:03") == "exposure.concentration:asset:USDT"
    of.restart()
    of.change("00:03:10", exposure=ExposureRules())
    assert of.pass_time("00:04") == "exposure.restored:asset:BTC exposure.restored:asset:USDT"


@both_books
def test_the_whole_book_is_summed_only_after_a_minute_in_which_a_share_may_have_changed() -> None:
    """A look a minute costs: notices, clocks and prices that fall silent change no share. A price does."""
    of = exposed_desk(*BOOK, max_share={"asset": D("0.9")})
    of.pass_time("00:01")
    of.notice("00:01:10", "book.drift", "a book")
    of.handle(ClockStood(clock("00:01:11"), D(1)))
    of.handle(PriceSilent(clock("00:01:12"), "BTC"))
    assert of.monitor.next_due is not None
    assert of.monitor.next_due > clock("00:02")
    of.price("00:01:13", "BTC=51")
    assert of.monitor.next_due == clock("00:02")


@both_books
def test_interest_is_a_reason_to_sum_the_whole_book() -> None:
    of = exposed_desk(*BOOK, max_share={"asset": D("0.9")})
    of.pass_time("23:59")
    of.pass_time("24:00")
    assert of.monitor.next_due == clock("24:01")


@both_books
def test_a_restart_says_nothing_again() -> None:
    of = exposed_desk(*BOOK, max_share={"asset": D("0.6")})
    of.pass_time("00:01")
    of.restart()
    assert of.pass_time("00:05") == "-"
    assert of.price("00:05:30", "BTC=90") == "-"
    assert of.pass_time("00:06") == "exposure.restored:asset:USDT"


WATCHED = ExposureRules(max_share={"asset": D("0.5"), "product": D("0.99"), "desk": D("0.4")})


@more_in_a_soak
@settings(max_examples=examples(10, 25))
@given(steps(DESK), st.sets(st.integers(0, 60), max_size=3), st.lists(st.integers(1, 4000), max_size=6))
def test_a_run_with_shares_under_watch_is_a_fold(run: Any, restarts: set[int], pauses: list[int]) -> None:
    """Restarts and the telling of time change nothing of what is said."""
    now = Rules("desk-1", {"vip_loan": rules(4)}, Lifecycle(), TRUSTED, exposure=WATCHED)
    plain = [*events(run, now), TimePassed(START + timedelta(days=90))]

    def replaced(event: Any) -> Any:
        changed = getattr(event, "rules", None)
        return (
            event
            if changed is None
            else msgspec.structs.replace(event, rules=msgspec.structs.replace(changed, exposure=WATCHED))
        )

    plain = [replaced(event) for event in plain]
    more = sorted([*plain, *(TimePassed(START + timedelta(seconds=17 * p)) for p in pauses)], key=lambda e: e.at)
    told = []
    for sequence, cuts in ((plain, set()), (plain, restarts), (more, set())):
        monitor, alerts = RiskMonitor(now, book=tests.core.desk.new_book()), []
        for i, each in enumerate(sequence):
            alerts += monitor.handle(each).alerts
            if i in cuts:
                monitor = RiskMonitor(monitor.rules, memory=monitor.memory, book=tests.core.desk.new_book())
        told.append(plainly(alerts))
    assert told[1] == told[0]
    assert told[2] == told[0]


@both_books
def test_the_shares_under_watch_do_raise_alerts() -> None:
    of = Desk(line(), of=rules(4), trust=Trust(enabled=False))
    of.change("00:00", exposure=WATCHED)
    of.price("00:00:01", "COIN=0.5,USDT=1")
    of.pass_time("00:01")
    assert ABOVE in {a.type for a in of.alerts}
