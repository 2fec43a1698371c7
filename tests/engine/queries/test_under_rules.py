"""What a preview of other rules says is what a reload then does: on any book, in any market, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import monitor.engine.queries.snapshot
import tests.core.desk
from monitor.core.events.events import ProductsChanged
from monitor.core.groups.book_changes import check_fit_all
from monitor.core.groups.snapshot import BookSnapshot, Prices
from monitor.core.refusal import Refused
from monitor.core.rules.settings import Lifecycle, Rules
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.book import ColumnarBook
from tests.coin_desk import clock, line, loan
from tests.core.desk import Desk
from tests.effort import examples, more_in_a_soak
from tests.engine.kinds import DAILY_AND_HOURLY
from tests.engine.market import PAUSES, QUICK, TRUSTED, WARY, Market

both = pytest.mark.parametrize("fold_at", [0, 512], ids=["columns", "objects"])
LOANS = ("vip_loan", "flat_loan")
Stages = dict[str, str]


@pytest.fixture(autouse=True)
def _all_by_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also small books, which are otherwise looked at group by group."""
    monkeypatch.setattr(monitor.engine.queries.snapshot, "EXACT_SUMS", 0)


def stages_of(monitor: RiskMonitor) -> Stages:
    sights = [monitor.sight(id_) for id_ in monitor.book.ids()]
    return {s.group.id: s.state.stage for s in sights if s is not None}


def previewed(snapshot: BookSnapshot, rules: Rules, on: Prices, before: Stages) -> Stages:
    """The stages that the preview expects."""
    swept = snapshot.under(rules).sweep(on, ())
    assert swept.are_counts_exact
    moved = {s.group.id: stage for stage, movers in swept.newly.items() for s in movers()}
    counted = sum(sums.groups for (was, then), sums in swept.moves.items() if was != then)
    assert len(moved) == counted
    return before | moved


def other_rules(market: Market, now: Rules) -> Rules:
    """Other lines, ladders, dates and holds, for the same products; the prices are judged as before."""
    r = market.random
    made = market.rules(now.trust)
    kept = {kind: now.products[kind] for kind in now.products if r.random() < 0.3}
    hold, margin = timedelta(seconds=r.choice((0, 1, 5, 900))), r.choice(("0", "0.01", "0.05"))
    how = Lifecycle(clear_hold=hold, clear_margin=type(now.lifecycle.clear_margin)(margin))
    return msgspec.structs.replace(made, products={**made.products, **kept}, lifecycle=how)


def play(seed: int, groups: int, kind: str, fold_at: int, steps: int, products: Sequence[str]) -> int:
    """Moves the market, previews, reloads and compares, over and over; returns how many groups the reloads moved."""
    trust, pauses = (TRUSTED, PAUSES) if kind == "trusted" else (WARY, QUICK)
    market, moved = Market(seed, groups, 4, trust, fold_at, products), 0
    for n in range(steps):
        market.step(pauses)
        if n % 3:
            continue
        plain, columns = market.twins.plain, market.twins.columns
        assert plain.at is not None
        rules = other_rules(market, plain.rules)
        full = plain.rates.into(rules)
        _, usd, untrusted = plain.board.snapshot()
        on, before = Prices(dict(usd), untrusted), stages_of(plain)
        snapshots = [monitor.book.snapshot(plain.at) for monitor in (plain, columns)]
        is_refused = False
        for snapshot in snapshots:
            try:
                check_fit_all(snapshot.examples(), full, plain.at)
            except Refused:
                is_refused = True
        expected = [] if is_refused else [previewed(each, full, on, before) for each in snapshots]
        market.twins.tell(ProductsChanged(plain.at, rules))
        after = stages_of(plain)
        for each in expected:
            assert {g: (before[g], each[g], after[g]) for g in after if each[g] != after[g]} == {}
        assert not is_refused or after == before
        moved += sum(before[g] != after[g] for g in after)
    return moved


