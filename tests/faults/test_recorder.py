"""The record of a real day: prices by a feed, a kill in the middle, and the same alerts again from the files alone."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, until
from tests.feeds.venue import Venue

CONFIG = ("--config", "monitor.toml")


async def told(daemon: Daemon, number: int) -> list[dict[str, Any]]:
    async def enough() -> bool:
        return len(await daemon.alerts()) >= number

    await until(enough, f"{number} alerts")
    return await daemon.alerts()


async def shows(daemon: Daemon, price: str) -> None:
    async def there() -> bool:
        return any(p["price"] == price for p in (await daemon.get("/v1/prices"))["items"])

    await until(there, f"a price of {price}")


async def test_a_killed_day_folds_to_the_alerts_of_its_log_and_its_tape_to_those_about_loans(
    house: House, venue: Venue, tmp_path: Path
) -> None:
    house.write(stale_after_s=1.5)
    async with Daemon(house) as daemon:
        await daemon.put(one_btc("G-1", owed="60000"), one_btc("G-2", owed="50000"))
        for price in ("100000", "90000", "70000"):
            await venue.marks({"BTCUSDT": price, "ETHUSDT": "3000"})
            await shows(daemon, price)
        await told(daemon, 1)
        daemon.signal(signal.SIGKILL)
        await daemon.process.wait()
        await daemon.again()
        for price in ("64000.5", "60000", "61000"):
            await venue.marks({"BTCUSDT": price, "ETHUSDT": "3000"})
            await shows(daemon, price)
        await until(lambda: daemon.alerts("&type=price.stale"), "the feed is silent")
        alerts = await daemon.alerts()
        assert (await daemon.stop())[0] == 0
    kinds = {item["type"] for item in alerts}
    assert {"loan_group.margin_call.opened", "loan_group.liquidation.triggered", "price.stale"} <= kinds, kinds
    assert len(list((tmp_path / "var" / "events").iterdir())) == 2
    ended = await house.ran("replay", *CONFIG, "--log", "var/events", "--json")
    assert (ended.code, ended.err) == (0, ""), ended
    folded = [json.loads(line) for line in ended.out.splitlines()]
    assert [plain(item) for item in folded] == [plain(item) for item in alerts]

    ended = await house.ran("export-tape", "var/events", "--out", "day.csv")
    assert (ended.code, ended.err) == (0, ""), ended
    (tmp_path / "book.jsonl").write_text(
        "".join(f"{json.dumps(line)}\n" for line in (one_btc("G-1", owed="60000"), one_btc("G-2", owed="50000")))
    )
    ended = await house.ran("replay", *CONFIG, "--tape", "day.csv", "--book", "book.jsonl", "--json")
    assert ended.code == 0, ended
    again = [about_loans(json.loads(line)) for line in ended.out.splitlines()]
    assert [each for each in again if each] == [each for each in map(about_loans, alerts) if each]


def plain(item: dict[str, Any]) -> dict[str, Any]:
    """An alert without what its delivery adds: when it was found out, and what an operator has done with it."""
    data = {key: value for key, value in item["data"].items() if key not in ("detected_at", "acknowledged")}
    return item | {"data": data}


def about_loans(item: dict[str, Any]) -> tuple[Any, ...] | None:
    data = item["data"]
    return (item["type"], data["group"]["id"], data["ltv"]) if item["type"].startswith("loan_group") else None
