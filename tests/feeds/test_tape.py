"""Tapes: what is read, what is refused with which words, and how a tape plays on today's clock."""

from __future__ import annotations

import gzip
import zlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from monitor.clock import SystemClock
from monitor.core import schema
from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import FeedTrust
from monitor.feeds._tapes.files import UnreadableTape
from monitor.feeds.tape import Config, Refusal, Row, build, rows, trust
from tests.feeds.shared import SHARED, needs_shared

NOON = datetime(2021, 5, 19, 12, 0, tzinfo=UTC)
NOON_MS = 1621425600000


def tape(folder: Path, text: str | bytes, name: str = "tape.csv") -> Path:
    path = folder / name
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def read(path: Path) -> tuple[list[Row], list[Refusal]]:
    refused: list[Refusal] = []
    return list(rows(path, refused.append)), refused


def told(refused: list[Refusal], path: Path) -> list[str]:
    """Refusals as lines, the folder left out."""
    return [str(refusal).replace(str(path), path.name) for refusal in refused]


def prices(events: list[Row]) -> list[dict[str, str]]:
    return [{quote.asset: str(quote.price) for quote in quotes} for _, quotes in events]


@pytest.mark.parametrize("name", ["tape.csv", "tape.csv.gz"])
def test_long_rows_of_one_time_are_one_event_in_usd(tmp_path: Path, name: str) -> None:
    text = (
        "at,asset,price,source\n"
        "2021-05-19T12:00:00Z,BTC,38000.10,binance-futures\n"
        "2021-05-19T14:00:00+02:00,ETH,2500,\n"
        "2021-05-19T12:00:00.250Z,BTC,3.7e4,kraken\n"
    )
    events, refused = read(tape(tmp_path, text, name))
    assert not refused
    assert events == [
        (NOON, [
            Quote("BTC", Decimal("38000.10"), "USD", "binance-futures", NOON),
            Quote("ETH", Decimal("2500"), "USD", "tape", NOON),
        ]),
        (NOON + timedelta(milliseconds=250), [
            Quote("BTC", Decimal("3.7e4"), "USD", "kraken", NOON + timedelta(milliseconds=250)),
        ]),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["tape.csv", "tape.csv.gz"])
def test_wide_rows_are_events_of_pairs_in_usdt_and_an_empty_cell_is_no_price(tmp_path: Path, name: str) -> None:
    text = f"ts_utc,BTCUSDT,PEPEUSDT\n{NOON_MS},38000.10,\n{NOON_MS + 60_000},,1.217e-05\n{NOON_MS + 60_001},,\n"
    events, refused = read(tape(tmp_path, text, name))
    assert not refused
    assert events == [
        (NOON, [Quote("BTC", Decimal("38000.10"), "USDT", "tape", NOON)]),
        (
            NOON + timedelta(minutes=1),
            [Quote("PEPE", Decimal("1.217e-05"), "USDT", "tape", NOON + timedelta(minutes=1))],
        ),
        (NOON + timedelta(minutes=1, milliseconds=1), []),
    ]


def test_the_columns_of_a_long_tape_may_stand_in_any_order_without_a_source(tmp_path: Path) -> None:
    events, refused = read(tape(tmp_path, "price,at,asset\n5,2021-05-19T12:00:00Z,BTC\n"))
    assert (prices(events), refused) == ([{"BTC": "5"}], [])
    assert events[0][1][0].source == "tape"


@pytest.mark.parametrize(
    "text",
    [
        "at,asset,price\r\n2021-05-19T12:00:00Z,BTC,5\r\n",
        "\ufeffat,asset,price\n2021-05-19T12:00:00Z,BTC,5",
        '"at","asset","price"\n"2021-05-19T12:00:00Z","BTC","5"\n',
        "at, asset, price\n2021-05-19T12:00:00Z , BTC , 5 \n\n   \n",
    ],
)
def test_what_spreadsheets_make_of_it_is_read_all_the_same(tmp_path: Path, text: str) -> None:
    events, refused = read(tape(tmp_path, text))
    assert (prices(events), refused) == ([{"BTC": "5"}], [])


