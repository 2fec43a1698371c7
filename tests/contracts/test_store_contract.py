"""What every store promises: these tests run on each module of monitor/stores, found by name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor import plugins
from monitor.audit_chain import AuditTrail, look_through
from monitor.audit_keys import keys_of, new_key
from monitor.core import schema
from monitor.core.groups.outcome import StoredBlock
from monitor.core.groups.watcher_states import WatcherStates
from monitor.core.rules.product import CoinRates, DatedRate
from monitor.core.stages.stages import ClosedLife, GroupState
from monitor.stores._base import (
    BLIND,
    UNKNOWN,
    AlertFilter,
    Applied,
    Audit,
    AuditFilter,
    Change,
    CoreState,
    DeliveryFilter,
    HistoryFilter,
    LtvPoint,
    Store,
    StoredState,
    StoreRefused,
    Subscription,
    Switched,
    Target,
    delivery_id,
)
from monitor.stores.memory import MemoryStore
from tests.postgres_server import shared_server
from tests.stores.examples import (
    AT,
    CLEARED,
    CLOSED,
    CURED,
    DAY,
    DESK,
    MINUTE,
    OPENED,
    PHONE,
    REMINDER,
    TRIGGERED,
    WARNING,
    alert,
    core_state,
    ended,
    full_alert,
    say,
    state,
    stored,
    told,
)
from tests.stores.plain_storm import NEVER, Storm

# How each kind is configured for a test. A new store adds its line here, and inherits every test.
TABLES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "postgres": lambda folder: {
        "url": shared_server().url,
        "tls": "off",
        "schema": f"s{sha256(bytes(folder)).hexdigest()[:20]}",
    },
    "memory": lambda folder: {},
    "sqlite": lambda folder: {"path": str(folder / "made" / "monitor.db")},
}


class Case:
    """A store under test, and its restart."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        self.store = self.built()

    def built(self) -> Store:
        module = plugins.module("stores", self.kind)
        store: Store = module.build(schema.read(module.Config, TABLES[self.kind](self.folder)))
        return store

    async def restart(self) -> StoredState:
        """Ends and comes back as a daemon does; what lives in memory only stays in its object."""
        await self.store.close()
        if self.kind != "memory":
            self.store = self.built()
        return await self.store.open()


@pytest.fixture(params=plugins.kinds("stores"))
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    case = Case(request.param, tmp_path)
    await case.store.open()
    yield case
    await case.store.close()


@pytest.fixture
def store(case: Case) -> Store:
    return case.store


async def states_of(store: Store) -> dict[tuple[str, str], str]:
    """By type and notifier."""
    return {(d.type, d.notifier): d.state for d in await store.deliveries(DeliveryFilter(limit=1000))}


# The book


async def test_a_new_store_holds_nothing(case: Case) -> None:
    assert await case.restart() == StoredState(None, (), (), 0)


async def test_a_restart_finds_book_states_and_desk_to_the_last_digit(case: Case) -> None:
    groups, states = (stored("G-1"), stored("G-2")), (state("G-1"), state("G-2", "normal"))
    await case.store.commit(Change(AT, groups=groups, states=states, desk=core_state()))
    found = await case.restart()
    assert found == StoredState(core_state(), groups, states, 0)
    assert repr(found.groups[0].group) == repr(groups[0].group), "an exponent, a tuple or a zone is different"
    assert repr(found.states[0]) == repr(states[0])
    assert repr(found.desk) == repr(core_state())


async def test_rates_come_back_by_product_and_coin_and_the_newest_of_a_coin_count(case: Case) -> None:
    old, new = (tuple(DatedRate(AT + n * DAY, Decimal(f"0.00{n}"), "daily") for n in range(k)) for k in (2, 3))
    given = CoinRates("vip_loan", "USDT", old), CoinRates("vip_loan", "BTC", old), CoinRates("other", "USDT", old)
    await case.store.commit(Change(AT, desk=core_state(), rates=given))
    await case.store.commit(Change(AT, rates=(CoinRates("vip_loan", "USDT", new), CoinRates("vip_loan", "BTC", ()))))
    await case.store.commit(Change(AT, groups=(stored(),)))
    assert (await case.restart()).rates == (given[2], CoinRates("vip_loan", "USDT", new))


async def test_marks_may_be_a_view_that_is_read_at_each_try(case: Case) -> None:
    marks = {m.asset: m for m in core_state().marks}
    for _ in range(2):
        await case.store.commit(Change(AT, desk=CoreState(AT, marks.values(), core_state().watchers)))
        assert (await case.restart()).desk == core_state()


async def test_a_later_commit_replaces_what_it_names_and_leaves_the_rest(case: Case) -> None:
    await case.store.commit(
        Change(AT, groups=(stored("G-1"), stored("G-2")), states=(state("G-1"),), desk=core_state())
    )
    await case.store.commit(Change(AT, groups=(stored("G-2", 2),), states=(state("G-1", "liquidation"),)))
    found = await case.restart()
    assert [g.version for g in found.groups] == [1, 2]
    assert [s.stage for s in found.states] == ["liquidation"]
    assert found.desk == core_state()


async def test_a_closed_group_is_gone_and_leaves_its_counters(case: Case) -> None:
    await case.store.commit(Change(AT, groups=(stored("G-1"), stored("G-2")), states=(state("G-1"), state("G-2"))))
    await case.store.commit(Change(AT, states=(state("G-1", "normal"),), closed=("G-1", "never-there")))
    found = await case.restart()
    assert [g.group.id for g in found.groups] == ["G-2"]
    assert [(s.group, s.stage) for s in found.states] == [("G-1", "normal"), ("G-2", "margin_call")]


async def test_a_desk_that_silences_nothing_any_more_says_so(case: Case) -> None:
    await case.store.commit(Change(AT, desk=core_state()))
    await case.store.commit(Change(AT, desk=CoreState(AT, core_state().marks, WatcherStates())))
    found = (await case.restart()).desk
    assert found is not None
    assert found.watchers.silences == ()


# The history of LTV


def point(
    minute: int, low: str | None, high: str | None, flags: int = 0, group: str = "G-1", step_s: int = 60
) -> LtvPoint:
    lowest, highest = (None if v is None else Decimal(v) for v in (low, high))
    return LtvPoint(group, step_s, AT.replace(microsecond=0) + minute * MINUTE, lowest, highest, highest, flags)


async def test_points_come_back_in_order_and_survive_a_restart(case: Case) -> None:
    points = [point(2, "0.7", "0.71234567"), point(0, "0.5", "0.6"), point(1, None, None, UNKNOWN)]
    await case.store.keep_points([*points, point(0, "9", "9", group="G-2"), point(0, "9", "9", step_s=900)])
    await case.restart()
    found = await case.store.points("G-1", 60, AT - DAY, AT + DAY)
    assert found == sorted(points, key=lambda p: p.at)
    start = point(1, None, None).at
    assert await case.store.points("G-1", 60, start, start + MINUTE) == [points[2]]


