"""SQLite and memory agree on every answer after any sequence of commits, attempts, retries and prunings."""

from __future__ import annotations

import asyncio
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.alerts.catalogue import CATALOGUE
from monitor.core.groups.outcome import StoredBlock
from monitor.core.rules.product import CoinRates, DatedRate
from monitor.core.stages.stages import GroupState
from monitor.stores import memory, sqlite
from monitor.stores._base import AlertFilter, Applied, Audit, Change, DeliveryFilter, Store, Target
from tests.effort import examples, more_in_a_soak
from tests.stores.examples import (
    AT,
    CLEARED,
    CURED,
    DAY,
    MINUTE,
    OPENED,
    REMINDER,
    TRIGGERED,
    WARNING,
    alert,
    core_state,
    ended,
    state,
    stored,
)

SUBJECTS, NOTIFIERS, KEYS = ("G-1", "G-2"), ("desk", "phone"), ("e-1", "e-2")
TYPES = (OPENED, REMINDER, CURED, TRIGGERED, CLEARED, WARNING, "loan.overdue", "price.stale")
OUTCOMES = ("pending", "delivered", "failed", "superseded")

targets = st.lists(st.builds(Target, st.sampled_from(NOTIFIERS), st.sampled_from([(), ("a@b",)])), max_size=3).map(
    tuple
)
said = st.tuples(
    st.builds(
        lambda type_, subject, sequence, episode, days: alert(type_, subject, sequence, episode, at=AT + days * DAY),
        st.sampled_from(TYPES),
        st.sampled_from(SUBJECTS),
        st.integers(0, 5),
        st.integers(1, 2),
        st.integers(0, 2),
    ),
    targets,
)
changes = st.builds(
    Change,
    at=st.integers(0, 5000).map(lambda n: AT + n * MINUTE),
    groups=st.lists(st.builds(stored, st.sampled_from(SUBJECTS), st.integers(1, 3)), max_size=2).map(tuple),
    closed=st.lists(st.sampled_from(SUBJECTS), max_size=1).map(tuple),
    blocks=st.lists(
        st.builds(StoredBlock, st.integers(1, 3), st.binary(max_size=3), st.sets(st.sampled_from(SUBJECTS)).map(tuple)),
        max_size=2,
    ).map(tuple),
    dropped_blocks=st.lists(st.integers(1, 3), max_size=2).map(tuple),
    states=st.lists(
        st.builds(state, st.sampled_from(SUBJECTS), st.sampled_from(["normal", "margin_call"]), st.integers(1, 2))
        | st.builds(GroupState, st.sampled_from(SUBJECTS)),
        max_size=2,
    ).map(tuple),
    alerts=st.lists(said, max_size=5).map(tuple),
    entries=st.lists(
        st.builds(
            Applied,
            st.sampled_from(SUBJECTS),
            st.sampled_from(KEYS),
            st.sampled_from("xy"),
            st.just(1),
            st.integers(0, 2).map(lambda n: AT + n * DAY),
        ),
        max_size=2,
    ).map(tuple),
    audits=st.lists(
        st.builds(
            Audit,
            st.integers(0, 2).map(lambda n: AT + n * DAY),
            st.just("ops"),
            st.just("put"),
            st.sampled_from(SUBJECTS),
            st.none(),
            st.integers(),
        ),
        max_size=2,
    ).map(tuple),
    rates=st.lists(
        st.builds(
            CoinRates,
            st.sampled_from(("vip_loan", "other")),
            st.sampled_from(("USDT", "BTC")),
            st.integers(0, 2).map(lambda n: tuple(DatedRate(AT + k * DAY, Decimal(k), "x") for k in range(n))),
        ),
        max_size=2,
    ).map(tuple),
    desk=st.none() | st.integers(0, 9).map(lambda n: core_state(AT + n * MINUTE)),
)
# Deliveries are named by their number in the list of all, as their ids are not known beforehand.
numbers = st.integers(0, 11)
steps = st.lists(
    st.tuples(st.just("commit"), changes)
    | st.tuples(st.just("start"), st.lists(numbers, max_size=4))
    | st.tuples(st.just("end"), st.lists(st.tuples(numbers, st.sampled_from(OUTCOMES)), max_size=4))
    | st.tuples(st.just("retry"), numbers)
    | st.tuples(st.just("prune"), st.integers(0, 3))
    | st.tuples(st.just("restart"), st.none()),
    min_size=1,
    max_size=12,
)


async def step(store: Store, name: str, what: Any) -> Any:
    """One change of a store; returns its answer."""
    ids = [d.id for d in await store.deliveries(DeliveryFilter(limit=1000))] or ["dlv_nothing"]
    match name:
        case "commit":
            return await store.commit(what)
        case "start":
            return await store.start_attempts([ids[n % len(ids)] for n in what], AT)
        case "end":
            return await store.end_attempts([ended(ids[n % len(ids)], s, AT, f"{n}") for n, s in what])
        case "retry":
            return await store.retry(ids[what % len(ids)], AT + 2 * DAY)
        case "prune":
            return await store.prune(AT + what * DAY)
    await store.close()
    return await store.open()


async def answers(store: Store) -> list[Any]:
    """Everything that can be asked."""
    listed = await store.deliveries(DeliveryFilter(limit=1000))
    alerts = [
        AlertFilter(),
        AlertFilter(after=3, limit=2),
        AlertFilter(after=3, limit=2, newest_first=True),
        AlertFilter(until=AT + DAY, newest_first=True),
        AlertFilter(severity="critical"),
        AlertFilter(type="loan*.*d"),
        AlertFilter(group="G-1"),
        AlertFilter(group="G-2", type="*.reminder"),
        *(AlertFilter(type=t, severity=CATALOGUE[t].severity) for t in TYPES),
    ]
    deliveries = [
        *(DeliveryFilter(state=s) for s in OUTCOMES),
        DeliveryFilter(notifier="desk", state="pending"),
        *(DeliveryFilter(after=d.place, limit=3) for d in listed[:3]),
        *(DeliveryFilter(alert=d.alert) for d in listed),
    ]
    return [
        await store.open(),
        listed,
        await store.open_deliveries(),
        [await store.alerts(wanted) for wanted in alerts],
        [await store.deliveries(wanted) for wanted in deliveries],
        [await store.attempts(d.id) for d in listed],
        [await store.alert(d.alert) for d in listed],
        [await store.entry(g, e) for g in SUBJECTS for e in KEYS],
        [await store.audits(after, 3) for after in (0, 1, 5)],
    ]


@more_in_a_soak
@settings(max_examples=examples(25, 1000))
@given(steps)
def test_sqlite_and_memory_give_the_same_answers(sequence: list[tuple[str, Any]]) -> None:
    async def both() -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = sqlite.build(sqlite.Config(path=str(Path(folder) / "monitor.db")))
            model = memory.build(memory.Config())
            await file.open()
            try:
                for name, what in sequence:
                    assert await step(file, name, what) == await step(model, name, what), name
                    for mine, expected in zip(await answers(file), await answers(model), strict=True):
                        assert mine == expected, name
            finally:
                await file.close()

    asyncio.run(both())