def test_bad_cells_of_a_wide_tape_are_named_and_take_nothing_along(tmp_path: Path) -> None:
    path = tape(
        tmp_path,
        "ts_utc,BTCUSDT,ETHUSDT\n"
        f"{NOON_MS},0,3\n"
        f"{NOON_MS + 1},-1,4\n"
        f"{NOON_MS + 2},NaN,5\n"
        f"{NOON_MS + 3},1e400,6\n"
        f'{NOON_MS + 4},"38,000.10",7\n'
        f"{NOON_MS + 5},#REF!,8\n"
        f"{NOON_MS + 6},9,10\n",
    )
    events, refused = read(path)
    assert prices(events) == [*({"ETH": str(n)} for n in range(3, 9)), {"BTC": "9", "ETH": "10"}]
    assert [r.reason for r in refused] == [
        "zero", "negative", "not_finite", "out_of_range", "not_a_number", "not_a_number",
    ]  # fmt: skip
    assert told(refused, path)[1] == (
        "tape.csv:3: column BTCUSDT: negative price '-1'; a price is a number from 1e-18 to 1e15; "
        "leave the cell empty where there is none"
    )
    assert told(refused, path)[4].startswith("tape.csv:6: column BTCUSDT: not_a_number price '38,000.10'")


def test_bad_rows_of_a_wide_tape_are_named_and_take_nothing_along(tmp_path: Path) -> None:
    path = tape(
        tmp_path,
        f"ts_utc,BTCUSDT\n{NOON_MS},1\nyesterday,3\n-1,4\n{NOON_MS + 1},6,7\n"
        f"{NOON_MS + 2}\n{NOON_MS},8\n{NOON_MS + 3},9\n99999999999999999999,1\n99999999999999999,1\n",
    )
    events, refused = read(path)
    assert prices(events) == [{"BTC": "1"}, {"BTC": "8"}, {"BTC": "9"}], "an equal time is not older"
    example = "expected a time such as 1621425480000 or 2021-05-19T12:58:00Z"
    assert told(refused, path) == [
        f"tape.csv:3: column ts_utc: found 'yesterday', {example}",
        f"tape.csv:4: column ts_utc: found '-1', {example}",
        "tape.csv:5: found 3 cells, expected 2 as in the header; mend the row",
        "tape.csv:6: found 1 cells, expected 2 as in the header; mend the row",
        f"tape.csv:9: column ts_utc: found '99999999999999999999', {example}",
        f"tape.csv:10: column ts_utc: found '99999999999999999', {example}",
    ]


def test_bad_rows_of_a_long_tape_are_named_and_take_nothing_along(tmp_path: Path) -> None:
    at = "2021-05-19T12:00:00Z"
    path = tape(
        tmp_path,
        f"at,asset,price,source,volume\n{at},BTC,1,s,0\n{at},b$,2,s,0\n{at},ETH,,s,0\n{at},SOL,4,two words,0\n"
        f"2021-05-19T12:00:00,BTC,5,s,0\n2021-05-19,BTC,6,s,0\n{at},LTC,8,s,0\n"
        f"9999-01-01T00:00:00Z,BTC,9,s,0\n",
    )
    events, refused = read(path)
    assert prices(events) == [{"BTC": "1", "LTC": "8"}]
    assert [(r.reason, r.where.rpartition(":")[2]) for r in refused] == [
        ("column", "1"), ("asset", "3"), ("empty", "4"), ("source", "5"), ("time", "6"), ("time", "7"), ("time", "9"),
    ]  # fmt: skip
    assert "column asset: found 'b$', which names no coin" in str(refused[1])
    assert "expected a time with its zone, such as 2021-05-19T12:58:00Z" in str(refused[4])


