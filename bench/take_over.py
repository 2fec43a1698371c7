"""A take-over of two real daemons: `python -m bench.take_over [GROUPS] [CHANGED] [--shards N] [--profile FILE]`.

Both read the same book file and share a PostgreSQL of this machine. The book is put, then CHANGED of its groups state
something else, and so are kept beside the blocks. The active daemon is killed, and the time runs until the other one
answers a question about the book, and until prices that came since decide. `--profile` records by py-spy what the standby
does meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from tests.faults.house import SignedReceiver, Ticker, now_s, until
from tests.feeds.venue import Venue
from tests.lease.house import SLACK_S, TTL_S, Head, Pair
from tests.lease.proxy import Door
from tests.lease.world import made_database
from tests.postgres_server import PostgresServer

COINS = [f"C{k:02}" for k in range(60)]
USD = 100
LIMIT_S = 900.0
SETTLE_S = 8.0
"""The standby looks every two seconds, and a large book takes some to lay out."""


def line(number: int, *, is_changed: bool = False) -> str:
    """A group that owes some six tenths of what it holds; one in two hundred owes enough for a margin call."""
    chance = random.Random(number)  # noqa: S311 the same book each time
    held = {coin: str(chance.randint(10, 10_000)) for coin in chance.sample(COINS, chance.randint(4, 8))}
    worth = USD * sum(map(int, held.values()))
    share = 78 if number % 200 == 0 else 60 - (1 if is_changed else 0)
    owed, loans = worth * share // 100, chance.randint(1, 2)
    stated = {
        "id": f"G{number:07}",
        "product": "vip_loan",
        "receiving_account": f"a{number:07}",
        "collateral": {f"a{number:07}": held},
        "loans": [
            {
                "id": f"L{k}",
                "asset": "USDT",
                "principal": str(owed // loans),
                "rate": {"kind": "flexible"},
                "term": "open",
                "opened_at": "2026-11-29T10:00:00Z",
            }
            for k in range(loans)
        ],
    }
    return json.dumps(stated, separators=(",", ":")) + "\n"


def lines(groups: int, changed: int) -> Iterator[str]:
    """A book of which so many groups, evenly spread, are no longer as they were first."""
    for number in range(groups):
        yield line(number, is_changed=changed > 0 and number * changed // groups != (number + 1) * changed // groups)


def product() -> str:
    """Rules that the book fits."""
    ladders = "\n".join(f'{coin} = [["inf", "1"]]' for coin in COINS)
    return (
        "[[version]]\neffective = 2024-04-29T00:00:00Z\n"
        'thresholds = { initial = "0.72", margin_call = "0.77", liquidation = "0.91", immediate = "0.95" }\n'
        f'rates = {{ USDT = "0.00016" }}\n[version.ladders]\n{ladders}\n'
    )


class Desk:
    """The pair with its book, and what it costs one of them to go on for the other."""

    def __init__(self, folder: Path, pair: Pair, venue: Venue, url: str) -> None:
        self.folder, self.pair, self.venue, self.url = folder, pair, venue, url
        self.book = folder / "book.jsonl"

    def write(self, groups: int, changed: int) -> None:
        """The book, in one step."""
        new = self.folder / "book.new"
        with new.open("w") as file:
            file.writelines(lines(groups, changed))
        new.rename(self.book)

    def configure(self, shards: int) -> None:
        """Rules and book for both."""
        for house in self.pair.houses.values():
            (house.folder / "vip_loan.toml").write_text(product())
            more = f'[[book]]\nname = "file"\nkind = "file"\npath = "{self.book}"\nwatch = true\n'
            more += f"[engine]\nshards = {shards}\nmax_memory_mb = 4096\n" if shards else ""
            text = house.config.read_text().replace('timeout = "1s"', 'timeout = "30s"')
            house.config.write_text(text + more)

    async def stored(self, sql: str) -> int:
        """A number of the store."""
        db = await asyncpg.connect(self.url, server_settings={"search_path": "monitor"})
        try:
            return int(await db.fetchval(sql))
        finally:
            await db.close()

    async def load(self, a: Head, groups: int, changed: int) -> None:
        """Puts the book and its changes by the first daemon."""
        await a.serves(60)
        await until(lambda: self._has(a, groups), "the book is put", LIMIT_S, step_s=0.5)
        self.write(groups, changed)

        async def is_changed() -> bool:
            return await self.stored("SELECT count(*) FROM groups") >= changed

        took_s = await until(is_changed, "the changes are put", LIMIT_S, step_s=0.5)
        beside = await self.stored("SELECT count(*) FROM groups")
        blocks = await self.stored("SELECT count(*) FROM blocks")
        states = await self.stored("SELECT count(*) FROM states")
        print(f"{groups} groups in {blocks} blocks, {beside} beside them, {states} states; put in {took_s:.0f} s")

    async def _has(self, head: Head, groups: int) -> bool:
        status, found = await head.ask("GET", "/v1/status")
        return status == 200 and int(found["groups"]["total"]) == groups


async def measure(groups: int, changed: int, shards: int, profile: Path | None) -> None:
    """Prints what a take-over took."""
    server = PostgresServer()
    folder_of = TemporaryDirectory()
    try:
        server.start("-c", "shared_buffers=256MB", "-c", "max_wal_size=1GB")
        url = await made_database(server, has_tables=False)
        prices = dict.fromkeys(COINS, str(USD)) | {"USDT": "1"}
        async with Venue() as venue, SignedReceiver() as receiver, Door(server.port) as a, Door(server.port) as b:
            pair = Pair(Path(folder_of.name), venue, url, receiver.url(), {"a": a, "b": b})
            await pair.write()
            desk = Desk(Path(folder_of.name), pair, venue, url)
            desk.configure(shards)
            desk.write(groups, 0)
            async with Ticker(venue, 1.0, **prices), pair.daemon("a") as first:
                await desk.load(first, groups, changed)
                async with pair.daemon("b") as second:
                    await _taken_over(first, second, profile)
    finally:
        folder_of.cleanup()
        server.remove()


async def _taken_over(first: Head, second: Head, profile: Path | None) -> None:
    await second.stands("standby", 300)
    await until(lambda: "the standby has the book" in second.said(), "the standby has the book", 300)
    await asyncio.sleep(SETTLE_S)
    recorder = None if profile is None else await _recording(second, profile)
    died_s = now_s()
    first.process.kill()
    lease_s = await until(lambda: "has the lease: it decides" in second.said(), "the lease", 30.0)
    await second.serves(LIMIT_S)
    print(f"lease after {lease_s:.2f} s, served after {now_s() - died_s:.2f} s (promised: {TTL_S + SLACK_S:.0f} s)")
    await until(lambda: _decides(second), f"it decides: {second.said()[-3000:]}", 120)
    print(f"decides on fresh prices after {now_s() - died_s:.2f} s")
    if recorder is not None:
        await recorder.wait()
    for word in re.findall(r"^.*(?:standby|take-over|lease|blocks of the book).*$", second.said(), re.MULTILINE):
        print("   ", word[:150])


async def _recording(head: Head, profile: Path) -> asyncio.subprocess.Process:
    command = ["py-spy", "record", "-d", "30", "-r", "100", "-t", "-f", "raw", "-o", str(profile), "-p"]
    recorder = await asyncio.create_subprocess_exec(*command, str(head.process.pid), stdout=asyncio.subprocess.DEVNULL)
    await asyncio.sleep(1.5)
    return recorder


async def _decides(head: Head) -> bool:
    """A price that came since the take-over counts."""
    status, found = await head.ask("GET", "/readyz")
    return status == 200 and not found["reasons"]


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", type=int, nargs="?", default=200_000)
    parser.add_argument("changed", type=int, nargs="?", default=20_000)
    parser.add_argument("--shards", type=int, default=0)
    parser.add_argument("--profile", type=Path)
    wanted = parser.parse_args()
    asyncio.run(measure(wanted.groups, wanted.changed, wanted.shards, wanted.profile))


if __name__ == "__main__":
    main()
