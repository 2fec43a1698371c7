"""The whole book under shocks, and what it is exposed to. The book is copied between two events, and weighed in a worker
thread: a sweep is a step, and between steps others have their turn."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from monitor.core.portfolio.stress import Grid, MovedGroup, Search, Shocked, Step, Stress
from monitor.core.schema import Invalid, Problem, read
from monitor.core.text import as_json
from monitor.feeds import scenario
from monitor.web import query
from monitor.web.auth import Caller
from monitor.web.body import parse, read_body
from monitor.web.http import Parts, answer
from monitor.web.problem import Rejected, invalid
from monitor.web.query import Values

T = TypeVar("T")

AT_ONCE = 1
"""Copies of the book that are weighed at a time: each is 100 MB for a million groups, and takes a core."""
WAITING = 16
"""Requests that wait for their turn; more are told to come again."""
LISTS, SEND_S = 2, 300.0
"""Lists that are sent at a time, and seconds that one may take."""
CSV_ROWS = 500
"""Rows that are made in one step: 50 ms in the worker thread."""
COLUMNS = (
    "id", "product", "labels", "from", "to", "ltv_before", "ltv", "debt_usd", "recognised_usd", "market_usd", "shortfall_usd",
)  # fmt: skip
_TEXTS = ("id", "product", "labels")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Turns:
    """Who may look at the whole book: one at a time, and not too many in a queue."""

    def __init__(self) -> None:
        self._free, self._waiting = asyncio.Semaphore(AT_ONCE), 0
        self._lists = asyncio.Semaphore(LISTS)

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A turn. Raises Rejected where too many wait."""
        if self._waiting >= WAITING:
            raise Rejected("busy", f"{WAITING} others wait for the whole book; try again", headers={"Retry-After": "5"})
        self._waiting += 1
        try:
            async with self._free:
                yield
        finally:
            self._waiting -= 1

    @contextlib.asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """A list is sent, which keeps its copy of the book. Raises Rejected where others are, and TimeoutError in the end."""
        if self._lists.locked():
            raise Rejected("busy", f"{LISTS} lists are being sent; try again", headers={"Retry-After": "5"})
        async with self._lists, asyncio.timeout(SEND_S):
            yield


class StressApi:
    """The handler of /v1/stress."""

    def __init__(self, parts: Parts, turns: Turns) -> None:
        self._parts, self._turns = parts, turns

    async def stress(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """POST /v1/stress"""
        values = Values(request, query.STRESS)
        form = values.choice("format")
        values.done()
        asked, name = _read(await read_body(request)), None
        if asked.scenario is not None:
            asked, name = await asyncio.to_thread(_of_scenario, asked, self._parts.scenarios)
        is_csv = (form or ("csv" if _wants_csv(request) else "json")) == "csv"
        if is_csv and not asked.shocks:
            raise Rejected(
                "bad-request", "a list as CSV is that of shocks or a scenario; ask a matrix and a reverse for JSON"
            )
        try:
            async with self._turns.one():
                book = await self._parts.inbox.whole_book()
                if asked.matrix is not None:
                    grid = await asyncio.to_thread(Grid, book, asked.matrix, caller.scope)
                    return answer(await _stepped(request, grid.steps(), grid.answer))
                if asked.reverse is not None:
                    search = await asyncio.to_thread(Search, book, asked.reverse, caller.scope)
                    return answer(await _stepped(request, search.steps(), search.answer))
                case = await asyncio.to_thread(Shocked, book, asked.shocks, caller.scope)
                await asyncio.to_thread(case.run)
                if not is_csv:
                    return answer(await asyncio.to_thread(case.answer, asked.limit, name))
        except Invalid as e:
            raise invalid(e.problems) from None
        # Whoever reads slowly holds up nobody but the next list.
        async with self._turns.sending():
            return await _csv(request, case)


def _read(raw: bytes) -> Stress:
    try:
        return read(Stress, parse(raw))
    except Invalid as e:
        raise invalid(e.problems) from None


def _of_scenario(asked: Stress, folder: Path) -> tuple[Stress, str]:
    """The same with the shocks of a scenario: each coin's way to its lowest price."""
    name = str(asked.scenario)
    file = folder / f"{name}.toml"
    if not file.is_file():
        known = ", ".join(sorted(f.stem for f in folder.glob("*.toml"))) or "none"
        raise invalid(
            [Problem("scenario", f"found {name!r}, expected a file of the folder of scenarios; there are: {known}")]
        )
    try:
        shocks = scenario.falls(scenario.load(file))
    except Invalid as e:
        raise invalid([Problem("scenario", f"{name}: {p.what}") for p in e.problems]) from None
    if not shocks:
        raise invalid([Problem("scenario", f"found {name!r}, in which no price falls; expected one that falls")])
    # Only the shocks are the question from here on; the name goes along for the answer.
    return msgspec.structs.replace(asked, shocks=shocks, scenario=None), name


async def _stepped(request: web.Request, steps: Step, done: Callable[[], T]) -> T:
    """Runs step by step; a caller who leaves ends it."""
    while await asyncio.to_thread(_has_stepped, steps):
        if request.transport is None or request.transport.is_closing():
            raise Rejected("timeout", "nobody waits for the answer any more")
    return await asyncio.to_thread(done)


def _has_stepped(steps: Step) -> bool:
    try:
        next(steps)
    except StopIteration:
        return False
    return True


def _wants_csv(request: web.Request) -> bool:
    return request.headers.get("Accept", "").partition(";")[0].strip().lower() == "text/csv"


async def _csv(request: web.Request, case: Shocked) -> web.StreamResponse:
    """All groups that change stage, made as they are sent."""
    response = web.StreamResponse(headers={"Content-Disposition": 'attachment; filename="stress.csv"'})
    response.content_type, response.charset = "text/csv", "utf-8"
    await response.prepare(request)
    rows = case.rows()
    chunk = _lines([COLUMNS])
    while chunk:
        await response.write(chunk)
        chunk = await asyncio.to_thread(_some_lines, rows)
    await response.write_eof()
    return response


def _some_lines(rows: Iterator[MovedGroup]) -> bytes:
    found = []
    for moved in rows:
        row = as_json(moved)
        row["labels"] = msgspec.json.encode(row["labels"]).decode()
        found.append([_text(row[name]) if name in _TEXTS else row[name] for name in COLUMNS])
        if len(found) == CSV_ROWS:
            break
    return _lines(found)


def _text(value: str) -> str:
    """What a spreadsheet would run as a formula is kept from it by an apostrophe: others choose ids and labels."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def _lines(rows: Any) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue().encode()