async def test_a_point_that_is_written_in_parts_is_one(case: Case) -> None:
    await case.store.keep_points([point(0, "0.5", "0.6", BLIND)])
    await case.store.keep_points([point(0, None, None, UNKNOWN)])
    await case.store.keep_points([point(0, "0.4", "0.55")])
    (found,) = await case.store.points("G-1", 60, AT - DAY, AT + DAY)
    assert (found.low, found.high, found.last, found.flags) == (
        Decimal("0.4"),
        Decimal("0.6"),
        Decimal("0.55"),
        BLIND | UNKNOWN,
    )


async def test_an_ltv_beyond_all_measure_is_kept_as_the_largest(case: Case) -> None:
    await case.store.keep_points([point(0, "0.5", "123456789012345678901234567890")])
    (found,) = await case.store.points("G-1", 60, AT - DAY, AT + DAY)
    assert found.low == Decimal("0.5")
    assert found.high is not None
    assert found.high > 90_000_000_000


async def test_points_are_pruned_by_resolution(case: Case) -> None:
    await case.store.keep_points([point(0, "1", "1"), point(5, "1", "1"), point(0, "1", "1", step_s=900)])
    assert await case.store.prune_points(60, point(5, "1", "1").at) == 1
    assert len(await case.store.points("G-1", 60, AT - DAY, AT + DAY)) == 1
    assert len(await case.store.points("G-1", 900, AT - DAY, AT + DAY)) == 1


# Blocks


def block(number: int, body: str = "body", *ids: str) -> StoredBlock:
    return StoredBlock(number, body.encode(), ids)


async def test_blocks_come_back_by_number_and_the_newest_body_of_each_counts(case: Case) -> None:
    await case.store.commit(Change(AT, blocks=(block(7, "seven"), block(2, "two"))))
    await case.store.commit(Change(AT, blocks=(block(2, "two again"),)))
    assert (await case.restart()).blocks == (block(2, "two again"), block(7, "seven"))


async def test_a_body_comes_back_to_the_last_byte(case: Case) -> None:
    body = bytes(range(256)) * 8192
    await case.store.commit(Change(AT, blocks=(StoredBlock(0, body), StoredBlock(1, b""))))
    assert [b.body for b in (await case.restart()).blocks] == [body, b""]


async def test_a_block_takes_the_place_of_the_rows_of_its_groups(case: Case) -> None:
    await case.store.commit(Change(AT, groups=(stored("G-1"), stored("G-2"), stored("G-3"))))
    await case.store.commit(Change(AT, blocks=(block(1, "b", "G-1", "G-3"),)))
    found = await case.restart()
    assert [g.group.id for g in found.groups] == ["G-2"]
    assert (found.blocks, found.closed) == ((block(1, "b"),), ())


async def test_a_group_that_changes_has_a_row_beside_its_block_again(case: Case) -> None:
    await case.store.commit(Change(AT, groups=(stored("G-1"),), blocks=(block(1, "b", "G-1", "G-2"),)))
    await case.store.commit(Change(AT, groups=(stored("G-2", 2),)))
    assert [(g.group.id, g.version) for g in (await case.restart()).groups] == [("G-1", 1), ("G-2", 2)]


async def test_a_group_closed_while_there_are_blocks_leaves_word_of_it(case: Case) -> None:
    await case.store.commit(Change(AT, groups=(stored("G-9"),), blocks=(block(1, "b", "G-1", "G-2"),)))
    await case.store.commit(Change(AT, closed=("G-2", "G-9", "G-1")))
    found = await case.restart()
    assert (found.groups, found.closed) == ((), ("G-1", "G-2", "G-9"))


async def test_a_group_that_comes_back_is_closed_no_more(case: Case) -> None:
    await case.store.commit(Change(AT, blocks=(block(1),), closed=("G-1", "G-2", "G-3")))
    await case.store.commit(Change(AT, groups=(stored("G-1"),), blocks=(block(2, "b", "G-2"),)))
    found = await case.restart()
    assert ([g.group.id for g in found.groups], found.closed) == (["G-1"], ("G-3",))


async def test_a_dropped_block_is_gone_and_the_last_one_takes_word_of_the_closed_along(case: Case) -> None:
    await case.store.commit(Change(AT, groups=(stored(),), blocks=(block(1), block(2)), closed=("G-8",)))
    await case.store.commit(Change(AT, dropped_blocks=(1, 99)))
    found = await case.restart()
    assert (found.blocks, found.closed) == ((block(2),), ("G-8",))
    await case.store.commit(Change(AT, dropped_blocks=(2,), closed=("G-9",)))
    found = await case.restart()
    assert (found.blocks, found.closed, found.groups) == ((), (), (stored(),))


async def test_one_commit_writes_blocks_then_drops_then_puts_then_closes(case: Case) -> None:
    await case.store.commit(
        Change(
            AT,
            groups=(stored("G-1"), stored("G-2")),
            closed=("G-2",),
            dropped_blocks=(1,),
            blocks=(block(1, "b", "G-1", "G-2"), block(2, "b", "G-1", "G-2")),
        )
    )
    found = await case.restart()
    assert [g.group.id for g in found.groups] == ["G-1"]
    assert (found.blocks, found.closed) == ((block(2, "b"),), ("G-2",))


async def test_a_state_that_is_as_new_is_not_kept(case: Case) -> None:
    new, counted = GroupState("G-1"), GroupState("G-2", episode=1, sequence=3)
    await case.store.commit(Change(AT, states=(new, counted)))
    assert (await case.restart()).states == (counted,), "the counters of a closed group are all that it leaves"
    await case.store.commit(Change(AT, states=(state("G-1"), GroupState("G-2"))))
    assert (await case.restart()).states == (state("G-1"),)
    await case.store.commit(Change(AT, states=(new,)))
    assert (await case.restart()).states == ()


# The log


async def test_alerts_get_consecutive_cursors_that_go_on_after_a_restart(case: Case) -> None:
    first = await case.store.commit(say(alert(sequence=1), alert(sequence=2)))
    assert [x.cursor for x in first.alerts] == [1, 2]
    assert first.cursor == 2
    assert (await case.restart()).cursor == 2
    assert (await case.store.commit(say(alert(sequence=3)))).cursor == 3


async def test_a_commit_without_alerts_reports_the_last_cursor(store: Store) -> None:
    await store.commit(say(alert()))
    assert (await store.commit(Change(AT))).cursor == 1


async def test_an_alert_comes_back_to_the_last_digit(case: Case) -> None:
    committed = await case.store.commit(say(full_alert()))
    await case.restart()
    found = await case.store.alert(full_alert().id)
    assert found == committed.alerts[0]
    assert repr(found.alert) == repr(full_alert())


async def test_an_alert_that_is_in_the_log_is_neither_added_nor_delivered_again(case: Case) -> None:
    await case.store.commit(say(alert()))
    await case.restart()
    again = await case.store.commit(say(alert(), alert(sequence=2), to=(DESK, PHONE)))
    assert [x.alert.sequence for x in again.alerts] == [2]
    assert {d.alert for d in again.deliveries} == {alert(sequence=2).id}
    assert len(await case.store.alerts(AlertFilter())) == 2


