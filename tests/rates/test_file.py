"""Rates in a file: what is read, what is refused by its line, and what a change of the file says."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from monitor import file_watch
from monitor.clock import SystemClock
from monitor.core.events.events import Event, Noticed, RatesChanged
from monitor.core.rules.product import RateRow
from monitor.core.schema import Invalid
from monitor.file_watch import Waits
from monitor.rates import file

D = Decimal
GOOD = "effective,asset,rate\n2026-01-05,USDT,0.0002\n2026-01-05T10:00:00+02:00,BTC,5e-5\n\n2026-01-06,USDT,0\n"


def source(path: Path, **changes: Any) -> file.FileRates:
    config = file.Config("vip_loan", path, watch=True)
    return file.FileRates("daily", config, SystemClock(), Waits(**({"settle_s": 0.05, "poll_s": 0.05} | changes)))


def problems(path: Path, text: str | bytes) -> list[str]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(Invalid) as e:
        source(path).read()
    return [str(p) for p in e.value.problems]


def test_a_date_is_its_midnight_and_a_time_is_that_time(tmp_path: Path) -> None:
    path = tmp_path / "vip.csv"
    path.write_text("\ufeff" + GOOD)
    read = source(path).read()
    assert (read.product, read.source, read.is_whole) == ("vip_loan", "daily", True)
    assert read.rows == (
        RateRow(datetime(2026, 1, 5, tzinfo=UTC), "USDT", D("0.0002")),
        RateRow(datetime(2026, 1, 5, 8, tzinfo=UTC), "BTC", D("0.00005")),
        RateRow(datetime(2026, 1, 6, tzinfo=UTC), "USDT", D(0)),
    )


def test_a_name_that_ends_in_gz_is_gzip(tmp_path: Path) -> None:
    path = tmp_path / "vip.csv.gz"
    whole = gzip.compress(GOOD.encode())
    path.write_bytes(whole)
    assert len(source(path).read().rows) == 3
    assert "is not gzip to its end" in problems(path, whole[:-9])[0]
    assert "is not gzip to its end" in problems(path, GOOD)[0]


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "vip.csv"
    text = (
        "effective,asset,rate\n2026-13-05,USDT,0.0002\n2026-01-05,us dt,x\n2026-01-05,USDT\n2026-01-05,USDT,0.0002\n"
        "2026-01-05T00:00:00Z,USDT,0.0003\n2026-01-05T10:00:00,BTC,0.1\n2026-01-05,BTC,1.5\n2026-01-05,ETH,nan\n"
    )
    found = problems(path, text)
    assert [p.removeprefix(str(path)).split(" ")[0] for p in found] == [
        ":2:",
        ":3:",
        ":3:",
        ":4:",
        ":6:",
        ":7:",
        ":8:",
        ":9:",
    ]
    assert "expected a day such as 2026-01-05" in found[0]
    assert "expected the name of a coin" in found[1]
    assert "found 2 cells, expected 3" in found[3]
    assert "USDT has a rate for 2026-01-05T00:00:00Z at line 5 already" in found[4]
    assert "expected a number from -1 up to 1" in found[6]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty, expected the header effective,asset,rate"),
        ("\n2026-01-05,USDT,0.0002\n", "found '2026-01-05,USDT,0.0002', expected the header"),
        (b"effective,asset,rate\n2026-01-05,\xff,1\n", ":2: is not UTF-8"),
        (b" " * (file.MOST_BYTES + 1), "holds more than 16 MB"),
    ],
)
def test_what_is_no_file_of_rates_is_refused(tmp_path: Path, text: str | bytes, said: str) -> None:
    (found,) = problems(tmp_path / "vip.csv", text)
    assert said in found


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"vip.csv: cannot be read: No such file"):
        source(tmp_path / "vip.csv").read()


class Watched:
    """A source that runs, and what it tells."""

    def __init__(self, path: Path) -> None:
        self.path, self.told = path, asyncio.Queue[list[Event]]()

    async def run(self, **changes: Any) -> list[Event]:
        self.source = source(self.path, **changes)
        first = await self.source.opening()
        self.task = asyncio.create_task(self._follow())
        return first

    async def _follow(self) -> None:
        async for events in self.source.changes():
            self.told.put_nowait(events)

    async def next(self) -> list[Event]:
        async with asyncio.timeout(10):
            return await self.told.get()


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    w = Watched(tmp_path / "vip.csv")
    yield w
    w.task.cancel()
    await asyncio.gather(w.task, return_exceptions=True)


def kinds(events: list[Event]) -> list[str]:
    return [
        f"{len(e.rows)} rows" if isinstance(e, RatesChanged) else "cleared" if isinstance(e, Noticed) and e.clears else "refused"
        for e in events
    ]  # fmt: skip


async def test_a_change_is_told_once_and_a_bad_file_as_a_whole(watched: Watched) -> None:
    watched.path.write_text(GOOD)
    assert kinds(await watched.run()) == ["3 rows", "cleared"]
    watched.path.write_text(GOOD + "2026-01-07,USDT,0.0003\n")
    assert kinds(await watched.next()) == ["4 rows", "cleared"]
    watched.path.write_text(GOOD + "2026-01-07,USDT,oh\n2026-01-08,USDT,no\n")
    (refused,) = await watched.next()
    assert isinstance(refused, Noticed)
    assert (refused.kind, refused.subject) == ("book.refused", str(watched.path))
    facts = refused.facts
    assert facts["problem"].startswith(f"{watched.path}:6: rate: found 'oh'")
    assert facts["problem"].endswith(
        "(and 1 more); nothing of the file is taken; rates that were taken before stay in force"
    )
    assert ([x.split(": ")[0] for x in facts["lines"]], facts["lines_cut"]) == (
        [f"{watched.path}:{n}" for n in (6, 7)],
        0,
    )
    watched.path.unlink()
    assert "cannot be read" in (await watched.next())[0].facts["problem"]
    watched.path.write_text(GOOD)
    assert kinds(await watched.next()) == ["3 rows", "cleared"]
    watched.path.write_text(GOOD)
    await asyncio.sleep(0.3)
    assert watched.told.empty()


async def test_a_file_that_is_being_written_is_not_taken_half(watched: Watched) -> None:
    """Cut within a number a line still reads well: 0.0002 may become 0.0 on its way."""
    watched.path.write_text(GOOD)
    await watched.run(settle_s=0.4, poll_s=60)
    text = GOOD + "2026-01-07,USDT,0.000312\n"
    for end in range(len(GOOD), len(text) + 1, 4):
        watched.path.write_text(text[:end])
        await asyncio.sleep(0.05)
    watched.path.write_text(text)
    (rates, _) = await watched.next()
    assert isinstance(rates, RatesChanged)
    assert rates.rows[-1].rate == D("0.000312")


async def test_a_file_that_was_written_just_now_is_opened_when_it_is_at_rest(watched: Watched) -> None:
    watched.path.write_text(GOOD + "2026-01-07,USDT,0.0")
    opening = asyncio.create_task(watched.run(settle_s=0.4))
    await asyncio.sleep(0.15)
    watched.path.write_text(GOOD + "2026-01-07,USDT,0.03\n")
    rates = (await opening)[0]
    assert isinstance(rates, RatesChanged)
    assert rates.rows[-1].rate == D("0.03")


async def test_a_change_is_found_by_the_poll_where_nothing_can_be_watched(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> object:
        raise OSError("inotify limit reached")

    monkeypatch.setattr(file_watch, "awatch", refused)
    watched.path.write_text(GOOD)
    await watched.run()
    watched.path.write_text("effective,asset,rate\n")
    assert kinds(await watched.next()) == ["0 rows", "cleared"]


async def test_without_watch_the_file_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "vip.csv"
    path.write_text(GOOD)
    once = file.build("daily", file.Config("vip_loan", path))
    assert kinds(await once.opening()) == ["3 rows", "cleared"]
    assert [x async for x in once.changes()] == []


def test_years_of_thirty_coins_are_read_in_bounds(tmp_path: Path) -> None:
    days = [(datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=n)).date() for n in range(730)]
    path = tmp_path / "vip.csv"
    path.write_text("effective,asset,rate\n" + "".join(f"{d},C{k},0.0001\n" for d in days for k in range(30)))
    assert len(source(path).read().rows) == 21_900
