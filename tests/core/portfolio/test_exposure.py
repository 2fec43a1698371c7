"""What the book is exposed to, on both books: by borrower, product and coin, days to sell, pairs, and the alert above a share."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tests.core.desk
from monitor.core.events.events import TimePassed
from monitor.core.groups.survey import Scope
from monitor.core.portfolio.exposure import Table, days_to_sell
from monitor.core.portfolio.group_list import BadCursor
from monitor.core.rules.settings import ExposureRules, Lifecycle, Rules, Trust
from monitor.core.text import as_json
from monitor.core.watch.risk import RiskMonitor
from monitor.core.watch.watchers.concentration import ABOVE
from tests.core.desk import START, WHOLE, Desk, both_books, line, loan, plainly, product, version
from tests.core.portfolio.test_stress import group, whole
from tests.core.runs import DESK, TRUSTED, events, rules, steps

D = Decimal
LADDERS = {"USDT": WHOLE, "BTC": [["100", "1"], ["inf", "0.5"]], "BNB": WHOLE}


def desk(*lines: dict[str, Any], **exposure: Any) -> Desk:
    made = Desk(*lines, of=product(version(ladders=LADDERS, rates={"COIN": "0", "BUSD": "0"})))
    made.change("00:00", exposure=ExposureRules(**exposure))
    made.price("00:00:01", "COIN=0.5,BTC=50,USDT=1,BNB=10,BUSD=1")
    return made


def table(of: Desk, by: str, scope: Scope = (), limit: int = 100, after: str | None = None) -> dict[str, Any]:
    return as_json(Table(whole(of), by, scope).page(limit, after))


BOOK = (
    group("a", labels={"borrower": "ACME"}), group("b", labels={"borrower": "ACME"}, usdt="200"),
    group("c", labels={"borrower": "Beta"}, collateral={"x": {"BTC": "4"}}), group("d", usdt="90", loans=[]),
)  # fmt: skip


@both_books
def test_a_label_has_its_groups_sums_share_and_distances() -> None:
    """ACME: 50 on 100 and on 200, a line at 72 %: 30.55 % and 65.27 % away. Without the label the key is null."""
    answer = table(desk(*BOOK, max_share={"borrower": D("0.5")}), "label.borrower")
    assert answer["items"][0] == {
        "key": "ACME", "groups": 2, "debt_usd": "100", "recognised_usd": "300", "market_usd": "300", "share": "0.66666666",
        "max_share": "0.5", "is_above": True, "nearest_percent": "30.55", "average_percent": "47.91",
    }  # fmt: skip
    assert [(row["key"], row["is_above"], row["share"]) for row in answer["items"][1:]] == [
        ("Beta", False, "0.33333333"), (None, False, "0"),
    ]  # fmt: skip
    assert answer["items"][2]["nearest_percent"] == "100"
    assert answer["total"] == {"groups": 4, "debt_usd": "150", "recognised_usd": "540", "market_usd": "590"}
    assert answer["is_exact"]


@both_books
def test_a_coin_has_what_is_held_and_owed_of_it_and_the_days_to_sell_it() -> None:
    answer = table(desk(*BOOK, daily_volume_usd={"BTC": D(600)}, max_share_of_volume=D("0.1")), "asset")
    assert answer["items"][1] == {
        "key": "BTC", "groups": 1, "debt_usd": "0", "recognised_usd": "150", "market_usd": "200", "share": "0.33898305",
        "max_share": None, "is_above": False, "nearest_percent": "53.7", "average_percent": "53.7", "quantity": "4",
        "daily_volume_usd": "600", "days_to_sell": "3.34",
    }  # fmt: skip
    assert [(r["key"], r["market_usd"], r["debt_usd"], r["days_to_sell"]) for r in answer["items"]] == [
        ("USDT", "390", "0", None), ("BTC", "200", "0", "3.34"), ("COIN", "0", "150", None),
    ]  # fmt: skip


def test_days_to_sell_are_rounded_up() -> None:
    assert days_to_sell(D(100), D(3000), D("0.1")) == D("0.34")
    assert days_to_sell(D(100), None, D("0.1")) is None


@both_books
def test_a_list_is_paged_by_key_and_a_foreign_cursor_is_refused() -> None:
    of = desk(*BOOK)
    first = table(of, "label.borrower", limit=2)
    assert [row["key"] for row in first["items"]] == ["ACME", "Beta"]
    second = table(of, "label.borrower", limit=2, after=first["next"])
    assert ([row["key"] for row in second["items"]], second["next"]) == ([None], None)
    for cursor in ("x", first["next"][:-4]):
        with pytest.raises(BadCursor):
            table(of, "label.borrower", after=cursor)
    with pytest.raises(BadCursor, match="another key"):
        table(of, "product", after=first["next"])


@both_books
def test_a_scope_limits_what_is_summed() -> None:
    """Nor is its share held against a limit, which is one of the whole book."""
    answer = table(desk(*BOOK, max_share={"product": D("0.5")}), "product", (("borrower", "ACME"),))
    assert (answer["total"]["groups"], answer["items"][0]["share"]) == (2, "1")
    assert (answer["items"][0]["max_share"], answer["items"][0]["is_above"]) == (None, False)


@both_books
def test_debt_and_collateral_of_one_issuer_are_a_wrong_way_pair() -> None:
    busd = [loan("BUSD", "30"), loan("COIN", "10", id="L-2")]
    of = desk(
        group("a", collateral={"x": {"BNB": "7", "USDT": "20"}}, loans=busd),
        group("b", collateral={"y": {"BNB": "9"}}, loans=[loan("BUSD", "5")]), group("c", collateral={"z": {"BNB": "1"}}),
        issuers={"Binance": ("BNB", "BUSD"), "Tether": ("USDT",)},
    )  # fmt: skip
    assert table(of, "asset")["wrong_way"] == [
        {"issuer": "Binance", "debt": "BUSD", "collateral": "BNB", "groups": 2, "debt_usd": "35", "market_usd": "160"}
    ]
    assert table(of, "product")["wrong_way"] == []


@both_books
def test_a_share_above_the_limit_is_said_once_and_so_is_its_end() -> None:
    """USDT is 390 of 590; with BTC at 400 it is 390 of 1990. A look comes at the whole minute, on the prices till then."""
    of = desk(*BOOK, max_share={"asset": D("0.9"), "borrower": D("0.67")})
    assert of.price("00:01", "BTC=51") == "-"
    of.change("00:01:30", exposure=ExposureRules(max_share={"asset": D("0.6"), "borrower": D("0.67")}))
    assert of.price("00:01:40", "BTC=50") == "-"
    assert of.price("00:02", "BTC=400") == "exposure.concentration:asset:USDT"
    assert of.alerts[-1].facts == {
        "by": "asset", "key": "USDT", "share": "0.66101694", "max_share": "0.6", "of": "market_usd", "value_usd": "390",
        "total_usd": "590", "groups": 3,
    }  # fmt: skip
    assert (
        of.price("00:03:10", "BTC=399") == "exposure.concentration:asset:BTC@00:03 exposure.restored:asset:USDT@00:03"
    )
    assert of.price("00:04:10", "BTC=398") == "-"
    assert of.pass_time("00:09") == "-"


@both_books
def test_a_share_must_fall_below_its_limit_by_the_clear_margin() -> None:
    """The limit of 0.6 is left at 0.594: 390 of 650 is 0.6, of 654 is 0.5963, of 660 it is 0.59."""
    of = desk(*BOOK, max_share={"asset": D("0.6")})
    assert of.pass_time("00:01") == "exposure.concentration:asset:USDT"
    assert of.play("00:01:01 BTC=65 -; 00:02 BTC=66 -; 00:03 BTC=67.5 -") == []
    assert of.pass_time("00:04") == "exposure.restored:asset:USDT"


@both_books
def test_a_share_that_nobody_watches_any_more_is_not_above_for_ever() -> None:
    of = desk(*BOOK, max_share={"asset": D("0.6")})
    of.pass_time("00:01")
    assert of.change("00:01:10", exposure=ExposureRules()) == "-"
    assert of.pass_time("00:02") == "exposure.restored:asset:USDT"
    assert of.change("00:02:10", exposure=ExposureRules(max_share={"asset": D("0.6")})) == "-"
    assert of.pass_time("00:03") == "exposure.concentration:asset:USDT"
    told = [a for a in of.alerts if a.type.startswith("exposure.")]
    assert [a.sequence for a in told] == [1, 2, 3]
    assert len({a.id for a in told}) == 3


@both_books
def test_a_restart_says_nothing_again() -> None:
    of = desk(*BOOK, max_share={"asset": D("0.6")})
    of.pass_time("00:01")
    of.restart()
    assert of.pass_time("00:05") == "-"
    assert of.price("00:05:30", "BTC=90") == "-"
    assert of.pass_time("00:06") == "exposure.restored:asset:USDT"


WATCHED = ExposureRules(max_share={"asset": D("0.5"), "product": D("0.99"), "desk": D("0.4")})


@settings(max_examples=25, deadline=None)
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
