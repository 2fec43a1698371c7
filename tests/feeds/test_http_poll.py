"""A polled address: prices by path, each fault of the peer by name, and never an end."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core import schema
from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import FeedTrust
from monitor.feeds import http_poll
from monitor.feeds.http_poll import Config, HttpPoll, PolledPrice
from monitor.secret_files import BadSecret
from tests.fakes import FakeClock
from tests.feeds.shared import SHARED, needs_shared
from tests.feeds.venue import Listener, until

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
NAV = PolledPrice("FUND", "data.nav", "data.as_of", stale_after=timedelta(hours=72))
COIN = PolledPrice("COIN", "rows[symbol=COIN-X].last", quote="USDT")


def feed(*prices: PolledPrice, url: str = "http://127.0.0.1:9/", **more: Any) -> HttpPoll:
    config = Config(url=url, prices=prices or (NAV,), allow_private=True, **more)
    return http_poll.build("custodian", config, FakeClock(NOW))


def test_a_price_and_its_time_are_read_by_their_paths_to_the_last_digit() -> None:
    poll = feed(NAV, COIN)
    body = b"""{"data": {"nav": 104.700000000000000000000001, "as_of": "2026-11-27T23:59:59.123456789Z"},
               "rows": [{"symbol": "OTHER", "last": "1"}, {"symbol": "COIN-X", "last": "0.00000120"}]}"""
    assert poll.parse(body) == [
        Quote(
            "FUND",
            Decimal("104.700000000000000000000001"),
            "USD",
            "custodian",
            datetime(2026, 11, 27, 23, 59, 59, 123456, tzinfo=UTC),
        ),
        Quote("COIN", Decimal("0.00000120"), "USDT", "custodian", NOW, is_dated=False),
    ]
    assert (poll.stats.states, dict(poll.stats.refused)) == ({}, {})


@pytest.mark.parametrize(
    ("stated", "read"),
    [
        ('"2026-11-27"', "2026-11-27T00:00:00+00:00"),
        ("1795780800", "2026-11-27T12:00:00+00:00"),
        ("1795780800.25", "2026-11-27T12:00:00.250000+00:00"),
        ('"1795780800123"', "2026-11-27T12:00:00.123000+00:00"),
        ("1795780800123456", "2026-11-27T12:00:00.123456+00:00"),
        ("1795780800123456789", "2026-11-27T12:00:00.123456+00:00"),
        ('"2026-11-27T13:00:00+01:00"', "2026-11-27T12:00:00+00:00"),
    ],
)
def test_a_time_is_read_in_each_of_its_forms(stated: str, read: str) -> None:
    (quote,) = feed().parse(f'{{"data": {{"nav": 1, "as_of": {stated}}}}}')
    assert quote.at.isoformat() == read


@pytest.mark.parametrize(
    "stated", ['"yesterday"', '"2026-11-27T12:00:00"', '"2026-02-30"', "12", "null", "true", "1e40"]
)
def test_a_time_that_is_none_costs_the_price_and_is_named(stated: str) -> None:
    poll = feed()
    assert poll.parse(f'{{"data": {{"nav": 1, "as_of": {stated}}}}}') == []
    assert "data.as_of: found" in poll.stats.states["FUND"]
    assert dict(poll.stats.refused) == {"time": 1}


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        ("NaN", "not_finite"),
        ("-Infinity", "not_finite"),
        ("1e400", "out_of_range"),
        ("-1", "negative"),
        ("0", "zero"),
        ('""', "empty"),
        ('"abc"', "not_a_number"),
        ("null", "not_text"),
        ("true", "not_text"),
        ("[1]", "not_text"),
        ("1" * 5000, "not_a_number"),
    ],
)
def test_a_value_that_is_no_price_costs_that_coin_alone(price: str, reason: str) -> None:
    poll = feed(PolledPrice("BAD", "bad"), PolledPrice("GOOD", "good"))
    assert [q.asset for q in poll.parse(f'{{"bad": {price}, "good": 2}}')] == ["GOOD"]
    assert dict(poll.stats.refused) == {reason: 1}
    assert poll.stats.states["BAD"].startswith("bad: ")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"data": {"nav": 1', "not_json"),
        (b"", "not_json"),
        (b"<html>sign in</html>", "not_json"),
        (b'{"data": {"nav": "\xff"}}', "not_utf8"),
        (b"[" * 100_000, "too_deep"),
        (b" " * 2_000_000, "too_large"),
        (b'{"data": {"nav": 1, "nav": 2, "as_of": 1795780800}}', "path"),
        (b"[]", "path"),
        (b"null", "path"),
    ],
)
def test_an_answer_that_cannot_be_read_gives_no_price_and_says_why(body: bytes, reason: str) -> None:
    poll = feed()
    assert poll.parse(body) == []
    assert dict(poll.stats.refused) == {reason: 1}
    assert poll.stats.reason


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["data", "nav", "as_of", "x"]), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
@settings(max_examples=200)
def test_no_answer_raises(answer: object) -> None:
    """Any value may stand in any place, and each price has its state where it has no price."""
    poll = feed(NAV, PolledPrice("X", "data[x=1]"), PolledPrice("Y", "/data/0"))
    found = poll.parse(json.dumps(answer))
    assert {q.asset for q in found} | poll.stats.states.keys() == {"FUND", "X", "Y"}


def test_a_path_that_leads_nowhere_is_named_with_what_is_there() -> None:
    poll = feed(PolledPrice("FUND", "data.nave"))
    assert poll.parse(b'{"data": {"nav": 1, "date": "2026-11-27"}}') == []
    assert poll.stats.states == {"FUND": "data.nave: data has no key 'nave'; there are: 'nav', 'date'"}
    assert "data has no key 'nave'" in poll.stats.reason


def test_how_its_prices_are_judged() -> None:
    assert http_poll.trust(Config(url="https://nav.example/", prices=(NAV, COIN))) == FeedTrust(
        stale_after=timedelta(seconds=100),
        stale_after_of={"FUND": timedelta(hours=72)},
        cadence=timedelta(seconds=30),
        repeats_are_life=True,
        may_freeze=False,
    )


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"url": "ftp://nav.example/"}, "url: found 'ftp://nav.example', expected https"),
        ({"url": "https://geheim:pw@10.0.0.7/x"}, "url: found 'https://10.0.0.7'; the address is private"),
        ({"url": "http://127.0.0.1:8080/"}, "the address is private or reserved; allow_private = true"),
        ({"prices": []}, "prices: is empty"),
        ({"prices": [{"asset": "A", "path": "a..b"}]}, "prices[0].path: found 'a..b', expected a path such as"),
        ({"prices": [{"asset": "A", "path": "a"}, {"asset": "A", "path": "b"}]}, "prices[1]: A stands twice"),
        ({"retry_max": "500ms"}, 'retry_max: found "500ms", expected at least retry_min = "1s"'),
    ],
)
def test_a_table_that_cannot_work_is_refused_by_name(table: dict[str, Any], problem: str) -> None:
    stated = {"url": "https://nav.example/", "prices": [{"asset": "FUND", "path": "nav"}], **table}
    with pytest.raises(schema.Invalid) as refused:
        schema.read(Config, stated)
    assert problem in str(refused.value)
    assert "geheim" not in str(refused.value)


@needs_shared
def test_real_answers_of_venues_are_read_by_their_paths() -> None:
    folder = SHARED / "data" / "ws" / "single"
    coins = [PolledPrice(a, f"tickers[pair={a}:USD].markPrice", "serverTime") for a in ("BTC", "ETH")]
    found = feed(*coins).parse((folder / "kraken__http_futures_tickers.json").read_bytes())
    assert [(q.asset, str(q.price), f"{q.at:%FT%T.%f}") for q in found] == [
        ("BTC", "91506.6009839176", "2025-11-17T00:34:37.524000"),
        ("ETH", "3205.25", "2025-11-17T00:34:37.524000"),
    ]
    answer = json.loads((folder / "okx__http_get_mark_price.json").read_text())
    (quote,) = feed(PolledPrice("COIN", "/data/0/markPx", "/data/0/ts")).parse(json.dumps(answer))
    assert str(quote.price) == answer["data"][0]["markPx"]
    assert round(quote.at.timestamp() * 1000) == int(answer["data"][0]["ts"])


# Against a server.

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Custodian:
    """A server on loopback that answers as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: Handler = self.nav
        self.asked: list[web.Request] = []
        self.price = "100.5"

    async def nav(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(text=f'{{"data": {{"nav": {self.price}, "as_of": "2026-11-28T11:59:00Z"}}}}')

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.answer(request)


@pytest.fixture
async def custodian() -> AsyncIterator[tuple[Custodian, str]]:
    house = Custodian()
    app = web.Application()
    app.router.add_get("/{path:.*}", house.handle)
    async with TestServer(app) as server:
        yield house, str(server.make_url("/nav?key=geheim-7Qx"))


def polling(url: str, *prices: PolledPrice, **more: Any) -> HttpPoll:
    fast = {"every": timedelta(milliseconds=100), "timeout": timedelta(milliseconds=400)}
    fast |= {"retry_min": timedelta(milliseconds=100), "retry_max": timedelta(milliseconds=100)}
    config = Config(url=url, prices=prices or (NAV,), allow_private=True, **(fast | more))
    return http_poll.build("custodian", config)


async def test_it_asks_again_and_again_and_a_repeated_price_is_given_each_time(
    custodian: tuple[Custodian, str],
) -> None:
    house, url = custodian
    poll = polling(url)
    async with Listener(poll.quotes()) as heard:
        await until(lambda: heard.prices("FUND")[:2] == ["100.5", "100.5"], "two polls of the same price")
        assert (poll.stats.connected, poll.stats.reason) == (True, "")
        house.price = "99.0"
        await heard.heard("FUND", "99.0")


async def test_an_answer_that_did_not_change_is_life(custodian: tuple[Custodian, str]) -> None:
    """HTTP 304: the peer says that the price is still in force, so it comes again, with the time of the question."""
    house, url = custodian

    async def once(request: web.Request) -> web.StreamResponse:
        if request.headers.get("If-None-Match") == '"v1"':
            return web.Response(status=304)
        return web.json_response({"nav": "7"}, headers={"ETag": '"v1"'})

    house.answer = once
    poll = polling(url, PolledPrice("FUND", "nav"))
    async with Listener(poll.quotes()) as heard:
        await until(lambda: len(heard.quotes) >= 3, "three prices")
        assert poll.stats.frames == 1
        times = [q.at for q in heard.quotes]
        assert times == sorted(set(times))
        assert poll.stats.connected
        assert poll.stats.ignored["not_modified"] >= 2


async def say(status: int, **headers: str) -> web.StreamResponse:
    return web.Response(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, text="{}")


async def drip(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(200):
        await answer.write(b" ")
        await asyncio.sleep(0.02)
    return answer


async def endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b" " * 65536)


async def half(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Length": "100"})
    await answer.prepare(request)
    await answer.write(b'{"data": ')
    assert request.transport is not None
    request.transport.abort()
    return answer


FAULTS: list[tuple[str, Handler, str, str]] = [
    ("429", lambda r: say(429), "HTTP 429 Too Many Requests", "http_4xx"),
    ("451", lambda r: say(451), "HTTP 451 Unavailable For Legal Reasons", "http_4xx"),
    ("503", lambda r: say(503), "HTTP 503 Service Unavailable", "http_5xx"),
    ("299", lambda r: say(299), "HTTP 299", "http_2xx"),
    ("304", lambda r: say(304), "HTTP 304", "redirect"),
    ("302", lambda r: say(302, location="https://user:geheim-7Qx@other.example/x?k=geheim-7Qx"), "a redirect to https://other.example, which is not followed", "redirect"),
    ("301", lambda r: say(301, location="/elsewhere"), "HTTP 301: a redirect to another path", "redirect"),
    ("slow", drip, "no whole answer within 0.4 s", "timeout"),
    ("endless", endless, "the answer is longer than max_body_bytes = 100000", "too_large"),
    ("half", half, "cannot connect: ClientPayloadError", "connection"),
    ("wrong", lambda r: _json("{}"), "FUND: data.nav: the answer has no key 'data'", "path"),
    ("html", lambda r: _json("<html>"), "the answer cannot be read: a message that is not JSON", "not_json"),
    ("gzip", lambda r: _zipped(), "compressed (gzip)", "encoding"),
]  # fmt: skip


async def _json(text: str) -> web.StreamResponse:
    return web.Response(text=text)


async def _zipped() -> web.StreamResponse:
    return web.Response(body=gzip.compress(b'{"data": {"nav": 1}}'), headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize(("fault", "words", "label"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
async def test_each_fault_is_named_and_the_next_good_answer_counts(
    custodian: tuple[Custodian, str], fault: Handler, words: str, label: str
) -> None:
    house, url = custodian
    poll = polling(url, max_body_bytes=100_000)
    house.answer = fault
    async with Listener(poll.quotes()) as heard:
        await until(lambda: poll.stats.refused[label], f"{label}, found {dict(poll.stats.refused)} {poll.stats.reason}")
        assert words in poll.stats.reason
        assert "geheim" not in poll.stats.reason
        assert not poll.stats.connected
        house.answer = house.nav
        await heard.heard("FUND", "100.5")
        assert (poll.stats.connected, poll.stats.reason) == (True, "")


async def test_a_redirect_is_not_followed(custodian: tuple[Custodian, str]) -> None:
    house, url = custodian
    house.answer = lambda r: say(302, location="/inside")
    async with Listener(polling(url).quotes()):
        await until(lambda: len(house.asked) >= 3, "three questions")
    assert {request.path for request in house.asked} == {"/nav"}


async def test_it_waits_as_long_as_it_is_asked_to(custodian: tuple[Custodian, str]) -> None:
    house, url = custodian
    house.answer = lambda r: say(429, retry_after="1")
    loop = asyncio.get_running_loop()
    async with Listener(polling(url).quotes()):
        await until(lambda: len(house.asked) == 1, "the first question")
        began = loop.time()
        await until(lambda: len(house.asked) == 2, "the second question")
    assert loop.time() - began >= 0.9


async def test_a_server_that_is_not_there_is_a_cause_and_a_retry() -> None:
    poll = polling("http://127.0.0.1:1/nav?key=geheim-7Qx")
    async with Listener(poll.quotes()):
        await until(lambda: poll.stats.refused["connection"] >= 2, "two attempts")
        assert poll.stats.reason.startswith("cannot connect: ")
        assert "geheim" not in poll.stats.reason


@pytest.mark.parametrize(
    "reply", [b"\x00\x01\x02", b"HTTP/1.1 20x OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: " + b"x" * 90_000 + b"\r\n\r\n", b""]
)
async def test_whatever_a_peer_replies_the_feed_lives(reply: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        poll = polling(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        async with Listener(poll.quotes()):
            await until(lambda: poll.stats.refused["connection"] >= 2, f"two attempts: {dict(poll.stats.refused)}")
            assert poll.stats.reason.startswith("cannot connect: ")


async def test_a_name_that_leads_inside_is_refused_where_the_socket_is_made(custodian: tuple[Custodian, str]) -> None:
    house, url = custodian
    config = Config(url=url.replace("127.0.0.1", "localhost"), prices=(NAV,))
    poll = http_poll.build("custodian", config)
    async with Listener(poll.quotes()):
        await until(lambda: poll.stats.refused["connection"], "a refusal")
        assert "the address is private or reserved" in poll.stats.reason
    assert house.asked == []


async def test_headers_of_the_secret_file_are_sent(custodian: tuple[Custodian, str], tmp_path: Path) -> None:
    house, url = custodian
    file = tmp_path / "headers"
    file.write_text("Authorization: Bearer geheim-7Qx\n\nX-Desk: 7\n")
    file.chmod(0o600)
    async with Listener(polling(url, headers_file=file).quotes()) as heard:
        await heard.heard("FUND", "100.5")
    assert (house.asked[0].headers["Authorization"], house.asked[0].headers["X-Desk"]) == ("Bearer geheim-7Qx", "7")


async def test_a_token_that_was_changed_in_the_file_is_used_after_a_refusal(
    custodian: tuple[Custodian, str], tmp_path: Path
) -> None:
    house, url = custodian

    async def guarded(request: web.Request) -> web.StreamResponse:
        is_known = request.headers.get("Authorization") == "Bearer new"
        return await house.nav(request) if is_known else web.Response(status=401)

    house.answer = guarded
    file = tmp_path / "headers"
    file.write_text("Authorization: Bearer old\n")
    file.chmod(0o600)
    poll = polling(url, headers_file=file)
    async with Listener(poll.quotes()) as heard:
        await until(lambda: "HTTP 401 Unauthorized" in poll.stats.reason, "a refusal")
        file.write_text("Authorization: Bearer new\n")
        await heard.heard("FUND", "100.5")


@pytest.mark.parametrize("text", ["geheim-7Qx", "A b: c", "X: a\x01b"])
def test_a_file_of_headers_that_is_none_is_refused_without_its_words(text: str, tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_text(text)
    with pytest.raises(ValueError, match="line 1: expected") as refused:
        feed(headers_file=file)
    assert "geheim" not in str(refused.value)
    with pytest.raises(BadSecret, match="No such file"):
        feed(headers_file=tmp_path / "absent")
