"""The API under abuse: many at once, the same key twice, wrong everything."""

from __future__ import annotations

import asyncio

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House


async def test_changes_at_the_same_time_are_all_taken(house: House) -> None:
    """A commit under way is no reason to refuse the next request."""
    house.write(feed=False)
    async with Daemon(house) as daemon:
        asked = [daemon.ask("PUT", f"/v1/groups/G-{n}", one_btc(f"G-{n}")) for n in range(60)]
        answers = await asyncio.gather(*asked)
        assert [status for status, _ in answers] == [201] * 60
        assert len((await daemon.get("/v1/groups?limit=1000"))["items"]) == 60