async def test_a_repeated_stage_alert_cancels_nothing_anew(store: Store) -> None:
    await store.commit(say(alert(OPENED, sequence=1)))
    await store.commit(say(alert(REMINDER, sequence=2)))
    again = await store.commit(say(alert(OPENED, sequence=1)))
    assert again.cancelled == ()
    assert [d.type for d in await store.open_deliveries()] == [OPENED, REMINDER]


async def test_an_alert_twice_in_one_commit_is_one(store: Store) -> None:
    committed = await store.commit(say(alert(), alert()))
    assert (committed.cursor, len(committed.alerts), len(committed.deliveries)) == (1, 1, 1)


async def test_filters_choose_by_type_severity_group_and_scope(store: Store) -> None:
    said = [
        alert(WARNING, "G-1"),
        alert(TRIGGERED, "G-2"),
        alert("price.stale", "G-1"),
        alert("loan.overdue", "G-1"),
        alert(CLEARED, "G-2", 2),
    ]
    await store.commit(say(*said))

    async def cursors(**wanted: Any) -> list[int]:
        return [x.cursor for x in await store.alerts(AlertFilter(**wanted))]

    assert await cursors() == [1, 2, 3, 4, 5]
    assert await cursors(type=TRIGGERED) == [2]
    assert await cursors(type="loan_group.*") == [1, 2, 5]
    assert await cursors(type="*.liquidation.[!t]*") == [5]
    assert await cursors(type="nothing") == []
    assert await cursors(severity="critical") == [2, 4]
    assert await cursors(severity="critical", type="loan.*") == [4]
    assert await cursors(group="G-1") == [1, 4], "an asset of the same name is not the group"
    assert await cursors(group="G-1", severity="critical") == [4]


async def test_the_log_is_read_page_by_page(store: Store) -> None:
    await store.commit(say(*(alert(sequence=n, type_=t) for n in range(5) for t in (OPENED, REMINDER))))
    pages, after = [], 0
    while page := await store.alerts(AlertFilter(after=after, type=REMINDER, limit=2)):
        pages.append([x.cursor for x in page])
        after = page[-1].cursor
    assert pages == [[2, 4], [6, 8], [10]]


async def test_an_unknown_alert_is_none(store: Store) -> None:
    assert await store.alert("evt_nothing") is None


# Deliveries: what a commit owes and cancels


async def test_each_target_is_owed_one_delivery_due_at_once(store: Store) -> None:
    mine = Target("desk", ("treasury@acme.example", "cfo@acme.example"))
    committed = await store.commit(say(alert(), to=(DESK, mine, PHONE, DESK), at=AT + MINUTE))
    first = committed.deliveries[0]
    assert [d.id for d in committed.deliveries] == [delivery_id(1, t) for t in (DESK, mine, PHONE)]
    assert committed.deliveries[1].to == mine.to
    assert (first.cursor, first.alert, first.notifier, first.subject) == (1, alert().id, "desk", "G-1")
    assert (first.type, first.severity, first.episode, first.state) == (OPENED, "warning", 1, "pending")
    assert (first.attempts, first.due_at, first.created_at, first.detail) == (0, AT + MINUTE, AT + MINUTE, "")


async def test_open_deliveries_survive_a_restart_in_the_order_of_the_log(case: Case) -> None:
    committed = await case.store.commit(say(*(alert(REMINDER, f"G-{n}") for n in range(20)), to=(DESK, PHONE)))
    await case.restart()
    found = await case.store.open_deliveries()
    assert found == sorted(committed.deliveries, key=lambda d: (d.cursor, d.id))


async def test_an_alert_without_a_route_is_in_the_log_alone(store: Store) -> None:
    committed = await store.commit(say(alert(), to=()))
    assert len(committed.alerts) == 1
    assert await store.deliveries(DeliveryFilter()) == []


@pytest.mark.parametrize("news", [OPENED, TRIGGERED, CURED])
async def test_stage_news_cancels_older_undelivered_notices_of_its_group_everywhere(store: Store, news: str) -> None:
    older = await store.commit(say(alert(WARNING, sequence=1), alert(REMINDER, sequence=2), to=(DESK, PHONE)))
    others = await store.commit(say(alert("loan.overdue", sequence=3), alert(WARNING, "G-2"), alert("price.stale")))
    committed = await store.commit(say(alert(news, sequence=4), to=()))
    assert set(committed.cancelled) == {d.id for d in older.deliveries}
    assert {d.id for d in await store.deliveries(DeliveryFilter(state="superseded"))} == set(committed.cancelled)
    assert {d.id for d in await store.open_deliveries()} == {d.id for d in others.deliveries}


async def test_other_alerts_cancel_nothing(store: Store) -> None:
    await store.commit(say(alert(OPENED, sequence=1)))
    committed = await store.commit(say(alert(REMINDER, sequence=2), alert(WARNING, sequence=3)))
    assert committed.cancelled == ()
    assert len(await store.open_deliveries()) == 3


async def test_what_was_delivered_or_has_failed_is_not_cancelled(store: Store) -> None:
    made = (await store.commit(say(alert(OPENED), to=(DESK, PHONE)))).deliveries
    await store.start_attempts([d.id for d in made], AT)
    await store.end_attempts([ended(made[0].id, "delivered"), ended(made[1].id, "failed")])
    assert (await store.commit(say(alert(TRIGGERED, sequence=2)))).cancelled == ()
    assert (await states_of(store))[OPENED, "desk"] == "delivered"
    assert (await states_of(store))[OPENED, "phone"] == "failed"


async def test_stage_news_cancels_what_its_own_commit_said_before_it(store: Store) -> None:
    committed = await store.commit(say(alert(OPENED, sequence=1), alert(TRIGGERED, sequence=2), to=(DESK, PHONE)))
    assert [d.type for d in committed.deliveries] == [TRIGGERED, TRIGGERED]
    assert set(committed.cancelled) == {delivery_id(1, t) for t in (DESK, PHONE)}
    assert (await states_of(store))[OPENED, "desk"] == "superseded"
    assert [d.type for d in await store.open_deliveries()] == [TRIGGERED, TRIGGERED]


@pytest.mark.parametrize("end", [CURED, CLOSED])
async def test_good_news_is_not_owed_where_bad_news_was_never_attempted_and_both_are_dropped(
    store: Store, end: str
) -> None:
    bad = await store.commit(say(alert(OPENED, sequence=1)))
    good = await store.commit(say(alert(end, sequence=2)))
    assert good.deliveries == ()
    assert good.cancelled == (bad.deliveries[0].id,)
    assert len(good.alerts) == 1, "the log has it all the same"
    assert await store.open_deliveries() == []
    assert (end, "desk") not in await states_of(store)


@pytest.mark.parametrize("outcome", [None, "pending", "delivered", "failed", "superseded"])
async def test_good_news_is_owed_where_bad_news_was_attempted_whatever_came_of_it(store: Store, outcome: Any) -> None:
    desk_bad, phone_bad = (await store.commit(say(alert(OPENED, sequence=1), to=(DESK, PHONE)))).deliveries
    await store.start_attempts([desk_bad.id], AT)
    if outcome == "superseded":
        await store.commit(say(alert(TRIGGERED, sequence=2), to=(PHONE,)))
    elif outcome:
        await store.end_attempts([ended(desk_bad.id, outcome)])
    good = await store.commit(say(alert(CLEARED, sequence=3), to=(DESK, PHONE)))
    assert [d.notifier for d in good.deliveries] == ["desk"]
    assert phone_bad.id not in {d.id for d in await store.open_deliveries()}


