"""The handed cases about prices, each with the right answer that was worked out apart from the product, and siblings of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cases.player import CASES, SPEED, Case, Line, lines_of
from tests.faults.house import until

HANDSHAKE = CASES / "prices" / "handshake"
FALLEN, CALM = Decimal(28_000) / 31_000, Decimal(28_000) / 60_000
BEFORE, AFTER = "loan_group.margin_call.opened", "price.restored"


sibling = partial(pytest.param, marks=pytest.mark.soak)
"""A relative of a handed case that costs a daemon of its own: for `make cases` and `make soak`."""


def play(name: str, folder: Path, **more: Any) -> Case:
    return Case("prices", name, folder, **more)


def near(ltv: str | None, right: Decimal) -> bool:
    """Equal but for the last digits, as the prices of a case move a little."""
    return ltv is not None and abs(Decimal(ltv) - right) < Decimal("0.001")


def with_offset(case_lines: list[Line], old: Callable[[int], bool], new: int) -> list[Line]:
    """The same messages with other offsets of the time where `old` holds."""
    for line in case_lines:
        for item in line["frame"]:
            if old(item["E"]):
                item["E"] = new
    return case_lines


@pytest.mark.parametrize(
    "ahead_ms",
    [
        pytest.param(3_600_000, id="an hour"),
        sibling(3 * 86_400_000, id="three days"),
        sibling(60_000, id="a minute"),
    ],
)
async def test_one_message_dated_ahead_blinds_nobody_over_a_restart_either(tmp_path: Path, ahead_ms: int) -> None:
    change = partial(with_offset, old=lambda ms: ms > 0, new=ahead_ms)
    async with play("future-stamp", tmp_path, change=change) as case:
        await case.start()
        await case.venue.at(13)
        assert near((await case.group())["ltv"], CALM)

        async def called() -> bool:
            return BEFORE in await case.kinds()

        await case.venue.at(15)
        await case.soon(called, "the margin call")
        group = await case.group()
        assert (near(group["ltv"], FALLEN), group["blind"]) == (True, False), group
        assert re.search(r"ahead|future|clock", "".join((await case.four_places()).values()))
        await case.venue.at(55 if SPEED == 1 else 30)
        assert (await case.daemon.stop())[0] == 0
        await case.daemon.again()

        async def same() -> bool:
            group = await case.group()
            return near(group["ltv"], FALLEN) and not group["blind"]

        await case.soon(same, "the same LTV after the restart, not blind")


async def test_a_price_that_is_ten_minutes_late_by_its_own_time_is_stale_and_its_age_is_shown(tmp_path: Path) -> None:
    async with play("ten-minutes-late", tmp_path) as case:
        await case.start()
        await case.venue.at(30 if SPEED == 1 else 20)
        price = await case.price("BTC")
        assert price["trust"] != "good", price
        assert 595 < price["exchange_age_s"] < 630, price
        _, ready = await case.daemon.ask("GET", "/readyz")
        assert "BTC" in ready["prices"]["untrusted_assets"], ready
        explained = await case.house.ran("explain", "G-1", "--url", case.daemon.url)
        doctor = await case.command("doctor")
        for said in (explained.out, doctor.out):
            assert re.search(r"\b(59\d|6[0-3]\d)(\.\d+)? ?s|\b(9|10) ?m", said), said
        await case.venue.at(38)
        assert len(await case.about("BTC", "price.stale")) == 1


async def test_a_source_that_is_late_does_not_outvote_a_current_one(tmp_path: Path) -> None:
    async with play("late-beside-current", tmp_path) as case:
        await case.start()
        await case.venue.at(26)
        group, price = await case.group(), await case.price("BTC")
        if price["trust"] == "good":
            assert near(group["ltv"], FALLEN), group
            assert BEFORE in await case.kinds()
        else:
            assert await case.about("BTC"), price


@pytest.mark.parametrize("ahead_h", [pytest.param(25, id="ahead"), sibling(-25, id="behind")])
async def test_a_clock_a_day_off_is_named_with_its_offset(tmp_path: Path, ahead_h: int) -> None:
    change = partial(with_offset, old=lambda _: True, new=ahead_h * 3_600_000)
    async with play("clock-a-day-ahead", tmp_path, change=change) as case:
        await case.start()
        await case.venue.at(15)
        assert not await case.trusted("BTC")
        places = dict(await case.four_places())
        places["the alert"] = str(await case.daemon.alerts())
        for place, said in places.items():
            assert re.search(r"clock", said), (place, said)
            assert re.search(r"25 ?h|25:0|\b90000|\b89[89]\d\d|1 ?d(ay)?,? 1 ?h", said), (place, said)


async def test_half_a_market_that_goes_silent_gets_a_new_connection(tmp_path: Path) -> None:
    async with play("half-a-market", tmp_path) as case:
        await case.start()
        await case.venue.at(7)
        assert await case.trusted("BTC")
        await case.venue.at(9)
        assert case.venue.connections == 1
        await case.soon(lambda: case.venue.connections == 2, "a new connection", 75)
        await case.soon(lambda: case.trusted("BTC"), "BTC is good again")
        await asyncio.sleep(3 / case.speed)
        for asset in ("BTC", "ETH"):
            assert [a["type"] for a in await case.about(asset)] == ["price.stale", AFTER]


async def test_a_market_that_is_over_is_no_price(tmp_path: Path) -> None:
    async with play("settled-market", tmp_path) as case:
        await case.start()
        await case.venue.at(25)
        price = await case.price("MATIC")
        assert price["trust"] in ("missing", "suspect"), price
        assert re.search("settled|frozen", str(price) + str(await case.daemon.get("/v1/feeds"))), price
        assert not [kind for kind in await case.kinds() if kind.startswith("loan_group")]
        assert await case.trusted("BTC")


async def test_a_coin_that_is_named_like_a_multiple_has_the_price_of_its_symbol(tmp_path: Path) -> None:
    async with play("coin-named-like-a-multiple", tmp_path) as case:
        await case.start()
        await case.soon(lambda: case.trusted("1000SATS"), "the price of 1000SATS")
        price = await case.price("1000SATS")
        assert Decimal("0.000120") <= Decimal(price["price"]) <= Decimal("0.000126")
        assert (await case.price("SATS")).get("price") is None


async def test_a_price_that_alternates_is_told_when_it_begins_and_when_it_has_ended(tmp_path: Path) -> None:
    async with play("alternating", tmp_path, ends=True) as case:
        await case.start()
        await case.venue.at(41)
        during = [a["type"] for a in await case.about("BTC")]
        assert 1 <= len(during) <= 5, during
        assert "price.suspect" in during
        calm = {"after_s": 0, "path": "/ws/x", "frame": case.venue.lines[-1]["frame"]}
        case.venue.say([{**calm, "after_s": n} for n in range(120)])

        async def ended() -> bool:
            return (await case.about("BTC"))[-1]["type"] == AFTER

        await case.soon(ended, "the end is told", 85)
        await asyncio.sleep(10 / case.speed)
        told = await case.about("BTC")
        assert len(told) <= 6, told
        assert told[-1]["type"] == AFTER
        assert told[-1]["data"]["facts"]["flaps"] > 1, told[-1]


def times_as_large(lines: list[Line], factor: str) -> list[Line]:
    """SHIB after its jump at other multiples of its price before."""
    for line in lines:
        for item in line["frame"]:
            if item["s"] == "1000SHIBUSDT" and Decimal(item["p"]) > 1:
                for key in ("p", "P", "i"):
                    item[key] = str(Decimal(item[key]) / 1000 * Decimal(factor))
    return lines


@pytest.mark.parametrize("factor", ["1000", sibling("10"), sibling("100")])
async def test_a_jump_by_a_power_of_ten_cures_nothing(tmp_path: Path, factor: str) -> None:
    async with play("thousandfold", tmp_path, change=partial(times_as_large, factor=factor)) as case:
        await case.start()
        await case.venue.at(9)
        assert near((await case.group())["ltv"], Decimal("0.8")), await case.group()
        assert BEFORE in await case.kinds()
        await case.venue.at(35)
        assert [kind for kind in await case.kinds() if kind.startswith("loan_group")] == [BEFORE]
        price = await case.price("SHIB")
        assert price["trust"] == "suspect", price
        assert "power of ten" in price["reason"], price
        assert near((await case.group())["ltv"], Decimal("0.8"))


async def test_a_refused_subscription_is_said_with_its_code_and_text_in_four_places(tmp_path: Path) -> None:
    async with play("subscription-refused", tmp_path, ends=True) as case:
        await case.start()
        await case.venue.at(5)
        for place, said in (await case.four_places()).items():
            assert re.search(r"refused.*\b2\b.*unknown stream", said, re.DOTALL), (place, said)


@pytest.mark.parametrize("unit", ["microseconds", sibling("seconds"), sibling("text")])
async def test_times_in_another_unit_are_read_or_named_in_four_places(tmp_path: Path, unit: str) -> None:
    def change(lines: list[Line]) -> list[Line]:
        return [line | {"times": unit} for line in lines]

    async with play("times-in-microseconds", tmp_path, change=change) as case:
        await case.start()
        await case.venue.at(12)
        if not await case.trusted("BTC"):
            word = {"microseconds": "microseconds", "seconds": "seconds", "text": "text|time"}[unit]
            for place, said in (await case.four_places()).items():
                assert re.search(word, said), (place, said)


REPLIES = {each["name"]: each["reply"] for each in lines_of(HANDSHAKE / "replies.jsonl")}
SIBLINGS = {
    "no status": "hello\r\n\r\n",
    "a cut answer": "HTTP/1.1 101 Switching",
    "a redirect to nothing": "HTTP/1.1 302 Found\r\nLocation: \r\nContent-Length: 0\r\n\r\n",
    "a header without end": "HTTP/1.1 101 Switching Protocols\r\n" + "X: y\r\n" * 300,
}


class RawServer:
    """Answers each connection with the same bytes."""

    def __init__(self, reply: str) -> None:
        self._reply = reply.encode("latin-1")
        self.attempts = 0

    async def __aenter__(self) -> RawServer:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.attempts += 1
        await reader.read(4096)
        writer.write(self._reply)
        writer.close()


@pytest.mark.parametrize("name", [*REPLIES, *map(sibling, SIBLINGS)])
async def test_no_answer_to_the_handshake_ends_the_daemon(tmp_path: Path, name: str) -> None:
    mended = [{"after_s": n, "path": "/ws/x", "frame": [_btc("60000")]} for n in range(40)]
    async with play("handshake", tmp_path, change=lambda _: mended) as case:
        case.venue.lines = mended
        async with RawServer((REPLIES | SIBLINGS)[name]) as server:
            case.configure("monitor.toml", server.port)
            await case.start()
            await until(lambda: server.attempts >= 3, "it tries again")

            async def said() -> bool:
                return bool((await case.feed())["reason"].startswith("cannot connect: "))

            await until(said, "why it cannot connect")
            feed = await case.feed()
            if name == "redirect to https":
                assert "redirect" in feed["reason"], feed
            doctor = await case.command("doctor")
            assert (doctor.code, "Traceback" in doctor.out + doctor.err) == (1, False), doctor
        await case.venue.__aexit__()
        await case.venue.listen(server.port)
        await case.soon(lambda: case.trusted("BTC"), "prices when the server is mended", 60)
        assert "Traceback" not in case.daemon.said()


def _btc(price: str) -> dict[str, Any]:
    return {"e": "markPriceUpdate", "E": 0, "s": "BTCUSDT", "p": price, "P": price, "i": price, "r": "0.0001", "T": 1}


ENVIRONMENTS = [
    *(each["set"] for each in lines_of(HANDSHAKE / "environment.jsonl")),
    sibling({"HTTPS_PROXY": "socks5://127.0.0.1:1"}),
    sibling({"all_proxy": "socks4://127.0.0.1:1"}),
]


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=str)
async def test_a_proxy_that_cannot_be_used_is_named_and_ends_nothing(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with play("handshake", tmp_path) as case:
        case.configure("monitor-wss.toml", 0)
        await case.start()

        async def named() -> bool:
            return "proxy" in (await case.feed())["reason"]

        await case.soon(named, "the proxy is named")
        assert case.daemon.process.returncode is None
        doctor = await case.command("doctor")
        assert (doctor.code, "Traceback" in doctor.out + doctor.err) == (1, False), doctor
        assert "proxy" in doctor.out + doctor.err


@pytest.mark.parametrize("refuses", [True, False], ids=["it refuses", "nobody listens"])
@pytest.mark.parametrize("place", ["user", sibling("query")])
async def test_a_password_in_the_address_is_shown_nowhere(tmp_path: Path, place: str, refuses: bool) -> None:
    def config(text: str) -> str:
        old = "desk:geheim-7Qx@127.0.0.1:PORT/ws/x"
        assert old in text
        return text if place == "user" else text.replace(old, "127.0.0.1:PORT/ws/x?token=geheim-7Qx&a=b")

    async with play("password-in-the-address", tmp_path, config=config) as case:
        case.venue.refuses_with = 401
        if not refuses:
            await case.venue.__aexit__()
        await case.start()
        await asyncio.sleep(0.5 if SPEED != 1 else 5)
        said = await case.everywhere()
        assert "127.0.0.1" in said
        assert "geheim" not in said, [line for line in said.splitlines() if "geheim" in line][:3]


async def test_a_conversion_that_no_feed_can_price_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with play("usdt-by-another-name", tmp_path) as case:
        ended = await case.command("check-config")
        if ended.code == 2:
            assert "usdt_usd" in ended.err, ended
            assert re.search("USDC.*USDT", " ".join(ended.err.split())), ended
        else:
            await case.start()
            await case.soon(lambda: case.trusted("BTC"), "BTC is priced")
