"""Recorded days under --trust, with minutes cut out, wicks on one venue, and a stablecoin that loses its peg."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.feeds.shared import SHARED, needs_shared
from tests.replay.tape_desk import CONFIG, Ended, TapeDesk

PRICES = SHARED / "data" / "prices"
pytestmark = needs_shared
NOON_MS = 1621425600000


def cells(name: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a recorded tape."""
    rows = [line.split(",") for line in gzip.decompress((PRICES / f"{name}.csv.gz").read_bytes()).decode().splitlines()]
    return rows[0], rows[1:]


def crash() -> tuple[list[str], list[list[str]]]:
    """Five hours before noon of 19 May 2021 and three after: BTC falls from 40,000 to 31,000 and more."""
    header, rows = cells("crash_2021-05-19_1m")
    noon = next(n for n, row in enumerate(rows) if row[0] == str(NOON_MS))
    return header, rows[noon - 300 : noon + 200]


def replayed(desk: TapeDesk, header: list[str], rows: list[list[str]], stale_after: str = "2m") -> Ended:
    (desk.folder / "monitor.toml").write_text(CONFIG.replace('"10s"', f'"{stale_after}"'))
    text = "".join(",".join(row) + "\n" for row in [header, *rows])
    ended = desk.replay(desk.put(text), "--trust")
    assert ended.code == 0, ended
    return ended


def told(ended: Ended) -> list[str]:
    """Alerts beside reminders, as "minute type subject"."""
    items = [a for a in ended.alerts if "reminder" not in a["type"]]
    return [
        f"{a['timestamp'][11:16]} {a['type'].removeprefix('loan_group.')} "
        f"{a['data']['group']['id'] if 'group' in a['data'] else a['data']['subject']}"
        for a in items
    ]


def test_the_crash_calls_at_the_minute_of_its_price_and_no_price_is_doubted(desk: TapeDesk) -> None:
    header, rows = crash()
    btc = header.index("BTCUSDT")
    first = next(row for row in rows if float(row[btc]) <= 26_000 / 0.77)
    desk.book(owed="26000")
    ended = replayed(desk, header, rows)
    at = datetime.fromtimestamp(int(first[0]) / 1000, UTC)
    assert told(ended)[0] == f"{at:%H:%M} margin_call.opened G-1"
    assert [line for line in told(ended) if "price." in line] == []


@pytest.mark.parametrize(("last", "back", "doubted_min"), [(345, 355, 0), (340, 370, 1)])
def test_minutes_that_are_cut_out_are_one_alert_and_the_first_good_price_decides(
    desk: TapeDesk, last: int, back: int, doubted_min: int
) -> None:
    """Across the longer gap BTC falls by more than a jump, which waits like any other until the next row agrees."""
    header, rows = crash()
    btc = header.index("BTCUSDT")
    assert all(float(row[btc]) > 36_000 for row in rows[: last + 1])
    assert float(rows[back][btc]) < 33_000
    desk.book(owed="26180")
    lines = told(replayed(desk, header, rows[: last + 1] + rows[back:]))
    before, after = (datetime.fromtimestamp(int(rows[n][0]) / 1000, UTC) for n in (last, back))
    decided = after + timedelta(minutes=doubted_min)
    assert lines[0] == f"{before + timedelta(minutes=2):%H:%M} price.stale BTC"
    assert sorted(lines[1:3]) == [f"{decided:%H:%M} margin_call.opened G-1", f"{decided:%H:%M} price.restored BTC"]


@pytest.mark.parametrize("wick", ["0.0001", "1.5", "400000000"])
def test_a_wick_of_one_minute_decides_nothing(desk: TapeDesk, wick: str) -> None:
    header, rows = crash()
    btc = header.index("BTCUSDT")
    rows[100] = [*rows[100][:btc], wick, *rows[100][btc + 1 :]]
    desk.book(owed="15000")
    lines = told(replayed(desk, header, rows))
    assert [line for line in lines if line.endswith("G-1")] == []
    assert [line.split()[1] for line in lines if "contradiction" not in line and "agreed" not in line] == [
        "price.suspect",
        "price.restored",
    ]


def test_a_wick_on_one_of_two_venues_never_becomes_good_by_lasting(desk: TapeDesk) -> None:
    header, rows = crash()
    btc = header.index("BTCUSDT")
    text = "at,asset,price,source\n"
    for n, row in enumerate(rows):
        at = datetime.fromtimestamp(int(row[0]) / 1000, UTC)
        for source in ("one", "two"):
            price = "0.0001" if source == "one" and 100 <= n < 130 else row[btc]
            text += f"{at:%Y-%m-%dT%H:%M:%SZ},BTCUSDT,{price},{source}\n"
    desk.book(owed="15000")
    (desk.folder / "monitor.toml").write_text(CONFIG.replace('"10s"', '"2m"'))
    ended = desk.replay(desk.put(text), "--trust")
    assert ended.code == 0, ended
    lines = told(ended)
    assert [line for line in lines if line.endswith("G-1")] == []
    assert len(lines) <= 6
    assert any("price.contradiction BTC" in line for line in lines)


def depeg(hours: Callable[[datetime], float]) -> tuple[list[str], list[list[str]]]:
    """March 2023 with a column of USDC, which that tape does not have: 1, down to 0.88 and back."""
    header, rows = cells("crash_2023-03_5m")
    prices = (f"{1 - 0.12 * max(0.0, hours(datetime.fromtimestamp(int(row[0]) / 1000, UTC))):.4f}" for row in rows)
    return [*header, "USDCUSDT"], [[*row, price] for row, price in zip(rows, prices, strict=True)]


@pytest.mark.parametrize("width_h", [24.0, 0.5])
def test_a_stablecoin_is_worth_what_its_own_market_says(desk: TapeDesk, width_h: float) -> None:
    low = datetime(2023, 3, 11, 8, tzinfo=UTC)
    header, rows = depeg(lambda at: 1 - abs((at - low).total_seconds()) / 3600 / width_h)
    desk.book("USDC", "100000", owed="70000")
    (desk.folder / "vip.toml").write_text((desk.folder / "vip.toml").read_text().replace("SHIB =", "USDC ="))
    ended = replayed(desk, header, rows, stale_after="10m")
    (call,) = (a for a in ended.alerts if a["type"] == "loan_group.margin_call.opened")
    assert call["timestamp"].startswith("2023-03-1")
    assert call["data"]["inputs"][0]["quote_price"] < "0.9095"
    assert "loan_group.margin_call.cured" in [a["type"] for a in ended.alerts]
