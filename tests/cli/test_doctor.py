"""The doctor says why a feed gives no prices, whatever its peer or the environment does, and how old the first price is."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from monitor.cli import doctor, feed_checks
from monitor.cli.doctor import Finding, examine
from monitor.cli.feed_checks import DaemonSeen, seen_by_daemon
from monitor.clock import SystemClock
from monitor.config import load
from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import Trust
from tests.book_lines import one_btc
from tests.faults.house import Daemon, House
from tests.feeds.venue import Venue, mark

SECRET = "geheim-7Qx"
REPLIES = {
    "two Location headers": "HTTP/1.1 302 Found\r\nLocation: wss://a.example/x\r\nLocation: wss://b.example/x\r\n",
    "port 99999": "HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:99999/\r\n",
    "a port of letters": "HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:abc/\r\n",
    "half an IPv6 address": "HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n",
    "redirect to https": "HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1/x\r\n",
    "bytes that are no HTTP": "\x00\xff\r\n",
    "a status of letters": "HTTP/1.1 abc OK\r\n",
    "451": "HTTP/1.1 451 Unavailable\r\n",
}


@asynccontextmanager
async def answering(reply: str) -> AsyncIterator[int]:
    """A server that answers each upgrade by the same bytes; gives its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(f"{reply}Content-Length: 0\r\n\r\n".encode("latin-1"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def house(folder: Path, url: str, web: str = "port = 0") -> House:
    made = House(folder)
    made.write(f'[[feed]]\nname = "venue"\nkind = "binance_futures"\nurl = "{url}"\n', web=web, stale_after_s=10)
    return made


async def found(of: House, part: str = "feed venue") -> Finding:
    return next(f for f in await examine(load(of.config)) if f.part == part)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_checks, "FIRST_PRICE_S", 0.4)


@pytest.mark.parametrize("name", REPLIES)
async def test_whatever_answers_the_handshake_becomes_a_finding(tmp_path: Path, name: str) -> None:
    async with answering(REPLIES[name]) as port:
        finding = await found(house(tmp_path, f"ws://desk:{SECRET}@127.0.0.1:{port}/ws/x"))
    assert finding.status == "trouble"
    assert finding.text
    assert SECRET not in finding.text


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://[::1", f"http://desk:{SECRET}@127.0.0.1:1"])
async def test_a_proxy_that_cannot_be_used_becomes_a_finding(
    tmp_path: Path, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    finding = await found(house(tmp_path, "wss://127.0.0.1:9/ws/x"))
    assert finding.status == "trouble"
    assert SECRET not in finding.text


async def test_the_first_price_is_shown_with_its_age_by_the_exchange(tmp_path: Path) -> None:
    async with Venue() as venue:
        of = house(tmp_path, venue.url)
        for late_s, status, words in (
            (0, "fine", "s old by the exchange's own time"),
            (600, "trouble", "and stale after 10 s"),
        ):
            examining = asyncio.create_task(found(of))
            at = SystemClock().utc() - timedelta(seconds=late_s)
            await venue.joined()
            await venue.send([mark("BTCUSDT", "60000", int(at.timestamp() * 1000))])
            finding = await examining
            assert (finding.status, words in finding.text) == (status, True), finding
            assert "BTC 60000 USDT" in finding.text


@pytest.mark.parametrize(
    ("off", "status", "words"),
    [
        (timedelta(0), "fine", "0.0 s old by the exchange's own time"),
        (timedelta(seconds=-601), "trouble", "601 s old by the exchange's own time, and stale after 10 s"),
        (timedelta(hours=25), "trouble", "dated 90000 s ahead of our clock"),
    ],
)
def test_a_first_price_of_another_time_is_trouble(off: timedelta, status: str, words: str) -> None:
    now = datetime(2026, 1, 5, tzinfo=UTC)
    checked = feed_checks._judged("venue", Quote("BTC", Decimal(1), "USDT", "venue", now + off), "1", Trust(), now)
    assert (checked.status, words in checked.text) == (status, True), checked


FEED: dict[str, Any] = {"name": "venue", "connected": True, "cause": None, "reason": "", "clock_offset_s": 0.02}
PRICE: dict[str, Any] = {
    "asset": "BTC", "price": "60000", "source": "venue", "trust": "good", "reason": None,
    "exchange_age_s": 0.4, "receipt_age_s": 0.3,
}  # fmt: skip


@pytest.mark.parametrize(
    ("feed", "price", "status", "words"),
    [
        ({}, {}, "fine", "1 prices in force, BTC 60000 USD, 0 s old by the exchange's own time; its clock agrees"),
        ({}, {"exchange_age_s": None}, "fine", "no time of the exchange, received 0.3 s ago"),
        ({"connected": False, "cause": "HTTP 451"}, {}, "trouble", "no prices because it is not connected: HTTP 451"),
        ({"cause": "its clock is 25 h ahead"}, {}, "trouble", "no prices that count because its clock is 25 h ahead"),
        (
            {"clock_offset_s": -600.0},
            {"trust": "stale", "reason": "late", "exchange_age_s": 600.2},
            "trouble",
            "BTC is stale (late), 600 s old by the exchange's own time; its clock is 600.0 s behind ours",
        ),
        ({}, {"source": "other"}, "note", "no price in force is from it"),
    ],
)
def test_what_a_running_daemon_sees_of_a_feed(
    feed: dict[str, Any], price: dict[str, Any], status: str, words: str
) -> None:
    checked = seen_by_daemon("venue", DaemonSeen({"venue": FEED | feed}, [PRICE | price]))
    assert (checked.status, words in checked.text) == (status, True), checked


async def test_the_doctor_asks_the_daemon_that_runs_and_gives_its_token(tmp_path: Path, unused_port: int) -> None:
    async with Venue() as venue:
        of = house(
            tmp_path,
            venue.url,
            f'port = {unused_port}\n[[web.tokens]]\nname = "desk"\nrole = "admin"\nsecret = "s-desk"',
        )
        of.venue = venue
        async with Daemon(of) as daemon:
            daemon.http.headers["Authorization"] = "Bearer s-desk"
            await daemon.put(one_btc("G"))
            await venue.marks({"BTCUSDT": "60000"})
            sockets = venue.most_sockets
            finding = await found(of, "daemon")
            assert (finding.status, "runs at" in finding.text) == ("fine", True), finding
            finding = await found(of)
    assert "BTC" in finding.text
    assert venue.most_sockets == sockets, "the daemon was asked, and no second connection was made"


async def test_a_stranger_on_the_port_of_the_daemon_is_named(tmp_path: Path) -> None:
    async with answering("HTTP/1.1 200 OK\r\n") as port:
        finding = await found(house(tmp_path, "ws://127.0.0.1:9/x", f"port = {port}"), "daemon")
    assert (finding.status, "but not as the monitor" in finding.text) == ("note", True), finding


@pytest.fixture
async def unused_port() -> int:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


@pytest.mark.parametrize(
    ("version", "status"), [((3, 40, 1), "note"), ((3, 44, 6), "fine"), ((3, 51, 2), "note"), ((3, 51, 3), "fine")]
)
def test_the_doctor_tells_of_an_affected_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], status: str
) -> None:
    made = House(tmp_path)
    made.write(feed=False)
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    (finding,) = doctor._sqlite(load(made.config))
    assert (finding.part, finding.status) == ("sqlite", status)
    assert ("Let no other tool write to the store" in finding.text) is (status == "note")


def test_the_addresses_of_a_plugin_are_found_by_their_form() -> None:
    class Config:
        __struct_fields__ = ("url", "name", "every")
        url = "wss://a:b@c/"
        name = "x"
        every = 5

    assert doctor.addresses_of(Config()) == ["wss://a:b@c/"]
