"""Fault tests of price feeds: what a peer's connection can do to a feed, in virtual time with real sockets."""

from __future__ import annotations

import asyncio
import ssl
import statistics
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from monitor.core import schema
from monitor.feeds import binance_futures
from monitor.feeds.binance_futures import BinanceFutures, Config
from tests import virtual
from tests.feeds.venue import Listener, Venue, mark
from tests.virtual import LoopClock

RETRY_MIN_S, RETRY_MAX_S = 1.0, 30.0
MOST_A_MINUTE = 30


def feed_of(url: str, clock: LoopClock, **more: object) -> BinanceFutures:
    return binance_futures.build("venue", schema.read(Config, {"url": url, **more}), clock)


async def until(true: Callable[[], Any], what: str, within_s: float = 600.0, step_s: float = 0.05) -> float:
    """Waits in virtual time; how long that took."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while not true():
        assert loop.time() - began_s < within_s, f"not within {within_s} s: {what}"
        await asyncio.sleep(step_s)
    return loop.time() - began_s


@asynccontextmanager
async def venue_of(clock: LoopClock) -> AsyncIterator[Venue]:
    venue = Venue(ping_every_s=None)
    venue._clock = clock
    async with venue:
        yield venue


async def sends(venue: Venue, every_s: float = 1.0) -> None:
    """The whole market, second by second, with prices that move by a cent."""
    number = 0
    while True:
        number += 1
        await venue.marks({"BTCUSDT": f"{50_000 + number}.01", "ETHUSDT": f"{3_000 + number}.5"}, messages=1)
        await asyncio.sleep(every_s)


class Attempts:
    """When the feed knocked at a port."""

    def __init__(self) -> None:
        self.at_s: list[float] = []

    def note(self) -> None:
        self.at_s.append(asyncio.get_running_loop().time())

    def gaps(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.at_s, self.at_s[1:], strict=False)]

    def most_within(self, seconds: float) -> int:
        return max(sum(at_s <= other < at_s + seconds for other in self.at_s) for at_s in self.at_s)


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


@asynccontextmanager
async def peer(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, Attempts]]:
    """A server that answers each connection in its own way; the attempts are noted."""
    attempts = Attempts()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        attempts.note()  # with TLS only those whose handshake came to its end
        try:
            await answer(reader, writer, len(attempts.at_s))
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1], attempts


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
    """At once, without a word."""


def http(*answers: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers[(number - 1) % len(answers)])

    return answer


def status(code: int, more: str = "") -> bytes:
    return f"HTTP/1.1 {code} No\r\n{more}Content-Length: 0\r\n\r\n".encode()


def test_a_feed_that_never_sends_a_first_message_gets_a_new_connection_within_its_deadline() -> None:
    async def main() -> None:
        clock = LoopClock()
        async with venue_of(clock) as venue:
            venue.deaf = True
            feed = feed_of(venue.url, clock)
            async with Listener(feed.quotes()):
                await until(lambda: venue.attempts == 1, "the first connection")
                assert await until(lambda: venue.attempts == 2, "the second") < 10 + 2 * RETRY_MIN_S + 1
                assert not feed.stats.connected
                assert "no price for 10 s" in feed.stats.reason
                venue.deaf = False
                sender = asyncio.create_task(sends(venue))
                assert await until(lambda: feed.stats.connected, "prices") < 10 + RETRY_MAX_S + 1
                sender.cancel()

    virtual.run(main())


def test_a_stalled_feed_whose_pongs_flow_is_connected_again_and_again() -> None:
    async def main() -> None:
        clock = LoopClock()
        async with venue_of(clock) as venue:
            feed = feed_of(venue.url, clock)
            async with Listener(feed.quotes()) as listener:
                await venue.joined()
                for second in range(5):
                    await venue.marks({"BTCUSDT": f"5000{second}"})
                    await asyncio.sleep(1)
                pings = asyncio.create_task(_ping(venue))
                assert 13 < await until(lambda: venue.attempts == 2, "a second connection") < 15 + 2 * RETRY_MIN_S + 1
                await until(lambda: venue.attempts >= 5, "and more while nothing comes")
                heard = len(listener.quotes)
                sender = asyncio.create_task(sends(venue))
                await until(lambda: len(listener.quotes) > heard, "prices again", RETRY_MAX_S + 11)
                pings.cancel()
                sender.cancel()

    virtual.run(main())


async def _ping(venue: Venue) -> None:
    while True:
        for socket in list(venue.sockets):
            await socket.ping()
        await asyncio.sleep(1)


def test_a_thousand_closes_at_once_are_asked_at_a_capped_jittered_and_bounded_rate() -> None:
    async def main() -> None:
        clock = LoopClock()
        async with peer(closes) as (port, attempts):
            feed = feed_of(f"ws://127.0.0.1:{port}/ws/x", clock)
            async with Listener(feed.quotes()):
                await until(lambda: len(attempts.at_s) >= 1000, "a thousand attempts", 1000 * RETRY_MAX_S, 60)
                assert feed.stats.reason.startswith("cannot connect: ")
                assert not feed.stats.connected
        gaps = attempts.gaps()
        later = gaps[10:]
        assert max(gaps) <= RETRY_MAX_S + 0.5
        assert min(later) >= RETRY_MAX_S / 2
        assert statistics.stdev(later) > 1, "delays are spread, so that many monitors do not knock together"
        assert attempts.most_within(60) <= MOST_A_MINUTE

    virtual.run(main())


@pytest.mark.parametrize(
    ("answer", "least_s", "most_s"),
    [
        pytest.param(status(403), RETRY_MAX_S / 2, RETRY_MAX_S, id="403"),
        pytest.param(status(418), RETRY_MAX_S / 2, RETRY_MAX_S, id="418"),
        pytest.param(status(451), RETRY_MAX_S / 2, RETRY_MAX_S, id="451"),
        pytest.param(status(429, "Retry-After: 120\r\n"), 120, 120, id="429 with Retry-After"),
        pytest.param(status(418, "Retry-After: 86400\r\n"), 300, 300, id="418 for a day"),
        pytest.param(status(500), RETRY_MIN_S / 2, RETRY_MAX_S, id="500"),
        pytest.param(b"hello\r\n\r\n", RETRY_MIN_S / 2, RETRY_MAX_S, id="no HTTP"),
        pytest.param(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: wrong\r\n\r\n",
            RETRY_MIN_S / 2,
            RETRY_MAX_S,
            id="a bad handshake",
        ),
    ],
)
def test_every_refusal_is_a_wait_and_never_the_end(answer: bytes, least_s: float, most_s: float) -> None:
    async def main() -> None:
        clock = LoopClock()
        async with venue_of(clock) as venue:
            async with peer(http(answer)) as (port, attempts):
                feed = feed_of(f"ws://127.0.0.1:{port}/ws/!markPrice@arr@1s", clock)
                listener = Listener(feed.quotes())
                await listener.__aenter__()
                await until(lambda: len(attempts.at_s) >= 12, "twelve attempts", 12 * (most_s + 1), 1)
                gaps = attempts.gaps()
                assert all(least_s <= gap <= most_s + 1 for gap in gaps), gaps
                assert attempts.most_within(60) <= MOST_A_MINUTE
                assert feed.stats.reason.startswith("cannot connect: "), feed.stats.reason
            await venue.stop()
            venue._port = port
            await venue.start()
            sender = asyncio.create_task(sends(venue))
            assert await until(lambda: feed.stats.connected, "prices after it is mended", most_s + 11) <= most_s + 11
            sender.cancel()
            await listener.__aexit__()

    virtual.run(main())


def test_a_peer_without_tls_is_asked_again_and_named() -> None:
    async def main() -> None:
        async with peer(closes) as (port, attempts):
            feed = feed_of(f"wss://127.0.0.1:{port}/ws/x", LoopClock())
            async with Listener(feed.quotes()):
                await until(lambda: len(attempts.at_s) >= 20, "twenty attempts")
                assert feed.stats.reason.startswith("cannot connect: ")
        assert attempts.most_within(60) <= MOST_A_MINUTE

    virtual.run(main())


def test_a_certificate_that_nobody_vouches_for_is_a_wait_and_is_named(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key", tmp_path / "crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "1",
         "-subj", "/CN=127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    async def main() -> None:
        async with peer(closes, tls) as (port, attempts):
            feed = feed_of(f"wss://127.0.0.1:{port}/ws/x", LoopClock())
            async with Listener(feed.quotes()):
                await until(lambda: "certificate" in feed.stats.reason, "the certificate is named")
                assert feed.stats.reason.startswith("cannot connect: ")
                tried = list(feed._stream._connects)
                await asyncio.sleep(600)
                assert feed._stream._connects[-1] > tried[-1], "it goes on trying"
                assert not feed.stats.connected

    virtual.run(main())


def test_the_cut_at_24_hours_is_forestalled_with_two_sockets_at_most_and_no_tick_missed() -> None:
    """Hours are minutes here: the venue cuts each socket after 24, the feed changes it at 23. Two hours of a price a second."""

    async def main() -> None:
        clock = LoopClock()
        async with venue_of(clock) as venue:
            venue.life_s = 24 * 60.0
            feed = feed_of(venue.url, clock, reconnect_after="23m")
            sent: list[str] = []
            async with Listener(feed.quotes()) as listener:
                await venue.joined()
                for number in range(2 * 3600):
                    sent.append(f"{40_000 + number}.5")
                    await venue.marks({"BTCUSDT": sent[-1]}, messages=1)
                    await asyncio.sleep(1)
                assert listener.prices("BTC") == sent, "every tick once, and in order"
                assert venue.most_sockets == 2
                assert feed.stats.connected
                assert venue.attempts == feed.stats.reconnects + 1
                assert feed.stats.reconnects in (5, 6), "each change is planned: none by the cut"

    virtual.run(main())


def test_what_a_venue_sends_again_after_a_reconnect_never_moves_a_price_back() -> None:
    async def main() -> None:
        clock = LoopClock()
        async with venue_of(clock) as venue:
            feed = feed_of(venue.url, clock)
            async with Listener(feed.quotes()) as listener:
                await venue.joined()
                sent = []
                for number in range(20):
                    at_ms = await venue.marks({"BTCUSDT": f"{100 + number}", "ETHUSDT": f"{10 + number}"})
                    sent.append((at_ms, f"{100 + number}"))
                    await asyncio.sleep(1)
                venue.drop()
                await until(lambda: venue.attempts == 2 and venue._listening, "the new connection")
                for at_ms, price in [*sent[5:], *reversed(sent), *sent]:
                    await venue.send([mark("BTCUSDT", price, at_ms)])
                await venue.marks({"BTCUSDT": "777"})
                await until(lambda: "777" in listener.prices("BTC"), "the newest price")
                assert listener.prices("BTC") == [*(price for _, price in sent), "777"]
                times = [quote.at for quote in listener.quotes if quote.asset == "BTC"]
                assert times == sorted(times)
                assert feed.stats.ignored["older"] + feed.stats.ignored["repeated"] >= 50

    virtual.run(main())


GARBAGE: dict[str, object] = {
    "truncated": b'[{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"1179',
    "binary": bytes(range(256)),
    "not UTF-8": b'[{"e":"markPriceUpdate","s":"\xff\xfe","p":"1"}]',
    "nested": b"[" * 10_000 + b"]" * 10_000,
    "nested objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "a number": b"12",
    "nothing": b"",
    "null": b"null",
    "2 MiB": b"[" + b" " * (2 << 20) + b"]",
}
BAD_PRICES = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-5",
    "0",
    "",
    "abc",
    None,
    12.5,
    True,
    [],
    {},
    "1" * 400,
    "0x10",
    "1_0",
]


def test_garbage_costs_its_own_coin_at_most_and_is_counted_by_reason() -> None:
    async def main() -> None:
        clock = LoopClock()
        async with venue_of(clock) as venue:
            feed = feed_of(venue.url, clock)
            async with Listener(feed.quotes()) as listener:
                await venue.joined()
                await venue.marks({"BTCUSDT": "50000", "ETHUSDT": "3000"})
                await until(lambda: len(listener.quotes) == 2, "the first prices")
                for number, (name, message) in enumerate(GARBAGE.items()):
                    refused = feed.stats.refused.total()
                    if name == "binary":
                        await venue.send_binary(bytes(range(256)))
                    else:
                        await venue.send(message)
                    await until(lambda n=refused: feed.stats.refused.total() > n, f"{name} is counted", 5)
                    price = f"{3001 + number}"
                    await venue.marks({"ETHUSDT": price})
                    await until(lambda p=price: listener.prices("ETH")[-1] == p, f"ETH after {name}", 5)
                for number, bad in enumerate(BAD_PRICES):
                    refused, price = feed.stats.refused.total(), f"{4001 + number}"
                    await venue.send(await _beside(venue, bad, price))
                    await until(lambda p=price: listener.prices("ETH")[-1] == p, f"ETH beside {bad!r}", 5)
                    assert feed.stats.refused.total() == refused + 1, bad
                twice = f'[{{"e":"markPriceUpdate","E":{_ms(clock)},"s":"BTCUSDT","p":"1","p":"2"}}]'
                refused = feed.stats.refused.total()
                await venue.send(twice)
                await until(lambda: feed.stats.refused.total() == refused + 1, "a key that stands twice", 5)
                assert listener.prices("BTC") == ["50000"], "no garbage became a price"
                assert venue.attempts == 1, "no garbage cost the connection"
                assert {"not_finite", "negative", "zero", "empty"} <= feed.stats.refused.keys(), feed.stats.refused

    virtual.run(main())


def _ms(clock: LoopClock) -> int:
    return int(clock.utc().timestamp() * 1000)


async def _beside(venue: Venue, bad: object, price: str) -> list[dict[str, Any]]:
    """A message with one bad price among good ones; None as a value would take the key away, so it is put in later."""
    venue._last_ms = at_ms = max(_ms(venue._clock), venue._last_ms + 1)  # type: ignore[arg-type]
    return [{**mark("BTCUSDT", "1", at_ms), "p": bad}, mark("ETHUSDT", price, at_ms)]