@more_in_a_soak
@pytest.mark.parametrize(("kind", "fold_at", "products"), [("trusted", 0, DAILY_AND_HOURLY), ("wary", 64, LOANS)])
def test_a_reload_does_what_its_preview_said(kind: str, fold_at: int, products: Sequence[str]) -> None:
    moved = play(11, examples(80, 200), kind, fold_at, examples(7, 24), products)
    assert moved > examples(8, 20), "a run in which no group moves shows nothing"


def ends(of: Desk, time: str, **rules: Any) -> tuple[str, str]:
    """The stage of G-1 by the preview of other rules, and after the reload with them."""
    at = clock(time)
    of.pass_time(time)
    changed = msgspec.structs.replace(of.monitor.rules, **rules)
    _, usd, untrusted = of.monitor.board.snapshot()
    before = stages_of(of.monitor)
    expected = previewed(of.monitor.book.snapshot(at), changed, Prices(dict(usd), untrusted), before)
    of.change(time, **rules)
    return expected["G-1"], stages_of(of.monitor)["G-1"]


@both
def test_a_hold_that_is_over_by_its_new_length_cures_at_once(fold_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tests.core.desk, "new_book", lambda: ColumnarBook(fold_at))
    of = Desk(line(), clear_hold=timedelta(minutes=15))
    of.price("00:01", "COIN=0.8")
    of.price("00:02", "COIN=0.745")
    assert ends(of, "00:05", lifecycle=Lifecycle(clear_hold=timedelta(minutes=10))) == ("margin_call",) * 2
    assert ends(of, "00:06", lifecycle=Lifecycle(clear_hold=timedelta(minutes=1))) == ("normal",) * 2


@both
def test_a_loan_that_is_overdue_by_other_rules_is_liquidated(fold_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It had matured when it was put; by the rules before it was not overdue then."""
    monkeypatch.setattr(tests.core.desk, "new_book", lambda: ColumnarBook(fold_at))
    of = Desk()
    of.price("00:01", "COIN=0.5")
    of.put("26:00", line(loans=[loan(matures="24:00")]))
    was = of.monitor.rules.products["vip_loan"]
    versions = tuple(msgspec.structs.replace(v, overdue_after=timedelta(hours=1)) for v in was.versions)
    strict = {"vip_loan": msgspec.structs.replace(was, versions=versions)}
    assert ends(of, "26:01", lifecycle=Lifecycle()) == ("normal",) * 2
    assert ends(of, "26:02", products=strict) == ("liquidation",) * 2


def test_rules_that_are_tried_out_take_no_place() -> None:
    """Coins and products of a preview are not those of the book."""
    market = Market(5, 60, 2, TRUSTED, 0)
    names = market.twins.book.names
    before = list(names.assets), list(names.products)
    at = market.twins.plain.at
    assert at is not None
    odd = {kind: msgspec.structs.replace(p, kind=kind) for kind, p in market.twins.rules.products.items()}
    versions = odd["vip_loan"].versions
    never = {"NEVER": ((None, Decimal(1)),)}
    new = tuple(msgspec.structs.replace(v, ladders={**v.ladders, **never}) for v in versions)
    odd["vip_loan"] = msgspec.structs.replace(odd["vip_loan"], versions=new)
    under = market.twins.columns.book.snapshot(at).under(msgspec.structs.replace(market.twins.rules, products=odd))
    assert "NEVER" not in names.assets
    assert (list(names.assets), list(names.products)) == before
    assert sum(under.by_product().values()) == len(market.twins.book)


@more_in_a_soak
@settings(
    max_examples=examples(1, 40),
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(st.integers(0, 2**32 - 1), st.sampled_from((0, 7, 512)), st.sampled_from((LOANS, DAILY_AND_HOURLY)))
def test_any_reload_does_what_its_preview_said(seed: int, fold_at: int, products: Sequence[str]) -> None:
    play(seed, 80, "wary", fold_at, 9, products)
