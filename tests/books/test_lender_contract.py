"""What every book that lives at a lender must hold, whatever its lender does: each is run against a server of its own.

Time is virtual, sockets are real.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from monitor import plugins
from monitor.books._asking import CallPace, Failed, KeyRefused, LenderAnswer, judged
from monitor.books._base import KeptBook, PlainReader
from monitor.core.alerts.catalogue import BOOK_REFUSED
from monitor.core.events.events import (
    BookSeen,
    Event,
    GroupClosed,
    GroupPut,
    LenderSaid,
    MarkPrices,
    Noticed,
    RatesChanged,
)
from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import Rules, Trust
from monitor.core.schema import read
from monitor.core.watch.risk import RiskMonitor
from tests import virtual
from tests.books.lenders import AAVE, BENCHES, BINANCE, INSTITUTIONAL, Bench, Set, of, products, served, some
from tests.books.venues.server import Answer

every_lender = pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.name)
every_signed = pytest.mark.parametrize("bench", [b for b in BENCHES if b.is_signed], ids=lambda bench: bench.name)
PRICES = {"BTC": "30000", "ETH": "2000", "USDT": "1", "USDC": "1", "STX": "1"}


def play(bench: Bench, folder: Path, story: Callable[[Set], Awaitable[None]]) -> None:
    """Tells a story with the server of a lender, in virtual time."""

    async def told() -> None:
        async with served(bench, virtual.LoopClock(), folder) as at_work:
            await story(at_work)

    virtual.run(told())


def puts(batches: list[list[Event]]) -> list[str]:
    """The ids of the groups that are put."""
    return [put.group.id for put in of(GroupPut, batches)]


def refusals(batches: list[list[Event]]) -> list[Noticed]:
    """What is said to be wrong with the book, or to be mended."""
    return [said for said in of(Noticed, batches) if said.kind == BOOK_REFUSED]


async def whole(stream: AsyncIterator[list[Event]]) -> list[list[Event]]:
    """The batches of the next reading."""
    batches = [await anext(stream)]
    while not isinstance(batches[-1][-1], BookSeen):
        batches.append(await anext(stream))
    return batches


@every_lender
def test_a_reading_puts_each_group_and_says_what_the_lender_says(bench: Bench, tmp_path: Path) -> None:
    async def story(it: Set) -> None:
        (batch,) = await some(it.book())
        assert sorted(puts([batch])) == sorted(bench.groups)
        readings = [reading for said in of(LenderSaid, [batch]) for reading in said.readings]
        assert {r.group_id for r in readings} >= set(bench.groups)
        seen = batch[-1]
        assert isinstance(seen, BookSeen)
        assert seen.source == bench.name
        assert seen.as_of <= it.clock.utc()
        assert all(isinstance(loan.id, str) for put in of(GroupPut, [batch]) for loan in put.group.loans)
        assert {put.group.product for put in of(GroupPut, [batch])} == set(bench.products)

    play(bench, tmp_path, story)


@every_lender
def test_the_same_in_another_order_or_twice_puts_nothing(bench: Bench, tmp_path: Path) -> None:
    async def story(it: Set) -> None:
        stream = it.book().batches()
        first = await whole(stream)
        it.reorder()
        second = await anext(stream)
        bench.double(it.bodies)
        third = await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        assert puts(first)
        for batch in (second, third):
            assert isinstance(batch[-1], BookSeen), batch
            assert not of(GroupPut, [batch])
            assert not of(GroupClosed, [batch])
            assert not refusals([batch])
            assert not of(RatesChanged, [batch])

    play(bench, tmp_path, story)


FAULTS = {
    "5xx": Answer(503, {"msg": "down"}),
    "cut off": Answer(200, {"code": "0", "data": [], "retCode": 0}, is_cut=True),
    "no JSON": Answer(200, b'{"retCode": 0, "code": "0", "data": [{'),
    "another shape": Answer(200, {"unexpected": True}),
    "an empty body": Answer(200, b""),
    "a page of HTML": Answer(200, b"<html>maintenance</html>"),
    "a redirect": Answer(302, {}, {"Location": "http://127.0.0.1:9/"}),
}


@every_lender
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_reading_that_breaks_off_changes_nothing_and_the_next_is_whole(
    bench: Bench, fault: Answer, tmp_path: Path
) -> None:
    async def story(it: Set) -> None:
        it.fail_late(fault)
        began_s = it.clock.monotonic_s()
        (batch,) = await some(it.book())
        assert sorted(puts([batch])) == sorted(bench.groups)
        assert not refusals([batch])
        assert it.clock.monotonic_s() - began_s < 30.0

    play(bench, tmp_path, story)


@every_lender
def test_a_lender_that_is_asked_too_often_gets_the_pause_that_it_wants(bench: Bench, tmp_path: Path) -> None:
    async def story(it: Set) -> None:
        it.fail_late(Answer(429, {"msg": "slow down"}, {"Retry-After": "40"}))
        (batch,) = await some(it.book())
        assert sorted(puts([batch])) == sorted(bench.groups)
        refused = [i for i, seen in enumerate(it.venue.log) if seen.status == 429]
        (at,) = refused
        again = [seen for seen in it.venue.log[at + 1 :] if seen.path == bench.last]
        assert again[0].at_s - it.venue.log[at].at_s >= 40.0

    play(bench, tmp_path, story)


@every_lender
def test_a_wrong_key_is_said_once_with_what_to_do_and_not_asked_with_every_second(bench: Bench, tmp_path: Path) -> None:
    async def story(it: Set) -> None:
        first = next(iter(it.bodies)) if bench is not AAVE else bench.last
        first = bench.last if first.startswith("/api/v3") else first
        it.venue.fail(first, *([bench.wrong_key] * 2))
        began_s = it.clock.monotonic_s()
        told, mended = await some(it.book(), 2)
        (said,) = refusals([told])
        assert (said.kind, said.clears, said.facts["reason"]) == (BOOK_REFUSED, False, "key")
        assert "key" in said.facts["problem"]
        assert "stays in force" in said.facts["problem"]
        assert "-of-the-test" not in str(said)
        asked_s = [seen.at_s for seen in it.venue.log if seen.path == first][:3]
        assert asked_s[1] - asked_s[0] >= 300.0
        assert it.clock.monotonic_s() - began_s >= 300.0
        while not of(GroupPut, [mended]):
            (said,) = refusals([mended])
            assert said.fingerprint == refusals([told])[0].fingerprint
            (mended,) = await some(it.book())

    play(bench, tmp_path, story)


@every_lender
def test_a_key_file_that_is_gone_is_said_like_a_wrong_key(bench: Bench, tmp_path: Path) -> None:
    async def story(it: Set) -> None:
        book = it.book()
        (it.folder / "key").unlink()
        stream = book.batches()
        (said,) = await anext(stream)
        assert isinstance(said, Noticed)
        assert str(it.folder / "key") in said.facts["problem"]
        (it.folder / "key").write_text("key-of-the-test")
        batches = await whole(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        assert sorted(puts(batches)) == sorted(bench.groups)
        (mended,) = refusals(batches)
        assert mended.clears

    play(bench, tmp_path, story)


@every_lender
def test_an_empty_figure_is_unknown_and_never_zero(bench: Bench, tmp_path: Path) -> None:
    """The group keeps the line that it has, is not closed, and the desk hears why."""

    async def story(it: Set) -> None:
        held: set[str] = set()
        stream = it.book(KeptBook(lambda: sorted(held))).batches()
        held.update(puts(await whole(stream)))
        bench.blank(it.bodies)
        if bench is AAVE:  # a node that answers nothing is at fault, so nothing of its reading counts
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(600.0):
                    await anext(stream)
            return
        blank, again = await anext(stream), await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        gone = bench.groups[0]
        assert not of(GroupClosed, [blank, again])
        assert gone not in puts([blank])
        (reading,) = [r for said in of(LenderSaid, [blank]) for r in said.readings if r.group_id == gone]
        assert reading.level is None
        assert reading.stage is None
        (said,) = refusals([blank])
        assert (said.kind, said.clears) == (BOOK_REFUSED, False)
        assert gone in said.subject
        assert "empty" in said.facts["problem"]

    play(bench, tmp_path, story)


@every_signed
def test_a_lender_whose_clock_is_another_is_asked_by_its_own(bench: Bench, tmp_path: Path) -> None:
    async def story(it: Set) -> None:
        it.venue.clock_offset_ms = 3_600_000
        late = bench.is_late
        assert late is not None
        it.venue.fail(next(path for path in it.bodies if not path.startswith("/api/v3")), late)
        (batch,) = await some(it.book())
        assert sorted(puts([batch])) == sorted(bench.groups)
        assert all(event.at <= it.clock.utc() for event in batch)
        (seen,) = of(BookSeen, [batch])
        assert it.clock.utc() - timedelta(seconds=10) <= seen.as_of <= it.clock.utc()
        if bench.late_header:
            sent = it.venue.headers[-1][bench.late_header]
            asked = datetime.fromisoformat(sent) if "T" in sent else datetime.fromtimestamp(int(sent[:10]), UTC)
            assert abs(asked.timestamp() - it.venue.now_ms() / 1000) < 5.0
        for said in of(LenderSaid, [batch]):
            assert all(reading.as_of <= it.clock.utc() for reading in said.readings)

    play(bench, tmp_path, story)


@every_lender
def test_what_vanished_is_closed_only_when_two_whole_readings_leave_it_out(bench: Bench, tmp_path: Path) -> None:
    async def story(it: Set) -> None:
        held: set[str] = set()
        stream = it.book(KeptBook(lambda: sorted(held))).batches()
        batches = await whole(stream)
        held.update(puts(batches))
        empty(it)
        first, second = await anext(stream), await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        assert not of(GroupClosed, [first])
        assert sorted(closed.group_id for closed in of(GroupClosed, [second])) == sorted(bench.groups)

    play(bench, tmp_path, story)


def empty(it: Set) -> None:
    """The lender has nothing any more."""
    emptied: dict[str, Any] = {
        "/sapi/v1/margin/account": {"accountType": "MARGIN_1", "userAssets": []},
        "/sapi/v1/margin/isolated/account": {"assets": []},
    }
    for path in it.bodies:
        if path in emptied:
            it.bodies[path] = emptied[path]
        elif path == "node":
            for user in it.bench.groups:
                it.bodies["node"].user(user.removeprefix("aave-"), weth=0, usdc_owed=0, health=2**256 - 1)
        elif path == "/v5/crypto-loan-common/position":
            it.bodies[path]["result"].update(borrowList=[], collateralList=[], ltv="0")
        elif path == "/v5/ins-loan/ltv-convert":
            it.bodies[path]["result"]["ltvInfo"] = []
        elif path.endswith("loan-info"):
            it.bodies[path]["data"] = []
        elif path.endswith("/margin"):
            nothing = {"margin_equity": "0", "margin_requirement": "0", "excess_deficit": "0", "pm_asset_info": []}
            it.bodies[path]["margin_information"]["margin_summary"] = nothing


ODD: tuple[Any, ...] = (None, "", "x", "-1", "NaN", "1e400", [], {}, 0, -1, 10**30, True, "\ud800", ["1"], {"a": 1})


def leaves(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to every value of a body, containers included."""
    if path:
        yield path
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in items:
        yield from leaves(value, (*path, key))


