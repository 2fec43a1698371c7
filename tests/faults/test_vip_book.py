"""A VIP loan of a real daemon: read from the exchange, liquidated there, and so here, over a kill; a replay says the same."""

from __future__ import annotations

import signal
from pathlib import Path

from monitor.clock import SystemClock
from tests.books.venues.server import Venue
from tests.books.venues.vip import VipVenue
from tests.faults.house import Daemon, House, until

TABLE = """
[[book]]
kind = "binance_vip"
name = "vip"
base_url = "{url}"
every = "1s"
status_every = "1s"
api_key_file = "key-main"
secret_file = "secret"
[[book.account]]
id = "3"
api_key_file = "key-3"
secret_file = "secret"
[[book.group]]
id = "ACME"
collateral_accounts = ["3"]
"""


def keys(folder: Path) -> None:
    for name, text in (("key-main", "key-main"), ("key-3", "key-3"), ("secret", "s3cr3t")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)


async def test_what_the_lender_says_is_shown_decides_and_outlives_a_kill(house: House) -> None:
    venue = Venue(SystemClock())
    vip = VipVenue(venue)
    vip.hold("3", ETH="100", BTC="1")
    order = vip.borrow("3", "BTC,ETH", "USDT", "50000", "R3")
    keys(house.folder)
    async with venue.serving():
        house.write(TABLE.format(url=venue.url), feed=False)
        async with Daemon(house) as daemon:

            async def stage() -> str | None:
                status, found = await daemon.ask("GET", "/v1/groups/ACME")
                return found["stage"] if status == 200 and "lender" in found else None

            async def is_liquidated() -> bool:
                return await stage() == "liquidation"

            await until(stage, "the group is read with what the lender says of it")
            said = (await daemon.get("/v1/groups/ACME"))["lender"]
            assert (said["source"], said["words"], said["stage"]) == ("vip", "Accruing_Interest", None)
            assert said["level"] == "0.15625"
            ended = await house.ran("explain", "ACME", "--url", daemon.url)
            assert f"the lender: level {said['level']}, stage not stated (Accruing_Interest)" in ended.out, ended
            vip.say(order, "Liquidating")
            await until(is_liquidated, "the lender liquidates, and so the group is in liquidation")
            daemon.signal(signal.SIGKILL)
            await daemon.ended()
            await daemon.again()
            assert await stage() == "liquidation"
            (alert,) = [a for a in await daemon.alerts() if a["type"] == "loan_group.liquidation.triggered"]
            assert (alert["data"]["reason"], alert["data"]["facts"]["lender"]) == (
                "lender",
                f"liquidation (Liquidating), level {said['level']}",
            )
            assert "key-main" not in daemon.said()
            assert "s3cr3t" not in daemon.said()
            assert (await daemon.stop())[0] == 0
    for log in sorted((house.folder / "var" / "events").glob("events-*")):
        ended = await house.ran("replay", "--config", "monitor.toml", "--log", str(log), "--json")
        assert ended.code == 0, ended
