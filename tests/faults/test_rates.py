"""Rates from a file and by API in the whole daemon: a kill, a missed night, a bad file (rules 22 and 24, reading A11)."""

from __future__ import annotations

import asyncio
import json
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.clock import SystemClock
from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, until
from tests.faults.inside import MovedClock, running, said
from tests.faults.test_clock import has_price, put, sight
from tests.feeds.venue import Venue

TABLE = '[[rates]]\nname = "daily"\nkind = "file"\nproduct = "vip_loan"\npath = "rates.csv"\nwatch = true\n'
DAY_S = 86_400.0


@pytest.fixture(autouse=True)
def at_home(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(house.folder)


def write_rates(house: House, *rows: str) -> None:
    (house.folder / "rates.csv").write_text("\n".join(["effective,asset,rate", *rows]) + "\n")


async def shown(daemon: Daemon, asset: str = "USDT") -> list[tuple[str, str, bool]]:
    items = (await daemon.get(f"/v1/rates?asset={asset}"))["items"]
    return [(x["rate"], x["source"], x["in_force"]) for x in items]


async def test_rates_by_api_outlive_a_kill_and_fold_from_the_log(house: House) -> None:
    house.write(feed=False)
    later = (SystemClock().utc() + timedelta(days=1)).isoformat()
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G-1"))
        for rates, effective in (({"USDT": "0.0002", "NEW": "0.01"}, None), ({"USDT": "0.0003"}, later)):
            status, _ = await daemon.ask(
                "POST", "/v1/rates", {"product": "vip_loan", "rates": rates, "effective": effective}
            )
            assert status == 200
        await daemon.put(one_btc("G-2", owed="1"))
        owing = one_btc("G-3")
        owing["loans"][0]["asset"] = "NEW"
        await daemon.put(owing)
        daemon.signal(signal.SIGKILL)
        await daemon.ended()
        await daemon.again()
        assert await shown(daemon) == [("0.0002", "api", True), ("0.0003", "api", False)]
        assert (await daemon.get("/v1/groups/G-3"))["loans"][0]["daily_rate"] == "0.01"
        assert (await daemon.stop())[0] == 0
    logs = sorted((house.folder / "var" / "events").glob("events-*"))
    assert json.loads(logs[-1].read_text().splitlines()[0])["memory"]["rates"] != []
    for log in logs:
        ended = await house.ran("replay", "--config", "monitor.toml", "--log", str(log), "--json")
        assert (ended.code, ended.err) == (0, ""), ended


async def test_a_file_that_changes_is_followed_and_a_bad_one_changes_nothing(house: House) -> None:
    write_rates(house, "2026-01-05,USDT,0.0002", "2026-01-05,NEW,0.01")
    house.write(TABLE, feed=False)
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G-1"))
        assert await shown(daemon) == [("0.0002", "daily", True)]

        async def seen() -> str:
            (source,) = [each for each in (await daemon.get("/v1/books"))["items"] if each["name"] == "daily"]
            return str(source["seen_at"])

        first = await seen()
        assert first.startswith("20")
        write_rates(house, "2026-01-05,USDT,0.0002", "2026-01-05,NEW,0.01", "2099-01-05,USDT,0.5")

        async def has_both() -> bool:
            return await shown(daemon) == [("0.0002", "daily", True), ("0.5", "daily", False)]

        await until(has_both, "the row to come")

        async def is_seen_again() -> bool:
            return await seen() > first

        await until(is_seen_again, "the later time of the file")
        write_rates(house, "2026-01-05,USDT,0.0004", "2026-01-05,USDT", "2099-01-05,USDT,x")
        await until(lambda: daemon.alerts("&type=book.refused"), "the alert about the bad file")
        (alert,) = await daemon.alerts("&type=book.refused")
        assert [x.partition(":")[2][:2] for x in alert["data"]["facts"]["lines"]] == ["3:", "4:"]
        assert await has_both()
        write_rates(house, "2026-01-05,USDT,0.0004")

        async def is_mended() -> bool:
            return await shown(daemon) == [("0.0004", "daily", True)]

        # The group was put today, so nobody was charged by what is another rate now; the row to come is taken back.
        await until(is_mended, "the file as it is mended")
        assert len(await daemon.alerts("&type=book.refused")) == 1
        assert (await daemon.stop())[0] == 0


async def test_a_daemon_starts_with_a_bad_file_and_says_so_and_check_config_names_its_lines(house: House) -> None:
    write_rates(house, "2026-01-05,USDT,0.0002", "2026-01-05,us dt,0.0002")
    house.write(TABLE, feed=False)
    ended = await house.ran("check-config", "--config", "monitor.toml")
    assert (ended.code, "rates.csv:3: asset: found 'us dt'" in ended.err) == (2, True), ended
    async with Daemon(house) as daemon:
        (alert,) = await daemon.alerts("&type=book.refused")
        assert alert["data"]["facts"]["source"] == "daily"
        assert await shown(daemon) == [("0.00016", "vip_loan@2024-04-29", True)]
    (house.folder / "rates.csv").unlink()
    ended = await house.ran("check-config", "--config", "monitor.toml")
    assert (ended.code, "rates.csv: cannot be read: No such file" in ended.err) == (2, True), ended


async def test_nights_that_the_daemon_missed_are_counted_by_their_own_rates(house: House, venue: Venue) -> None:
    """Its deadlines of those nights run after the rates that the file has for them."""
    clock = MovedClock()
    noon = clock.utc().replace(hour=12, minute=0, second=0)
    clock.step((noon - clock.utc()).total_seconds())
    venue._clock = clock  # a venue that is hours ahead of the daemon would be refused
    days = [(noon + timedelta(days=n)).date() for n in range(4)]
    write_rates(house, f"{days[0]},USDT,0.001")
    house.write(TABLE)
    async with running(house, clock) as app:
        for cents in range(3):
            await venue.marks({"BTCUSDT": f"100000.0{cents}"})
        await has_price(app)
        await put(app, "G-1", owed="1000")
    write_rates(house, *(f"{day},USDT,0.00{n}" for n, day in enumerate(days, 1)))
    clock.step(2 * DAY_S)
    async with running(house, clock) as app:
        await venue.marks({"BTCUSDT": "100001"})
        await until(lambda: dict(sight(app, "G-1").held.debts)["USDT"] == 1005, "1000 at 0.002 and 0.003")
        assert await said(app, "book.refused") == []


async def test_a_line_refused_for_want_of_a_rate_is_judged_again_when_there_is_one(house: House) -> None:
    owing: dict[str, Any] = one_btc("G-1")
    owing["loans"][0]["asset"] = "NEW"
    (house.folder / "book.jsonl").write_text(json.dumps(owing) + "\n")
    house.write('[[book]]\nkind = "file"\npath = "book.jsonl"\nwatch = true\n', feed=False)
    async with Daemon(house) as daemon:
        await until(lambda: daemon.alerts("&type=book.refused"), "the refused line")
        await asyncio.sleep(3)  # until then the file itself is still looked at again and again
        assert (await daemon.ask("POST", "/v1/rates", {"product": "vip_loan", "rates": {"NEW": "0.01"}}))[0] == 200

        async def is_there() -> bool:
            return bool((await daemon.get("/v1/groups"))["items"])

        await until(is_there, "the group")


def test_a_table_of_no_product_and_a_name_that_is_taken_are_named(tmp_path: Path) -> None:
    house = House(tmp_path)
    bad = TABLE.replace('"daily"', '"api"').replace("vip_loan", "vip_lone").replace("watch = true", "watsh = true")
    house.write(bad, feed=False)
    ended = house.command("check-config", "--config", "monitor.toml")
    assert ended.code == 2
    for words in (
        "rates[0].product: found 'vip_lone', expected one of: vip_loan",
        "rates[0].name",
        "did you mean 'watch'?",
    ):
        assert words in ended.err, ended
