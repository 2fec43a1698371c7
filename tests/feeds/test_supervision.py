"""The supervisor of a venue's socket: what a peer, a proxy or a half-silent market does to it, and what people are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from monitor.addresses import scrubbed, shown_url
from monitor.clock import SystemClock
from monitor.core import schema
from monitor.feeds import binance_spot
from monitor.feeds._base import Desk
from monitor.feeds._live import LiveStream
from tests.feeds.shared import SHARED
from tests.feeds.test_binance_connection import comes_back, quick
from tests.feeds.venue import Listener, Venue, frame, mark, until

REPLIES = {
    "two Location headers": "HTTP/1.1 302 Found\r\nLocation: wss://a.example/x\r\nLocation: wss://b.example/x\r\n",
    "port 99999": "HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:99999/\r\n",
    "a port of letters": "HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:abc/\r\n",
    "a negative port": "HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:-5/\r\n",
    "half an IPv6 address": "HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n",
    "redirect to https": "HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1/x\r\n",
    "an empty Location": "HTTP/1.1 307 Temporary Redirect\r\nLocation: \r\n",
    "a Location that is no address": "HTTP/1.1 308 Permanent Redirect\r\nLocation: ws://\x00\xff\r\n",
    "a host of dots": "HTTP/1.1 302 Found\r\nLocation: ws://" + "a" * 70 + ".example/\r\n",
    "no upgrade": "HTTP/1.1 200 OK\r\n",
    "another key": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n",
    "an extension nobody asked for": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Extensions: zip\r\n",
    "a status of letters": "HTTP/1.1 abc OK\r\n",
    "a status beyond all": "HTTP/1.1 999 OK\r\n",
    "a length of letters": "HTTP/1.1 403 Forbidden\r\nContent-Length: abc\r\n",
    "two lengths": "HTTP/1.1 403 Forbidden\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
    "chunks": "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n",
    "a header without a colon": "HTTP/1.1 403 Forbidden\r\nnonsense\r\n",
    "a retry in ten years": "HTTP/1.1 429 Too Many Requests\r\nRetry-After: soon\r\nRetry-After: 315360000\r\n",
    "headers without end": "HTTP/1.1 403 Forbidden\r\n" + "a: b\r\n" * 300,
}


@asynccontextmanager
async def answering(reply: Callable[[], bytes]) -> AsyncIterator[tuple[int, list[int]]]:
    """A server that gives every connection these bytes and closes it."""
    attempts: list[int] = []

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        attempts.append(1)
        writer.write(reply())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], attempts


@pytest.mark.parametrize("name", REPLIES)
async def test_no_answer_to_the_handshake_ends_the_asking(name: str) -> None:
    data = REPLIES[name].encode("latin-1") + b"Content-Length: 0\r\n\r\n"
    async with answering(lambda: data) as (port, attempts):
        feed = quick(f"ws://127.0.0.1:{port}/ws/x", first_frame="5s")
        async with Listener(feed.quotes()):
            await until(lambda: len(attempts) >= 3, "three attempts")
            await until(lambda: feed.stats.reason.startswith("cannot connect: "), "the cause")
            if "Location" in REPLIES[name] and name != "a Location that is no address":
                assert "redirect" in feed.stats.reason
            assert feed.stats.reason.isprintable()


@given(st.binary(max_size=80))
def test_whatever_bytes_a_peer_answers_the_cause_is_words(data: bytes) -> None:
    async def ask() -> None:
        async with answering(lambda: data) as (port, attempts):
            feed = quick(f"ws://127.0.0.1:{port}/ws/x", first_frame="100ms")
            async with Listener(feed.quotes()):
                await until(lambda: len(attempts) >= 2, "two attempts")
                assert feed.stats.reason.startswith("cannot connect: ")

    asyncio.run(ask())


async def test_a_redirect_to_https_is_called_one() -> None:
    data = REPLIES["redirect to https"].encode() + b"\r\n"
    async with answering(lambda: data) as (port, attempts):
        feed = quick(f"ws://127.0.0.1:{port}/ws/x")
        async with Listener(feed.quotes()):
            await until(lambda: len(attempts) >= 2, "two attempts")
            words = "cannot connect: HTTP 301 is a redirect to https://127.0.0.1; put the right address into url"
            assert feed.stats.reason == words


PROXIES = {"https_proxy", "http_proxy", "all_proxy", "wss_proxy", "ws_proxy", "no_proxy", "socks_proxy"}


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variable", "value", "url"),
    [
        ("https_proxy", "socks5://127.0.0.1:1", "wss://127.0.0.1:9/ws/x"),
        ("https_proxy", "http://[::1", "wss://127.0.0.1:9/ws/x"),
        ("HTTPS_PROXY", "socks5h://desk:geheim-7Qx@127.0.0.1:1", "wss://127.0.0.1:9/ws/x"),
        ("ALL_PROXY", "socks5://127.0.0.1:1", "wss://127.0.0.1:9/ws/x"),
        ("all_proxy", "socks4://127.0.0.1:1", "ws://127.0.0.1:9/ws/x"),
        ("http_proxy", "nonsense", "ws://127.0.0.1:9/ws/x"),
        ("http_proxy", "http://desk:geheim-7Qx@127.0.0.1:1", "ws://127.0.0.1:9/ws/x"),
        ("http_proxy", "http://127.0.0.1:port", "ws://127.0.0.1:9/ws/x"),
        ("http_proxy", "http://a b:1", "ws://127.0.0.1:9/ws/x"),
        ("https_proxy", "http://127.0.0.1:1/a?b#c", "wss://127.0.0.1:9/ws/x"),
    ],
)
async def test_a_proxy_that_cannot_be_used_is_named(
    variable: str, value: str, url: str, no_proxies: pytest.MonkeyPatch
) -> None:
    no_proxies.setenv(variable, value)
    feed = quick(url)
    async with Listener(feed.quotes()):
        await until(lambda: "cannot connect: a proxy is named in" in feed.stats.reason, "the proxy is named")
        assert variable.lower() in feed.stats.reason
        assert "cannot be used" in feed.stats.reason
        assert "geheim-7Qx" not in feed.stats.reason


async def test_an_address_that_needs_no_proxy_is_connected_to_without_one(no_proxies: pytest.MonkeyPatch) -> None:
    no_proxies.setenv("http_proxy", "socks5://127.0.0.1:1")
    no_proxies.setenv("no_proxy", "127.0.0.1")
    async with Venue() as venue, Listener(quick(venue.url).quotes()) as listener:
        await comes_back(venue, listener)


async def market(venue: Venue, *, coins: bool) -> None:
    """A second of a market that comes in two messages."""
    at_ms = int(asyncio.get_running_loop().time() * 1000) + 1_600_000_000_000
    if coins:
        await venue.send([mark("BTCUSDT", "60000", at_ms), mark("ETHUSDT", "3000", at_ms)])
    await venue.send([mark("TSLAUSDT", "250", at_ms), mark("XAUUSDT", "4000", at_ms)])


@pytest.mark.parametrize("needs", [{"BTC", "ETH"}, set()], ids=["needed", "by its layout"])
async def test_half_a_market_that_goes_silent_gets_a_new_connection_and_the_other_half_goes_on(needs: set[str]) -> None:
    async with Venue() as venue:
        feed = quick(venue.url, silence="300ms", first_frame="5s")
        feed.attach(Desk(lambda: needs))
        async with Listener(feed.quotes()) as listener:
            await venue.joined()
            for number in range(100):
                await market(venue, coins=number < 8 or venue.attempts > 1)
                await asyncio.sleep(0.02)
                if venue.attempts > 1:
                    break
                if "BTC" in feed.stats.reason:
                    assert feed.stats.connected, "the socket that gives the rest serves on"
            assert venue.attempts == 2
            async with asyncio.timeout(10.0):
                while venue.listening < 2:  # the other half goes on, or its socket would be left as silent
                    await market(venue, coins=False)
                    await asyncio.sleep(0.02)
            seen = len(listener.prices("BTC"))
            await market(venue, coins=True)
            await until(lambda: len(listener.prices("BTC")) > seen, "BTC is back")


async def test_a_coin_that_never_came_or_is_not_needed_is_no_reason_to_connect_again() -> None:
    async with Venue() as venue:
        feed = quick(venue.url, silence="200ms", first_frame="5s")
        feed.attach(Desk(lambda: {"BTC", "DOT"}))
        async with Listener(feed.quotes()):
            await venue.joined()
            for number in range(50):
                at_ms = 1_600_000_000_000 + number
                gone = [mark("TSLAUSDT", "1", at_ms)] if number < 5 else []
                await venue.send([mark("BTCUSDT", "1", at_ms), mark("ETHUSDT", "1", at_ms), *gone])
                await asyncio.sleep(0.02)
        assert venue.attempts == 1


async def test_a_spot_coin_that_does_not_trade_is_no_reason_to_connect_again() -> None:
    def ticker(symbol: str, number: int) -> dict[str, object]:
        return {"e": "24hrMiniTicker", "E": 1_600_000_000_000 + number, "s": symbol, "c": "1"}

    async with Venue() as venue:
        table = {"url": venue.url, "silence": "200ms", "first_frame": "5s", "retry_min": "20ms", "retry_max": "100ms"}
        feed = binance_spot.build("spot", schema.read(binance_spot.Config, table))
        feed.attach(Desk(lambda: {"BTC", "DOT"}))
        async with Listener(feed.quotes()):
            await venue.joined()
            for number in range(80):
                quiet = [ticker("DOTUSDT", number)] if number < 25 else []
                await venue.send([ticker("BTCUSDT", number), ticker("ETHUSDT", number), *quiet])
                await asyncio.sleep(0.02)
        assert venue.attempts == 1


async def test_a_frame_that_is_repeated_for_ever_gets_a_new_connection() -> None:
    async with Venue() as venue:
        feed = quick(venue.url, silence="200ms", first_frame="5s", retry_min="1s", retry_max="1s")
        async with Listener(feed.quotes()) as listener:
            await venue.joined()
            for _ in range(100):
                await venue.marks({"BTCUSDT": "7"}, at_ms=1_600_000_000_000)
                await asyncio.sleep(0.01)
                if not feed.stats.connected and feed.stats.quotes:
                    break
            assert feed.stats.reason == "no price for 0.2 s: the venue sends the same message again and again"
        assert listener.prices("BTC") == ["7"]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            {"error": {"code": 2, "msg": "Invalid request: unknown stream"}, "id": 1},
            "code 2: Invalid request: unknown stream",
        ),
        ([mark("BTCUSDT", "1", 1_600_000_000_000_000)], "times in microseconds"),
        ([mark("BTCUSDT", "1", 1_600_000_000)], "times in seconds"),
        ({"result": None, "id": 1}, "acknowledges the request and sends nothing"),
        ({"data": "x" * 2000}, "frame over the limit"),
        ([mark("BTCUSDT", "1") | {"s": "1000NEWUSDT"}], "1000NEWUSDT is refused: unknown multiplier"),
    ],
)
async def test_the_cause_is_said_at_once_and_kept_over_attempts_that_hear_nothing(message: object, words: str) -> None:
    async with Venue() as venue:
        feed = quick(venue.url, first_frame="200ms", max_frame_bytes=1000)
        async with Listener(feed.quotes()) as listener:
            await venue.joined()
            await venue.send(frame(message))
            await until(lambda: words in feed.stats.reason, words)
            await until(lambda: venue.attempts >= 3, "more attempts")
            assert words in feed.stats.reason
            await comes_back(venue, listener)
            assert feed.stats.reason == ""


async def test_a_frame_over_the_sockets_limit_is_named() -> None:
    async with Venue() as venue:
        feed = quick(venue.url, max_frame_bytes=1000, retry_min="5s", retry_max="5s")
        async with Listener(feed.quotes()):
            await venue.joined()
            await venue.send(" " * 5000)
            await until(lambda: "frame over the limit" in feed.stats.reason, "the limit is named")


async def test_a_server_that_says_that_it_shuts_down_is_left_before_it_does() -> None:
    async with Venue() as venue:
        feed = quick(venue.url, silence="5s", first_frame="5s")
        async with Listener(feed.quotes()) as listener:
            await comes_back(venue, listener, "1")
            await venue.send(frame({"e": "serverShutdown", "E": 1_600_000_000_000}))
            await venue.joined(2)
            assert feed.stats.connected
            await comes_back(venue, listener, "2")
            await until(lambda: len(venue.sockets) == 1, "the old socket is closed")
        assert venue.most_sockets == 2


async def test_a_password_in_the_address_is_in_no_line_and_no_cause() -> None:
    async with Venue() as venue:
        url = venue.url.replace("ws://", "ws://desk:geheim-7Qx@") + "?token=marke-9Zz"
        with structlog.testing.capture_logs() as logs:
            feed = quick(url)
            venue.refuse(403, 1)
            said: set[str] = set()
            async with Listener(feed.quotes()) as listener:
                await until(lambda: venue.attempts >= 1, "refused")
                said.add(feed.stats.reason)
                await comes_back(venue, listener)
                await venue.stop()
                await until(lambda: "cannot connect" in feed.stats.reason, "nobody listens")
                said.add(feed.stats.reason)
        text = json.dumps([logs, sorted(said)], default=str)
        assert logs
        assert "geheim" not in text
        assert "marke" not in text


@pytest.mark.parametrize(
    "url",
    [
        "http://desk:geheim-7Qx@host",
        "ws://desk:geheim-7Qx@[::1",
        "ws://desk:geheim-7Qx@ho st:x/",
        "ws://desk:geheim-7Qx/y@host/x",
        "ws://desk:geheim-7Qx@127.0.0.1:99999/x",
    ],
)
def test_a_wrong_address_is_named_without_its_password(url: str) -> None:
    with pytest.raises(schema.Invalid) as caught:
        quick(url)
    assert "ws:// or wss:// address, its port at most 65535" in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_an_address_is_shown_without_what_may_be_secret() -> None:
    assert shown_url("wss://desk:geheim@host:9443/ws/x?token=marke") == "wss://host:9443"
    for text in (
        "cannot reach wss://desk:geheim%2D7@host/ws/x?token=marke",
        "geheim-7 and marke and ZGVzazpnZWhlaW0tNw==",
    ):
        clean = scrubbed(text, "wss://desk:geheim%2D7@host/ws/x?token=marke")
        assert not any(secret in clean for secret in ("geheim", "marke", "ZGVz")), clean


async def test_a_venue_that_bans_is_asked_at_the_longest_pause_at_once() -> None:
    async with Venue() as venue:
        venue.refuse(451, times=50)
        feed = quick(venue.url, retry_min="10ms", retry_max="600ms")
        async with Listener(feed.quotes()):
            await until(lambda: "HTTP 451" in feed.stats.reason, "named")
            await asyncio.sleep(0.9)
            assert venue.attempts <= 4
            assert "for legal reasons" in feed.stats.reason


@pytest.mark.parametrize(("host", "waits"), [("venue.example", True), ("127.0.0.1", False)])
async def test_connects_to_a_venue_are_bounded_within_a_minute(host: str, waits: bool) -> None:
    feed, clock = quick(f"ws://{host}/ws/x", retry_min="10ms", retry_max="10ms"), SystemClock()
    stream = LiveStream(feed._link(), feed, feed.stats, clock, frozenset)
    began_s = clock.monotonic_s()
    stream._connects.extend([began_s - 59.8] * 30)
    await stream._spare_the_venue()
    assert (clock.monotonic_s() - began_s > 0.15) is waits


async def test_a_burst_that_nobody_takes_costs_no_memory_and_the_newest_wins() -> None:
    coins = [f"C{number}USDT" for number in range(200)]
    async with Venue() as venue:
        feed = quick(venue.url, silence="5s", first_frame="5s")
        quotes = feed.quotes()
        try:
            first = asyncio.ensure_future(anext(quotes))
            await venue.joined()
            for number in range(200):
                at_ms = 1_600_000_000_000 + number
                await venue.send([mark(coin, str(number + 1), at_ms) for coin in coins])
            await first
            await until(lambda: feed.stats.frames == 200, "all read while nobody takes them")
            taken = [await anext(quotes)]
            while str(next(iter(taken[-1])).price) != "200":
                taken.append(await anext(quotes))
            assert len(taken) <= 65
            assert len(taken[-1]) == 200
            assert feed.stats.ignored["conflated"] >= 200 * (200 - 66)
        finally:
            await quotes.aclose()


LIST = json.dumps(
    {
        "symbols": [
            {
                "symbol": s,
                "contractType": "PERPETUAL",
                "status": "TRADING",
                "baseAsset": s[:-4],
                "quoteAsset": "USDT",
                "underlyingType": kind,
            }
            for s, kind in (("BTCUSDT", "COIN"), ("TSLAUSDT", "EQUITY"))
        ]
    }
).encode()


def http(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


async def test_the_list_of_markets_is_read_kept_and_used_from_its_copy_when_its_server_is_away(tmp_path: Path) -> None:
    async with Venue() as venue:
        async with answering(lambda: http(LIST)) as (port, _):
            feed = quick(venue.url, instruments_url=f"http://127.0.0.1:{port}/fapi/v1/exchangeInfo")
            feed.attach(Desk(folder=tmp_path))
            assert feed.stats.instruments == "builtin"
            async with Listener(feed.quotes()) as listener:
                await until(lambda: feed.stats.instruments == "list", "the list")
                await comes_back(venue, listener, "1")
                await venue.marks({"TSLAUSDT": "5", "BTCUSDT": "2"}, messages=1)
                await listener.heard("BTC", "2")
                assert not listener.prices("TSLA")
        again = quick(venue.url, instruments_url=f"http://127.0.0.1:{port}/fapi/v1/exchangeInfo")
        again.attach(Desk(folder=tmp_path))
        async with Listener(again.quotes()) as listener:
            await until(lambda: again.stats.instruments == "kept copy", "the copy")
            await comes_back(venue, listener)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"nonsense",
        http(b"", "418 Banned"),
        http(b"[]"),
        http(b'{"symbols":[]}'),
        http(b"\xff"),
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n",
    ],
    ids=["nothing", "nonsense", "a ban", "an array", "no market", "no text", "a bad redirect"],
)
async def test_a_list_that_cannot_be_read_costs_no_price(reply: bytes, tmp_path: Path) -> None:
    copy = tmp_path / "instruments-venue.json"
    copy.write_bytes(b"damaged")
    async with Venue() as venue, answering(lambda: reply) as (port, attempts):
        feed = quick(venue.url, instruments_url=f"http://127.0.0.1:{port}/x")
        feed.attach(Desk(folder=tmp_path))
        async with Listener(feed.quotes()) as listener:
            await comes_back(venue, listener)
            await until(lambda: attempts, "the list was asked for")
            assert feed.stats.instruments == "builtin"


@pytest.mark.skipif(not (SHARED / "cases").is_dir(), reason=f"no handed cases at {SHARED}")
async def test_the_handed_answers_to_a_handshake_are_survived() -> None:
    for line in (SHARED / "cases/prices/handshake/replies.jsonl").read_text().splitlines():
        data = json.loads(line)["reply"].encode("latin-1")
        async with answering(lambda data=data: data) as (port, attempts):  # type: ignore[misc]
            feed = quick(f"ws://127.0.0.1:{port}/ws/x")
            async with Listener(feed.quotes()):
                await until(lambda attempts=attempts: len(attempts) >= 2, "two attempts")  # type: ignore[misc]
                assert feed.stats.reason.startswith("cannot connect: "), line


async def test_a_venue_that_accepts_the_connection_and_sends_nothing_is_said_to_do_so() -> None:
    async with Venue() as venue:
        venue.deaf = True
        feed = quick(venue.url, first_frame="100ms")
        async with Listener(feed.quotes()):
            words = "no price for 0.1 s: connected, but the venue sends nothing"
            await until(lambda: feed.stats.reason == words, words)
