"""Tapes as vendors and spreadsheets write them: each is found out by its content, and read or refused by its name."""

from __future__ import annotations

import gzip
import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.feeds._tapes.files import UnreadableTape
from monitor.feeds._tapes.reader import Refusal, TapeFile

NOON = datetime(2021, 5, 19, 12, 0, tzinfo=UTC)
NOON_MS = 1621425600000
MINUTE_MS = 60_000
HEADER = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n"
TARDIS = (
    "exchange,symbol,timestamp,local_timestamp,funding_timestamp,funding_rate,predicted_funding_rate,"
    "open_interest,last_price,index_price,mark_price\n"
)


def put(folder: Path, text: str | bytes, name: str = "tape.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def played(path: Path) -> tuple[list[str], list[Refusal], list[str]]:
    """Each quote as "minutes after noon, coin, price, quote", the refusals, and what was said of the tape."""
    refused: list[Refusal] = []
    tape = TapeFile(path)
    quotes = [
        f"{(q.at - NOON).total_seconds() / 60:g} {q.asset} {q.price} {q.quote}"
        for at, batch in tape.rows(refused.append)
        for q in batch
        if q.at == at
    ]
    return quotes, refused, [line.removeprefix(f"{path}: ") for line in tape.said()]


def kline(n: int, close: str, unit: int = 1, *, step: int = MINUTE_MS) -> str:
    """The nth minute after noon; `unit` is how many of its clock a millisecond has."""
    begin, end = (NOON_MS + n * step) * unit, (NOON_MS + (n + 1) * step) * unit - 1
    return f"{begin},1,2,0.5,{close},0,{end},0,60,0,0,0\n"


@pytest.mark.parametrize("header", [HEADER, "", HEADER.replace("_", " ").title()])
@pytest.mark.parametrize(("unit", "words"), [(1, []), (1000, ["its times are in microseconds"])])
@pytest.mark.parametrize(
    ("name", "coin"),
    [
        ("BTCUSDT-1m-2021-05-19.csv", "BTC {} USDT"),
        ("BTCUSDT-1m-2021-05.csv", "BTC {} USDT"),
        ("btcusdt-1m.CSV", "BTC {} USDT"),
        ("BTCUSD_PERP-1m-2021-05-19.csv", "BTC {} USD"),
        ("1INCHUSDT-1m-2021-05-19.csv", "1INCH {} USDT"),
        ("ETHUSDT.csv", "ETH {} USDT"),
    ],
)
def test_a_close_belongs_to_the_end_of_its_minute_and_the_coin_is_in_the_name_of_the_file(
    tmp_path: Path, header: str, unit: int, words: list[str], name: str, coin: str
) -> None:
    path = put(tmp_path, header + kline(0, "45000.5", unit) + kline(1, "31000", unit), name)
    quotes, refused, said = played(path)
    assert quotes == ["1 " + coin.format("45000.5"), "2 " + coin.format("31000")]
    assert refused == []
    assert said[1:] == words
    assert said[0].startswith("read as klines of ")


@pytest.mark.parametrize(("step", "after"), [(1000, 1), (300_000, 300), (3_600_000, 3600), (86_400_000, 86_400)])
def test_klines_of_any_interval_end_where_they_say(tmp_path: Path, step: int, after: int) -> None:
    path = put(tmp_path, kline(0, "45000", step=step), "BTCUSDT-x-2021-05-19.csv")
    (row,) = TapeFile(path).rows(print)
    assert row[0] == NOON + timedelta(seconds=after)


def test_klines_of_a_thousand_coins_are_divided_exactly(tmp_path: Path) -> None:
    path = put(tmp_path, kline(0, "0.0085123"), "1000SHIBUSDT-1m-2021-05-19.csv")
    assert played(path)[0] == ["1 SHIB 0.0000085123 USDT"]
    path = put(tmp_path, kline(0, "0.9"), "1000000MOGUSDT-1m-2021-05-19.csv")
    assert played(path)[0] == ["1 MOG 9E-7 USDT"]


def test_klines_of_two_years_with_two_units_read_as_one_tape(tmp_path: Path) -> None:
    """The venue changed its spot files from milliseconds to microseconds with 2025; people join them."""
    path = put(tmp_path, kline(0, "1") + kline(1, "2", 1000), "BTCUSDT-1m-2025.csv")
    quotes, refused, said = played(path)
    assert (quotes, refused) == (["1 BTC 1 USDT", "2 BTC 2 USDT"], [])
    assert "its times are in milliseconds and microseconds" in said


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "klines.csv",
            "found klines without a column of coins; call it by its market, such as BTCUSDT-1m-2021-05-19.csv",
        ),
        ("BTCUSDT_210625-1m-2021-05-19.csv", "found klines of a market that is a future or an option with a date"),
        ("ETHBTC-1m-2021-05-19.csv", "found klines of a market that is in BTC; only prices in USDT or USD count"),
        ("BTCEUR-1m-2021-05-19.csv", "found klines of a market that is in EUR"),
        ("1000WHATUSDT-1m-2021-05-19.csv", "looks like a multiple of a coin, and how many 1000WHAT is, is not known"),
        (
            "premiumIndexKlines-BTCUSDT-1m.csv",
            "found klines of a premium index, which is no price; take mark-price klines",
        ),
    ],
)
def test_klines_whose_market_is_not_sure_are_refused(tmp_path: Path, name: str, words: str) -> None:
    path = put(tmp_path, kline(0, "1"), name)
    with pytest.raises(UnreadableTape) as e:
        TapeFile(path)
    assert str(e.value).startswith(f"{path}: ")
    assert words in str(e.value)


