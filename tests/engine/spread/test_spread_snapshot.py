"""Questions about the whole book over shards: joined they say what an exact look says, and what misses a shard says so."""

from datetime import timedelta
from decimal import Decimal

import pytest

from monitor.core.money import CENT
from monitor.engine.queries import snapshot as columns
from monitor.engine.spread import groups as spread_groups
from monitor.engine.spread.snapshot import SpreadSnapshot
from tests.engine.market import COINS, QUICK
from tests.engine.queries import test_snapshot
from tests.engine.queries.test_snapshot import same_exposures, same_pairs, same_sweeps, snapshots
from tests.engine.spread.test_spread_book import a_market
from tests.engine.spread.worlds import SpreadMarket, spread_of


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch) -> SpreadMarket:
    monkeypatch.setattr(test_snapshot, "CENT", 4 * CENT)  # each shard rounds its sums up
    for module in (spread_groups, columns):
        monkeypatch.setattr(module, "EXACT_SUMS", 0)
    made = a_market(monkeypatch, 3, ("vip_loan", "flat_loan"))
    for _ in range(6):
        made.step(QUICK)
    made.now += timedelta(seconds=1)
    made.move(list(made.usd), 0.99, 1.01)
    return made


def test_copies_in_shards_say_what_an_exact_look_at_every_group_says(market: SpreadMarket) -> None:
    ours, theirs, on = snapshots(market)
    assert isinstance(ours, SpreadSnapshot)
    fallen = on._replace(usd={a: p * Decimal("0.7") if a in COINS else p for a, p in on.usd.items()})
    # What happens after the copy is not in it.
    market.move(list(market.usd), 0.5, 0.6)
    assert same_sweeps(ours, theirs, fallen, ()) > 5
    same_sweeps(ours, theirs, fallen, (("desk", "EU"),))
    for by in ("asset", "product", "label.desk"):
        same_exposures(ours.exposures(by, fallen, ()), theirs.exposures(by, fallen, ()))
    same_pairs(ours, theirs, fallen)
    assert ours.by_product() == theirs.by_product()
    assert ours.coins(()).owed >= theirs.coins(()).owed
    assert {group.product for group in ours.examples()} == set(theirs.by_product())
    rules = market.twins.rules
    assert same_sweeps(ours.under(rules), theirs.under(rules), fallen, ()) >= 0
    assert not ours.is_partial


def test_an_answer_that_misses_a_shard_is_partial_and_counts_its_groups_as_unknown(market: SpreadMarket) -> None:
    book = spread_of(market)
    lost = next(seen for seen in book.seen() if seen.groups)
    ours, theirs, on = snapshots(market)
    assert not ours.is_partial
    book.links.shards.abandon(lost.seat)
    swept = ours.sweep(on, ())
    assert ours.is_partial
    assert swept.unknown >= lost.groups
    assert not swept.are_sums_exact
    counted = sum(sums.groups for sums in swept.moves.values())
    assert counted + swept.unknown == len(theirs)
    # The next snapshot knows it from the start; one with a replacement is whole.
    book.links.ask_all("ready")
    after, _, _ = snapshots(market)
    assert after.is_partial
    assert after.exposures("product", on, ()).unknown >= lost.groups
    for seat in book.plan_mending(range(9)):
        assert book.mend(seat)
        book.take_back(seat)
    whole, _, _ = snapshots(market)
    assert same_sweeps(whole, theirs, on, ()) >= 0
    assert not whole.is_partial