def put_at(body: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        body = body[key]
    body[path[-1]] = value


@every_lender
def test_a_body_that_nobody_thought_of_is_one_failed_reading(bench: Bench, tmp_path: Path) -> None:
    """Any value of any body may be anything: the book says so and goes on, or takes what it can read."""

    async def story(it: Set) -> None:
        random, book, outcomes = Random(7), it.book(), Counter[str]()
        for _ in range(40):
            it.bodies.clear()
            it.bodies.update(bench.bodies())
            if bench is AAVE:
                calls = it.bodies["node"].calls
                calls[random.choice(sorted(calls))] = random.choice(ODD)
            else:
                ways = [way for way in leaves(it.bodies) if len(way) > 1]
                put_at(it.bodies, random.choice(ways), random.choice(ODD))
            try:
                book._events(await book._read())
                outcomes["read"] += 1
            except Failed:
                outcomes["failed"] += 1
        assert outcomes["failed"] > 0, "a run in which every body can be read shows nothing"

    play(bench, tmp_path, story)


def test_half_a_character_in_a_name_is_one_failed_reading(tmp_path: Path) -> None:
    async def story(it: Set) -> None:
        it.bodies["/sapi/v1/margin/account"]["userAssets"][0]["asset"] = "\ud800"
        with pytest.raises(Failed, match="UnicodeEncodeError"):
            await it.book()._read()

    play(BINANCE, tmp_path, story)


def test_a_block_without_a_number_is_one_failed_reading(tmp_path: Path) -> None:
    async def story(it: Set) -> None:
        block = {"number": "zz", "timestamp": "0x0"}
        it.venue.on(AAVE.last, lambda query: [{"jsonrpc": "2.0", "id": 0, "result": block}])
        with pytest.raises(Failed, match="ValueError"):
            await it.book()._read()

    play(AAVE, tmp_path, story)


@every_lender
def test_rates_come_before_the_lines_that_need_them(bench: Bench, tmp_path: Path) -> None:
    """A product without any rate takes the lines of a lender that states its rates."""

    async def story(it: Set) -> None:
        bare = {
            kind: msgspec.structs.replace(
                product, versions=tuple(msgspec.structs.replace(v, rates={}) for v in product.versions)
            )
            for kind, product in products(bench).items()
        }
        monitor = RiskMonitor(Rules("desk-1", bare, trust=Trust(enabled=False)))
        module = plugins.module("books", bench.kind)
        config = read(module.Config, bench.config(it.venue.url, it.folder))
        reader = PlainReader(lambda: monitor.rules.products)
        stream = module.build(bench.name, config, reader, it.clock, KeptBook()).batches()
        async for batch in stream:
            for event in batch:
                monitor.handle(event)
            if isinstance(batch[-1], BookSeen):
                break
        await stream.aclose()
        assert all(monitor.book.find(id_) is not None for id_ in bench.groups)

    play(bench, tmp_path, story)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [(302, Failed, "a redirect"), (418, Failed, "too often"), (403, KeyRefused, "mend it"), (500, Failed, "HTTP 500")],
)
def test_what_a_status_means_is_said(status: int, kind: type[Failed], words: str) -> None:
    with pytest.raises(kind, match=words):
        judged(LenderAnswer(status, b"", None, None), "place", "mend it")


