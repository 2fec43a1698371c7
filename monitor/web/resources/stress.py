"""The whole book under shocks. The book is copied between two events and weighed in a worker thread, step by step; between
steps others have their turn."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from msgspec import UNSET

from monitor.core.portfolio.snapshot import WholeBook
from monitor.core.portfolio.stress import (
    Grid,
    MatrixAnswer,
    MovedGroup,
    ReverseAnswer,
    Search,
    Shocked,
    Step,
    Stress,
    StressAnswer,
)
from monitor.core.schema import Invalid, Problem
from monitor.core.text import as_json
from monitor.csv_cells import safe_cell
from monitor.feeds import scenario
from monitor.web.auth import READ
from monitor.web.http import Param, Rejected, invalid, one_of, read_as, read_body
from monitor.web.packing import pack_stream
from monitor.web.site import Call, Endpoint

CSV_ROWS = 500
"""Rows that are made in one step: 50 ms in the worker thread."""
COLUMNS = MovedGroup.__struct_encode_fields__
_TEXTS = ("id", "product", "labels")


async def stress(call: Call) -> StressAnswer | MatrixAnswer | ReverseAnswer | web.StreamResponse:
    """The whole book under shocks, a scenario, a matrix of shocks, or the fall that a loss takes; nothing is changed."""
    form = call.query.choice("format")
    call.query.done()
    asked = read_as(Stress, await read_body(call.request))
    name = None
    if asked.scenario is not None:
        asked, name = await asyncio.to_thread(_of_scenario, asked, call.daemon.scenarios)
    is_csv = (form or ("csv" if _wants_csv(call.request) else "json")) == "csv"
    if is_csv and not asked.shocks:
        raise Rejected(
            "bad-request", "a list as CSV is that of shocks or a scenario; ask a matrix and a reverse for JSON"
        )
    if is_csv:
        call.site.quotas.export(call.caller)
    with call.site.quotas.stress(call.caller):
        return await _answer(call, asked, name, is_csv=is_csv)


async def _answer(
    call: Call, asked: Stress, name: str | None, *, is_csv: bool
) -> StressAnswer | MatrixAnswer | ReverseAnswer | web.StreamResponse:
    async with call.site.turns.one(call.caller):
        book = await call.daemon.inbox.whole_book()
        if not asked.shocks:
            return await _stepped(call, book, asked)
        case = await asyncio.to_thread(Shocked, book, asked.shocks, call.caller.scope)
        await asyncio.to_thread(case.run)
        if not is_csv:
            found = await asyncio.to_thread(case.answer, asked.limit, name)
            has_fund = call.daemon.rules().fund is not None
            return found if has_fund else msgspec.structs.replace(found, fund_draw_usd=UNSET)
    # A slow reader holds up only the next list.
    async with call.site.turns.sending(call.caller):
        return await _csv(call.request, case)


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


async def _stepped(call: Call, book: WholeBook, asked: Stress) -> MatrixAnswer | ReverseAnswer:
    """The answer to a matrix or a reverse, step by step; a caller who leaves ends it."""
    case: Grid | Search
    if asked.matrix is not None:
        case = await asyncio.to_thread(Grid, book, asked.matrix, call.caller.scope)
    else:
        assert asked.reverse is not None, "a stress asks one of the four"
        case = await asyncio.to_thread(Search, book, asked.reverse, call.caller.scope)
    steps = case.steps()
    while await asyncio.to_thread(_has_stepped, steps):
        if call.request.transport is None or call.request.transport.is_closing():
            raise Rejected("timeout", "the caller left before the answer was ready")
    return await asyncio.to_thread(case.answer)


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
    response.content_type = "text/csv"
    response.charset = "utf-8"
    pack_stream(request, response)
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
        found.append([safe_cell(row[name]) if name in _TEXTS else row[name] for name in COLUMNS])
        if len(found) == CSV_ROWS:
            break
    return _lines(found)


def _lines(rows: Any) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue().encode()


ROUTES = (
    Endpoint(
        "POST",
        "/v1/stress",
        stress,
        READ,
        (
            Param(
                "format",
                "`csv`: every group that changes stage. The header Accept: text/csv asks the same.",
                one_of(("json", "csv")),
            ),
        ),
        body=Stress,
        name="stress_book",
        also=("text/csv",),
        answers={200: StressAnswer | MatrixAnswer | ReverseAnswer},
    ),
)
