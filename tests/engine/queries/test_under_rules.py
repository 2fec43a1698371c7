"""What a preview of other rules says is what a reload then does: on any book, in any market, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import monitor.engine.queries.snapshot
from monitor.core.events.events import ProductsChanged
from monitor.core.groups.book_changes import check_fit_all
from monitor.core.groups.snapshot import BookSnapshot, Prices
from monitor.core.refusal import Refused
from monitor.core.rules.settings import Lifecycle, Rules
from monitor.core.watch.risk import RiskMonitor
from tests.engine.kinds import DAILY_AND_HOURLY
from tests.engine.market import PAUSES, QUICK, TRUSTED, WARY, Market

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
        full = plain.with_rates(rules)
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


@pytest.mark.parametrize(("kind", "fold_at"), [("trusted", 0), ("wary", 64)])
def test_a_reload_does_what_its_preview_said(kind: str, fold_at: int) -> None:
    assert play(11, 200, kind, fold_at, 24, LOANS) > 20, "a run in which no group moves shows nothing"


def test_a_reload_of_every_kind_of_product_does_what_its_preview_said() -> None:
    assert play(13, 150, "trusted", 0, 18, DAILY_AND_HOURLY) > 20


@settings(
    max_examples=3,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(st.integers(0, 2**32 - 1), st.sampled_from((0, 7, 512)), st.sampled_from((LOANS, DAILY_AND_HOURLY)))
def test_any_reload_does_what_its_preview_said(seed: int, fold_at: int, products: Sequence[str]) -> None:
    play(seed, 80, "wary", fold_at, 9, products)