async def test_good_news_goes_to_every_address_of_a_channel_that_heard_the_bad(store: Store) -> None:
    (bad,) = (await store.commit(say(alert(OPENED)))).deliveries
    await store.start_attempts([bad.id], AT)
    good = await store.commit(say(alert(CURED, sequence=2), to=(Target("desk", ("a@b",)), DESK)))
    assert len(good.deliveries) == 2


@pytest.mark.parametrize(
    ("heard", "why"),
    [
        (alert(OPENED, episode=1), "another episode"),
        (alert(OPENED, "G-2", episode=2), "another group"),
        (alert(REMINDER, episode=2), "a reminder is no stage news"),
    ],
)
async def test_bad_news_that_does_not_count(store: Store, heard: Any, why: str) -> None:
    (bad,) = (await store.commit(say(heard))).deliveries
    await store.start_attempts([bad.id], AT)
    assert (await store.commit(say(alert(CURED, sequence=2, episode=2)))).deliveries == (), why


async def test_good_news_in_the_commit_of_the_bad_news_is_not_owed(store: Store) -> None:
    committed = await store.commit(say(alert(OPENED, sequence=1), alert(CURED, sequence=2)))
    assert committed.deliveries == ()
    assert len(committed.cancelled) == 1


# Deliveries: attempts


async def test_an_attempt_is_counted_before_it_is_made_and_survives_a_restart(case: Case) -> None:
    (made,) = (await case.store.commit(say(alert()))).deliveries
    assert await case.store.start_attempts([made.id, made.id, "dlv_nothing"], AT) == [made.id]
    await case.restart()
    assert await case.store.open_deliveries() == [msgspec.structs.replace(made, attempts=1)]


async def test_a_cancelled_delivery_is_not_started(store: Store) -> None:
    (first,) = (await store.commit(say(alert(OPENED)))).deliveries
    (second,) = (await store.commit(say(alert(TRIGGERED, sequence=2)))).deliveries
    assert await store.start_attempts([first.id, second.id], AT) == [second.id]


async def test_an_outcome_sets_state_due_time_and_detail_and_is_kept(case: Case) -> None:
    (made,) = (await case.store.commit(say(alert()))).deliveries
    outcomes = [ended(made.id, "pending", AT + MINUTE, "503"), ended(made.id, "delivered", AT + 2 * MINUTE, "200")]
    for outcome in outcomes:
        await case.store.start_attempts([made.id], AT)
        await case.store.end_attempts([outcome])
        (now,) = await case.store.deliveries(DeliveryFilter())
        assert (now.state, now.due_at, now.detail) == (outcome.state, outcome.due_at, outcome.detail)
    await case.restart()
    assert await case.store.attempts(made.id) == outcomes
    assert await case.store.attempts("dlv_nothing") == []
    assert await case.store.open_deliveries() == []


@pytest.mark.parametrize(
    ("outcome", "after"), [("pending", "superseded"), ("failed", "superseded"), ("delivered",) * 2]
)
async def test_superseded_in_flight_stays_so_unless_it_was_delivered(store: Store, outcome: Any, after: str) -> None:
    (made,) = (await store.commit(say(alert(OPENED)))).deliveries
    await store.start_attempts([made.id], AT)
    assert (await store.commit(say(alert(TRIGGERED, sequence=2), to=()))).cancelled == (made.id,)
    await store.end_attempts([ended(made.id, outcome, detail="said")])
    (now,) = await store.deliveries(DeliveryFilter())
    assert (now.state, now.detail) == (after, "said")
    assert len(await store.attempts(made.id)) == 1


async def test_what_was_delivered_stays_delivered(store: Store) -> None:
    (made,) = (await store.commit(say(alert()))).deliveries
    await store.end_attempts([ended(made.id, "delivered"), ended(made.id, "failed"), ended("dlv_nothing", "failed")])
    assert [d.state for d in await store.deliveries(DeliveryFilter())] == ["delivered"]
    assert await store.attempts("dlv_nothing") == []


async def test_a_move_ends_a_delivery_and_makes_those_in_its_place(store: Store) -> None:
    (old,) = (await store.commit(say(alert(), to=(Target("gone"),)))).deliveries
    made = await store.move(old, (Target("desk"), Target("sms", ("+15550100",))), AT + MINUTE)
    assert [(d.notifier, d.to, d.state, d.attempts) for d in made] == [
        ("desk", (), "pending", 0),
        ("sms", ("+15550100",), "pending", 0),
    ]
    assert {(d.created_at, d.due_at) for d in made} == {(old.created_at, AT + MINUTE)}
    ended = await store.delivery(old.id)
    assert ended is not None
    assert (ended.state, ended.detail) == ("superseded", "moved to desk, sms: its notifier is gone")
    assert sorted(await store.open_deliveries(), key=lambda d: d.id) == sorted(made, key=lambda d: d.id)


async def test_a_move_gives_no_target_the_same_alert_twice(store: Store) -> None:
    gone, desk = (await store.commit(say(alert(), to=(Target("gone"), Target("desk"))))).deliveries
    assert await store.move(gone, (Target("desk"),), AT + MINUTE) == []
    assert await store.open_deliveries() == [desk]
    assert await store.move(gone, (Target("other"),), AT + MINUTE) == [], "it has ended already"


@pytest.mark.parametrize("before", ["pending", "failed", "superseded"])
async def test_a_retry_makes_what_was_not_delivered_due_at_once(store: Store, before: Any) -> None:
    (made,) = (await store.commit(say(alert()))).deliveries
    await store.start_attempts([made.id], AT)
    await store.end_attempts([ended(made.id, before, due=DAY)])
    found = await store.retry(made.id, AT + MINUTE)
    assert found is not None
    assert (found.state, found.due_at, found.attempts) == ("pending", AT + MINUTE, 1)
    assert await store.open_deliveries() == [found]


@pytest.mark.parametrize("outcome", ["delivered", "failed", "pending"])
async def test_what_is_asked_for_again_during_an_attempt_stays_due_however_it_ends(store: Store, outcome: Any) -> None:
    (made,) = (await store.commit(say(alert()))).deliveries
    await store.start_attempts([made.id], AT)
    await store.retry(made.id, AT + MINUTE)
    await store.end_attempts([ended(made.id, outcome, due=DAY)])
    (found,) = await store.open_deliveries()
    assert (found.state, found.due_at, found.attempts) == ("pending", AT + MINUTE, 1)
    assert [a.state for a in await store.attempts(made.id)] == [outcome]
    await store.start_attempts([made.id], AT + MINUTE * 2)
    await store.end_attempts([ended(made.id, "delivered", at=AT + MINUTE * 2)])
    assert await store.open_deliveries() == []


async def test_a_delivery_is_found_by_its_id(store: Store) -> None:
    (made,) = (await store.commit(say(alert()))).deliveries
    assert await store.delivery(made.id) == made
    assert await store.delivery("dlv_nothing") is None


