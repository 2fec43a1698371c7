"""Bodies: JSON objects of bounded size, read strictly. A key that appears twice would hide one of two orders."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
from aiohttp import web

from monitor.web.problem import Rejected

MAX_BYTES = 1_000_000
"""A group of 50 accounts and hundreds of coins is 100 kB; ten times that is room enough."""
READ_TIMEOUT_S = 30
"""A body of 1 MB over a bad line; a peer that is slower is holding the connection on purpose."""
INLINE_BYTES = 16_384
"""Larger bodies are read in a worker thread: 1 MB of JSON takes longer to check than a tick may wait."""


async def read_body(request: web.Request) -> bytes:
    """The body. Raises Rejected when it is too large or too slow."""
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Rejected("too-large", f"the body may have {MAX_BYTES} bytes", headers={"Connection": "close"}) from None
    except TimeoutError:
        raise Rejected("timeout", f"the body did not arrive within {READ_TIMEOUT_S} s") from None


def parse(raw: bytes) -> dict[str, Any]:
    """The object that the body states. Raises Rejected for what is no JSON object or says a key twice."""
    try:
        msgspec.json.decode(raw)  # strict where json is not: no lone surrogates, no NaN
        value = json.loads(raw, object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise Rejected("bad-json", "the body is nested too deeply") from None
    except _Twice as e:
        raise Rejected("bad-json", f"the key {e.key!r} appears twice in one object; say it once") from None
    except (msgspec.DecodeError, ValueError) as e:
        raise Rejected("bad-json", f"the body is not JSON: {str(e)[:200]}") from None
    if not isinstance(value, dict):
        raise Rejected("bad-json", f"the body is a JSON {_kind(value)}, an object is expected")
    return value


class _Twice(Exception):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key[:100]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Twice(key)
            seen.add(key)
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _kind(value: object) -> str:
    return "list" if isinstance(value, list) else "text" if isinstance(value, str) else "value"
