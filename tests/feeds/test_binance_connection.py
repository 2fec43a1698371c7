"""The futures feed against a real socket whose other end fails in every way it can."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from monitor.asking import retry_after_s
from monitor.clock import SystemClock
from monitor.core import schema
from monitor.core.prices.quote import Batch
from monitor.feeds.binance_futures import SUBSCRIBE, BinanceFutures, Config, build
from tests.feeds.venue import Listener, Venue, frame, mark, until


def quick(url: str, **more: object) -> BinanceFutures:
    """The feed with its deadlines scaled down, so that a fault costs tenths of a second."""
    settings: dict[str, object] = {
        "silence": "400ms",
        "first_frame": "400ms",
        "retry_min": "20ms",
        "retry_max": "100ms",
    }
    return build("venue", schema.read(Config, {"url": url, **settings, **more}))


async def comes_back(venue: Venue, listener: Listener, price: str = "777") -> None:
    """Prices reach the desk again."""
    for _ in range(400):
        await venue.marks({"BTCUSDT": price})
        if price in listener.prices("BTC"):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the feed did not come back")


@pytest.mark.parametrize("form", ["url", "combined_url", "root"])
async def test_quotes_arrive_from_each_form_of_the_address(form: str) -> None:
    async with Venue() as venue:
        feed = quick(getattr(venue, form))
        async with Listener(feed.quotes()) as listener:
            await venue.joined()
            at_ms = await venue.marks({"BTCUSDT": "50000.10", "1000SHIBUSDT": "0.0085", "ETHUSDT": "3000"})
            await until(lambda: len(listener.quotes) == 3, "three quotes")
        btc, shib, _ = listener.quotes
        assert (btc.asset, btc.price, btc.quote, btc.source) == ("BTC", Decimal("50000.10"), "USDT", "venue")
        assert btc.at == datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at_ms)
        assert (shib.asset, shib.price) == ("SHIB", Decimal("0.0000085"))
        assert [len(batch) for batch in listener.batches] == [2, 1], "a market in two messages is two batches"


async def test_a_bare_root_is_asked_by_message_and_a_stream_is_not() -> None:
    async with Venue() as venue:
        for url, asked in [(venue.url, 0), (venue.root, 1), (venue.root + "/", 2), (venue.combined_url, 2)]:
            async with Listener(quick(url).quotes()):
                await venue.joined()
                assert len(venue.requests) == asked
    assert frame(venue.requests[0]) == SUBSCRIBE.replace(" ", "")


async def test_pings_of_the_venue_are_answered() -> None:
    async with Venue(ping_every_s=0.1) as venue:
        async with Listener(quick(venue.url, first_frame="5s").quotes()) as listener:
            await venue.joined()
            await asyncio.sleep(0.5)
            await comes_back(venue, listener)
        assert venue.attempts == 1


@pytest.mark.parametrize("fault", ["drop", "close"])
async def test_comes_back_each_time_the_venue_goes(fault: str) -> None:
    async with Venue() as venue:
        feed = quick(venue.url)
        async with Listener(feed.quotes()) as listener:
            for round_ in range(1, 4):
                await comes_back(venue, listener, str(round_))
                assert feed.stats.connected
                if fault == "drop":
                    venue.drop()
                else:
                    await venue.close()
                await until(lambda: not feed.stats.connected, "the loss is noticed")
                assert feed.stats.reason != ""
            await comes_back(venue, listener, "4")
        assert feed.stats.reconnects == 3
        assert venue.most_sockets == 1


async def test_silence_is_a_fault_though_the_socket_lives_and_pongs_flow() -> None:
    async with Venue(ping_every_s=0.05) as venue:
        feed = quick(venue.url, first_frame="60s")
        async with Listener(feed.quotes()) as listener:
            await comes_back(venue, listener, "1")
            started = SystemClock().monotonic_s()
            await until(lambda: venue.attempts == 2, "a new connection")
            assert 0.35 < SystemClock().monotonic_s() - started < 2
            assert feed.stats.reason == "no price for 0.4 s"
            await comes_back(venue, listener, "2")


async def test_a_link_that_never_sends_a_first_message_is_replaced_again_and_again() -> None:
    async with Venue() as venue:
        venue.deaf = True
        feed = quick(venue.url, first_frame="0.15s")
        async with Listener(feed.quotes()) as listener:
            await until(lambda: venue.attempts >= 4, "four attempts")
            assert not feed.stats.connected
            venue.deaf = False
            await comes_back(venue, listener)
        assert venue.most_sockets == 1


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 418, 429, 451, 500, 502, 503])
async def test_no_http_answer_ends_the_asking(status: int) -> None:
    async with Venue() as venue:
        venue.refuse(status, times=3)
        feed = quick(venue.url)
        async with Listener(feed.quotes()) as listener:
            await until(lambda: venue.attempts >= 1 and str(status) in feed.stats.reason, f"{status} is named")
            await comes_back(venue, listener)
        assert venue.attempts == 4
        assert feed.stats.reconnects == 0, "a refused attempt was no connection"


async def test_retry_after_is_kept() -> None:
    async with Venue() as venue:
        venue.refuse(429, retry_after="1")
        async with Listener(quick(venue.url).quotes()) as listener:
            await until(lambda: venue.attempts == 1, "the refused attempt")
            await asyncio.sleep(0.8)
            assert venue.attempts == 1
            await comes_back(venue, listener)


async def test_retry_after_is_capped_so_that_no_header_blinds_the_desk() -> None:
    async with Venue() as venue:
        venue.refuse(418, retry_after="259200")
        async with Listener(quick(venue.url, retry_min="0.02s", retry_max="0.03s").quotes()) as listener:
            await comes_back(venue, listener)


def test_retry_after_in_all_its_forms() -> None:
    now = datetime(2026, 1, 5, 10, 0, 0, tzinfo=UTC)
    assert retry_after_s("30", now) == 30
    assert retry_after_s("Mon, 05 Jan 2026 10:01:00 GMT", now) == 60
    assert retry_after_s("Mon, 05 Jan 2026 09:00:00 GMT", now) == 0
    for nonsense in ("-5", "soon", "", "1e9", "Mon, 05 Jan 2026 10:01:00"):
        assert retry_after_s(nonsense, now) is None


async def test_a_venue_that_closes_at_once_is_asked_at_a_bounded_rate() -> None:
    async with Venue() as venue:
        venue.close_at_once = True
        async with Listener(quick(venue.url, retry_min="0.02s", retry_max="0.2s").quotes()) as listener:
            await asyncio.sleep(1.0)
            # Pauses of 0.02-0.04, 0.04-0.08, 0.08-0.16, then at least 0.1 s each.
            assert 3 <= venue.attempts <= 14
            venue.close_at_once = False
            await comes_back(venue, listener)


async def test_a_venue_that_is_not_there_yet_is_waited_for() -> None:
    venue = Venue()
    await venue.start()
    await venue.stop()
    feed = quick(venue.url)
    async with Listener(feed.quotes()) as listener:
        await until(lambda: "cannot connect" in feed.stats.reason, "the refusal is named")
        async with venue:
            await comes_back(venue, listener)


@pytest.mark.parametrize("says", [b"", b"rubbish\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 101 X\r\n\r\n"])
@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_peer_that_speaks_no_websocket_or_no_tls_is_asked_again(scheme: str, says: bytes) -> None:
    attempts = 0

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        writer.write(says)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Listener(quick(f"{scheme}://127.0.0.1:{port}/ws/x").quotes()):
            await until(lambda: attempts >= 3, "three attempts")


GARBAGE: list[str | bytes] = [
    "", "nonsense", '[{"e":"markPriceUpdate"', "[" * 10_000 + "]" * 10_000, "\x00", b"\xff\xfe\xfd", "NaN", "null",
    '{"e":"aggTrade","s":"BTCUSDT","p":"1"}', "[1, null, {}]",
]  # fmt: skip


async def test_garbage_costs_neither_the_connection_nor_the_other_prices() -> None:
    async with Venue() as venue:
        feed = quick(venue.url, first_frame="5s", silence="5s", max_frame_bytes=100_000)
        async with Listener(feed.quotes()) as listener:
            await venue.joined()
            for number, garbage in enumerate(GARBAGE):
                await venue.send(garbage)
                await venue.send([mark("ETHUSDT", "NaN"), mark("BTCUSDT", str(number + 1), 1_600_000_000_000 + number)])
            await venue.send_binary(b"\x00\xff\x01")
            await venue.send(" " * 200_000)
            await venue.send([mark("BTCUSDT", "4242", 1_600_000_100_000)])
            await listener.heard("BTC", "4242")
        assert listener.prices("BTC") == [str(n + 1) for n in range(len(GARBAGE))] + ["4242"]
        assert venue.attempts == 1
        refused = feed.stats.refused
        assert refused["not_utf8"] == 2
        assert refused["too_large"] == 1
        assert refused["too_deep"] == 1
        assert refused["not_finite"] == len(GARBAGE)


async def test_a_flood_of_rubbish_is_silence() -> None:
    async with Venue() as venue:
        feed = quick(venue.url)

        async def flood() -> None:
            while True:
                await venue.send("rubbish")
                await asyncio.sleep(0)

        async with Listener(feed.quotes()) as listener:
            await comes_back(venue, listener, "1")
            flooding = asyncio.create_task(flood())
            await until(
                lambda: "no price for 0.4 s: a message that is not JSON" in feed.stats.reason, "silence is declared"
            )
            flooding.cancel()
            await comes_back(venue, listener, "2")


async def test_a_frame_beyond_the_sockets_limit_is_counted_and_survived() -> None:
    async with Venue() as venue:
        feed = quick(venue.url, first_frame="5s", max_frame_bytes=1000)
        async with Listener(feed.quotes()) as listener:
            await comes_back(venue, listener, "1")
            await venue.send(" " * 5000)
            await until(lambda: feed.stats.refused["too_large"] == 1, "counted")
            await comes_back(venue, listener, "2")
        assert feed.stats.reconnects == 1


async def ticking(venue: Venue, numbers: list[int], stop: asyncio.Event) -> None:
    """A price that counts, fifty times a second, for as long as somebody listens."""
    while not stop.is_set():
        numbers.append(len(numbers) + 1)
        await venue.marks({"BTCUSDT": str(numbers[-1])})
        await asyncio.sleep(0.02)


async def test_the_planned_change_of_sockets_misses_and_repeats_nothing_and_opens_no_third() -> None:
    """The cut after 24 h (domain section 4.4), scaled to 2.5 s, with the change planned at 1 s."""
    async with Venue(life_s=2.5) as venue:
        feed = quick(venue.url, reconnect_after="1s")
        sent: list[int] = []
        stop = asyncio.Event()
        async with Listener(feed.quotes()) as listener:
            await venue.joined()
            ticks = asyncio.create_task(ticking(venue, sent, stop))
            await until(lambda: feed.stats.reconnects >= 2 and len(venue.sockets) == 1, "two changes")
            stop.set()
            await ticks
            await listener.heard("BTC", str(sent[-1]))
        assert listener.prices("BTC") == list(map(str, sent))
        assert venue.most_sockets == 2
        assert feed.stats.ignored["repeated"] > 0, "the two sockets overlapped"


async def test_the_old_socket_serves_on_while_the_new_one_is_refused() -> None:
    async with Venue() as venue:
        feed = quick(venue.url, reconnect_after="1s")
        sent: list[int] = []
        stop = asyncio.Event()
        async with Listener(feed.quotes()) as listener:
            await venue.joined()
            venue.refuse(403, times=5)
            ticks = asyncio.create_task(ticking(venue, sent, stop))
            await until(lambda: not venue.refusals, "all refusals are used")
            assert feed.stats.connected
            await until(lambda: feed.stats.reconnects == 1, "the change after all")
            stop.set()
            await ticks
            await listener.heard("BTC", str(sent[-1]))
        assert listener.prices("BTC") == list(map(str, sent))


async def test_the_old_socket_serves_on_while_the_new_one_is_silent() -> None:
    async with Venue() as venue:
        feed = quick(venue.url, reconnect_after="1s")
        sent: list[int] = []
        stop = asyncio.Event()
        async with Listener(feed.quotes()) as listener:
            await venue.joined()
            venue.deaf = True
            ticks = asyncio.create_task(ticking(venue, sent, stop))
            await until(lambda: venue.attempts >= 3, "two silent sockets were given up")
            stop.set()
            await ticks
            await listener.heard("BTC", str(sent[-1]))
        assert listener.prices("BTC") == list(map(str, sent))
        assert feed.stats.reconnects == 0
        assert venue.most_sockets == 2


async def at_the_change(venue: Venue) -> None:
    """Keeps the old socket alive until the new one has joined beside it."""
    while len(venue.sockets) < 2:
        await venue.marks({"LTCUSDT": "1"})
        await asyncio.sleep(0.02)
    await venue.joined(2)


async def test_a_message_that_only_the_old_socket_still_gets_is_not_lost() -> None:
    """A market comes in several messages, and the new socket may join between two of them."""
    async with Venue() as venue:
        feed = quick(venue.url, reconnect_after="1s", silence="5s")
        async with Listener(feed.quotes()) as listener:
            await venue.joined()
            await at_the_change(venue)
            await venue.send([mark("ETHUSDT", "3")], only=1)
            await listener.heard("ETH", "3")
            await venue.send([mark("BTCUSDT", "2")], only=0)
            await listener.heard("BTC", "2")
            await until(lambda: len(venue.sockets) == 1, "the old socket is closed after all")


async def test_the_old_socket_serves_on_when_the_new_one_dies_after_its_first_price() -> None:
    async with Venue() as venue:
        feed = quick(venue.url, reconnect_after="1s", silence="5s", retry_min="60s", retry_max="60s")
        async with Listener(feed.quotes()) as listener:
            await venue.joined()
            await at_the_change(venue)
            await venue.send([mark("ETHUSDT", "3")], only=1)
            await listener.heard("ETH", "3")
            await venue.close(only=1)
            await asyncio.sleep(1.2)  # longer than the overlap
            await venue.marks({"BTCUSDT": "2"})
            await listener.heard("BTC", "2")
            assert feed.stats.connected


async def test_prices_that_the_venue_sends_again_never_go_back() -> None:
    async with Venue() as venue:
        feed = quick(venue.url)
        async with Listener(feed.quotes()) as listener:
            await venue.joined()
            for at_ms, price in [(1_600_000_002_000, "2"), (1_600_000_001_000, "1"), (1_600_000_002_000, "2")]:
                await venue.marks({"BTCUSDT": price}, at_ms=at_ms)
            await venue.marks({"BTCUSDT": "3"}, at_ms=1_600_000_003_000)
            await listener.heard("BTC", "3")
        assert listener.prices("BTC") == ["2", "3"]
        assert (feed.stats.ignored["older"], feed.stats.ignored["repeated"]) == (1, 1)


async def test_a_price_dated_ahead_does_not_make_all_later_ones_old() -> None:
    """Core judges it; the feed hands it over, and drops only its repetition."""
    async with Venue() as venue:
        feed = quick(venue.url)
        async with Listener(feed.quotes()) as listener:
            await venue.joined()
            for _ in range(2):
                await venue.marks({"BTCUSDT": "1"}, at_ms=4_000_000_000_000)
            await comes_back(venue, listener, "2")
        assert listener.prices("BTC") == ["1", "2"]
        assert feed.stats.ignored["repeated"] == 1


async def test_a_consumer_that_is_late_gets_the_newest_prices_and_no_heap_of_old_ones() -> None:
    async with Venue() as venue:
        feed = quick(venue.url)
        async with aclosing(feed.quotes()) as quotes:
            first = asyncio.ensure_future(anext(quotes))
            await venue.joined()
            await venue.marks({"BTCUSDT": "1", "ETHUSDT": "7"}, messages=1)
            await first
            for number in range(2, 500):
                await venue.marks({"BTCUSDT": str(number)})
            await until(lambda: feed.stats.frames == 499, "all frames read while nobody takes them")
            taken = [await anext(quotes)]
            while str(taken[-1][-1].price) != "499":
                taken.append(await anext(quotes))
        assert len(taken) <= 64
        assert feed.stats.ignored["conflated"] + sum(map(len, taken)) == 498


async def test_closing_the_iterator_closes_the_sockets() -> None:
    async with Venue() as venue:
        feed = quick(venue.url)
        async with Listener(feed.quotes()) as listener:
            await comes_back(venue, listener)
            assert len(venue.sockets) == 1
        await until(lambda: not venue.sockets, "no socket is left")
        assert not feed.stats.connected
        assert feed.stats.reason == "closed"
        assert len(asyncio.all_tasks()) <= 4, "the venue's own tasks and this test"


async def test_an_error_of_ours_costs_the_message_and_is_said_and_not_the_daemon() -> None:
    async with Venue() as venue:
        feed = quick(venue.url)
        read = feed.read

        def broken(data: bytes) -> Batch:
            if b"ETH" in data:
                raise ZeroDivisionError("by 0")
            return read(data)

        feed.read = broken
        async with Listener(feed.quotes()) as listener:
            await venue.joined()
            await venue.marks({"ETHUSDT": "1"})
            await until(lambda: "ZeroDivisionError" in feed.stats.reason, "the error is named")
            await venue.marks({"BTCUSDT": "1"})
            await listener.heard("BTC", "1")
        assert feed.stats.refused["our_error"] == 1


async def test_the_feeds_account_says_what_came_and_when() -> None:
    async with Venue() as venue:
        feed = quick(venue.url)
        assert (feed.stats.connected, feed.stats.reason) == (False, "not started")
        async with Listener(feed.quotes()) as listener:
            await venue.joined()
            assert not feed.stats.connected, "a socket without a price is no connection"
            await venue.marks({"BTCUSDT": "1", "ETHBTC": "2"})
            await listener.heard("BTC", "1")
            await until(lambda: feed.stats.frames == 2, "both messages")
            assert (feed.stats.connected, feed.stats.reason) == (True, "")
            assert (feed.stats.quotes, feed.stats.ignored["other_quote"]) == (1, 1)
            assert feed.stats.last_frame_at is not None
            assert abs(feed.stats.last_frame_at - SystemClock().utc()) < timedelta(seconds=5)