@pytest.mark.parametrize("closes", [("-0.0004", "0.0003"), ("0.0004", "0.0005")])
def test_a_premium_index_is_known_by_its_rows(tmp_path: Path, closes: tuple[str, str]) -> None:
    rows = "".join(
        f"{NOON_MS + n * MINUTE_MS},{c},{c},{c},{c},0,{NOON_MS + (n + 1) * MINUTE_MS - 1},0,12,0,0,0\n"
        for n, c in enumerate(closes)
    )
    with pytest.raises(UnreadableTape, match="found klines of a premium index"):
        TapeFile(put(tmp_path, HEADER + rows, "BTCUSDT-1m-2021-05-19.csv"))


def zipped(*files: tuple[str, bytes]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return body.getvalue()


def test_an_archive_of_one_file_reads_like_the_file(tmp_path: Path) -> None:
    rows = (HEADER + kline(0, "45000")).encode()
    for name, inner in (("BTCUSDT-1m-2021-05.zip", "BTCUSDT-1m-2021-05.csv"), ("x.zip", "BTCUSDT-1m-2021-05.csv")):
        path = put(tmp_path, zipped((inner, rows), ("__MACOSX/._x.csv", b"x")), name)
        assert played(path)[0] == ["1 BTC 45000 USDT"]
    path = put(tmp_path, zipped(("BTCUSDT-1m.csv.gz", gzip.compress(rows))), "y.zip")
    assert played(path)[0] == ["1 BTC 45000 USDT"]


def test_an_archive_that_cannot_be_a_tape_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    rows = (
        "at,asset,price\n" + "".join(f"2021-05-19T12:{n // 60:02}:{n % 60:02}Z,BTC,{n}1\n" for n in range(3600))
    ).encode()
    for content, words in (
        (zipped(("a.csv", rows), ("b.csv", rows)), "the archive holds 2 files (a.csv, b.csv), expected one CSV"),
        (zipped(), "the archive holds no file, expected one CSV"),
        (zipped(("a.csv", rows))[:-100], "is not gzip or zip to its end: it is cut or damaged before its first row"),
        (zipped(("a.csv", rows)).replace(b"a.csv", b"b.csv", 1), "it is cut or damaged"),
    ):
        with pytest.raises(UnreadableTape) as e:
            TapeFile(put(tmp_path, content, "x.zip"))
        assert words in str(e.value)


def test_a_derivative_ticker_gives_mark_prices_of_every_symbol_and_says_which_rows_have_none(tmp_path: Path) -> None:
    us = NOON_MS * 1000
    rows = [
        f"binance-futures,BTCUSDT,{us},{us + 9},,0.0001,,1,45000.5,45000.2,45000",
        f"binance-futures,1000SHIBUSDT,{us + 1},{us + 9},,,,,0.0086,0.0087,0.0085",
        f"bitmex,XBTUSD,{us + 60_000_000},{us + 60_000_009},,,,,1,2,44000.5",
        f"deribit,ETH-PERPETUAL,{us + 60_000_000},{us + 60_000_009},,,,,1,2,3000",
        f"binance-futures,BTCUSDT,{us + 120_000_000},{us + 9},,,,,31000,31000,",
        f"binance-futures,BTCUSDT_210625,{us + 120_000_000},{us + 9},,,,,31000,31000,99",
        f"okex-swap,BTC-USDT-SWAP,{us + 120_000_000},{us + 9},,,,,1,2,43000",
        f"binance-futures,BTCUSDC,{us + 120_000_000},{us + 9},,,,,1,2,43000",
    ]
    path = put(tmp_path, TARDIS + "\n".join(rows) + "\n", "binance-futures_derivative_ticker_2021-05-19_BTCUSDT.csv")
    quotes, refused, said = played(path)
    assert quotes == [
        "0 BTC 45000 USDT", "1.66667e-08 SHIB 0.0000085 USDT", "1 BTC 44000.5 USD", "1 ETH 3000 USD", "2 BTC 43000 USDT",
    ]  # fmt: skip
    sources = [q.source for _, batch in TapeFile(path).rows(lambda _: None) for q in batch]
    assert sources == ["binance-futures", "binance-futures", "bitmex", "deribit", "okex-swap"]
    assert said == ["its times are in microseconds"]
    assert [r.what for r in refused] == [
        "column symbol: found 'BTCUSDT_210625', which is a future or an option with a date, whose price is not that of the coin",
        "column symbol: found 'BTCUSDC', which is in USDC; only prices in USDT or USD count",
        "rows without a mark_price gave no price: 1 of BTC",
    ]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("bw_btcusdt_ohlcv_5m_2021_05.csv", f"{NOON_MS},1,2,0.5,45000,9\n{NOON_MS + 300_000},null,null,null,null,0\n",
         ["5 BTC 45000 USDT"]),
        ("bw_btcusdt_perp_cohlcvvwap_1h_2021.csv", f"{NOON_MS},7,1,2,0.5,45000,9,44000\n", ["60 BTC 45000 USDT"]),
        ("cbse_btcusd_vwap_1m_2021_05.csv", f"{NOON_MS},45000\n", ["1 BTC 45000 USD"]),
        ("cbse_btc-usd_ohlcv_1d_2021.csv", f"timestamp,open,high,low,close,volume\n{NOON_MS},1,2,0.5,45000,9\n",
         ["1440 BTC 45000 USD"]),
        ("Kraken_BTCUSD_trades_2021_05_19.csv", f"id,exchange,symbol,date,price,amount,sell\n1,krkn,btcusd,{NOON_MS},45000,1,true\n",
         ["0 BTC 45000 USD"]),
        ("ohlcv_1h.csv", f"exchange,instrument,timestamp,open,high,low,close,volume\ncbse,btc-usd,{NOON_MS},1,2,0.5,45000,9\n",
         ["60 BTC 45000 USD"]),
        ("candles.csv", "symbol,timestamp,open,high,low,close\n" + "".join(
            f"{s},2021-05-19 12:0{m}:00 UTC,1,1,1,{m + 1}\n" for s in ("btcusd", "ethusd") for m in (0, 1)),
         ["1 BTC 1 USD", "1 ETH 1 USD", "2 BTC 2 USD", "2 ETH 2 USD"]),
        ("cbse_btcusd_vwap_1m_2021_05.csv", f"timestamp,price\n{NOON_MS},45000\n", ["1 BTC 45000 USD"]),
        ("BTC-USD.csv", f"timestamp,price\n{NOON_MS},45000\n{NOON_MS + 60000},46000\n", ["0 BTC 45000 USD", "1 BTC 46000 USD"]),
    ],
)  # fmt: skip
def test_files_of_kaiko_and_other_candles_are_read_with_and_without_a_header(
    tmp_path: Path, name: str, text: str, expected: list[str]
) -> None:
    assert played(put(tmp_path, text, name))[0] == expected


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("exchange,symbol,timestamp,local_timestamp,id,side,price,amount", "trades of Tardis"),
        ("exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount", "quotes of a book"),
        ("exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount", "trades of Tardis"),
        ("exchange,symbol,timestamp,local_timestamp,asks[0].price,asks[0].amount", "snapshots of a book"),
        ("id,price,qty,quote_qty,time,is_buyer_maker", "trades of Binance"),
        ("agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker", "trades of Binance"),
        ("update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time", "quotes of a book"),
        ("timestamp,percentage,depth,notional", "depth of a book"),
        ("calc_time,funding_interval_hours,last_funding_rate", "funding rates"),
        ("create_time,symbol,sum_open_interest,sum_open_interest_value", "open interest"),
    ],
)  # fmt: skip
def test_trades_and_books_are_named_and_refused(tmp_path: Path, header: str, words: str) -> None:
    path = put(tmp_path, f"{header}\n")
    with pytest.raises(UnreadableTape) as e:
        TapeFile(path)
    assert str(e.value).startswith(f"{path}: found {words}")


