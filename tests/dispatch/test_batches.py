"""Batches: several notices in one attempt, in order by group, and tried again unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from monitor.notifiers._base import DeliveryError, Fault, Notice, Receipt, batch_id, batches
from tests.dispatch.conftest import Open
from tests.fakes import FakeNotifier, alert, settle

OPENED = "loan_group.margin_call.opened"
BIG = "x" * 3_000


class FakeBatches(FakeNotifier):
    """Takes batches, or does with each what `refuse` does: return None or raise."""

    batch = True

    def __init__(self, refuse: Callable[[list[str]], Any] | None = None) -> None:
        super().__init__()
        self.refuse = refuse
        self.tries: list[list[str]] = []
        self.got: list[list[str]] = []

    async def send_batch(self, notices: Sequence[Notice]) -> Receipt:
        ids = [notice.id for notice in notices]
        self.tries.append(ids)
        await asyncio.sleep(0)
        if self.refuse is not None:
            self.refuse(ids)
        self.got.append(ids)
        return Receipt("HTTP 200")


def storm(count: int, **more: Any) -> list[Any]:
    return [alert(OPENED, f"G-{n}", **more) for n in range(count)]


async def test_a_storm_goes_in_few_bodies_and_each_alert_once(open_desk: Open) -> None:
    mail = FakeBatches()
    desk = await open_desk(mail=mail)
    some = storm(100)
    await desk.commit(*some)
    await settle(600)
    ids = [id_ for batch in mail.got for id_ in batch]
    assert sorted(ids) == sorted(a.id for a in some)
    assert len(mail.got) < 15
    # A record names the body, so that both sides speak of the same one.
    names = {batch_id(batch) for batch in mail.got if len(batch) > 1}
    assert {d.detail.split(",")[0].removeprefix("in ") for d in desk.store.rows.values() if "," in d.detail} == names
    assert set(desk.states()) == {"delivered"}


async def test_no_body_is_longer_than_the_limit(open_desk: Open) -> None:
    mail = FakeBatches()
    desk = await open_desk(mail=mail)
    await desk.commit(*(alert(OPENED, f"G-{n}", facts={"text": BIG}) for n in range(30)))
    await settle(600)
    assert {len(batch) for batch in mail.got} <= {1, 2, 3, 4, 5, 6}
    assert sum(map(len, mail.got)) == 30


async def test_what_failed_is_tried_again_unchanged_while_more_comes(open_desk: Open) -> None:
    """The ids in a batch are its id: what comes meanwhile goes in another one."""
    is_down = True

    def refuse(_: list[str]) -> None:
        if is_down:
            raise DeliveryError("HTTP 503")

    mail = FakeBatches(refuse)
    desk = await open_desk(mail=mail)
    await desk.commit(*storm(5))
    await settle(200)
    first = mail.tries[0]
    await desk.commit(*(alert(OPENED, f"H-{n}") for n in range(5)))
    await desk.clock.advance(2)
    is_down = False
    await desk.clock.advance(10)
    assert mail.tries.count(first) >= 2
    assert first in mail.got
    assert sorted(id_ for batch in mail.got for id_ in batch) == sorted(
        a.id for a in (*storm(5), *(alert(OPENED, f"H-{n}") for n in range(5)))
    )
    assert {tuple(t) for t in mail.tries} == {tuple(g) for g in mail.got}, "a batch changed between its tries"


async def test_of_one_group_the_older_goes_before_the_newer(open_desk: Open) -> None:
    mail = FakeBatches()
    desk = await open_desk(mail=mail)
    await desk.commit(*(alert("price.stale", f"coin-{n % 4}", sequence=n) for n in range(40)))
    await settle(2000)
    ids = [id_ for batch in mail.got for id_ in batch]
    assert len(ids) == 40
    for coin in range(4):
        mine = [int(id_.rpartition("_")[2]) for id_ in ids if f"coin_{coin}_" in id_]
        assert mine == sorted(mine)
    assert all(len({id_.partition("_price")[0] for id_ in batch}) == len(batch) for batch in mail.got)


async def test_a_notice_that_is_superseded_leaves_its_batch(open_desk: Open) -> None:
    is_down = True

    def refuse(_: list[str]) -> None:
        if is_down:
            raise DeliveryError("HTTP 503")

    mail = FakeBatches(refuse)
    desk = await open_desk(mail=mail)
    await desk.commit(*storm(3))
    await settle(200)
    newer = alert("loan_group.liquidation.triggered", "G-1", sequence=2)
    await desk.commit(newer)
    is_down = False
    await desk.clock.advance(10)
    ids = [id_ for batch in mail.got for id_ in batch]
    old = storm(3)
    assert sorted(ids) == sorted([old[0].id, old[2].id, newer.id])


async def test_one_bad_notice_costs_its_batch_nothing(open_desk: Open) -> None:
    """A batch that is refused is taken apart: the others arrive, and the refusal is the notice's own."""
    bad = storm(6)[2].id

    def refuse(ids: list[str]) -> None:
        if bad in ids:
            raise DeliveryError("HTTP 422", fault=Fault.DOUBTFUL, answer="422")

    mail = FakeBatches(refuse)
    desk = await open_desk(mail=mail)
    await desk.commit(*storm(6))
    await desk.clock.advance(120)
    assert sorted(id_ for batch in mail.got for id_ in batch) == sorted(a.id for a in storm(6) if a.id != bad)
    await desk.commit(alert(OPENED, "H-1"))
    await desk.clock.advance(120)
    assert desk.states().count("failed") == 1


async def test_while_a_channel_refuses_one_body_a_minute_goes_out(open_desk: Open) -> None:
    def refuse(_: list[str]) -> None:
        raise DeliveryError("HTTP 401", fault=Fault.CHANNEL, answer="401")

    mail = FakeBatches(refuse)
    desk = await open_desk(mail=mail)
    await desk.commit(*(alert(OPENED, f"G-{n}", facts={"text": BIG}) for n in range(200)))
    await desk.clock.advance(5)
    begun = len(mail.tries)
    assert begun <= 8
    await desk.clock.advance(300)
    assert len(mail.tries) - begun <= 6
    assert set(desk.states()) == {"pending"}
    assert len(batches([])) == 0
