"""What waits while the store fails: changes merged into one do what they would have done one after the other."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.groups.outcome import StoredBlock
from monitor.core.rules.product import CoinRates, DatedRate
from monitor.core.stages.stages import GroupState
from monitor.daemon.journal import _merged
from monitor.stores import memory
from monitor.stores._base import Change, StoredState
from tests.effort import examples, more_in_a_soak
from tests.stores.examples import AT, alert, core_state, say, state, stored, told

IDS = ("G-1", "G-2", "G-3")


def block(number: int, body: str, *ids: str) -> StoredBlock:
    return StoredBlock(number, body.encode(), ids)


def after(*changes: Change) -> StoredState:
    """What a store holds after these commits."""
    store = memory.build(memory.Config())

    async def run() -> StoredState:
        for change in changes:
            await store.commit(change)
        return await store.open()

    return asyncio.run(run())


def merged(*changes: Change) -> Change:
    one, *more = changes
    for change in more:
        one = _merged(one, change)
    return one


def test_the_newest_body_of_a_block_counts_and_its_ids_add_up() -> None:
    one = merged(Change(AT, blocks=(block(1, "old", "G-1"),)), Change(AT, blocks=(block(1, "new", "G-2"),)))
    assert one.blocks == (block(1, "new", "G-1", "G-2"),)


def test_a_row_put_after_its_block_stays_and_one_put_before_goes() -> None:
    before, later = stored("G-1"), stored("G-1", 2)
    one = merged(Change(AT, groups=(before,)), Change(AT, blocks=(block(1, "b", "G-1"),)))
    assert one.groups == ()
    assert merged(one, Change(AT, groups=(later,))).groups == (later,)


def test_the_rows_of_a_block_that_was_dropped_meanwhile_go_all_the_same() -> None:
    """The group has moved to another block without a row: an older row would win over that block."""
    folded = Change(AT, blocks=(block(1, "one", "G-1"),))
    moved = Change(AT, blocks=(block(2, "both"),), dropped_blocks=(1,))
    found = after(Change(AT, groups=(stored("G-1"),)), merged(folded, moved))
    assert (found.groups, found.blocks) == ((), (block(2, "both"),))


def test_a_number_that_is_used_again_is_not_dropped() -> None:
    one = merged(Change(AT, dropped_blocks=(1, 2)), Change(AT, blocks=(block(1, "new"),)))
    assert one.dropped_blocks == (2,)
    assert after(one).blocks == (block(1, "new"),)


def test_a_group_closed_and_folded_again_is_there() -> None:
    one = merged(
        Change(AT, blocks=(block(1, "b"),), closed=("G-1",)),
        Change(AT, groups=(stored("G-1"),)),
        Change(AT, blocks=(block(2, "c", "G-1"),)),
    )
    found = after(Change(AT, blocks=(block(1, "b"),), closed=("G-1",)), one)
    assert (found.groups, found.closed) == ((), ())


def test_the_newest_rates_of_each_coin_count() -> None:
    old, new = ((DatedRate(AT, Decimal(n), "daily"),) for n in (0, 1))
    usdt, btc = CoinRates("vip_loan", "USDT", old), CoinRates("vip_loan", "BTC", old)
    one = merged(Change(AT, rates=(usdt, btc)), Change(AT, rates=(CoinRates("vip_loan", "USDT", new),)), Change(AT))
    assert after(one).rates == (btc, CoinRates("vip_loan", "USDT", new))


def test_alerts_and_the_last_desk_are_kept() -> None:
    one = merged(say(alert(sequence=1)), Change(AT, desk=core_state()), say(alert(sequence=2)))
    assert [a.sequence for a, _ in one.alerts] == [1, 2]
    assert one.desk == core_state()


def _change(**parts: Any) -> Change:
    closed = tuple(parts["closed"])
    groups = tuple(g for g in parts.pop("groups") if g.group.id not in closed)
    return Change(AT, groups=groups, **{name: tuple(values) for name, values in parts.items()})


ids = st.lists(st.sampled_from(IDS), max_size=2, unique=True)
numbers = st.integers(1, 3)
changes = st.builds(
    _change,
    groups=st.lists(st.builds(stored, st.sampled_from(IDS), st.integers(1, 9)), max_size=2),
    closed=ids,
    blocks=st.lists(
        st.builds(lambda n, body, ids: block(n, body, *ids), numbers, st.sampled_from("abc"), ids), max_size=2
    ),
    dropped_blocks=st.lists(numbers, max_size=1),
    states=st.lists(st.builds(state, st.sampled_from(IDS)) | st.builds(GroupState, st.sampled_from(IDS)), max_size=1),
)


@more_in_a_soak
@settings(max_examples=examples(150, 500))
@given(st.lists(changes, max_size=3), st.lists(changes, min_size=1, max_size=5))
def test_merged_changes_do_what_they_do_one_by_one(before: list[Change], waiting: list[Change]) -> None:
    expected, found = after(*before, *waiting), after(*before, merged(*waiting))
    # Without a block nobody needs word of the closed. Merged, some of it may stay: whatever stands for such a group
    # again names it.
    assert set(expected.closed) <= set(found.closed)
    if any(c.blocks for c in before) and not any(c.dropped_blocks for c in (*before, *waiting)):
        assert expected.closed == found.closed
    nothing = {"closed": ()}
    assert msgspec.structs.replace(found, **nothing) == msgspec.structs.replace(expected, **nothing)


def test_rows_of_the_history_wait_in_their_order() -> None:
    one = merged(Change(AT, history=(told(loan="A"), told(loan="B"))), Change(AT, history=(told(loan="A"),)))
    assert [row.loan for row in one.history] == ["A", "B", "A"]