def test_columns_that_are_no_pair_with_usdt_are_refused_once_by_name(tmp_path: Path) -> None:
    path = tape(
        tmp_path,
        f"ts_utc,BTCUSDT,ETHBTC,USDT,btcUSDT,BTCUSDT,,BTCUSDT_210625,SOLEUR\n{NOON_MS},1,2,3,4,5,6,7,8\n"
        f"{NOON_MS + 1},1,x,3,4,5,6,7,8\n",
    )
    events, refused = read(path)
    assert prices(events) == [{"BTC": "1"}, {"BTC": "1"}]
    expected = "expected a pair with USDT such as BTCUSDT"
    assert told(refused, path) == [
        f"tape.csv:1: column 3: found 'ETHBTC', which is in BTC; only prices in USDT or USD count; {expected}",
        f"tape.csv:1: column 4: found 'USDT', which states no quote; only prices in USDT or USD count; {expected}",
        "tape.csv:1: column 5: 'btcUSDT' is the same coin as 'BTCUSDT'; the first one is used",
        "tape.csv:1: column 6: 'BTCUSDT' is there twice; the first one is used",
        f"tape.csv:1: column 7: found '', which is empty; {expected}",
        "tape.csv:1: column 8: found 'BTCUSDT_210625', which is a future or an option with a date, "
        f"whose price is not that of the coin; {expected}",
        f"tape.csv:1: column 9: found 'SOLEUR', which is in EUR; only prices in USDT or USD count; {expected}",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty; expected a first line such as 'at,asset,price'"),
        ("\n\n", "the file is empty; expected a first line such as 'at,asset,price'"),
        ("a,b\n1,2\n", "found 'a,b', expected 'at,asset,price[,source]', 'ts_utc,BTCUSDT,...' or a form of docs"),
        ("{}", "found '{}', expected"),
        ("at,asset\n", "found 'at,asset', expected"),
        (b"\x1f\x8b\x08\x00rubbish", "is not gzip or zip to its end: it is cut or damaged before its first row"),
        (b"PK\x03\x04rubbish", "is not gzip or zip to its end: it is cut or damaged before its first row"),
        (b"PAR1\x00\x00", "found Parquet, expected CSV, plain or as gzip or zip; unpack or export it first"),
        (b"at,asset\x00\x01\x00,price\n", "found bytes that are no text"),
        (
            "B\xe4nk,W\xe4hrung\n1,2\n".encode("latin-1"),
            "the first line is not UTF-8, as in a file that was saved as Latin-1",
        ),
    ],
)
def test_a_file_that_is_no_tape_is_refused_as_a_whole(tmp_path: Path, text: str | bytes, words: str) -> None:
    path = tape(tmp_path, text)
    with pytest.raises(UnreadableTape) as e:
        read(path)
    assert str(e.value).startswith(f"{path}: {words}")


def test_a_quote_that_is_never_closed_spoils_one_line_only(tmp_path: Path) -> None:
    events, refused = read(tape(tmp_path, f'ts_utc,BTCUSDT\n{NOON_MS},"1\n{NOON_MS + 1},2\n'))
    assert prices(events)[-1] == {"BTC": "2"}
    assert len(events) + len(refused) == 2


def test_characters_that_are_no_utf8_spoil_one_cell_only(tmp_path: Path) -> None:
    text = f"ts_utc,BTCUSDT,ETHUSDT\n{NOON_MS},\xff,2\n{NOON_MS + 1},3,4\n".encode("latin-1")
    events, refused = read(tape(tmp_path, text))
    assert prices(events) == [{"ETH": "2"}, {"BTC": "3", "ETH": "4"}]
    assert [r.reason for r in refused] == ["not_a_number"]


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    text = f"ts_utc,BTCUSDT\n{NOON_MS},1\n" + "9" * 1_000_000 + f"\n{NOON_MS + 1},2\n"
    path = tape(tmp_path, text, "tape.csv.gz")
    events, refused = read(path)
    assert prices(events) == [{"BTC": "1"}, {"BTC": "2"}]
    assert [(r.reason, r.where) for r in refused] == [("too_long", f"{path}:3")]


