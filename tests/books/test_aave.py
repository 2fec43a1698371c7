"""What the words of an Aave market become: exact integers, at one block."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.books import aave
from monitor.books._asking import Failed, LenderAnswer
from monitor.books._base import KeptBook
from monitor.books._lender import Reading
from monitor.core.events.events import BookSeen, LenderSaid
from monitor.core.schema import Invalid, read
from tests import virtual
from tests.books.keccak import selector
from tests.books.lenders import AAVE, POOL, PROVIDER, TOKENS, USERS, abi, abi_tokens, of, served, some

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
D = Decimal
WETH, USDC = TOKENS.values()
RESERVES = {
    WETH: (aave.Token("WETH", WETH), aave.Reserve(0, 18, D("0.83"), D("0.0001"))),
    USDC: (aave.Token("USDC", USDC), aave.Reserve(1, 6, D("0.78"), D("0.0002"))),
}
words256 = st.integers(0, 2**256 - 1)


def config(**more: Any) -> aave.Config:
    stated = {"url": "https://node.example", "pool": POOL, "data_provider": PROVIDER, "users": list(USERS)}
    return read(aave.Config, {**stated, **more})


def positions(account: aave.Account, held: dict[str, aave.Held], **more: Any) -> Reading:
    pairs = {(USERS[0], address): has for address, has in held.items()}
    return aave.positions("aave", config(**more), aave.Chain(7, AT, RESERVES, {USERS[0]: account}, pairs))


def account(health: int = 15 * 10**17, configuration: int = 0b0110, emode: int = 0) -> aave.Account:
    """A user who pledges WETH and owes USDC."""
    return aave.Account(20_000 * 10**8, 12_000 * 10**8, 8300, health, configuration, emode)


def line_of(reading: Reading) -> dict[str, Any]:
    (row,) = reading.rows
    assert isinstance(row.line, dict)
    return row.line


def test_the_selectors_are_those_of_their_signatures() -> None:
    assert {
        text: selector(text)
        for text in (
            "getUserAccountData(address)",
            "getUserConfiguration(address)",
            "getUserEMode(address)",
            "getReserveData(address)",
            "getAllReservesTokens()",
            "getUserReserveData(address,address)",
        )
    } == {
        "getUserAccountData(address)": aave.ACCOUNT_DATA,
        "getUserConfiguration(address)": aave.USER_CONFIGURATION,
        "getUserEMode(address)": aave.USER_EMODE,
        "getReserveData(address)": aave.RESERVE_DATA,
        "getAllReservesTokens()": aave.ALL_TOKENS,
        "getUserReserveData(address,address)": aave.USER_RESERVE,
    }


def test_a_position_has_what_is_pledged_and_what_is_owed() -> None:
    wei = 10 * 10**18 + 1
    held = {WETH: aave.Held(wei, 0), USDC: aave.Held(500 * 10**6, 12_000_000_001)}
    reading = positions(account(), held, aliases={"WETH": "ETH"})
    line = line_of(reading)
    # What lies in USDC is not pledged, so it is no collateral.
    assert line["collateral"] == {f"aave-{USERS[0]}": {"ETH": "10.000000000000000001"}}
    assert [(loan["asset"], loan["principal"]) for loan in line["loans"]] == [("USDC", "12000.000001")]
    assert reading.version == "7"
    assert reading.rates == {"aave_v3": {"USDC": D("0.0002")}}


@pytest.mark.parametrize(
    ("health", "level", "stage"),
    [
        (10**18, "1", "normal"),
        (10**18 - 1, "0.999999999999999999", "liquidation"),
        (2**256 - 1, None, "normal"),
        (0, "0", "liquidation"),
    ],
)
def test_a_health_factor_is_exact_and_of_a_user_without_debt_there_is_none(
    health: int, level: str | None, stage: str
) -> None:
    (said,) = positions(account(health), {}).said
    assert (said.level, said.stage) == (D(level) if level else None, stage)


def test_a_mode_has_its_own_product_and_is_named() -> None:
    held = {WETH: aave.Held(10**18, 0)}
    line = line_of(positions(account(emode=1), held, emode={"1": "aave-eth"}))
    assert (line["product"], line["labels"]) == ("aave-eth", {"emode": "1"})
    assert line_of(positions(account(emode=2), held, emode={"1": "aave-eth"}))["product"] == "aave_v3"


def test_a_token_may_be_named_by_its_address() -> None:
    line = line_of(positions(account(), {WETH: aave.Held(10**18, 0)}, aliases={WETH.upper().replace("X", "x"): "ETH"}))
    assert line["collateral"] == {f"aave-{USERS[0]}": {"ETH": "1"}}


@given(st.lists(words256, min_size=6, max_size=12))
def test_words_are_read_as_they_are(some: list[int]) -> None:
    assert aave.words(abi(*some), "here", 6) == some


@given(st.text("0123456789abcdefx", max_size=400))
def test_what_is_no_row_of_words_is_refused_and_never_misread(text: str) -> None:
    try:
        found = aave.words(text, "here", 1)
    except Failed as e:
        assert "here" in str(e)
    else:
        assert abi(*found) == text


symbols = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)


@given(st.dictionaries(symbols, st.integers(0, 2**160 - 1), max_size=8))
def test_a_list_of_tokens_is_read_as_it_was_written(names: dict[str, int]) -> None:
    tokens = {symbol: f"0x{address:040x}" for symbol, address in names.items()}
    assert {token.symbol: token.address for token in aave.tokens(abi_tokens(tokens), "here")} == tokens


@given(st.binary(max_size=400))
def test_a_list_of_tokens_of_rubbish_is_refused(raw: bytes) -> None:
    try:
        aave.tokens(f"0x{raw.hex()}", "here")
    except Failed as e:
        assert "here" in str(e)


def test_a_reserve_states_threshold_decimals_and_a_days_share_of_its_rate() -> None:
    settings = 8000 | 8300 << 16 | 10500 << 32 | 18 << 48 | 1 << 56
    found = aave.reserve(abi(settings, 0, 0, 0, 365 * 10**25 // 100, 0, 0, 3), "here")
    assert found == aave.Reserve(3, 18, D("0.83"), D("0.0001"))


BATCH = [{"id": 1, "result": "0x02"}, {"id": 0, "result": "0x01"}]


def reply(body: bytes) -> LenderAnswer:
    return LenderAnswer(200, body, None, None)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'[{"id": 0, "result": "0x01"}]', "1 of 2 answers are missing"),
        (b'[{"id": 0, "result": "0x01"}, {"id": 0, "result": "0x02"}]', "call 0 has two different answers"),
        (b'[{"id": 0, "result": "0x01"}, {"id": 7, "result": "0x02"}]', "the id 7, which was not asked"),
        (b'[{"id": 0, "result": "0x01"}, {"id": 1, "error": {"message": "header not found"}}]', "header not found"),
        (b'{"error": {"code": -32005, "message": "batch is too large"}}', "batch is too large"),
        (b"[", "not JSON"),
    ],
)
def test_a_batch_that_is_not_whole_is_no_answer(body: bytes, problem: str) -> None:
    with pytest.raises(Failed, match=problem):
        aave.replies(reply(body), 2, "eth_call")


def test_answers_of_a_batch_may_come_in_any_order() -> None:
    assert aave.replies(
        reply(b'[{"id":1,"result":"0x02"},{"id":0,"result":"0x01"},{"id":1,"result":"0x02"}]'), 2, "x"
    ) == [
        "0x01",
        "0x02",
    ]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"users": []}, "users: is empty"),
        ({"users": [USERS[0], USERS[0].upper().replace("X", "x")]}, "stands twice"),
        ({"users": ["0x12"]}, "expected an address"),
        ({"emode": {"0": "x"}}, "expected the number of a category"),
        ({"url": "https://10.0.0.1"}, "allow_private"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(Invalid, match=problem):
        config(**change)


def test_a_node_that_is_behind_is_not_believed(tmp_path: Path) -> None:
    """Behind a name there may be many nodes: one that is at an older block would undo what was read."""

    async def story() -> None:
        clock = virtual.LoopClock()
        async with served(AAVE, clock, tmp_path) as it:
            (first,) = await some(it.book())
            position = of(BookSeen, [first])[0].position
            node = it.bodies["node"]
            node.block -= 1
            began_s = clock.monotonic_s()

            async def catch_up() -> None:
                await clock.sleep(100.0)
                node.block += 5

            back = asyncio.create_task(catch_up())
            (second,) = await some(it.book(KeptBook(position=position)))
            assert clock.monotonic_s() - began_s >= 100.0
            await back
            assert of(LenderSaid, [second])

    virtual.run(story())


def test_the_time_of_the_book_is_that_of_its_block_and_calls_are_batched(tmp_path: Path) -> None:
    async def story() -> None:
        clock = virtual.LoopClock()
        async with served(AAVE, clock, tmp_path) as it:
            await clock.sleep(100.0)
            it.venue.clock_offset_ms = -60_000
            (batch,) = await some(it.book(batch=2))
            (seen,) = of(BookSeen, [batch])
            assert 59.0 <= (clock.utc() - seen.as_of).total_seconds() <= 63.0
            assert len(it.venue.log) == 1 + 1 + 1 + 3 + 2  # block, tokens, reserves, users, what each user has

    virtual.run(story())
