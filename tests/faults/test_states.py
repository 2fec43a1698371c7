"""What is not known is a state from when it is found until it is mended, in every place where people and programs look."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog

from monitor.config import BadConfig
from monitor.core.alerts.trouble import FEW
from monitor.core.text import stamp
from monitor.daemon import unmended
from monitor.daemon.app import App
from tests.book_lines import one_btc
from tests.faults.house import House, until
from tests.faults.inside import running, said

BOOK = '[[book]]\nname = "loans"\nkind = "file"\npath = "book.jsonl"\nwatch = true\n'
RATES = '[[rates]]\nname = "daily"\nkind = "file"\nproduct = "vip_loan"\npath = "rates.csv"\nwatch = true\n'
BAD = 97


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(unmended, "TOLD_AFTER_S", 0.5)
    made = House(tmp_path)
    made.write(BOOK, RATES, feed=False)
    book(made, BAD)
    (tmp_path / "rates.csv").write_text("effective,asset,rate\n2026-01-05,USDT,lots\n")
    return made


def book(house: House, bad: int) -> None:
    """A book of a hundred groups, the last of which owe nonsense."""
    lines = [one_btc(f"G-{n}", owed="-1" if n >= 100 - bad else "1000") for n in range(100)]
    (house.folder / "book.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")


@asynccontextmanager
async def asking(app: App) -> AsyncIterator[aiohttp.ClientSession]:
    """A reader of its API; the coin that the groups need has a price."""
    pin = {"pin": "50000", "until": stamp(app.clock.utc() + timedelta(hours=2)), "reason": "a test", "confirmed": True}
    async with aiohttp.ClientSession("http://{}:{}".format(*app.address)) as http:

        async def is_pinned() -> bool:
            async with http.post("/v1/prices/BTC/decisions", json=pin) as answer:
                return answer.status == 201

        await until(is_pinned, "the book is read, and its coin has a price")
        yield http


async def got(http: aiohttp.ClientSession, path: str) -> Any:
    async with http.get(path) as answer:
        assert answer.status == 200, (path, answer.status)
        return await (answer.text() if path == "/metrics" else answer.json())


async def test_what_is_refused_is_a_state_everywhere_until_it_is_mended_and_is_told_again_at_a_start(
    house: House,
) -> None:
    with structlog.testing.capture_logs() as log:
        async with running(house) as app, asking(app) as http:
            await until(lambda: len(app.view.troubles) == BAD + 1, "all that is refused")
            since = {trouble.since for trouble in app.view.troubles}
            await one_notice_with_a_count(app, log)
            await seen_everywhere(http)
    async with running(house) as app, asking(app) as http:
        await told_again(app)
        assert {trouble.since for trouble in app.view.troubles} == since, "a restart does not make it younger"
        book(house, 0)
        (house.folder / "rates.csv").write_text("effective,asset,rate\n2026-01-05,USDT,0.0001\n")
        await until(lambda: not app.view.troubles, "all is mended")
        await nothing_is_left(http)
        assert len(await said(app, "book.refused")) == 2, "none was said twice"


async def one_notice_with_a_count(app: App, log: list[Any]) -> None:
    """Ninety-seven lines are one alert and one line of the log, and the rate file is another."""
    found = [each.alert for each in await said(app, "book.refused")]
    rates, lines = sorted(found, key=lambda alert: str(alert.facts["source"]))
    assert (lines.facts["count"], len(lines.facts["lines"]), lines.facts["lines_cut"]) == (BAD, 50, BAD - 50)
    assert rates.facts["source"] == "daily"
    (line,) = [each for each in log if each["event"] == "lines of the loan book were refused"]
    assert (line["lines"], line["left_out"]) == (BAD, BAD - 1)


async def seen_everywhere(http: aiohttp.ClientSession) -> None:
    ready = await got(http, "/readyz")
    assert ready["ready"], "alerts of the others go out"
    counts = {(each["kind"], each["source"]): each["count"] for each in ready["degraded"]}
    assert counts == {("book.refused", "loans"): BAD, ("book.refused", "daily"): 1}
    status = await got(http, "/v1/status")
    assert (status["degraded"], status["groups"]["unwatched"]) == (ready["degraded"], BAD)
    metrics = await got(http, "/metrics")
    assert f'monitor_degraded{{kind="book.refused"}} {BAD + 1:.1f}' in metrics
    assert 'monitor_degraded{kind="config.refused"} 0.0' in metrics
    assert f"monitor_groups_unwatched {BAD:.1f}" in metrics
    rates, loans = (await got(http, "/v1/books"))["items"]
    assert (loans["name"], loans["refused"], loans["unwatched"], loans["stale"]) == ("loans", BAD, BAD, False)
    first = loans["troubles"][0]
    assert (first["place"], first["group"], first["watched"]) == ("line 4", "G-3", False)
    assert first["cells"] == [{"cell": "loans[0].principal", "value": "-1", "remedy": "a number from 0 up to 1e24"}]
    assert rates["gives"] == "rates"
    (bad,) = rates["troubles"][0]["cells"]
    assert (bad["cell"].rpartition("/")[2], bad["value"]) == ("rates.csv:2: rate", "lots")


async def told_again(app: App) -> None:
    await until(lambda: _has(app, "monitor.unmended"), "what is not mended is told again")
    ((told,),) = [await said(app, "monitor.unmended")]
    assert (told.alert.facts["count"], told.alert.facts["unwatched"]) == (BAD + 1, BAD)
    assert f"{BAD} loan groups are not watched" in told.alert.facts["problem"]


async def _has(app: App, kind: str) -> bool:
    return bool(await said(app, kind))


async def nothing_is_left(http: aiohttp.ClientSession) -> None:
    assert (await got(http, "/readyz"))["degraded"] == []
    assert "monitor_groups_unwatched 0.0" in await got(http, "/metrics")
    status = await got(http, "/v1/status")
    assert (status["groups"]["total"], status["groups"]["unwatched"]) == (100, 0)


async def a_book_whose_groups_another_has(house: House, app: App) -> None:
    """What core refuses of many lines is one alert as well, and is over with its book."""
    lines = [json.dumps(one_btc(f"G-{n}", owed="1000")) for n in range(100 - FEW)]
    (house.folder / "twin.jsonl").write_text("\n".join(lines))
    house.write(BOOK, RATES, BOOK.replace("loans", "twin").replace("book.jsonl", "twin.jsonl"), feed=False)
    await app.reload()
    await until(lambda: len(app.view.troubles) == 100 + 1, "all of the twin is refused")
    (told,) = [each.alert for each in await said(app, "book.refused") if each.alert.facts["source"] == "twin"]
    assert (told.facts["count"], told.facts["reasons"]) == (100 - FEW, {"other_source": 100 - FEW})
    house.write(BOOK, RATES, feed=False)
    await app.reload()
    assert len(app.view.troubles) == FEW + 1


async def a_dry_run_changes_nothing(http: aiohttp.ClientSession, app: App) -> None:
    """In the daemon itself: the group is not there afterwards, and nobody stands in the record."""
    head, before = await app.store.audit_head(), app.monitor.sight("G-0")
    async with http.put("/v1/groups/NEW?dry_run=true", json=one_btc("NEW", owed="40000")) as answer:
        assert (answer.status, (await answer.json())["stage"]) == (200, "margin_call")
    entry = {"type": "repay", "asset": "USDT", "amount": "5", "id": "e-1"}
    async with http.post("/v1/groups/G-0/entries?dry_run=true", json=entry) as answer:
        assert (answer.status, (await answer.json())["dry_run"]) == (200, True)
    assert (app.monitor.sight("NEW"), app.monitor.sight("G-0")) == (None, before)
    assert await app.store.audit_head() == head


async def test_a_refused_reload_lasts_and_a_book_that_is_gone_takes_its_troubles_along(house: House) -> None:
    book(house, FEW)
    async with running(house) as app, asking(app) as http:
        await until(lambda: len(app.view.troubles) == FEW + 1, "all that is refused")
        assert len(await said(app, "book.refused")) == FEW + 1, "few lines are an alert each"
        await a_book_whose_groups_another_has(house, app)
        await a_dry_run_changes_nothing(http, app)
        house.write(BOOK, '[prises]\nstale_after = "1s"\n', feed=False)
        for _ in range(2):
            with pytest.raises(BadConfig):
                await app.reload()
        (told,) = await said(app, "config.refused")
        assert "prises" in told.alert.facts["problems"][0]
        kinds = {each["kind"] for each in (await got(http, "/readyz"))["degraded"]}
        assert kinds == {"book.refused", "config.refused"}
        house.write(feed=False)
        await app.reload()
        assert (app.view.troubles, len(await said(app, "config.taken"))) == ((), 1)
