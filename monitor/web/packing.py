"""Answers are sent compressed to those who take that, but for small ones, streams, and what shows a secret."""

from __future__ import annotations

from aiohttp import web
from aiohttp.web_response import ContentCoding

from monitor.ack_links import PATH as ACK_PATH

FROM_BYTES = 1024
"""Below this an answer fits one packet anyway."""
CODINGS = (ContentCoding.gzip, ContentCoding.deflate)
"""What aiohttp offers, the one that everybody reads first."""
NEVER = ("/v1/endpoints", "/v1/session", ACK_PATH)
"""Paths whose answers may hold a secret beside texts of the caller: their length would tell of it (BREACH)."""


def pack(request: web.Request, response: web.StreamResponse) -> None:
    """Has an answer compressed that is not sent yet, where the caller takes it. Larger ones are packed in a worker thread."""
    if "Content-Encoding" in response.headers or request.path.startswith(NEVER):
        return
    if (
        not isinstance(response, web.Response)
        or not isinstance(response.body, bytes)
        or len(response.body) < FROM_BYTES
    ):
        return
    pack_stream(request, response)


def pack_stream(request: web.Request, response: web.StreamResponse) -> None:
    """Has an answer compressed whatever its length, where the caller takes it."""
    response.headers["Vary"] = "Accept-Encoding"
    coding = wanted(request.headers.get("Accept-Encoding", ""))
    if coding is not None:
        response.enable_compression(coding)


def wanted(header: str) -> ContentCoding | None:
    """The first of our codings that an Accept-Encoding allows; None for none."""
    allowed = dict(map(_weighed, header.lower().split(",")))
    rest = allowed.get("*", 0.0)
    return next((each for each in CODINGS if allowed.get(each.value, rest) > 0), None)


def _weighed(part: str) -> tuple[str, float]:
    """A coding and its weight; one that cannot be read counts as refused."""
    name, _, weight = part.partition(";")
    try:
        return name.strip(), float(weight.strip().removeprefix("q=") or "1")
    except ValueError:
        return name.strip(), 0.0
