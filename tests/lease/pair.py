"""A trial of two daemons that share a store: where the one that decides dies or stands still, the other has waited.

All that was said, sent and kept is compared with the reference model at the end, as in `tests.crash`.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from tests.crash import checks
from tests.crash.autopsy import Findings
from tests.crash.daemon import Daemon, Died
from tests.crash.harness import Life
from tests.crash.receiver import CHANNELS
from tests.crash.test_postgres import PostgresTrial
from tests.faults.house import free_port, until
from tests.postgres_server import shared_server

TTL_S = 2.0
"""The usual one."""
SLACK_S = 2.0
"""The standby serves within the lease and this."""
SEATS = ("a", "b")


async def answers(port: int) -> bool:
    """Whether a daemon takes questions there: one that waits does so once it has looked at the lease."""
    try:
        async with aiohttp.request("GET", f"http://127.0.0.1:{port}/healthz") as answer:
            return answer.status == 200
    except OSError:
        return False


class PairTrial(PostgresTrial):
    """A life is that of the daemon which decides. Its successor is the one that waits, which a new one replaces then."""

    listens_ahead = True

    def __init__(self, folder: Path, seed: int, **more: Any) -> None:
        super().__init__(folder, seed, **more)
        self.ttl_s = TTL_S
        """The length of its leases."""
        self.ports: dict[str, int] = {}
        self.waiting: Daemon | None = None
        self.waited_at = ""
        """The place at which the daemon that waits will die once it decides."""
        self.took_s: list[float] = []
        """From each death to the first answer of the next head."""
        self._died_s: float | None = None
        self._seated = 0
        self._frozen: list[tuple[Life, float]] = []

    async def __aexit__(self, kind: object, *details: object) -> None:
        if self.waiting is not None:
            await self.waiting.kill()
        for life, _ in self._frozen:
            await life.daemon.kill()
        await super().__aexit__(kind, *details)

    def write_config(self, secrets: str = "") -> None:
        """One configuration for each of the two, which are in one folder and keep their records apart."""
        super().write_config(secrets)
        text = self.config.read_text()
        for name, other in zip(SEATS, reversed(SEATS), strict=True):
            mine = text.replace('state_dir = "var"', f'state_dir = "var-{name}"')
            for channel in CHANNELS:
                mine = mine.replace(f'"{self.address(channel)}"', f'"{self.address(channel)}?{name}"')
            if self.ports:
                mine = mine.replace("port = 0", f"port = {self.ports[name]}")
                mine += f'[head]\nname = "{name}"\nttl = "{self.ttl_s:.0f}s"\npeer = "http://127.0.0.1:{self.ports[other]}"\n'
            (self.folder / f"{name}.toml").write_text(mine)

    # -- the two --

    async def start(self) -> None:
        """The one that waits decides: the first one at once, a later one when the lease of the last has ended."""
        if not self.ports:
            self.ports = {name: await free_port() for name in SEATS}
            self.write_config()
        if self.waiting is None:
            await self.seat()
        while True:
            self._promote()
            try:
                await self.daemon.ready()
            except Died:
                await self._bury_alone()
                continue
            self.lives[-1].ready_at = self.clock.utc()
            if self._died_s is not None:
                self.took_s.append(self.clock.monotonic_s() - self._died_s)
            try:
                await checks.restored(self)
                if self.plan:
                    await self.seat()
            except Died:
                await self._bury_alone()
                continue
            self.is_ready.set()
            return

    async def finish(self) -> None:
        """As any trial ends; nobody takes over from the daemon that is stopped last."""
        if self.waiting is not None:
            await self.waiting.kill()
            self.waiting = None
        await super().finish()

    async def _bury_alone(self) -> None:
        """The end of one that died before another waited: its successor has yet to start, and takes longer."""
        await self.bury()
        self._died_s = None
        await self.seat()

    def _promote(self) -> None:
        assert self.waiting is not None
        daemon, self.waiting = self.waiting, None
        self.receiver.life = number = len(self.lives) + 1
        self.lives.append(Life(number, daemon, self.clock.utc(), self.waited_at))

    async def seat(self) -> None:
        """A daemon that waits, warm; it dies at the next place of the plan once it decides."""
        self.waited_at = self.plan.pop(0) if self.plan else ""
        name, number = SEATS[self._seated % 2], self._seated
        self._seated += 1
        errors = self.folder / f"seat-{number}.log"
        config = self.folder / f"{name}.toml"
        self.waiting = waiting = await Daemon.spawn(self.folder, config, errors, self.waited_at, self.env)
        if self.lives:
            await until(lambda: "the standby is warm" in waiting.errors, f"{name} is warm:\n{waiting.errors}", 60.0)
            await until(lambda: answers(self.ports[name]), f"{name} answers:\n{waiting.errors}", 60.0)

    async def bury(self) -> None:
        """The end of the one that decided, looked at before its lease is over."""
        ended_s = self.clock.monotonic_s()
        await super().bury()
        self._died_s = ended_s

    async def examined(self, copy: Path) -> Findings:
        """What the head left, as long as no other has taken over: each life has an epoch of its own."""
        found = await super().examined(copy)
        db = await asyncpg.connect(shared_server().url)
        epoch = await db.fetchval(f"SELECT epoch FROM {self.schema}.fence")
        await db.close()
        assert epoch == len(self.lives), "looked at too late: the next head may have committed"
        return found

    async def freeze(self) -> None:
        """SIGSTOP of the one that decides, a look at what it left, and the next head."""
        self.is_ready.clear()
        life = self.lives[-1]
        life.daemon.signal(signal.SIGSTOP)
        self._died_s = self.clock.monotonic_s()
        self._frozen.append((life, self._died_s))
        self.note_records()
        life.findings = await self.examined(self.folder / f"found-{life.number}.db")
        checks.kept(self)
        # Until it goes on it is as good as killed, and what it had on the wire may come again.
        life.code = -signal.SIGKILL
        await self.start()

    async def thaw(self, after_s: float) -> None:
        """SIGCONT so long after each was stopped, and its end: it has sent and committed nothing more."""
        for life, stopped_s in self._frozen:
            await asyncio.sleep(stopped_s + after_s - self.clock.monotonic_s())
            before = len(self.receiver.arrivals)
            life.daemon.signal(signal.SIGCONT)
            code = await life.daemon.ended()
            assert code == 1, f"it ended with {code}:\n{life.daemon.errors[-3000:]}"
            assert "another head has the lease" in life.daemon.errors
            assert "Traceback" not in life.daemon.errors
            sender = SEATS[(life.number - 1) % 2]
            late = [a.id for a in self.receiver.arrivals[before:] if a.sender == sender]
            assert not late, f"sent by a head that was replaced: {late}"
        self._frozen.clear()
