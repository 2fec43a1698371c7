"""A daemon whose shards are killed and stopped while prices stream, beside a book of objects that is told the same in core's thread.

That book looks away from the groups of missing shards, as `tests.engine.spread.losing` says: what it says then is what is true of
the groups that somebody watches.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import aiohttp
import msgspec
import pytest

from monitor.books import _snapshots
from monitor.clock import SystemClock
from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.core.alerts.payload import alert_item
from monitor.core.events.events import Event, MarkPrices
from monitor.core.groups.outcome import Outcome
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon import app as apps
from monitor.daemon import shards as daemon_shards
from monitor.daemon.app import App
from monitor.daemon.sequencer import Sequencer
from monitor.engine.columns.fields import GROUPS
from monitor.engine.spread.book import SpreadBook
from monitor.engine.spread.links import Shards
from monitor.engine.spread.local import LocalShards
from monitor.engine.spread.spreading import DEFAULT, Spreading
from monitor.stores._base import AlertFilter
from tests.crash.harness import CONFIG, HOLD_S, PRODUCT, REMINDER_S, REPEAT_S
from tests.crash.market import HISTORY, Market
from tests.engine import twins
from tests.engine.spread.losing import AbsentBook, LosingTwins, unwatched_in
from tests.faults.house import House, SignedReceiver, until, webhook
from tests.faults.inside import running
from tests.reference import books

SHARDS, BLOCKS, A_BLOCK = 2, 14, 6
"""The book comes in so many blocks of so many groups, so that each shard has some."""
TURN_S = 6.0
"""In which the market falls and rises once."""
SETS_A_SECOND = 5
LONG_S, SHORT_S = 60.0, 2.0
"""How long a question may wait in general, and while a shard that was stopped is looked for: a busy machine is no loss."""
WITHIN_S = 60.0
FEW = 8
"""So many groups stay with a shard: a change takes one out of its block, and without groups nothing is unwatched."""


class DaemonTwins(LosingTwins):
    """The daemon's own monitor, and the one beside it."""

    def __init__(self, monitor: RiskMonitor) -> None:
        super().__init__(monitor.rules, 0)
        self.columns = monitor
        self.said: list[Alert] = []
        """Of groups by the one beside it, in the order of the daemon, which says a page of a book in an order of its own."""
        self.owed: dict[int, float] = {}
        """By shard: USD that its groups owed when it saw prices last."""
        self.broke: BaseException | None = None

    def handle(self, event: Event) -> Outcome:
        """As the daemon's monitor does. Nobody finds out in between that a shard is gone: it was seen in this event, or was not."""
        with self._links._turn:
            try:
                out = self.tell(event)
            except BaseException as e:
                self.broke = e
                raise
            if isinstance(event, MarkPrices):
                self.owed |= {place: self._owes(place) for place in self._links.live}
        return out

    def compare(self, event: Event, columns: Outcome, plain: Outcome) -> None:
        """As they are told; what the one beside says is kept."""
        super().compare(event, columns, plain)
        of = {alert.id: alert for alert in plain.alerts}
        self.said += [of[alert.id] for alert in columns.alerts if alert.group is not None]

    @property
    def unpriced(self) -> set[str]:
        """Groups that need a price that there never is: they are blind, whoever watches them."""
        return {record.group.id for record in self.objects.records() if books.NEVER_PRICED in record.held.assets}

    def ids(self, place: int) -> set[str]:
        """The groups of a shard."""
        columnar = self._spread.columnar
        assert columnar is not None
        rows = columnar.rows
        return {id_ for id_ in rows.ids() if self._links.place(rows.row_of(id_) // GROUPS) == place}

    def _owes(self, place: int) -> float:
        sights = map(self.plain.sight, self.ids(place)) if self._spread.columnar is not None else ()
        return sum(float(sight.weight.debt) for sight in sights if sight is not None and sight.weight is not None)

    @property
    def _spread(self) -> SpreadBook:
        assert isinstance(self.book, SpreadBook)
        return self.book

    @property
    def _links(self) -> Any:
        return self._spread.links


class _Told:
    """The daemon's monitor, whose events both hear."""

    def __init__(self, of: DaemonTwins) -> None:
        self._of = of
        self.handle = of.handle

    def __getattr__(self, name: str) -> Any:
        return getattr(self._of.columns, name)


class TwinnedSequencer(Sequencer):
    """Hands each event to both."""

    def __init__(self, running: Any, monitor: RiskMonitor, *more: Any) -> None:
        super().__init__(running, monitor, *more)
        self.twins = DaemonTwins(monitor)
        self._monitor: Any = _Told(self.twins)


class HeldBook(SpreadBook):
    """Replacements wait until they are let in, and few groups are folded into blocks."""

    def __init__(self, shards: Shards, count: int, fold_at: int = 4, how: Spreading = DEFAULT) -> None:
        super().__init__(shards, count, fold_at, how)
        self.lets_in = threading.Event()

    def mend(self, seat: int) -> bool:
        assert self.lets_in.wait(WITHIN_S), "nobody let the replacement in"
        return super().mend(seat)


class Look(NamedTuple):
    """What the desk sees from outside at some moment."""

    ready: int
    reasons: dict[str, str]
    is_partial: bool
    blind: set[str]


class Desk:
    """The daemon, what is beside it, and the market."""

    def __init__(self, app: App, http: aiohttp.ClientSession, market: Market, seed: int) -> None:
        assert isinstance(app.book, HeldBook)
        assert isinstance(app.sequencer, TwinnedSequencer)
        self.app, self.book, self.twins = app, app.book, app.sequencer.twins
        self.links = app.book.links
        self.looks: list[Look] = []
        self.losses = 0
        self._http, self._market = http, market
        self._random = random.Random(seed)

    # -- what goes on --

    async def stream(self) -> None:
        """Prices, until it is cancelled: down and up again."""
        for number in itertools.count():
            await self._market.send(self._market.swing(number / SETS_A_SECOND / TURN_S))
            await asyncio.sleep(1 / SETS_A_SECOND)

    async def watch(self) -> None:
        """Looks from outside, until it is cancelled."""
        while True:
            self.looks.append(await self.look())
            await asyncio.sleep(0.2)

    async def look(self) -> Look:
        async with self._http.get("/readyz") as answer:
            status, reasons = answer.status, (await answer.json())["reasons"]
        async with self._http.get("/v1/groups?limit=1000") as answer:
            page = await answer.json()
        return Look(status, reasons, page.get("partial", False), {row["id"] for row in page["items"] if row["blind"]})

    async def until(self, true: Callable[[], Any], what: str) -> None:
        """Waits until something holds, and no longer than the two agree."""

        async def does() -> bool:
            if self.twins.broke is not None:
                raise self.twins.broke
            found = true()
            return bool(await found if asyncio.iscoroutine(found) else found)

        await until(does, what, WITHIN_S)

    async def prices(self, sets: int = 1) -> None:
        """So many more turns in which core takes prices, counted from one that has yet to begin."""
        wanted = self.app.sequencer.evaluated + 1 + sets
        await self.until(lambda: self.app.sequencer.evaluated >= wanted, "core takes prices")

    async def told(self, kind: str) -> list[LoggedAlert]:
        """The whole log of one type."""
        found: list[LoggedAlert] = []
        while page := await self.app.store.alerts(AlertFilter(type=kind, after=found[-1].cursor if found else 0)):
            found += page
        return found

    # -- a loss --

    async def lose(self, how: signal.Signals) -> None:
        """A random copy is killed or stopped; ends with the first prices after its replacement."""
        seat = self._random.choice([seat for place in range(SHARDS) for seat in self.links.blocks.seats(place)])
        missing, back = len(await self.told("shard.missing")), len(await self.told("shard.back"))
        shards = self.links.shards
        assert isinstance(shards, LocalShards)
        pid = shards.processes[seat].pid
        assert pid is not None
        # In a turn of core: a question that is under way would wait as long as it was told to.
        await self.app.sequencer.ask(lambda _, __: setattr(self.links, "limit_s", SHORT_S), needs_commit=False)
        os.kill(pid, how)
        self.losses += 1
        await self.until(lambda: seat in self.links.gone, "the loss is found out")
        self.links.limit_s = LONG_S
        await self.until(lambda: self._are_told("shard.missing", missing + 1), "shard.missing")
        await self._meanwhile(seat, (await self.told("shard.missing"))[-1].alert)
        self.book.lets_in.set()
        await self.until(lambda: self._are_told("shard.back", back + 1), "shard.back")
        self.book.lets_in.clear()
        await self.prices()
        await self.app.sequencer.ask(lambda _, __: self._agree(), needs_commit=False)
        seen = await self.look()
        assert (seen.ready, seen.is_partial, seen.blind) == (200, False, self.twins.unpriced), seen

    async def _are_told(self, kind: str, count: int) -> bool:
        found = len(await self.told(kind))
        assert found <= count, f"{kind} is said too often"
        return found == count

    async def _meanwhile(self, seat: int, alert: Alert) -> None:
        """What is said of the loss, and what the desk sees until there is a replacement."""
        copies = self.links.copies
        place = seat // copies
        facts: Any = alert.facts
        if copies > 1:
            assert alert.subject == f"shard {place} copy {seat % copies}"
            assert (facts["groups"], float(facts["debt_usd"])) == (0, 0.0)
            await self.prices(3)
            return
        gone = await self.app.sequencer.ask(lambda _, __: unwatched_in(self.book), needs_commit=False)
        assert alert.subject == f"shard {place}"
        assert gone
        assert facts["groups"] == len(gone)
        assert float(facts["debt_usd"]) == pytest.approx(self.twins.owed[place], rel=1e-9, abs=0.01)
        seen = await self.look()
        assert seen.ready == 503
        assert f"nobody watches its {len(gone)} groups" in seen.reasons[f"shard {place}"]
        assert (seen.is_partial, seen.blind) == (True, gone | self.twins.unpriced)
        if len(gone) > FEW:
            await self._deposit(self._random.choice(sorted(gone)))
        await self.prices(5)

    async def _deposit(self, group: str) -> None:
        """A group that nobody watches changes: the head watches it from then on."""
        record = await self.app.sequencer.ask(lambda _, __: self.twins.objects.find(group), needs_commit=False)
        account = next(iter(record.group.collateral))
        entry = {"id": f"e-{self.losses}", "type": "deposit", "account": account, "asset": "BTC", "quantity": "0.001"}
        async with self._http.post(f"/v1/groups/{group}/entries", json=entry) as answer:
            assert answer.status in (200, 201), await answer.text()

    def _agree(self) -> None:
        """In core's thread: each group is what it is for one who never lost sight of it."""
        assert self.book.is_whole
        self.twins.check_groups(self.twins.objects.ids())

    async def agree_to_the_end(self, receiver: SignedReceiver) -> None:
        """The log is what the other one says, in bytes and in order; all of it arrives, once."""
        wanted = await self.app.sequencer.ask(lambda _, __: list(self.twins.said))
        told = await self.told("*")
        log = [each for each in told if each.alert.group is not None][: len(wanted)]  # deadlines go on
        products = self.twins.rules.products
        for ours, theirs in zip(log, wanted, strict=True):
            assert _json(alert_item(ours.alert, 1, products)) == _json(alert_item(theirs, 1, products))
        assert len(log) > 20
        await self.until(self._is_sent, "all of it is sent")
        came = Counter(receiver.ids)
        assert came.keys() <= {each.alert.id for each in await self.told("*")}
        assert set(came.values()) == {1}
        left = {each.alert.id for each in told} - came.keys()
        async with self._http.get("/v1/deliveries?state=superseded&limit=1000") as answer:
            newer = {row["alert"] for row in (await answer.json())["items"]}
        assert left <= newer, "neither sent nor superseded"
        assert receiver.bad == []

    async def _is_sent(self) -> bool:
        async with self._http.get("/v1/deliveries?state=pending") as answer:
            return not (await answer.json())["items"]


_json = msgspec.json.encode


@asynccontextmanager
async def losing(
    house: House, receiver: SignedReceiver, patch: pytest.MonkeyPatch, seed: int, copies: int
) -> AsyncIterator[Desk]:
    """A daemon over shards with a book and a market, that agrees with the other one at the end."""
    patch.setattr(apps, "Sequencer", TwinnedSequencer)
    patch.setattr(daemon_shards, "SpreadBook", HeldBook)
    patch.setattr(daemon_shards, "CALM_S", 0.0)  # losses come so often that pauses would grow to minutes
    patch.setattr(_snapshots, "_PACKED_LINES", 2)  # as a large book is read
    patch.setattr(twins, "PlainBook", AbsentBook)
    patch.chdir(house.folder)
    groups = _written(house, receiver, seed, copies)
    assert house.venue is not None
    market = Market(house.venue, seed)
    async with running(house) as app, aiohttp.ClientSession(f"http://127.0.0.1:{app.address[1]}") as http:
        desk = Desk(app, http, market, seed)
        await desk.until(lambda: len(app.book) == groups, "the books are read")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(desk.stream())]
            await desk.prices(2)
            tasks.append(group.create_task(desk.watch()))
            assert all(seen.groups for seen in desk.book.seen()), "every shard has groups"
            try:
                yield desk
                tasks.pop(0).cancel()
                await desk.agree_to_the_end(receiver)
            finally:
                desk.book.lets_in.set()
                for task in tasks:
                    task.cancel()


def _written(house: House, receiver: SignedReceiver, seed: int, copies: int) -> int:
    """Rules, books and configuration of the house; how many groups there are."""
    start = SystemClock().utc()
    lines = books.book(seed, BLOCKS * A_BLOCK, HISTORY, start, start + timedelta(days=30))
    text = CONFIG.format(name="desk-1", hold=HOLD_S, reminder=REMINDER_S, repeat=REPEAT_S, venue=house.venue.url)
    for number in range(BLOCKS):
        some = lines[number * A_BLOCK : (number + 1) * A_BLOCK]
        (house.folder / f"book-{number}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in some))
        text += f'[[book]]\nname = "book-{number}"\nkind = "file"\npath = "book-{number}.jsonl"\n'
    (house.folder / "product.toml").write_text(PRODUCT)
    text += f'[engine]\nshards = {SHARDS}\nreplicas = {copies}\nshard_limit = "{LONG_S:.0f}s"\n'
    house.config.write_text(text + webhook("hook", receiver.url()))
    return len(lines)
