"""A missing book, a bad file of rates and a refused line are one type of alert, and each says what it is."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import pytest

from monitor.core.alerts.catalogue import BOOK_REFUSED
from monitor.core.alerts.titles import title_of
from tests.book_lines import line, one_btc
from tests.faults.house import House, until
from tests.faults.inside import running, said

BOOKS = """[[book]]
name = "loans"
kind = "file"
path = "book.jsonl"
[[book]]
name = "late"
kind = "file"
path = "late.jsonl"
[[rates]]
name = "flexible"
kind = "file"
product = "vip_loan"
path = "rates.csv"
"""


async def test_each_source_in_trouble_says_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    house = House(tmp_path)
    (tmp_path / "book.jsonl").write_text("\n".join(map(json.dumps, (one_btc("G-1"), line("N", "-1")))))
    (tmp_path / "rates.csv").write_text("effective,asset,rate\n2026-01-05,USDT,often\n")
    house.write(BOOKS, feed=False)
    titles: dict[str, str] = {}
    async with running(house) as app:

        async def are_told() -> bool:
            for each in await said(app, BOOK_REFUSED):
                titles[Path(each.alert.subject).name] = title_of(each.alert.type, each.alert.facts)
            return len(titles) == 3

        await until(are_told, "the line, the book and the rates")
        texts = {each.source: each.text for each in app.view.troubles}
        async with aiohttp.ClientSession("http://{}:{}".format(*app.address)) as http, http.get("/v1/status") as answer:
            books = (await answer.json())["books"]
    assert titles == {
        "book.jsonl:2": "loan book line refused",
        "late.jsonl": "loan book missing or unreadable",
        "rates.csv": "rates file refused",
    }
    assert texts["late"].endswith("No such file or directory; none of its groups is watched"), (
        "there was no good book yet"
    )
    assert texts["flexible"].endswith("rates that were taken before stay in force")
    assert list(books) == ["late", "loans"]
    assert (books["late"]["seen_at"], books["loans"]["seen_at"] is None) == (None, False)
    logged = "".join(capsys.readouterr())
    for title in titles.values():
        assert title in logged, logged
    assert title_of(BOOK_REFUSED, {"reason": "unreadable", "product": "vip_loan", "lines": []}).startswith(
        "rates file missing"
    )
    assert title_of(BOOK_REFUSED, {"reason": "negative", "count": 97}) == "loan book lines refused"
