"""One daemon under all faults by seed, and what it did compared with the reference model.

    python -m tests.trouble.hour FOLDER SEED SECONDS

Plays in the namespaces that it was started in: with a loopback of its own it also plays a name server. It prints what it did
as JSON, and ends with an error where anything was lost, invented, out of order, or grew.

Faults come one after the other under load; each is over before the next begins, and the market, the feeder and the receivers
outlive the daemon. In the first part of the time the daemon is killed now and then. In the second it lives on under all the
other faults: what it holds then must not grow.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from tests.crash.daemon import Died, Refused
from tests.crash.harness import Trial
from tests.crash.load import load
from tests.crash.receiver import SECRET
from tests.crash.test_points import PLACES
from tests.faults.house import now_s
from tests.faults.test_prices_connection import BAD_PRICES, GARBAGE
from tests.feeds.venue import mark
from tests.trouble.names import ANSWERS, FAILS, SILENT, NameServer, loopback_up
from tests.trouble.strangers import knock, stand

HOST = "duty.hooks.example"
"""One of the two receivers is known by name, where there is a name server."""
OTHER_SECRET = f"{SECRET} whsec_YW5vdGhlciBzZWNyZXQgb2YgdGhlIHRlc3Q="  # made up; both sign
DATA_BYTES = 1 << 30
"""A life may have so much more than when it is ready: a memory limit, as containers have one. The engine reserves half."""
STEP_S = 0.9
"""How far the wall clock is set: further than the daemon lets pass, and less than makes prices late."""
KILLS_UNTIL = 0.5
"""The part of the time in which there are kills."""
LEAST = 2
"""Faults of each part, however slow the machine is."""
SETTLED_S = 20.0
"""Until caches are full and each channel has made its connections."""


class Body(NamedTuple):
    """What a process holds."""

    memory_mb: float
    descriptors: int
    threads: int
    tasks: int


class Hour(Trial):
    """A trial with every fault there is. `skipped` are those that cannot be played here, with the reason."""

    def __init__(self, folder: Path, seed: int, names: NameServer | None, faketime: str | None) -> None:
        self.names = names
        super().__init__(folder, seed, groups=24, trouble=0.2)
        self.rng = Random(seed)
        self.patience_s = 150.0
        self.earliest = timedelta(seconds=STEP_S + 0.1)
        self.others = ("delivery.*", "monitor.*", "feed.*", "security.*", "channel.*")
        self.done: Counter[str] = Counter()
        self.skipped: dict[str, str] = {}
        self.secrets = SECRET
        self.may_kill = True
        self._faked = folder / "faketime"
        if faketime is None:
            self.skipped["clock"] = "libfaketime is not installed (Debian: apt-get install faketime)"
        else:
            self._set_clock(0)
            self.env = {
                "LD_PRELOAD": faketime,
                "FAKETIME_TIMESTAMP_FILE": str(self._faked),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            }
        if names is None:
            self.skipped["dns"] = "needs root and a network namespace of its own"

    def address(self, channel: str) -> str:
        url = super().address(channel)
        return url.replace("127.0.0.1", HOST) if self.names is not None and channel == "duty" else url

    def write_config(self, secrets: str = "") -> None:
        super().write_config(secrets or self.secrets)

    # -- the faults --

    def faults(self, with_kills: bool) -> list[Callable[[], Awaitable[None]]]:
        """Those of one round, in an order by seed."""
        found = [
            self.feed_drops, self.feed_refuses, self.feed_is_deaf, self.feed_sends_garbage, self.receivers_leave,
            self.receivers_hang, self.disk_is_full, self.reloads, self.bad_reload, self.strangers_knock, self.strangers_stand,
            self.big_bodies,
        ]  # fmt: skip
        found += [] if "clock" in self.skipped else [self.clock_is_set]
        found += [] if "dns" in self.skipped else [self.names_are_silent, self.names_fail]
        found += [self.kill, self.kill_at_a_place, self.kill_while_stopping] if with_kills else []
        self.rng.shuffle(found)
        return found

    async def feed_drops(self) -> None:
        for _ in range(self.rng.randint(1, 4)):
            self.venue.drop()
            await asyncio.sleep(0.1)

    async def feed_refuses(self) -> None:
        for status in (403, 418, 500):
            self.venue.refuse(status)
        self.venue.refuse(429, retry_after="1")
        self.venue.drop()
        await asyncio.sleep(1.5)
        self.venue.refusals.clear()

    async def feed_is_deaf(self) -> None:
        self.venue.deaf = True
        self.venue.drop()
        await asyncio.sleep(1)
        self.venue.deaf = False
        self.venue.drop()

    async def feed_sends_garbage(self) -> None:
        for message in GARBAGE.values():
            await self.venue.send(message)
        at_ms = int(self.clock.utc().timestamp() * 1000)
        for bad in BAD_PRICES:
            await self.venue.send([mark("BTCUSDT", "1", at_ms) | {"p": bad}])

    async def receivers_leave(self) -> None:
        await self.receiver.leave()
        await asyncio.sleep(2)
        await self.receiver.come_back()

    async def receivers_hang(self) -> None:
        self.receiver.hangs_s = 3.0
        await asyncio.sleep(3)
        self.receiver.hangs_s = 0.0

    async def names_are_silent(self) -> None:
        await self._names(SILENT)

    async def names_fail(self) -> None:
        await self._names(FAILS)

    async def _names(self, mood: str) -> None:
        assert self.names is not None
        self.names.mood = mood
        await self._reload()  # new connections, so that the name is asked for
        await asyncio.sleep(3)
        self.names.mood = ANSWERS

    async def disk_is_full(self) -> None:
        """The event log cannot be written either, so nothing but time may pass meanwhile: the oracle must know the rest."""
        self.goes_on.clear()
        with suppress(Died, AssertionError):
            async with asyncio.timeout(20):
                await self._quiet()
        pid = self.daemon.pid
        self.receiver.in_outage = True
        _limit(pid, resource.RLIMIT_FSIZE, 4096)
        await asyncio.sleep(self.rng.uniform(1, 6))
        _limit(pid, resource.RLIMIT_FSIZE, resource.RLIM_INFINITY)
        await self._until_writable()
        self.receiver.in_outage = False
        if self.may_kill:
            await self.kill()
        else:
            await self._until_recorded()
        self.goes_on.set()

    async def _until_writable(self) -> None:
        for _ in range(300):
            with suppress(Refused):
                if (await self.daemon.get("/readyz"))["ready"]:
                    return
            await asyncio.sleep(0.1)
        raise AssertionError(f"seed {self.seed}: not ready 30 s after the disk had room: {self.daemon.errors[-2000:]}")

    async def _until_recorded(self) -> None:
        """A new record is tried twice a minute. The same prices again change nothing, whether they are in it or not."""
        prices = next(reversed(self.market.sent.values())).prices
        for _ in range(50):
            at = await self.market.send(prices)
            await asyncio.sleep(1)
            newest = max((self.folder / "var" / "events").glob("events-*.jsonl")).read_text()
            if f'"at_ms":{round(at.timestamp() * 1000)}' in newest or at.isoformat().replace("+00:00", "Z") in newest:
                return
        raise AssertionError(f"seed {self.seed}: no record of events 50 s after the disk had room")

    async def clock_is_set(self) -> None:
        self._set_clock(self.rng.choice([STEP_S, -STEP_S]))
        await asyncio.sleep(2)
        self._set_clock(0)
        await asyncio.sleep(1)

    def _set_clock(self, seconds: float) -> None:
        new = self._faked.with_name("faketime.new")
        new.write_text(f"{seconds:+.1f}s")
        new.replace(self._faked)

    async def reloads(self) -> None:
        for _ in range(5):
            await self._reload()

    async def _reload(self) -> None:
        self.secrets = OTHER_SECRET if self.secrets == SECRET else SECRET
        self.write_config()
        self.daemon.signal(signal.SIGHUP)
        await asyncio.sleep(0.1)

    async def bad_reload(self) -> None:
        sound = self.config.read_text()
        self.config.write_text(sound + "\n[monitr]\n")
        self.daemon.signal(signal.SIGHUP)
        await asyncio.sleep(0.5)
        self.config.write_text(sound)
        self.daemon.signal(signal.SIGHUP)

    async def strangers_knock(self) -> None:
        await knock(self._port(), self.rng, 30)

    async def strangers_stand(self) -> None:
        await stand(self._port(), 150, 2)

    async def big_bodies(self) -> None:
        """A million bytes each, refused each time; a text without end is read as fast as another."""
        body = json.dumps({"id": "big", "collateral": {"a": {"BTC": "a" * 900_000}}})
        async with aiohttp.ClientSession() as http:
            for _ in range(3):
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with http.put(f"{self.daemon.base}/v1/groups/big", data=body) as answer:
                        assert answer.status in (400, 413, 422, 503), answer.status

    def _port(self) -> tuple[str, int]:
        found = urlsplit(self.daemon.base)
        assert found.hostname is not None
        assert found.port is not None
        return found.hostname, found.port

    async def kill(self) -> None:
        self.daemon.signal(signal.SIGKILL)
        await self.revive()

    async def kill_at_a_place(self) -> None:
        self.plan.append(f"{self.rng.choice(tuple(PLACES))}:{self.rng.randrange(1, 30)}")
        await self.kill()
        await asyncio.sleep(2)
        if self.daemon.code is None:
            self.daemon.signal(signal.SIGKILL)
        await self.revive()

    async def kill_while_stopping(self) -> None:
        self.terminate()
        await asyncio.sleep(self.rng.uniform(0, 0.1))
        await self.kill()

    # -- the run --

    async def start(self) -> None:
        await super().start()
        pid = self.daemon.pid
        held = int(_status(pid)["VmData"].split()[0]) * 1024
        _limit(pid, resource.RLIMIT_DATA, held + DATA_BYTES)

    async def play(self, seconds: float) -> dict[str, Any]:
        """All of it. Raises AssertionError, or what else is wrong."""
        await self.start()
        await self.put_book()
        began_s = now_s()
        async with load(self, self.seed):
            await self._rounds(began_s + seconds * KILLS_UNTIL, with_kills=True)
            lives = len(self.lives)
            await asyncio.sleep(min(SETTLED_S, seconds / 10))
            early = await self.body()
            await self._rounds(began_s + seconds, with_kills=False)
            await asyncio.sleep(min(SETTLED_S, seconds / 10))
            late = await self.body()
        assert len(self.lives) == lives, "the daemon ended by itself"
        flat(early, late, seconds)
        _no_tracebacks(self.daemon.errors)
        await self.finish()
        alerts = len(self.lives[-1].findings.alerts)
        return {
            "seed": self.seed, "seconds": round(now_s() - began_s), "lives": len(self.lives), "kills": self.kills,
            "faults": dict(sorted(self.done.items())), "skipped": self.skipped, "alerts": alerts,
            "entries": len(self.entered), "price sets": len(self.market.sent), "attempts": len(self.receiver.arrivals),
            "names asked": self.names.asked if self.names is not None else 0, "early": early, "late": late,
        }  # fmt: skip

    async def _rounds(self, end_s: float, *, with_kills: bool) -> None:
        played = 0
        self.may_kill = with_kills
        while True:
            for fault in self.faults(with_kills):
                if now_s() >= end_s and played >= LEAST:
                    return
                played += 1
                await asyncio.sleep(self.rng.uniform(0.1, 0.6))
                self.done[fault.__name__] += 1  # type: ignore[attr-defined]
                await fault()

    async def body(self) -> Body:
        """What the daemon holds now."""
        pid = self.daemon.pid
        status = _status(pid)
        async with aiohttp.ClientSession() as http, http.get(f"{self.daemon.base}/metrics") as answer:
            text = await answer.text()
        tasks = next(line for line in text.splitlines() if line.startswith("monitor_tasks "))
        return Body(
            round(int(status["VmRSS"].split()[0]) / 1024, 1),
            len(os.listdir(f"/proc/{pid}/fd")),
            int(status["Threads"]),
            int(float(tasks.split()[1])),
        )


def _no_tracebacks(log: str) -> None:
    """Whatever strangers send, too."""
    before, found, after = log.partition("Traceback (most recent call last)")
    assert not found, before[-300:] + found + after[:2700]


def flat(early: Body, late: Body, seconds: float) -> None:
    """Nothing grew but by what is under way at the moment."""
    what = f"{early} and then {late}"
    assert late.descriptors <= early.descriptors + 25, what
    assert late.threads <= early.threads + 8, what
    assert late.tasks <= early.tasks + 25, what
    if seconds >= 120:
        assert late.memory_mb <= 1.15 * early.memory_mb + 15, what


def _status(pid: int) -> dict[str, str]:
    return dict(row.split(":", 1) for row in Path(f"/proc/{pid}/status").read_text().splitlines())


def _limit(pid: int, kind: int, soft: int) -> None:
    with suppress(ProcessLookupError):
        _, hard = resource.prlimit(pid, kind)
        resource.prlimit(pid, kind, (soft, hard))


def _faketime() -> str | None:
    named = os.environ.get("MONITOR_TEST_FAKETIME")
    found = [named] if named else sorted(map(str, Path("/usr/lib").glob("*/faketime/libfaketime.so.1")))
    return found[0] if found else None


async def _main(folder: Path, seed: int, seconds: float) -> dict[str, Any]:
    names = None
    if os.environ.get("TROUBLE_ALONE") == "1":
        loopback_up()
        names = NameServer()
        await names.start(folder)
    async with Hour(folder, seed, names, _faketime()) as hour:
        try:
            return await hour.play(seconds)
        except BaseException:
            print(f"seed {seed}, faults so far: {list(hour.done.items())}", file=sys.stderr)
            raise


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.mkdir(parents=True, exist_ok=True)
    print(json.dumps(asyncio.run(_main(place, int(sys.argv[2]), float(sys.argv[3])))))