async def test_a_retry_of_what_was_delivered_is_one_more_attempt_of_the_same(store: Store) -> None:
    (made,) = (await store.commit(say(alert()))).deliveries
    for outcome in ("delivered", "pending", "failed", "delivered"):
        await store.start_attempts([made.id], AT)
        await store.end_attempts([ended(made.id, outcome, detail=outcome)])
        found = await store.retry(made.id, AT + MINUTE)
        assert found is not None
        assert (found.state, found.due_at) == ("pending", AT + MINUTE)
    assert (found.attempts, found.detail) == (4, "delivered")
    assert [a.state for a in await store.attempts(made.id)] == ["delivered", "pending", "failed", "delivered"]
    assert await store.open_deliveries() == [found]


@pytest.mark.parametrize(
    "id", ["dlv_nothing", "dlv_1_other", "dlv_", "", "dlv_-1_x", f"dlv_{'9' * 40}_x", "1", "dlv_²_x"]
)
async def test_an_id_that_no_delivery_has_is_none(store: Store, id: str) -> None:
    await store.commit(say(alert()))
    assert await store.delivery(id) is None
    assert await store.retry(id, AT) is None
    assert await store.start_attempts([id], AT) == []


async def test_deliveries_are_listed_by_filter_and_page(store: Store) -> None:
    await store.commit(say(*(alert(REMINDER, sequence=n) for n in range(4)), to=(DESK, PHONE)))
    everything = await store.deliveries(DeliveryFilter())
    assert everything == sorted(everything, key=lambda d: (d.cursor, d.id))
    await store.end_attempts([ended(everything[0].id, "failed"), ended(everything[1].id, "delivered")])
    pages, after = [], ""
    while page := await store.deliveries(DeliveryFilter(after=after, limit=3)):
        pages.append(page)
        after = page[-1].place
    assert [len(p) for p in pages] == [3, 3, 2]
    assert [d.id for p in pages for d in p] == [d.id for d in everything]

    async def count(**wanted: Any) -> int:
        return len(await store.deliveries(DeliveryFilter(**wanted)))

    assert await count(state="failed") == await count(state="delivered") == 1
    assert await count(state="pending") == 6
    assert await count(state="superseded") == 0
    assert await count(notifier="phone") == 4
    assert await count(alert=alert(REMINDER, sequence=2).id) == 2
    assert await count(alert=alert(REMINDER, sequence=2).id, state="pending", notifier="desk") == 1
    assert await count(alert="evt_nothing") == 0


@pytest.mark.parametrize("place", ["dlv_x", "x:dlv_x", "-1:dlv_x", ":", "9" * 30 + ":x"])
async def test_a_place_that_is_none_is_refused(store: Store, place: str) -> None:
    with pytest.raises(ValueError, match="expected the place of a delivery"):
        await store.deliveries(DeliveryFilter(after=place))


# Entries and audit


async def test_an_entry_is_found_by_group_and_id_and_the_first_one_stays(case: Case) -> None:
    first = Applied("G-1", "e-1", "digest", 4, AT)
    await case.store.commit(Change(AT, entries=(first, Applied("G-2", "e-1", "other", 1, AT))))
    await case.store.commit(Change(AT, entries=(Applied("G-1", "e-1", "changed", 5, AT),)))
    await case.restart()
    assert await case.store.entry("G-1", "e-1") == first
    assert await case.store.entry("G-1", "e-2") is None


async def test_the_audit_record_is_kept_in_order_and_read_by_page(case: Case) -> None:
    records = [Audit(AT, "ops", "put", f"G-{n}", None, {"a": [n, "ö", 1.5, None]}) for n in range(3)]
    await case.store.commit(Change(AT, audits=(records[0], records[1])))
    await case.restart()
    await case.store.commit(Change(AT, audits=(records[2],)))
    assert await case.store.audits(0, 2) == [(1, records[0]), (2, records[1])]
    assert await case.store.audits(2, 2) == [(3, records[2])]


# To whom it belonged then


OLD, NEW = {"borrower": "OLD"}, {"borrower": "NEW"}
OLD_SCOPE, NEW_SCOPE = (("borrower", "OLD"),), (("borrower", "NEW"),)


async def test_an_entry_is_of_one_owner_and_another_may_use_its_id(case: Case) -> None:
    """The newest that a scope may see; one from before labels were kept is for the whole desk alone."""
    bare, old, new = (
        Applied("G-1", "e-1", digest, version, AT, life, labels)
        for digest, version, life, labels in (("bare", 1, 0, None), ("old", 2, 0, OLD), ("new", 3, 1, NEW))
    )
    await case.store.commit(Change(AT, entries=(bare,)))
    await case.restart()
    assert await case.store.entry("G-1", "e-1") == bare
    assert await case.store.entry("G-1", "e-1", OLD_SCOPE) is None
    await case.store.commit(Change(AT, entries=(old,)))
    await case.store.commit(Change(AT, entries=(new, Applied("G-1", "e-1", "again", 9, AT, 1, NEW))))
    assert await case.store.entry("G-1", "e-1") == new
    assert await case.store.entry("G-1", "e-1", OLD_SCOPE) == old
    assert await case.store.entry("G-1", "e-1", NEW_SCOPE) == new


async def test_the_audit_record_is_looked_through_by_who_did_what_and_when(store: Store) -> None:
    did = [("ops", "put group"), ("boss", "put group"), ("ops", "enable endpoint"), ("ops", "disable endpoint")]
    audits = [Audit(AT + n * MINUTE, who, action, f"G-{n}", None, n) for n, (who, action) in enumerate(did)]
    await store.commit(Change(AT, audits=tuple(audits)))

    async def found(**wanted: Any) -> list[int]:
        page = await store.audit_page(AuditFilter(**wanted))
        assert all(audits[n - 1] == audit for n, audit in page)
        return [n for n, _ in page]

    assert await found() == [1, 2, 3, 4]
    assert await found(newest_first=True, limit=3) == [4, 3, 2]
    assert await found(newest_first=True, limit=3, after=2) == [1]
    assert await found(after=2) == [3, 4]
    assert await found(who="ops", newest_first=True, limit=2) == [4, 3]
    assert await found(action="*endpoint", who="ops") == [3, 4]
    assert await found(subject="G-1") == [2]
    assert await found(since=AT + MINUTE, until=AT + 3 * MINUTE) == [2, 3]