AT = "2021-05-19T12:00:00Z"


@pytest.mark.parametrize(
    "text",
    [
        f"at;asset;price\n{AT};BTC;45000,5\n",
        f"at;asset;price\n{AT};BTC;45000.5\n",
        f"at\tasset\tprice\n{AT}\tBTC\t45000,5\n",
        f"at\tasset\tprice\n{AT}\tBTC\t45000.5\n",
        f"at ; asset ; price\n {AT} ; BTC ;  45000,5 \n",
        f'"at";"asset";"price"\n"{AT}";"BTC";"45000,5"\n',
        f'at,asset,price\n{AT},BTC,"45000,5"\n',
        f'ts_utc,BTCUSD,ETHUSD\n{NOON_MS},"45000,5",\n',
        f"sep=;\nat;asset;price\n{AT};BTC;45000,5\n",
        f"AT,Asset,PRICE\n{AT},BTC,45000.5\n",
        f"at|asset|price\n{AT}|BTC|45000.5\n",
        f"date,symbol,price\n{AT},BTC,45000.5\n",
        f"ts_utc;BTCUSD;ETHUSD\n{NOON_MS};45000,5;\n",
        f"timestamp,BTC/USD,ETH/USD\n{NOON_MS},45000.5,\n",
        "ts_utc,BTCUSD\n2021-05-19T12:00:00,45000.5\n",
    ],
)
def test_any_delimiter_and_either_decimal_mark(tmp_path: Path, text: str) -> None:
    assert played(put(tmp_path, text)) == (["0 BTC 45000.5 USD"], [], [])