@every_lender
def test_core_takes_all_of_it_and_a_restart_repeats_nothing(bench: Bench, tmp_path: Path) -> None:
    async def story(it: Set) -> None:
        monitor = RiskMonitor(Rules("desk-1", products(bench), trust=Trust(enabled=False)))
        at = it.clock.utc()
        quotes = tuple(Quote(asset, Decimal(price), "USD", "feed", at) for asset, price in PRICES.items())
        monitor.handle(MarkPrices(at, quotes))
        (first,) = await some(it.book())
        for event in first:
            monitor.handle(event)
        records = {id_: monitor.book.find(id_) for id_ in bench.groups}
        assert all(record is not None and record.weight is not None for record in records.values())
        position = of(BookSeen, [first])[0].position
        again = it.book(KeptBook(lambda: bench.groups, position=position))
        (second,) = await some(again)
        assert not of(RatesChanged, [second])
        for event in second:
            out = monitor.handle(event)
            assert not out.alerts
        assert {id_: r.group.line for id_ in bench.groups if (r := monitor.book.find(id_))} == {
            id_: r.group.line for id_, r in records.items() if r
        }

    play(bench, tmp_path, story)


def _bybit(secret: bytes, sent: dict[str, str], path: str, query: str) -> tuple[str, str]:
    text = f"{sent['X-BAPI-TIMESTAMP']}{sent['X-BAPI-API-KEY']}{sent['X-BAPI-RECV-WINDOW']}{query}"
    return sent["X-BAPI-SIGN"], hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def _okx(secret: bytes, sent: dict[str, str], path: str, query: str) -> tuple[str, str]:
    text = f"{sent['OK-ACCESS-TIMESTAMP']}GET{path}{'?' if query else ''}{query}"
    return sent["OK-ACCESS-SIGN"], base64.b64encode(hmac.new(secret, text.encode(), hashlib.sha256).digest()).decode()


