"""A daemon whose book lies in shards: they are killed and hung, and nothing is lost, nothing false is said."""

import asyncio
import json
import os
import signal
from typing import Any

import pytest

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


def a_book(house: House) -> None:
    lines = [json.dumps(one_btc(f"G-{n:03}", owed=OWED)) for n in range(GROUPS)]
    (house.folder / "book.jsonl").write_text("\n".join(lines) + "\n")
    house.write('[[book]]\nname = "book"\nkind = "file"\npath = "book.jsonl"\n', "[engine]\nshards = 2\n")


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
