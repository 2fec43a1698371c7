"""Answers come compressed to those who take that: a list, problems of a large body, and a list as CSV; but no stream and no secret."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest
from aiohttp.web_response import ContentCoding

from monitor.web.packing import FROM_BYTES, wanted
from tests.book_lines import line
from tests.web.desk import WebDesk, serving
from tests.web.test_admission import ask

Session = aiohttp.ClientSession


@pytest.fixture
async def raw(desk: WebDesk) -> AsyncIterator[Session]:
    """A client that shows what comes over the wire, of a desk whose lists are long."""
    for n in range(20):
        desk.notice(subject=f"line {n}")
    async with serving(desk) as url, Session(base_url=url, auto_decompress=False) as session:
        await ask(session, "PUT", "/v1/groups/G-1", line())
        yield session


async def asked(
    http: Session, path: str, accept: str | None = "gzip", body: object = None
) -> tuple[aiohttp.ClientResponse, bytes]:
    headers = {"Accept-Encoding": accept if accept is not None else "identity"}
    async with http.request("GET" if body is None else "POST", path, headers=headers, json=body) as response:
        return response, await response.read()


@pytest.mark.parametrize(
    ("accept", "coding"), [("gzip, deflate, br", "gzip"), ("deflate", "deflate"), ("gzip;q=0, deflate", "deflate")]
)
async def test_a_list_comes_compressed_and_says_so(raw: Session, accept: str, coding: str) -> None:
    response, body = await asked(raw, "/v1/alerts", accept)
    assert (response.headers["Content-Encoding"], response.headers["Vary"]) == (coding, "Accept-Encoding")
    assert int(response.headers["Content-Length"]) == len(body)
    text = gzip.decompress(body) if coding == "gzip" else zlib.decompress(body)
    assert len(msgspec.json.decode(text)["items"]) == 20
    assert len(body) < len(text) / 3


@pytest.mark.parametrize("accept", [None, "br, zstd", "gzip;q=0", "gzip;q=x"])
async def test_who_takes_no_coding_of_ours_gets_none(raw: Session, accept: str | None) -> None:
    response, body = await asked(raw, "/v1/alerts", accept)
    assert "Content-Encoding" not in response.headers
    assert response.headers["Vary"] == "Accept-Encoding", "a cache must not give this to one who takes one"
    assert len(msgspec.json.decode(body)["items"]) == 20


async def test_what_fits_one_packet_is_not_compressed(raw: Session) -> None:
    response, body = await asked(raw, "/healthz")
    assert len(body) < FROM_BYTES
    assert "Content-Encoding" not in response.headers


async def test_a_list_as_csv_is_compressed_while_it_is_made(raw: Session) -> None:
    response, body = await asked(raw, "/v1/stress?format=csv", body={"shocks": {"BTC": "-90%"}})
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body).startswith(b"id,product,labels,from,to")


async def test_a_stream_is_not_compressed(raw: Session) -> None:
    """An event must not wait for the next one to fill a block."""
    async with raw.get("/v1/stream?after=0", headers={"Accept-Encoding": "gzip"}) as response:
        assert "Content-Encoding" not in response.headers
        assert (await response.content.readany())[:6] in (b"event:", b"id: 1\n", b"retry:")


async def test_what_shows_a_secret_beside_a_text_of_the_caller_is_not_compressed(raw: Session) -> None:
    """Its length would tell how much of a guess is in the secret (BREACH)."""
    body = {"url": "http://127.0.0.1:1/hook", "name": "theirs", "note": "w" * 200, "types": ["loan_group.*"] * 50}
    response, answer = await asked(raw, "/v1/endpoints", body=body)
    assert response.status == 201
    assert len(answer) > FROM_BYTES
    assert b"whsec_" in answer
    assert "Content-Encoding" not in response.headers


def test_codings_are_taken_by_their_weight() -> None:
    assert wanted("*") is ContentCoding.gzip
    assert wanted("*;q=0") is None
    assert wanted("identity") is None
    assert wanted("GZIP; q=0.2, deflate;q=1") is ContentCoding.gzip
    assert wanted("") is None
