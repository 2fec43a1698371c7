"""Steps by column are those of steps one by one: at lines, on them, after rises, for every product, for a year.

The two monitors of `Twins` are told the same, and compared to the last byte after every event.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np
import pytest

from monitor.core.alerts.light import LightAlert
from monitor.core.rules.settings import Lifecycle
from monitor.core.stages.stages import GroupState, Signal
from monitor.engine.columns import ragged
from monitor.engine.columns.block import Block
from monitor.engine.columns.cutting import CutRows
from monitor.engine.moves.alike import Alike
from monitor.engine.moves.choosing import _bands
from tests.engine.kinds import ALL, OTHER_INTEREST
from tests.engine.market import TRUSTED, WARY, Market
from tests.engine.twins import deadlines_of
from tests.stores.plain_storm import NEVER, Storm

packed = msgspec.msgpack.encode
DAY_S = 24 * 3600
LENT_BY_DAY = ("vip_loan", "flat_loan")


@pytest.mark.parametrize("seed", [4])
def test_rises_after_laying_and_landings_on_lines_are_decided_alike(seed: int) -> None:
    """Three of eight groups are put on a line or within 1e-8 of it; prices rise by 25 to 400 % and come back to the lines."""
    market = Market(seed, 220, 3, TRUSTED, 0, ALL, has_terms=True)
    everything = list(market.usd)
    for _ in range(3):
        market.move(everything, 1.25, 5.0)
        market.land(everything)
        market.move(everything, 1 - 2e-8, 1 + 2e-8)
        market.aim()
        market.move(everything, 0.6, 0.99)
        market.now = market.now.replace(microsecond=market.now.microsecond + 1)
    assert market.twins.light > 60


@pytest.mark.parametrize("kinds", [ALL, OTHER_INTEREST], ids=["other products", "other interest"])
def test_a_market_that_doubts_its_prices_is_decided_alike(kinds: tuple[str, ...]) -> None:
    market = Market(21, 120, 3, WARY, 0, kinds)
    everything = list(market.usd)
    for share in (0.9, 0.85, 0.5):
        market.land(everything)
        market.move(everything, share, 1.0)
        market.silent = {everything[0]}
    assert market.twins.light > 5


def test_a_year_folds_to_the_same_bytes() -> None:
    """Every fifth day something happens: interest, dates of loans, other rules, restarts and crashes come between."""
    market = Market(8, 30, 2, TRUSTED, 8, LENT_BY_DAY)
    begun = market.now
    while (market.now - begun).days < 365:
        market.step((5 * DAY_S - 7,))
    assert market.twins.light > 10
    market.twins.check_groups(market.twins.objects.ids())


def test_a_float_proves_nothing_near_a_line() -> None:
    """Four times the guard of the screen: what is nearer is valued exactly, on either side of any line."""
    levels = np.array([[0.72, 0.77, np.nan, 0.95]])
    for level in (0.72, 0.77, 0.95):
        for share, is_far in ((1, False), (1 + 3e-9, False), (1 - 3e-9, False), (1 + 6e-9, True), (1 - 6e-9, True)):
            assert _bands(np.array([level * share * 1e6]), np.array([1e6]), levels)[1].tolist() == [is_far]


def test_a_date_that_comes_before_a_reminder_leaves_it_to_be_planned_with_the_date() -> None:
    how = Lifecycle(margin_call_repeat=timedelta(days=20))
    ours, theirs = (Storm(plain_from=n, how=how) for n in (1, NEVER))
    ids = [a.subject for out in ours.fall() for a in out.alerts if isinstance(a, LightAlert)]
    theirs.fall()
    found = deadlines_of(ours.monitor, ids)
    assert found == deadlines_of(theirs.monitor, ids)
    assert None in found
    assert any(found)


def test_rows_of_several_blocks_are_cut_out_as_they_are_chosen_and_joined() -> None:
    columnar = Storm(plain_from=1).book.columnar
    assert columnar is not None
    block = columnar.rows.block(0)
    stated = Block(block.columns._replace(matures=np.arange(len(block.columns.terms))))
    blocks = [block, stated, block]
    of, at = np.array([0, 1, 1, 1, 2, 2]), np.array([0, 3, 5, 88, 89, 1])
    places = CutRows(blocks, of, at)
    parts = [ragged.chosen(blocks[k].columns, at[of == k]) for k in range(3)]
    ours, theirs = places.columns(), ragged.joined(parts)
    for name, mine, other in zip(ours._fields, ours, theirs, strict=True):
        if isinstance(mine, np.ndarray):
            assert mine.dtype == other.dtype, name
            assert np.array_equal(mine, other), name
        else:
            assert mine == other, name
    assert places.ids() == [blocks[k].id(i) for k, i in zip(of.tolist(), at.tolist(), strict=True)]


def test_what_only_looks_like_the_id_of_an_alert_is_not_cut_out_of_a_state() -> None:
    """Texts side by side may read like it: here the names of coins."""
    alike = Alike()
    states = [GroupState("", "margin_call", last_alert="evt_" + letter * 26) for letter in "ab"]
    found = [alike.state(packed(state), Signal.BREACH, 0, frozenset()) for state in states]
    assert found == [(GroupState("", "margin_call"), state.last_alert) for state in states]
    assert found[0][0] is found[1][0]
    for letter in "ab":
        state = GroupState("", "margin_call", short=("last_alert", letter * 30))
        assert alike.state(packed(state), Signal.BREACH, 0, frozenset()) == (state, None)
