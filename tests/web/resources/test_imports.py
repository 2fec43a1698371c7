"""POST /v1/import: who may, what is asked for, and how a file that cannot be read is answered."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from monitor.imports.desk import ImportAnswer, ImportAsked, ImportCounts, ImportFailed
from monitor.web.resources.imports import name_of
from tests.web.desk import WebDesk, serving
from tests.web.test_scope import ACME, BOSS, SCOPED


class OneDesk:
    """Keeps what it was asked, and fails as it is told."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, ImportAsked, str | None]] = []
        self.failure: ImportFailed | None = None

    async def look(self, raw: bytes, asked: ImportAsked) -> ImportAnswer:
        return self._answer(raw, asked, None)

    async def take(self, raw: bytes, asked: ImportAsked, who: str) -> ImportAnswer:
        return self._answer(raw, asked, who)

    def _answer(self, raw: bytes, asked: ImportAsked, who: str | None) -> ImportAnswer:
        self.asked.append((raw, asked, who))
        if self.failure is not None:
            raise self.failure
        lists = ("sheets", "fields", "notes", "questions", "refused", "rows", "missing")
        empty: dict[str, Any] = {key: [] for key in lists}
        counts = ImportCounts(0, 0, 0, 0, 0, 0, 0)
        return ImportAnswer(name=asked.name, source="", at="", taken=who is not None, counts=counts, **empty)


async def sent(url: str, query: list[tuple[str, str]], raw: bytes = b"x", **headers: str) -> tuple[int, Any]:
    path = f"{url}/v1/import?{urlencode(query)}"
    async with aiohttp.ClientSession() as session, session.post(path, data=raw, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def test_the_query_says_how_a_file_is_read(desk: WebDesk) -> None:
    imports = OneDesk()
    desk.imports = imports
    async with serving(desk) as url:
        query = [("file", "Loans Nov.xlsx"), ("map", "Ccy=loan_coin"), ("map", "a=b=group"), ("set", "product=x")]
        assert (await sent(url, [*query, ("dry_run", "true"), ("decimal", "comma")]))[1]["taken"] is False
        assert (await sent(url, [("name", "desk"), ("close_missing", "true")], b"file"))[1]["taken"] is True
        (_, first, _), (raw, second, who) = imports.asked
        assert (first.name, first.file, first.options.decimal) == ("loans-nov", "Loans Nov.xlsx", "comma")
        assert first.options.columns == {"Ccy": "loan_coin", "a=b": "group"}
        assert first.options.constants == {"product": "x"}
        assert (raw, second.name, second.close_missing, who) == (b"file", "desk", True, "loopback")
        for wrong in (
            [("map", "x")],
            [("decimal", "dot")],
            [("file", "")],
            [("name", "")],
            [("name", "../up")],
            [("dry_run", "yes")],
            [("colour", "red")],
        ):
            assert (await sent(url, wrong))[0] == 400, wrong
        imports.failure = ImportFailed("the file is encrypted")
        assert (await sent(url, []))[0] == 422
        imports.failure = ImportFailed("another file is being read", is_busy=True)
        assert (await sent(url, []))[0] == 503


@pytest.mark.parametrize(
    ("file", "name"), [("Loans.xlsx", "loans"), ("../../Ünï.csv", "n"), ("кредиты.csv", "table"), ("a", "a")]
)
def test_an_import_has_the_name_of_its_file(file: str, name: str) -> None:
    assert name_of(file) == name


async def test_a_token_with_a_scope_takes_no_import(desk: WebDesk) -> None:
    desk.imports = OneDesk()
    async with serving(desk, SCOPED) as url:
        assert (await sent(url, [], **ACME))[0] == 403
        assert (await sent(url, [], **BOSS))[0] == 200