@pytest.mark.parametrize("name", ["tape.csv.gz", "TAPE.CSV.GZ", "tape"])
def test_a_packed_file_that_was_cut_off_or_damaged_is_refused_before_anything_plays(tmp_path: Path, name: str) -> None:
    lines = "".join(f"{NOON_MS + n},{n % 977 + 1}.{n * 7919 % 1000}\n" for n in range(20_000))
    whole = gzip.compress(("ts_utc,BTCUSDT\n" + lines).encode())
    path = tmp_path / name
    for damaged in (whole[:-20_000], whole[:-1], whole[:50_000] + b"rubbish" + whole[50_007:], whole[:-8] + b"\0" * 8):
        path.write_bytes(damaged)
        with pytest.raises(UnreadableTape, match=r"it is cut or damaged after [\d,]+ rows .*; copy it again$"):
            rows(path, print)
    path.write_bytes(whole[:-20_000])
    with pytest.raises(UnreadableTape) as e:
        rows(path, print)
    count = int(str(e.value).partition(" after ")[2].partition(" rows")[0].replace(",", ""))
    text = zlib.decompressobj(31).decompress(whole[:-20_000])
    assert count == text.count(b"\n") - 1


def test_a_tape_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rows(tmp_path / "none.csv", print)
    with pytest.raises(schema.Invalid, match=r"none\.csv: no such file; expected a tape"):
        build("tape", Config(tmp_path / "none.csv"))


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "1e9", ""])
def test_a_speed_that_is_none_is_refused(speed: str) -> None:
    with pytest.raises(schema.Invalid, match="speed: found"):
        schema.read(Config, {"path": "x", "speed": speed})


async def test_as_a_feed_the_rows_keep_their_distance_on_todays_clock(tmp_path: Path) -> None:
    clock = SystemClock()
    path = tape(
        tmp_path, f"ts_utc,BTCUSDT\n{NOON_MS},1\n{NOON_MS + 60_000},2\n{NOON_MS + 180_000},x\n{NOON_MS + 180_001},3\n"
    )
    config = schema.read(Config, {"path": "tape.csv", "speed": "600"}, folder=tmp_path)
    assert config.path == path
    feed = build("yesterday", config, clock)
    began = clock.utc()
    seen = [batch async for batch in feed.quotes()]
    assert [str(q.price) for (q,) in seen] == ["1", "2", "3"]
    assert {(q.source, q.quote) for (q,) in seen} == {("yesterday", "USDT")}
    waited = [(q.at - began).total_seconds() for (q,) in seen]
    for got, due in zip(waited, [0, 0.1, 0.3], strict=True):
        assert due - 0.005 <= got < due + 0.5
    assert (feed.stats.quotes, feed.stats.refused["not_a_number"]) == (3, 1)
    assert (feed.stats.connected, feed.stats.reason) == (False, "the tape has ended")


async def test_as_fast_as_possible_and_looped_it_begins_again(tmp_path: Path) -> None:
    path = tape(tmp_path, f"ts_utc,BTCUSDT\n{NOON_MS},1\n{NOON_MS + 86_400_000},2\n")
    seen: list[str] = []
    async for batch in build("tape", Config(path, speed="max", loop=True)).quotes():
        seen += [str(quote.price) for quote in batch]
        if len(seen) == 7:
            break
    assert seen == ["1", "2", "1", "2", "1", "2", "1"]


async def test_a_looped_tape_without_a_price_ends_instead_of_spinning(tmp_path: Path) -> None:
    path = tape(tmp_path, f"ts_utc,BTCUSDT\n{NOON_MS},\n")
    assert [batch async for batch in build("tape", Config(path, speed="max", loop=True)).quotes()] == []


async def test_a_file_that_is_spoilt_after_the_start_ends_the_feed_and_says_why(tmp_path: Path) -> None:
    path = tape(tmp_path, f"ts_utc,BTCUSDT\n{NOON_MS},1\n", "tape.csv.gz")
    feed = build("tape", Config(path, speed="max", loop=True))
    path.write_bytes(path.read_bytes()[:-4])
    assert [batch async for batch in feed.quotes()] == []
    assert not feed.stats.connected
    assert feed.stats.reason.startswith(f"{path}: is not gzip or zip to its end: it is cut or damaged")
    path.unlink()
    assert [batch async for batch in feed.quotes()] == []
    assert "No such file" in feed.stats.reason