def test_a_comma_that_may_part_thousands_is_never_guessed(tmp_path: Path) -> None:
    """45,000 is 45 for one reader and 45 thousand for another; a price that is wrong by a thousand is worse than none."""
    with pytest.raises(UnreadableTape, match=r"prices such as '45,000' may have thousands or decimals after the comma"):
        TapeFile(put(tmp_path, f"at;asset;price\n{AT};BTC;45,000\n{AT};ETH;3,000\n"))
    path = put(
        tmp_path, f"at;asset;price\n{AT};BTC;45.000\n{AT};ETH;3000,5\n{AT};SOL;45,250\n{AT};LTC;1.045,5\n{AT};ADA;2\n"
    )
    quotes, refused, _ = played(path)
    assert quotes == ["0 ETH 3000.5 USD", "0 SOL 45.250 USD", "0 ADA 2 USD"]
    assert [r.where.rpartition(":")[2] for r in refused] == ["2", "5"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_any_unicode_with_or_without_a_mark(tmp_path: Path, encoding: str, pack: type[bytes]) -> None:
    text = f"at,asset,price\r\n{AT},BTC,45000.5\r\n"
    for mark in ("", "\ufeff") if encoding.endswith("e") else ("",):
        assert played(put(tmp_path, pack((mark + text).encode(encoding)))) == (["0 BTC 45000.5 USD"], [], [])


def test_the_content_tells_what_packs_a_file_and_not_its_name(tmp_path: Path) -> None:
    text = f"at,asset,price\n{AT},BTC,45000\n".encode()
    for name, content in (
        ("TAPE.CSV.GZ", gzip.compress(text)),
        ("tape.csv", gzip.compress(text)),
        ("tape.csv.gz", text),
    ):
        assert played(put(tmp_path, content, name))[0] == ["0 BTC 45000 USD"], name
    two = gzip.compress(text) + gzip.compress(f"{AT},ETH,3000\n".encode())
    assert played(put(tmp_path, two, "two.gz"))[0] == ["0 BTC 45000 USD", "0 ETH 3000 USD"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1621425600", ["its times are in seconds"]),
        ("1621425600.000", ["its times are in seconds"]),
        ("1621425600000", []),
        ("1621425600000.0", []),
        ("1621425600000000", ["its times are in microseconds"]),
        ("1621425600000000000", ["its times are in nanoseconds"]),
        ("2021-05-19T12:00:00Z", []),
        ("2021-05-19 14:00:00+02:00", []),
    ],
)
@pytest.mark.parametrize("form", ["ts_utc,BTCUSD\n{},45000\n", "at,asset,price\n{},BTC,45000\n"])
def test_the_unit_of_the_times_is_found_out_and_said(tmp_path: Path, text: str, words: list[str], form: str) -> None:
    assert played(put(tmp_path, form.format(text))) == (["0 BTC 45000 USD"], [], words)