def _coinbase(secret: bytes, sent: dict[str, str], path: str, query: str) -> tuple[str, str]:
    text = f"{sent['X-CB-ACCESS-TIMESTAMP']}GET{path}"
    found = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return sent["X-CB-ACCESS-SIGNATURE"], base64.b64encode(found).decode()


SIGNED = {"bybit": _bybit, "okx": _okx, "coinbase_prime": _coinbase}


@pytest.mark.parametrize("bench", [b for b in BENCHES if b.kind in SIGNED], ids=lambda bench: bench.name)
def test_the_server_makes_the_same_signature_of_each_question(bench: Bench, tmp_path: Path) -> None:
    async def story(it: Set) -> None:
        await some(it.book())
        assert len(it.venue.log) == len(it.bodies)
        for seen, sent in zip(it.venue.log, it.venue.headers, strict=True):
            ours, theirs = SIGNED[bench.kind](b"secret-of-the-test", dict(sent), seen.path, seen.raw_query)
            assert ours == theirs, seen.path
            assert "secret-of-the-test" not in str(sent)

    play(bench, tmp_path, story)


def test_a_lender_that_liquidates_moves_the_group_and_its_clock_stands_beside_ours(tmp_path: Path) -> None:
    """A risk unit is delayed, its figures go empty, and then Bybit liquidates it; no level of ours says so."""

    async def story(it: Set) -> None:
        monitor = RiskMonitor(Rules("desk-1", products(INSTITUTIONAL), trust=Trust(enabled=False)))
        at = it.clock.utc()
        quotes = tuple(Quote(asset, Decimal(price), "USD", "feed", at) for asset, price in PRICES.items())
        monitor.handle(MarkPrices(at, quotes))
        stream = it.book().batches()

        async def told() -> list[str]:
            return [a.type for batch in await whole(stream) for event in batch for a in monitor.handle(event).alerts]

        assert "loan_group.liquidation.triggered" not in await told()
        start = it.venue.now_ms() - 3_600_000
        clock = {"liquidationStatus": 3, "delayLiqStartTime": str(start), "delayLiqRemainingSec": "82800"}
        it.bodies["/v5/ins-loan/delay-liq-status"]["result"].update(clock)
        assert "book.drift" in await told()
        record = monitor.book.find(INSTITUTIONAL.groups[0])
        assert record is not None
        assert record.state.lender is not None
        left = record.state.lender.reading.deadline - at if record.state.lender.reading.deadline else timedelta(0)
        assert abs(left - timedelta(hours=23)) < timedelta(seconds=61)
        it.bodies["/v5/ins-loan/delay-liq-status"]["result"].update(liquidationStatus=1, delayLiqRemainingSec="")
        INSTITUTIONAL.blank(it.bodies)
        assert "loan_group.liquidation.triggered" in await told()
        await stream.aclose()  # type: ignore[attr-defined]
        record = monitor.book.find(INSTITUTIONAL.groups[0])
        assert record is not None
        assert (record.state.stage, record.state.reason) == ("liquidation", "lender")
        assert record.group.quantities()["BTC"] == 1

    play(INSTITUTIONAL, tmp_path, story)


@pytest.mark.parametrize(("calls", "within_s"), [(5, 2.0), (2, 1.0), (25, 1.0)])
def test_a_documented_limit_is_kept_however_fast_somebody_asks(calls: int, within_s: float) -> None:
    async def story() -> None:
        clock = virtual.LoopClock()
        pace, at_s = CallPace(clock, calls, within_s), []
        for _ in range(4 * calls):
            await pace.turn()
            at_s.append(clock.monotonic_s())
        assert all(later - sooner >= within_s for sooner, later in zip(at_s, at_s[calls:], strict=False))
        assert at_s[-1] - at_s[0] <= 4 * within_s

    virtual.run(story())