async def test_as_a_feed_a_tape_that_has_the_newest_first_plays_by_time(tmp_path: Path) -> None:
    path = tape(tmp_path, f"ts_utc,BTCUSDT\n{NOON_MS + 2},3\n{NOON_MS + 1},2\n{NOON_MS},1\n")
    seen = [str(q.price) async for batch in build("tape", Config(path, speed="max")).quotes() for q in batch]
    assert seen == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("speed", "cadence"), [("1", timedelta(minutes=1)), ("60", timedelta(seconds=1)), ("max", None)]
)
def test_as_a_feed_it_states_how_often_its_rows_come(tmp_path: Path, speed: str, cadence: timedelta | None) -> None:
    path = tape(tmp_path, f"ts_utc,BTCUSDT\n{NOON_MS},1\n{NOON_MS + 60_000},2\n")
    limit = timedelta(minutes=3)
    assert trust(Config(path, speed=speed, stale_after=limit)) == FeedTrust(stale_after=limit, cadence=cadence)
    assert trust(Config(tmp_path / "none.csv")) == FeedTrust()


@needs_shared
@pytest.mark.parametrize(
    ("name", "events", "quotes", "first", "last"),
    [
        ("calm_2025-05_1m", 41760, 501120, "AVAX 19.863 2025-05-05 00:00", "XRP 2.1956 2025-06-02 23:59"),
        ("crash_2021-05-19_1m", 12758, 153096, "AAVE 456.86 2021-05-12 00:00", "XRP 1.1809 2021-05-20 20:37"),
        ("crash_2022-11_5m", 6048, 96768, "AAVE 84.1 2022-11-01 00:00", "XRP 0.3645 2022-11-21 23:55"),
        ("crash_2023-03_5m", 4032, 64512, "AAVE 75.1 2023-03-06 00:00", "XRP 0.3857 2023-03-19 23:55"),
        ("crash_2024-08-05_5m", 7488, 123144, "AAVE 90.03 2024-07-25 00:00", "XRP 0.5985 2024-08-19 23:55"),
        ("last_2025-12_5m", 8640, 86400, "ADA 0.4147 2025-11-30 00:00", "XRP 1.8494 2025-12-29 23:55"),
        ("mark_2025-12_1h", 720, 7200, "ADA 0.4143 2025-11-30 00:00", "XRP 1.84961177 2025-12-29 23:00"),
    ],
)
def test_every_recorded_tape_reads_whole(name: str, events: int, quotes: int, first: str, last: str) -> None:
    refused: list[Refusal] = []
    count, every = 0, []
    for _, batch in rows(SHARED / "data" / "prices" / f"{name}.csv.gz", refused.append):
        count += 1
        every += batch
    assert (count, len(every), refused) == (events, quotes, [])
    assert [f"{q.asset} {q.price} {q.at:%Y-%m-%d %H:%M}" for q in (every[0], every[-1])] == [first, last]
    assert {q.quote for q in every} == {"USDT"}


def test_a_time_whose_prices_are_all_refused_is_still_an_event(tmp_path: Path) -> None:
    """docs/replay.md: all rows of one time are one event; a wide row without a price is one too."""
    long = (
        "at,asset,price\n2021-05-19T12:00:00Z,BTC,-1\n2021-05-19T12:01:00Z,BTC,38000\n2021-05-19T12:02:00Z,BTC,zero\n"
    )
    wide = f"ts_utc,BTCUSDT\n{NOON_MS},-1\n{NOON_MS + 60_000},38000\n{NOON_MS + 120_000},\n"
    for name, text in (("long.csv", long), ("wide.csv", wide)):
        events, _ = read(tape(tmp_path, text, name))
        assert [at for at, _ in events] == [NOON + timedelta(minutes=i) for i in range(3)], name
        assert prices(events) == [{}, {"BTC": "38000"}, {}], name