async def test_the_audit_record_is_a_signed_chain_over_restarts_and_pruning(case: Case) -> None:
    """What a person did with a channel, a delivery or an endpoint has its record in the same transaction."""
    keys = keys_of(new_key())
    records = [Audit(AT + n * MINUTE, "ops", "put", f"G-{n}", None, n) for n in range(9)]
    await case.store.commit(Change(AT, audits=(records[0],)))
    case.store.sign_audits(keys)
    (made,) = (await case.store.commit(say(alert(), to=(DESK,)))).deliveries
    await case.store.commit(Change(AT, audits=(records[1], records[2])))
    await case.store.switch_off(Switched("desk", AT, "410", "digest"), records[3])
    await case.store.switch_on("desk", records[4])
    await case.restart()
    case.store.sign_audits(keys)
    await case.store.keep_subscription(Subscription("mine", "https://example.com/", (), AT), records[5])
    await case.store.drop_subscription("mine", records[6])
    await case.store.retry(made.id, AT, lambda found: records[7])
    await case.store.retry("dlv_1_none", AT, lambda found: records[8])
    await case.store.retry_all([made.id], AT, lambda found: records[8])
    await case.store.send_again([made], lambda found: records[8])
    assert await case.store.audits(0, 20) == list(enumerate([*records, records[8]], 1))
    head = await case.store.audit_head()
    await case.restart()
    assert await case.store.audit_head() == head
    with trail_of(case) as trail:
        proof = look_through(trail, keys, head)
    assert (proof.result, proof.signed, proof.before_the_chain) == ("proven", 9, 1), proof
    case.store.sign_audits(keys)
    await case.store.prune(AT + 4 * MINUTE)
    with trail_of(case) as trail:
        proof = look_through(trail, keys)
    assert (proof.result, proof.records) == ("proven", 6), proof


@contextmanager
def trail_of(case: Case) -> Iterator[AuditTrail]:
    if isinstance(case.store, MemoryStore):
        yield case.store.audit_trail()
        return
    module = plugins.module("stores", case.kind)
    with module.audit_trail(schema.read(module.Config, TABLES[case.kind](case.folder))) as trail:
        yield trail


async def test_audits_are_read_as_far_as_a_scope_may_see_them(case: Case) -> None:
    labels = (None, OLD, NEW, {}, OLD)
    audits = tuple(Audit(AT, "ops", "put group", "G-1", None, n, each) for n, each in enumerate(labels))
    await case.store.commit(Change(AT, audits=audits))
    await case.restart()
    assert [n for n, _ in await case.store.audits(0, 10, "G-1")] == [1, 2, 3, 4, 5]
    assert [n for n, _ in await case.store.audits(0, 10, "G-1", None, OLD_SCOPE)] == [2, 5]
    assert [n for n, _ in await case.store.audits(0, 1, None, None, OLD_SCOPE)] == [2], "a page is filled past others"
    assert [n for n, _ in await case.store.audits(2, 1, None, AT, OLD_SCOPE)] == [5]


async def test_rows_are_read_by_life_and_scope(case: Case) -> None:
    owners = [(None, 0), (OLD, 0), (NEW, 0), (NEW, 1), (OLD, 1)]
    history = [msgspec.structs.replace(told(loan="A"), labels=labels, life=life) for labels, life in owners]
    await case.store.commit(Change(AT, history=tuple(history)))
    await case.restart()

    async def seen(**wanted: Any) -> list[int]:
        return [n for n, _ in await case.store.history(HistoryFilter("G-1", **wanted))]

    assert await seen() == [1, 2, 3, 4, 5]
    assert await seen(life=1) == [4, 5]
    assert await seen(scope=OLD_SCOPE) == [2, 5]
    assert await seen(scope=OLD_SCOPE, life=0) == [2]
    assert await seen(scope=OLD_SCOPE, limit=1, after=2) == [5], "a page is filled past others"
    wanted = HistoryFilter("G-1", life=1, scope=OLD_SCOPE)
    assert [n for n, _ in await case.store.first_rows(wanted)] == [5]
    lives = [await case.store.newest_life("G-1", scope) for scope in ((), OLD_SCOPE, (("borrower", "X"),))]
    assert lives == [1, 1, None]


async def test_rows_are_read_from_the_last_one_back_until_a_time(store: Store) -> None:
    history = tuple(told(loan=loan, at=AT + minutes * MINUTE) for loan, minutes in (("A", 0), ("B", 1), ("C", 2)))
    await store.commit(Change(AT, history=history))
    found = await store.history(HistoryFilter("G-1", until=AT + MINUTE, is_newest_first=True, limit=1))
    assert [(n, row.loan) for n, row in found] == [(2, "B")]
    assert await rows(store, until=AT + MINUTE) == [(1, "repayment", "A"), (2, "repayment", "B")]


async def test_groups_are_found_by_whom_their_rows_belonged_to(case: Case) -> None:
    """Each that had a row since: those of others, and those whose last row is older, are not."""
    owned = [("G-1", OLD, 0), ("G-1", NEW, 5), ("G-2", OLD, 0), ("G-3", NEW, 5), ("G-4", OLD, 5), ("G-5", None, 5)]
    history = [msgspec.structs.replace(told(g, at=AT + n * MINUTE), labels=each) for g, each, n in owned]
    await case.store.commit(Change(AT, history=tuple(history)))
    await case.restart()
    assert await case.store.held(OLD_SCOPE, AT + MINUTE, 9) == ["G-1", "G-4"]
    assert await case.store.held(OLD_SCOPE, AT, 9) == ["G-1", "G-2", "G-4"]
    assert await case.store.held(OLD_SCOPE, AT, 2) == ["G-1", "G-2"]
    assert await case.store.held((*OLD_SCOPE, ("desk", "none")), AT, 9) == []


async def test_points_keep_the_labels_of_their_time(case: Case) -> None:
    """One whose group changed hands within it is nobody's."""
    made = [msgspec.structs.replace(point(n, "0.5", "0.6"), labels=each) for n, each in enumerate((None, OLD, NEW))]
    await case.store.keep_points(made)
    await case.store.keep_points([msgspec.structs.replace(point(1, "0.5", "0.6"), labels=NEW)])
    await case.store.keep_points([msgspec.structs.replace(point(2, "0.5", "0.6"), labels=NEW)])
    await case.restart()
    found = await case.store.points("G-1", 60, AT - DAY, AT + DAY)
    assert [p.labels for p in found] == [None, None, NEW]


async def test_a_key_is_made_once_and_kept(case: Case) -> None:
    key = await case.store.key("a")
    assert len(key) == 32
    assert await case.store.key("b") != key
    await case.restart()
    assert await case.store.key("a") == key


async def test_a_closed_group_may_be_remembered_as_it_was(case: Case) -> None:
    was = ClosedLife(AT, "file:book.jsonl", "vip_loan", OLD, 7, state("G-1"))
    kept = GroupState("G-1", episode=1, sequence=7, life=1, closed=was)
    await case.store.commit(Change(AT, states=(kept,), closed=("G-1",)))
    assert (await case.restart()).states == (kept,)


# Keeping


async def test_pruning_deletes_what_is_old_and_keeps_what_is_not(store: Store) -> None:
    old, new = alert("price.stale", "BTC"), alert("price.stale", "ETH", at=AT + DAY)
    made = (await store.commit(say(old, new, to=(DESK, PHONE)))).deliveries
    await store.start_attempts([d.id for d in made], AT)
    await store.end_attempts([ended(d.id, "delivered") for d in made])
    entries = tuple(Applied("G-1", f"e-{n}", "d", n, AT + n * DAY) for n in range(2))
    audits = tuple(Audit(AT + n * DAY, "ops", "put", "G-1", None, n) for n in range(2))
    await store.commit(Change(AT, entries=entries, audits=audits))
    assert await store.prune(AT + MINUTE) == 1 + 2 + 2 + 1 + 1
    assert [x.alert for x in await store.alerts(AlertFilter())] == [new]
    assert {d.alert for d in await store.deliveries(DeliveryFilter())} == {new.id}
    assert await store.attempts(made[0].id) == []
    assert await store.entry("G-1", "e-0") is None
    assert await store.entry("G-1", "e-1") == entries[1]
    assert [a.after for _, a in await store.audits(0, 10)] == [1]
    assert await store.prune(AT + MINUTE) == 0