def test_fractions_of_seconds_count(tmp_path: Path) -> None:
    (row,) = TapeFile(put(tmp_path, "at,asset,price\n1621425600.25,BTC,1\n")).rows(print)
    assert row[0] == NOON + timedelta(milliseconds=250)


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("BTC", "BTC 1000 USD"), ("btc", "BTC 1000 USD"), ("XBT", "BTC 1000 USD"), ("BTCUSDT", "BTC 1000 USDT"),
        ("btcusdt", "BTC 1000 USDT"), ("BTC/USDT", "BTC 1000 USDT"), ("BTC-USDT", "BTC 1000 USDT"), ("BTC_USDT", "BTC 1000 USDT"),
        ("BTC/USDT:USDT", "BTC 1000 USDT"), ("BTCUSD", "BTC 1000 USD"), ("BTC-USD", "BTC 1000 USD"), ("XBTUSDT", "BTC 1000 USDT"),
        ("XXBTZUSD", "BTC 1000 USD"), ("PF_XBTUSD", "BTC 1000 USD"), ("BTC-PERPETUAL", "BTC 1000 USD"),
        ("1000SHIBUSDT", "SHIB 1 USDT"), ("SHIB1000USDT", "SHIB 1 USDT"), ("10000SATSUSDT", "SATS 0.1 USDT"), ("1MBABYDOGEUSDT", "BABYDOGE 0.001 USDT"), ("kPEPE", "PEPE 1 USD"),
        ("SHIBUSD", "SHIB 1000 USD"), ("USDC", "USDC 1000 USD"), ("USDCUSDT", "USDC 1000 USDT"), ("PYUSD", "PYUSD 1000 USD"),
        ("1000SATS", "1000SATS 1000 USD"), ("USDC.E", "USDC.E 1000 USD"), ("WBTC", "WBTC 1000 USD"),
    ],
)  # fmt: skip
def test_a_name_in_a_long_tape_is_a_coin_or_a_pair(tmp_path: Path, name: str, meaning: str) -> None:
    (row,) = TapeFile(put(tmp_path, f"at,asset,price\n{AT},{name},1000\n")).rows(print)
    asset, price, quote = meaning.split()
    (quoted,) = row[1]
    assert (quoted.asset, quoted.quote) == (asset, quote)
    assert str(quoted.price.normalize()) == str(type(quoted.price)(price).normalize())


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("BTC/EUR", "is in EUR"), ("ETH/BTC", "is in BTC"), ("ETHBTC", "is in BTC"), ("BTCUSDC", "is in USDC"),
        ("BTCFDUSD", "is in FDUSD"), ("BTCUSDT_210625", "is a future"), ("BTC-25JUN21", "is a future"),
        ("BTC-25JUN21-40000-C", "is a future or an option"), ("XBTM21", "is a future"), ("ETHZ24", "is a future"), ("1000WHATUSDT", "looks like a multiple"),
    ],
)  # fmt: skip
def test_what_is_no_price_of_a_coin_in_dollars_is_left_out_by_name_and_once(
    tmp_path: Path, name: str, why: str
) -> None:
    path = put(tmp_path, f"at,asset,price\n{AT},{name},1\n{AT},{name},2\n{AT},BTC,3\n")
    quotes, refused, _ = played(path)
    assert quotes == ["0 BTC 3 USD"]
    (refusal,) = refused
    assert refusal.what.startswith(f"column asset: found {name!r}, which {why}")


def minutes(*numbers: int) -> str:
    return "".join(f"{NOON_MS + n * MINUTE_MS},{n + 1}\n" for n in numbers)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([4, 3, 2, 1, 0], "newest first: its rows were sorted by time"),
        ([0, 1, 3, 2, 4], "1 row was older than the row before: its rows were sorted by time"),
        ([3, 4, 0, 1, 2], "1 row was older than the row before: its rows were sorted by time"),
        ([4, 0, 3, 1, 2], "2 rows were older than the row before: its rows were sorted by time"),
    ],
)
def test_rows_in_any_order_play_by_time_and_it_is_said_once(tmp_path: Path, numbers: list[int], words: str) -> None:
    path = put(tmp_path, "ts_utc,BTCUSDT\n" + minutes(*numbers))
    quotes, refused, said = played(path)
    assert quotes == [f"{n} BTC {n + 1} USDT" for n in range(5)]
    assert refused == []
    assert said == [words]


