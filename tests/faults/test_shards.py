"""A daemon whose book lies in shards: they are killed and hung, and nothing is lost, nothing false is said."""

import asyncio
import json
import os
import signal
from typing import Any

import aiohttp
import pytest

from monitor.books import _snapshots
from monitor.cli.shards import shards
from monitor.core.portfolio.group_list import GroupQuery
from monitor.daemon.app import App
from monitor.daemon.shards import shown
from monitor.engine.spread.book import SpreadBook
from monitor.engine.spread.local import LocalShards
from tests.book_lines import one_btc
from tests.faults.house import House, Ticker, until
from tests.faults.inside import running, said
from tests.feeds.venue import Venue

GROUPS = 600
"""More than are held as objects: most of them are folded into a block, and the others stay in the head."""
CALL = "loan_group.margin_call.opened"
OWED = "30000"
"""Against one BTC: calm at 40,000 USD, a margin call at 38,000."""


def a_book(house: House, engine: str = "shards = 2") -> None:
    lines = [json.dumps(one_btc(f"G-{n:03}", owed=OWED)) for n in range(GROUPS)]
    (house.folder / "book.jsonl").write_text("\n".join(lines) + "\n")
    house.write('[[book]]\nname = "book"\nkind = "file"\npath = "book.jsonl"\n', f"[engine]\n{engine}\n")


def of(app: App) -> tuple[SpreadBook, LocalShards]:
    assert isinstance(app.book, SpreadBook)
    shards = app.book.links.shards
    assert isinstance(shards, LocalShards)
    return app.book, shards


def holder(app: App) -> int:
    """The process that has the groups."""
    book, shards = of(app)
    (place,) = (seen.place for seen in book.seen() if seen.groups)
    process = shards.processes[place]
    assert process.pid is not None
    return process.pid


async def subjects(app: App, kind: str) -> list[str | None]:
    return [each.alert.subject for each in await said(app, kind)]


async def told_by_command(app: App) -> int:
    return await asyncio.to_thread(shards, url=f"http://127.0.0.1:{app.address[1]}")


async def test_shards_that_are_hung_or_killed_are_told_and_replaced_and_every_call_is_made(
    house: House, venue: Venue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one run, as each process of a shard takes seconds to start."""
    a_book(house)
    monkeypatch.chdir(house.folder)
    async with running(house) as app, Ticker(venue, BTC="40000") as ticker:
        book, processes = of(app)
        await until(lambda: len(book) == GROUPS, "the book is read", 60.0)
        in_shards = sum(seen.groups for seen in book.seen())
        assert in_shards > 500
        await until(lambda: sum(seen.debt for seen in book.seen()) > 0, "they have seen prices", 60.0)
        os.kill(holder(app), signal.SIGSTOP)
        await until(lambda: any(key.startswith("shard") for key in app.health.reasons), "it is found out", 20.0)
        assert await told_by_command(app) == 1
        assert "missing" in capsys.readouterr().out
        assert (await asyncio.to_thread(app.view.groups, GroupQuery(limit=1))).is_partial
        assert shown(book).unwatched == in_shards
        ticker.prices["BTC"] = "38000"  # nobody looks at the groups at this price, until the replacement is there
        await until(lambda: book.is_whole and not app.health.reasons, "there is a replacement", 90.0)

        async def all_are_called() -> bool:
            return len(await subjects(app, CALL)) >= GROUPS

        await until(all_are_called, "every margin call", 60.0)
        assert await told_by_command(app) == 0
        assert "there" in capsys.readouterr().out
        assert not (await asyncio.to_thread(app.view.groups, GroupQuery(limit=1))).is_partial
        (missing,) = await said(app, "shard.missing")
        facts: Any = missing.alert.facts
        assert facts["groups"] == in_shards
        assert float(facts["debt_usd"]) > 29_000 * in_shards
        os.kill(holder(app), signal.SIGKILL)
        await until(lambda: not book.is_whole, "it is found out", 20.0)
        await until(lambda: book.is_whole and not app.health.reasons, "there is a replacement again", 90.0)
        assert len(await subjects(app, "shard.missing")) == 2

        async def both_ended() -> bool:
            return len(await subjects(app, "shard.back")) == 2

        await until(both_ended, "the end of both is told")
        called = await subjects(app, CALL)
        assert sorted(str(each) for each in called) == [f"G-{n:03}" for n in range(GROUPS)]
        left = [process.pid for process in processes.processes.values()]
    assert not any(os.path.exists(f"/proc/{pid}/exe") for pid in left), "a stop ends the shards"  # noqa: ASYNC240


async def test_a_shard_that_would_take_more_memory_than_it_may_takes_nothing_and_the_head_says_who_is_unwatched(
    house: House, venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes more than a megabyte before it holds a single group. Lines that come singly the head watches itself."""
    monkeypatch.setattr(_snapshots, "_PACKED_LINES", GROUPS)  # as a large book is read
    few = '[[book]]\nname = "few"\nkind = "file"\npath = "few.jsonl"\n'
    a_book(house, f"shards = 1\nmax_memory_mb = 1\n{few}")
    (house.folder / "few.jsonl").write_text(json.dumps(one_btc("H-1", owed=OWED)) + "\n")
    monkeypatch.chdir(house.folder)
    async with running(house) as app, Ticker(venue, BTC="40000") as ticker:
        book, _ = of(app)
        await until(lambda: len(book) == GROUPS + 1, "the books are read", 60.0)
        assert book.homeless() == GROUPS
        assert [seen.groups for seen in book.seen()] == [0]

        async def told() -> bool:
            return any(each.alert.facts["groups"] == GROUPS for each in await said(app, "shard.full"))

        await until(told, "it is said how many groups nobody watches", 20.0)
        facts: Any = (await said(app, "shard.full"))[-1].alert.facts
        assert (len(facts["group_ids"]), facts["group_ids_cut"]) == (50, GROUPS - 50)
        url = f"http://127.0.0.1:{app.address[1]}/readyz"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert answer.status == 503
            assert f"nobody watches {GROUPS} groups" in (await answer.json())["reasons"]["shards"]
        ticker.prices["BTC"] = "38000"

        async def the_other_is_called() -> bool:
            return "H-1" in await subjects(app, CALL)

        await until(the_other_is_called, "the head watches what came singly", 30.0)
        page = await asyncio.to_thread(app.view.groups, GroupQuery(limit=2 * GROUPS))
        assert page.is_partial
        assert {sight.group.id for sight in page.rows if sight.blind} == set(book.ids()) - {"H-1"}
        assert set(facts["group_ids"]) <= set(book.ids())
        assert await subjects(app, CALL) == ["H-1"]
