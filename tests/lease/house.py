"""Two daemons of one desk: each a process of its own with its own folder, one database, one exchange, one receiver."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.faults.house import Daemon, House, free_port, until, webhook
from tests.feeds.venue import Venue
from tests.lease.proxy import Door

TTL_S = float(os.environ.get("TEST_TTL_S", "2"))
"""The usual one. A trial that its machine starved is played with a longer one."""
SLACK_S = TTL_S
"""The standby serves within the lease and this."""


class Pair:
    """Folders of two daemons, `a` and `b`, and what they share."""

    def __init__(self, folder: Path, venue: Venue, database: str, hook: str, doors: dict[str, Door]) -> None:
        self.houses = {name: House(folder / name, venue) for name in "ab"}
        self._database, self._hook, self._doors = database, hook, doors
        self.ports: dict[str, int] = {}

    async def write(self, *, has_peer: bool = True) -> None:
        self.ports = {name: await free_port() for name in "ab"}
        for name, house in self.houses.items():
            base, _, path = self._database.rpartition("/")
            url = f"{base.rpartition(':')[0]}:{self._doors[name].port}/{path}"
            peer = self.ports["b" if name == "a" else "a"]
            head = f'[head]\nname = "{name}"\nttl = "{int(TTL_S)}s"\n'
            house.write(
                webhook("hook", self._hook),
                head + (f'peer = "http://127.0.0.1:{peer}"\n' if has_peer else ""),
                store=f'kind = "postgres"\nurl = "{url}"\ntls = "off"\ntimeout = "1s"',
                web=f"port = {self.ports[name]}",
            )

    def daemon(self, name: str, env: dict[str, str] | None = None) -> Head:
        return Head(self.houses[name], self.ports[name], env)


class Head(Daemon):
    """A daemon that may be the standby. Entering the block only launches it."""

    def __init__(self, house: House, port: int, env: dict[str, str] | None = None) -> None:
        super().__init__(house, env=env)
        self.url = f"http://127.0.0.1:{port}"

    async def __aenter__(self) -> Head:
        await self.launch()
        return self

    async def state(self) -> dict[str, Any] | None:
        """What it says of its lease; None where it does not answer."""
        try:
            _, found = await self.ask("GET", "/readyz")
        except OSError:
            return None
        head: dict[str, Any] | None = found["head"]
        return head

    async def stands(self, role: str, within_s: float = 90.0) -> float:
        async def does() -> bool:
            assert self.process.returncode is None, f"ended with {self.process.returncode}:\n{self.said()[-4000:]}"
            state = await self.state()
            return state is not None and state["role"] == role and bool(state["holder"])

        took_s = await until(does, f"{role}; it said:\n{self.said()[-4000:]}", within_s)
        if role == "standby":
            await until(lambda: "the standby is warm" in self.said(), "the engine is loaded", within_s)
        return took_s

    async def serves(self, within_s: float) -> float:
        """Until it decides and its API takes questions about the book."""

        async def does() -> bool:
            assert self.process.returncode is None, f"ended with {self.process.returncode}:\n{self.said()[-4000:]}"
            try:
                return (await self.ask("GET", "/v1/groups"))[0] == 200
            except OSError:
                return False

        return await until(does, f"it serves; it said:\n{self.said()[-4000:]}", within_s)