async def test_an_alert_that_somebody_is_still_owed_is_never_pruned(store: Store) -> None:
    desk_, phone = (await store.commit(say(alert(), to=(DESK, PHONE)))).deliveries
    await store.end_attempts([ended(desk_.id, "delivered")])
    assert await store.prune(AT + DAY) == 0
    assert [d.id for d in await store.open_deliveries()] == [phone.id]


async def test_pruning_forgets_no_bad_news_of_a_running_episode(store: Store) -> None:
    """Else a call that stays open for longer than `keep` would be cured without a word."""
    (bad,) = (
        await store.commit(Change(AT, states=(state("G-1", episode=1),), alerts=((alert(), (DESK,)),)))
    ).deliveries
    await store.start_attempts([bad.id], AT)
    await store.end_attempts([ended(bad.id, "delivered")])
    assert await store.prune(AT + DAY) == 0
    assert len((await store.commit(say(alert(CURED, sequence=2)))).deliveries) == 1
    await store.commit(Change(AT, states=(state("G-1", "normal", episode=1),)))
    assert await store.prune(AT + MINUTE) == 3


async def test_a_cursor_is_never_used_again(case: Case) -> None:
    await case.store.commit(say(alert("price.stale", "BTC"), to=()))
    assert await case.store.prune(AT + DAY) == 1
    assert (await case.restart()).cursor == 1
    assert (await case.store.commit(say(alert("price.stale", "ETH"), to=()))).alerts[0].cursor == 2


async def test_pruning_deletes_thousands(store: Store) -> None:
    await store.commit(say(*(alert("price.stale", f"A-{n}") for n in range(2100)), to=()))
    assert await store.prune(AT + DAY) == 2100


# The history of groups


async def rows(store: Store, group: str = "G-1", **wanted: Any) -> list[tuple[int, str, str]]:
    """(number, kind, loan)"""
    found = await store.history(HistoryFilter(group, **wanted))
    return [(n, row.kind, row.loan) for n, row in found]


async def test_rows_of_the_history_come_back_in_order_to_the_last_digit(case: Case) -> None:
    one, other = told(), told("G-2", "loan", what="opened")
    await case.store.commit(Change(AT, history=(one, other)))
    await case.restart()
    await case.store.commit(Change(AT, history=(told(kind="settled"),)))
    found = await case.store.history(HistoryFilter("G-1"))
    assert [n for n, _ in found] == [1, 3], "numbers go on after a restart"
    assert repr(found[0][1]) == repr(one)


async def test_the_history_is_filtered_and_paged_by_number(store: Store) -> None:
    history = (
        told(kind="loan", loan="A"),
        told(loan="B", at=AT + MINUTE),
        told("G-2"),
        told(kind="liquidation", loan=""),
        told(loan="A", at=AT + DAY),
    )
    await store.commit(Change(AT, history=history))
    assert await rows(store, limit=2) == [(1, "loan", "A"), (2, "repayment", "B")]
    assert await rows(store, after=2) == [(4, "liquidation", ""), (5, "repayment", "A")]
    assert await rows(store, kinds=("loan", "liquidation")) == [(1, "loan", "A"), (4, "liquidation", "")]
    assert await rows(store, loan="A", after=1) == [(5, "repayment", "A")]
    assert await rows(store, since=AT + MINUTE) == [(2, "repayment", "B"), (5, "repayment", "A")]
    assert await rows(store, "G-9") == []


async def test_the_first_row_of_each_loan_is_found(store: Store) -> None:
    history = (told(loan="B"), told(loan=""), told("G-2", loan="A"), told(loan="A"), told(loan="B"))
    await store.commit(Change(AT, history=history))
    assert [(n, row.loan) for n, row in await store.first_rows(HistoryFilter("G-1"))] == [(1, "B"), (4, "A")]


async def test_pruning_takes_old_rows_of_the_history(case: Case) -> None:
    await case.store.commit(Change(AT, history=(told(), told(at=AT + DAY))))
    assert await case.store.prune(AT + MINUTE) == 1
    assert await rows(case.store) == [(2, "repayment", "L-1")]
    assert await case.store.prune(AT + 2 * DAY) == 1
    await case.restart()
    await case.store.commit(Change(AT, history=(told(),)))
    assert await rows(case.store) == [(3, "repayment", "L-1")], "a cursor is never used again"


async def test_a_backup_is_a_store_with_the_same_content_and_overwrites_nothing(case: Case) -> None:
    committed = await case.store.commit(
        Change(AT, (stored(),), (), (state(),), ((full_alert(), (DESK,)),), desk=core_state())
    )
    copy = case.folder / "folder" / "copy.db"
    if case.kind == "memory":
        with pytest.raises(StoreRefused, match="no file to copy"):
            await case.store.backup(copy)
        return
    await case.store.backup(copy)
    await case.store.commit(say(alert(TRIGGERED, "G-9")))
    with pytest.raises(StoreRefused, match="overwrites nothing"):
        await case.store.backup(copy)
    module = plugins.module("stores", "sqlite")
    restored: Store = module.build(module.Config(path=str(copy)))
    assert await restored.open() == StoredState(core_state(), (stored(),), (state(),), 1)
    assert await restored.alerts(AlertFilter()) == list(committed.alerts)
    assert await restored.open_deliveries() == list(committed.deliveries)
    await restored.close()


async def test_probe_and_checkpoint_leave_no_trace(case: Case) -> None:
    await case.store.commit(Change(AT, groups=(stored(),), desk=core_state()))
    await case.store.probe()
    await case.store.checkpoint()
    await case.store.probe()
    assert await case.restart() == StoredState(core_state(), (stored(),), (), 0)


async def test_opening_twice_gives_the_same(case: Case) -> None:
    await case.store.commit(Change(AT, groups=(stored(),)))
    assert (await case.store.open()).groups == (stored(),)


async def test_audits_are_found_by_what_they_are_about_and_by_time(store: Store) -> None:
    audits = [Audit(AT + n * MINUTE, "ops", "put group", f"G-{n % 2}", None, {"n": n}) for n in range(4)]
    await store.commit(Change(AT, audits=tuple(audits)))
    assert [n for n, _ in await store.audits(0, 10, "G-1")] == [2, 4]
    assert [n for n, _ in await store.audits(2, 10, "G-1")] == [4]
    assert [n for n, _ in await store.audits(0, 10, None, AT + 2 * MINUTE)] == [3, 4]
    assert [n for n, _ in await store.audits(0, 1, "G-0", AT + MINUTE)] == [3]


async def test_the_log_can_be_read_from_a_time_on(store: Store) -> None:
    alerts = [alert(sequence=n + 1, at=AT + n * MINUTE) for n in range(4)]
    await store.commit(say(*alerts))
    assert [x.cursor for x in await store.alerts(AlertFilter(since=AT + 2 * MINUTE))] == [3, 4]
    assert [x.cursor for x in await store.alerts(AlertFilter(since=AT + 2 * MINUTE, after=3, group="G-1"))] == [4]
    assert await store.alerts(AlertFilter(since=AT + DAY)) == []