def test_sorting_needs_no_more_memory_than_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.feeds._tapes.order._PART_CHARS", 2_000)
    path = put(tmp_path, "ts_utc,BTCUSDT\n" + minutes(*range(299, -1, -1)))
    quotes, refused, said = played(path)
    assert quotes == [f"{n} BTC {n + 1} USDT" for n in range(300)]
    assert (refused, said) == ([], ["newest first: its rows were sorted by time"])


def test_rows_of_one_time_keep_their_order_and_turn_round_with_a_tape_that_has_the_newest_first(tmp_path: Path) -> None:
    later = AT.replace("12:00", "12:01")
    path = put(tmp_path, f"at,asset,price\n{later},BTC,4\n{later},BTC,3\n{AT},BTC,2\n{AT},BTC,1\n")
    assert [q.split()[2] for q in played(path)[0]] == ["1", "2", "3", "4"]


def test_a_bad_row_is_named_by_its_own_line_in_a_sorted_tape_too(tmp_path: Path) -> None:
    path = put(tmp_path, "ts_utc,BTCUSDT\n" + minutes(2) + f"{NOON_MS + MINUTE_MS},zero\nyesterday,3\n" + minutes(0))
    _, refused, _ = played(path)
    assert sorted((r.reason, r.where.rpartition(":")[2]) for r in refused) == [("not_a_number", "3"), ("time", "4")]


def test_a_gap_is_said_once_and_rows_that_come_as_they_like_have_none(tmp_path: Path) -> None:
    path = put(tmp_path, "ts_utc,BTCUSDT\n" + minutes(0, 1, 2, 3, 4, 5, 6, 20, 21, 22, 25, 26, *range(27, 60)))
    assert played(path)[2] == [
        "it has no row between 2021-05-19T12:06:00.000Z and 2021-05-19T12:20:00.000Z, and 1 shorter gap; "
        "its rows are 1m apart"
    ]
    irregular = "ts_utc,BTCUSDT\n" + "".join(f"{NOON_MS + n * n * 100},1\n" for n in range(30))
    assert played(put(tmp_path, irregular))[2] == []


def test_how_far_apart_rows_are_is_a_matter_of_each_coin(tmp_path: Path) -> None:
    rows = "".join(
        f"2021-05-19T12:{n:02}:{s:02}Z,{coin},1\n" for n in range(9) for s, coin in enumerate(("BTC", "ETH", "SOL"))
    )
    assert TapeFile(put(tmp_path, "at,asset,price\n" + rows)).survey.spacing == timedelta(minutes=1)


def test_two_files_that_were_joined_with_their_headers_are_one_tape(tmp_path: Path) -> None:
    path = put(tmp_path, "ts_utc,BTCUSDT\n" + minutes(2, 3) + "ts_utc,BTCUSDT\n" + minutes(0, 1))
    quotes, refused, said = played(path)
    assert [q.split()[0] for q in quotes] == ["0", "1", "2", "3"]
    assert (refused, len(said)) == ([], 1)


@pytest.mark.parametrize(
    "text",
    [
        f"ts_utc,ETHUSDT,BTCUSDT\n{NOON_MS},1,45000\n{NOON_MS + 1},1,44000",
        f"at,asset,price\n{AT},ETH,1\n{AT},BTC,45000\n{AT},BTC,44000",
    ],
)
def test_half_a_price_at_the_end_of_a_file_is_not_used_and_a_whole_one_is(tmp_path: Path, text: str) -> None:
    assert played(put(tmp_path, text))[0][-1].split()[2] == "44000"
    for lost in (1, 2, 3, 4):
        quotes, refused, _ = played(put(tmp_path, text[:-lost]))
        assert quotes[-1].split()[1:3] in (["BTC", "45000"], ["ETH", "1"])
        assert [r.reason for r in refused] == ["cut_off"]
    assert played(put(tmp_path, text[:-1] + "\n"))[0][-1].split()[2] == "4400", "a line that ends is not cut off"
