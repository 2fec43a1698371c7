"""A desk's own table as a file: how each group would stand, and taken as one whole. Only an admin of the whole desk may."""

from __future__ import annotations

import asyncio
import re
from typing import cast, get_args

import msgspec
from aiohttp import web

from monitor.imports.desk import ImportAnswer, ImportAsked, ImportDesk, ImportFailed
from monitor.imports.fields import ImportOptions
from monitor.imports.values import Mark, Order
from monitor.web.auth import ADMIN
from monitor.web.http import Param, Query, Rejected, one_of, unreadable
from monitor.web.site import Call, Endpoint

FILE_BYTES = 32 << 20
"""A workbook of 200,000 rows has about 15 MB."""
FILE_S = 120
"""Such a file over a bad line."""
_BOOLEAN = one_of(("true", "false"))
_PAIR = {"type": "string", "pattern": r"^[\s\S]*\S[\s\S]*=[^=]*[^=\s][^=]*$"}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_FILE_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


async def import_(call: Call) -> ImportAnswer:
    """Takes a table (.xlsx or CSV) as one whole, or not at all; with `dry_run=true` it shows how each group would stand."""
    asked, is_dry = _asked(call.query)
    call.query.done()
    desk = _desk(call)
    raw = await _file(call.request)
    try:
        return await desk.look(raw, asked) if is_dry else await desk.take(raw, asked, call.caller.name)
    except ImportFailed as e:
        if e.is_busy:
            raise Rejected("busy", str(e), after_s=5) from None
        raise Rejected("invalid", str(e), reason="file") from None


def _desk(call: Call) -> ImportDesk:
    if call.caller.scope:
        raise Rejected("forbidden", "an import is the whole desk's; a token with a scope cannot take one")
    if call.daemon.imports is None:
        raise Rejected("not-found", "this monitor takes no imports")
    return call.daemon.imports


def _asked(query: Query) -> tuple[ImportAsked, bool]:
    """What is asked for, and whether nothing is to be changed."""
    file = query.text("file")
    if file is None:
        file = "table"
    if not _FILE_NAME.fullmatch(file):
        query.wrong("file", file, "a file's name of 1 to 200 printable characters")
    name = query.text("name")
    if name is None:
        name = name_of(file)
    if not _NAME.fullmatch(name):
        query.wrong("name", name, "1 to 60 lower-case letters, digits and hyphens")
    options = ImportOptions(
        columns=_pairs(query, "map"),
        constants=_pairs(query, "set"),
        sheets=tuple(query.texts("sheet")),
        decimal=cast("Mark | None", query.choice("decimal")),  # the schema lists what there is
        dates=cast("Order | None", query.choice("dates")),
        encoding=query.text("encoding"),
    )
    return ImportAsked(name, file, options, query.choice("close_missing") == "true"), query.choice("dry_run") == "true"


def _pairs(query: Query, key: str) -> dict[str, str]:
    """Values of the form `HEADER=FIELD`."""
    found = {}
    for text in query.texts(key):
        left, is_pair, right = text.rpartition("=")
        if not is_pair or not left.strip() or not right.strip():
            query.wrong(key, text, "HEADER=FIELD" if key == "map" else "FIELD=VALUE")
            continue
        found[left.strip()] = right.strip()
    return found


def name_of(file: str) -> str:
    """The name of an import whose file has this name: `Loans Nov.xlsx` is `loans-nov`."""
    stem = file.rpartition(".")[0] or file
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:60].strip("-") or "table"


async def _file(request: web.Request) -> bytes:
    """The body, bounded in bytes and time. Raises Rejected."""
    too_large = Rejected("too-large", f"the file may have {FILE_BYTES >> 20} MB", headers={"Connection": "close"})
    if (request.content_length or 0) > FILE_BYTES:
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(FILE_S):
            async for part in request.content.iter_any():
                size += len(part)
                if size > FILE_BYTES:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        raise Rejected("timeout", f"the file did not arrive within {FILE_S} s") from None
    except (web.RequestPayloadError, ConnectionError) as e:
        raise unreadable(e) from None
    return b"".join(parts)


ROUTES = (
    Endpoint(
        "POST",
        "/v1/import",
        import_,
        ADMIN,
        (
            Param(
                "name",
                "The name of the import; by default that of the file. Its next file changes only what changed.",
                {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,59}$"},
            ),
            Param("file", "The file's name.", {"type": "string", "pattern": r"^[^\u0000-\u001f\u007f]{1,200}$"}),
            Param("dry_run", "`true`: show how each group would stand, and change nothing.", _BOOLEAN),
            Param("close_missing", "`true`: close the groups of this import that the file does not name.", _BOOLEAN),
            Param("map", "`HEADER=FIELD`, `SHEET!HEADER=FIELD` or `C=FIELD`: what a column holds.", _PAIR, many=True),
            Param("set", "`FIELD=VALUE`: the same for all rows, such as `product=vip_loan`.", _PAIR, many=True),
            Param("sheet", "Only sheets of this name, hidden ones too.", many=True),
            Param("decimal", "The decimal mark, where no number of the file says.", one_of(get_args(Mark))),
            Param(
                "dates", "Whether day or month comes first, where no date of the file says.", one_of(get_args(Order))
            ),
            Param("encoding", "The code page of a CSV file that is not UTF-8, such as cp1250."),
        ),
        body=msgspec.Raw,
        name="import_groups",
        takes="application/octet-stream",
        may_be_absent=True,
    ),
)
