"""What a head holds back while it has no lease: right before the bytes, on every way that a notice takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from monitor import permit
from monitor.clock import SystemClock
from monitor.core.alerts.alert import LoggedAlert
from monitor.dispatch.last_resort import LastResort
from monitor.dispatch.slots import USUAL
from monitor.notifiers._base import Receipt
from monitor.notifiers._http import Http, Reach
from monitor.stores._base import Target
from tests.dispatch.conftest import DispatchDesk
from tests.fakes import FakeNotifier, alert


class Held:
    """A head that a test lets send or not."""

    def __init__(self) -> None:
        self.is_held = self.is_last = False
        self.is_by_lease = True

    def may_send(self) -> bool:
        return self.is_held

    def has_last_word(self) -> bool:
        return self.is_last

    def is_of_lease(self) -> bool:
        return self.is_by_lease


@pytest.fixture
def head() -> Held:
    return Held()


@pytest.fixture
async def posts() -> AsyncIterator[tuple[str, list[bytes]]]:
    got: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        got.append(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/", got
    await runner.cleanup()


async def test_no_byte_of_a_post_goes_without_the_lease(head: Held, posts: tuple[str, list[bytes]]):
    url, got = posts
    permit.use(head)
    http = Http(Reach(allow_private=True))
    with pytest.raises(permit.Silent):
        await http.post(url, b"held", {})
    assert got == []
    head.is_held = True
    await http.post(url, b"sent", {})
    assert got == [b"sent"]
    await http.close()


def last_resort(sent: list[str]) -> LastResort:
    async def send(notice: Any) -> Receipt:
        permit.check()
        sent.append(notice.id)
        return Receipt()

    def render(logged: Any) -> Any:
        return SimpleNamespace(notice=SimpleNamespace(id=logged.alert.id))

    return LastResort(lambda: {"desk": SimpleNamespace(send=send)}, render, SystemClock())  # type: ignore[dict-item]


def said(id_: str, type_: str) -> LoggedAlert:
    return LoggedAlert(0, SimpleNamespace(id=id_, type=type_, contacts={}), durable=False)  # type: ignore[arg-type]


async def test_where_peer_and_database_are_gone_one_word_goes_and_nothing_else(head: Held):
    permit.use(head)
    sent: list[str] = []
    resort = last_resort(sent)
    head.is_last = True
    resort.send(said("a", "loan_group.liquidation"), [Target("desk")])
    resort.send(said("b", "monitor.degraded"), [Target("desk")])
    await asyncio.sleep(3 * permit.LOOK_S)
    assert sent == ["b"]
    head.is_held, head.is_by_lease = True, False
    await asyncio.sleep(3 * permit.LOOK_S)
    assert sent == ["b", "a"], "by the word of the peer it goes after all"
    await resort.stop()


async def test_the_one_word_stands_behind_nothing_that_waits_for_the_lease(head: Held):
    """Red where it waits for its turn: what is held back has all places of the channel until the lease is back."""
    permit.use(head)
    sent: list[str] = []
    resort = last_resort(sent)
    head.is_last = True
    for number in range(2 * USUAL):
        resort.send(said(f"a-{number}", "loan_group.liquidation"), [Target("desk")])
    resort.send(said("b", "monitor.degraded"), [Target("desk")])
    await asyncio.sleep(3 * permit.LOOK_S)
    assert sent == ["b"]
    await resort.stop()


async def test_a_head_that_is_cut_off_alone_says_nothing_at_all(head: Held):
    permit.use(head)
    sent: list[str] = []
    resort = last_resort(sent)
    resort.send(said("b", "monitor.degraded"), [Target("desk")])
    await asyncio.sleep(3 * permit.LOOK_S)
    assert sent == []
    head.is_held = True
    await asyncio.sleep(3 * permit.LOOK_S)
    assert sent == [], "it has its lease again, and the store sends it in its order"
    await resort.stop()


async def test_a_delivery_waits_for_the_lease_and_then_goes_once(head: Held):
    permit.use(head)

    def bytes_of(_: Any) -> None:
        permit.check()

    hook = FakeNotifier(bytes_of)
    desk = DispatchDesk(hook=hook)
    await desk.dispatcher.start()
    await desk.commit(alert(), to="hook")
    await asyncio.sleep(3 * permit.LOOK_S)
    assert hook.tried == []
    head.is_held = True
    await asyncio.sleep(3 * permit.LOOK_S)
    assert len(hook.took) == 1
    assert [a.state for a in desk.store.tries] == ["delivered"]
    await desk.dispatcher.stop(0)
