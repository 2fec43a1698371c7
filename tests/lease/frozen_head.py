"""A head as a process of its own, for tests that stop it with SIGSTOP: `python -m tests.lease.frozen_head URL NAME PORT [ROWS]`.

It holds the lease, commits a row behind the fence again and again, and sends a datagram after each commit, as a daemon does.
With ROWS its third transaction writes so many rows.
"""

from __future__ import annotations

import asyncio
import socket
import sys

from monitor.clock import SystemClock
from monitor.lease.fenced import Fenced
from monitor.lease.keeper import Keeper, Settings
from monitor.lease.rows import HeadName
from tests.lease.world import TTL_S, connected

CODE_FENCED = 75


async def main(url: str, name: str, port: int, rows: int) -> int:
    keeper = Keeper(connected(url), Settings(HeadName(name, name, "1"), TTL_S), SystemClock())
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    await keeper.wait()
    holding = asyncio.create_task(keeper.hold())
    db = await connected(url)({})
    try:
        for number in range(100_000):
            async with db.transaction():
                await keeper.fence(db)
                print("fenced", number, flush=True)
                await asyncio.sleep(0.05)
                if rows and number == 2:
                    print("large", number, flush=True)
                    filler = [(keeper.epoch, -1)] * rows
                    await db.executemany("INSERT INTO said (epoch, number) VALUES ($1, $2)", filler)
                await db.execute("INSERT INTO said (epoch, number) VALUES ($1, $2)", keeper.epoch, number)
            if keeper.is_of_lease():
                wire.sendto(f"{name} {keeper.epoch} {number}".encode(), ("127.0.0.1", port))
            if holding.done():
                holding.result()
    except Fenced:
        return CODE_FENCED
    except BaseExceptionGroup as group:
        return CODE_FENCED if group.subgroup(Fenced) else 1
    return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int((*sys.argv, "0")[4]))))
