"""A trial of two daemons whose way to the database goes through doors: the one that decides is cut off at a COMMIT."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import asyncpg

from tests.crash import checks
from tests.crash.daemon import Refused
from tests.crash.harness import Life
from tests.faults.house import until
from tests.lease.pair import SEATS, TTL_S, PairTrial
from tests.lease.proxy import CommitDoor, Where
from tests.postgres_server import shared_server

LATE_S = 0.3
"""What was on the wire when the lease ended has arrived by then."""


class CutTrial(PairTrial):
    """Each seat has a door of its own to the database."""

    def __init__(self, folder: Path, seed: int, **more: Any) -> None:
        super().__init__(folder, seed, **more)
        self.doors = {name: CommitDoor(shared_server().port) for name in SEATS}

    async def __aenter__(self) -> CutTrial:
        for door in self.doors.values():
            await self._left.enter_async_context(door)
        await super().__aenter__()
        return self

    def write_config(self, secrets: str = "") -> None:
        """The configurations of a pair, each with its own door."""
        super().write_config(secrets)
        for name, door in self.doors.items():
            config = self.folder / f"{name}.toml"
            config.write_text(config.read_text().replace(f":{shared_server().port}/", f":{door.port}/"))

    @property
    def seat_name(self) -> str:
        """The seat of the daemon that decides."""
        return SEATS[(self.lives[-1].number - 1) % 2]

    async def cut_once(self, where: Where, count: int, turns: list[float]) -> None:
        """Breaks the connection at a COMMIT; the daemon makes another one and goes on."""
        door = self.doors[self.seat_name]
        door.arm(where, count)
        for turn in turns:
            await self.step(self.market.swing(turn))
        assert door.has_cut.is_set(), "there was no such COMMIT"
        await until(self._is_ready, "the store takes commits again")

    async def _is_ready(self) -> bool:
        try:
            await self.daemon.get("/readyz")
        except Refused:
            return False
        return True

    async def cut_off(self, where: Where, turn: float) -> None:
        """The daemon that decides loses its database for good at a COMMIT, and the next head goes on.

        It must be silent by the time that its lease has ended, and end itself when it hears of the other.
        """
        self.is_ready.clear()
        life, name = self.lives[-1], self.seat_name
        door = self.doors[name]
        self.receiver.lives[name] = life.number
        door.arm(where, is_for_good=True)
        await self.market.send(self.market.swing(turn))
        async with asyncio.timeout(10):
            await door.has_cut.wait()
        self._died_s = cut_s = self.clock.monotonic_s()
        await until(lambda: _are_gone(door.ports), "the server has ended what was cut", 1.0, step_s=0.005)
        self.note_records()
        life.findings = await self.examined(self.folder / f"found-{life.number}.db")
        checks.kept(self)
        # What it had counted and not recorded may come again, as after a kill.
        life.code = -signal.SIGKILL
        ending = asyncio.create_task(self._ends(life, name, cut_s))
        try:
            await self.start()
            await ending
        finally:
            ending.cancel()
        door.mend()

    async def _ends(self, life: Life, name: str, cut_s: float) -> None:
        await asyncio.sleep(cut_s + self.ttl_s + LATE_S * self.ttl_s / TTL_S - self.clock.monotonic_s())
        before = len(self.receiver.arrivals)
        code = await life.daemon.ended()
        assert code == 1, f"it ended with {code}:\n{life.daemon.errors[-3000:]}"
        assert "has the lease" in life.daemon.errors
        assert "Traceback" not in life.daemon.errors
        late = [arrival.id for arrival in self.receiver.arrivals[before:] if arrival.sender == name]
        assert not late, f"sent by a head whose lease had ended: {late}"


async def _are_gone(ports: set[int]) -> bool:
    """No connection that came from these ports is left in the database."""
    db = await asyncpg.connect(shared_server().url)
    left = await db.fetchval("SELECT count(*) FROM pg_stat_activity WHERE client_port = ANY($1::int[])", list(ports))
    await db.close()
    return not left