async def test_the_log_can_be_read_newest_first_and_until_a_time(store: Store) -> None:
    """A clock that was set back puts an earlier time behind a later one."""
    times = [0, 1, 2, 1, 3]
    await store.commit(say(*(alert(sequence=n + 1, at=AT + t * MINUTE) for n, t in enumerate(times))))

    async def cursors(**wanted: Any) -> list[int]:
        return [x.cursor for x in await store.alerts(AlertFilter(**wanted))]

    assert await cursors(newest_first=True) == [5, 4, 3, 2, 1]
    assert await cursors(newest_first=True, limit=2) == [5, 4]
    assert await cursors(newest_first=True, limit=2, after=4) == [3, 2]
    assert await cursors(newest_first=True, group="G-1", type=OPENED, after=3) == [2, 1]
    assert await cursors(until=AT + 2 * MINUTE) == [1, 2, 4]
    assert await cursors(until=AT + 2 * MINUTE, newest_first=True, limit=2) == [4, 2]
    assert await cursors(since=AT + 2 * MINUTE, until=AT + 3 * MINUTE, newest_first=True) == [4, 3]
    assert await cursors(until=AT) == []


async def test_an_alert_that_is_silenced_comes_back_so(store: Store) -> None:
    silenced = msgspec.structs.replace(alert(), silenced_by="sil_1")
    await store.commit(Change(AT, alerts=((silenced, ()),)))
    found = await store.alert(silenced.id)
    assert found is not None
    assert found.alert == silenced


@pytest.mark.parametrize("end", [CLEARED, CLOSED])
async def test_good_news_goes_wherever_the_bad_news_was_attempted_though_no_route_says_so(case: Case, end: str) -> None:
    made = (await case.store.commit(say(alert(TRIGGERED), to=(DESK,)))).deliveries
    over = await case.store.hand_over([(made[0], PHONE)], AT)
    await case.store.start_attempts([made[0].id, over[0].id], AT)
    await case.restart()
    good = await case.store.commit(say(alert(end, sequence=2), to=()))
    assert {d.notifier for d in good.deliveries} == {DESK.notifier, PHONE.notifier}


async def test_a_fallback_gets_what_waits_once_and_nothing_that_is_superseded(case: Case) -> None:
    (old,) = (await case.store.commit(say(alert(TRIGGERED), to=(DESK,)))).deliveries
    (made,) = await case.store.hand_over([(old, PHONE), (old, PHONE)], AT)
    assert (made.notifier, made.state, made.attempts) == (PHONE.notifier, "pending", 0)
    assert await case.store.hand_over([(old, PHONE)], AT) == []
    assert {d.notifier for d in await case.store.open_deliveries()} == {DESK.notifier, PHONE.notifier}
    (other,) = (await case.store.commit(say(alert(OPENED, "G-2"), to=(DESK,)))).deliveries
    await case.store.commit(say(alert(TRIGGERED, "G-2", 2), to=(DESK,)))
    assert await case.store.hand_over([(other, PHONE)], AT) == []


async def test_a_quiet_time_holds_a_delivery_over_a_restart_and_can_be_moved_and_ended(case: Case) -> None:
    end, later = AT + timedelta(hours=9), AT + timedelta(hours=10)
    held = Target("desk", (), "", end)
    made = (await case.store.commit(say(alert(OPENED), alert(OPENED, "G-2"), to=(held, PHONE)))).deliveries
    assert [d.held_until for d in made] == [end, None, end, None]
    await case.restart()
    waiting = await case.store.open_deliveries()
    first, second = (d for d in waiting if d.notifier == "desk")
    assert {(d.notifier, d.held_until) for d in waiting} == {("desk", end), ("phone", None)}
    (moved,) = await case.store.hold({first.id: later}, AT)
    assert (moved.held_until, moved.created_at) == (later, AT)
    (ended_,) = await case.store.hold({first.id: None}, later)
    assert (ended_.held_until, ended_.due_at, ended_.created_at) == (None, later, later)
    assert await case.store.delivery(first.id) == ended_
    # What was tried or superseded meanwhile stays as it is, as does what there never was.
    await case.store.start_attempts([first.id], AT)
    await case.store.commit(say(alert(TRIGGERED, "G-2", 2), to=()))
    assert await case.store.hold({first.id: later, second.id: None, "dlv_9_x": None}, AT) == []


async def test_a_notice_that_moves_to_a_quiet_route_is_held_there(store: Store) -> None:
    (old,) = (await store.commit(say(alert(OPENED), to=(DESK,)))).deliveries
    end = AT + timedelta(hours=9)
    (made,) = await store.move(old, [Target("phone", (), "", end)], AT)
    found = await store.delivery(made.id)
    assert found is not None
    assert (made.held_until, found.held_until) == (end, end)


async def test_a_channel_stays_off_over_a_restart(case: Case) -> None:
    switched = Switched("desk", AT, "HTTP 410", "abc")
    await case.store.switch_off(switched)
    await case.restart()
    assert await case.store.switched_off() == [switched]
    await case.store.switch_on("desk")
    assert await case.store.switched_off() == []


async def test_news_that_its_channel_has_newer_news_than_is_not_sent_again(case: Case) -> None:
    (old,) = (await case.store.commit(say(alert(OPENED), to=(DESK,)))).deliveries
    (other,) = (await case.store.commit(say(alert(OPENED, "G-2"), to=(DESK,)))).deliveries
    (new,) = (await case.store.commit(say(alert(TRIGGERED, sequence=2), to=(DESK,)))).deliveries
    await case.store.start_attempts([new.id], AT)
    assert [d.id for d in await case.store.retry_all([old.id, other.id, new.id], AT)] == [other.id, new.id]


async def test_light_alerts_are_kept_as_those_whose_figures_were_worked_out(store: Store) -> None:
    """Whenever the figures are worked out: the log, the deliveries and the history show those of a monitor that worked all out."""
    light, exactly = Storm(plain_from=1), Storm(plain_from=NEVER)
    whole = MemoryStore()
    for kept, storm in ((store, light), (whole, exactly)):
        for out in storm.fall():
            alerts = tuple((one, (DESK, PHONE)) for one in out.alerts)
            await kept.commit(
                Change(out.at, states=tuple(out.states.values()), alerts=alerts, history=tuple(out.history))
            )
    while (await store.render(50)).done:
        assert await store.alerts(AlertFilter(limit=500)) == await whole.alerts(AlertFilter(limit=500))
    assert await store.alerts(AlertFilter(limit=500)) == await whole.alerts(AlertFilter(limit=500))
    assert await store.deliveries(DeliveryFilter(limit=500)) == await whole.deliveries(DeliveryFilter(limit=500))
    for logged in await whole.alerts(AlertFilter(limit=500, type="*liquidation.triggered")):
        wanted = HistoryFilter(logged.alert.subject)
        assert [row for _, row in await store.history(wanted)] == [row for _, row in await whole.history(wanted)] != []
    assert not light.book.disproofs
