"""`monitor replay` and `monitor report` of tapes: exit codes, and what a person is told (docs/replay.md)."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta

import pytest

from tests.replay.tape_desk import CONFIG, TapeDesk

NOON = datetime(2021, 5, 19, 12, tzinfo=UTC)


def long(*prices: int, coin: str = "BTC", every_s: int = 60) -> str:
    rows = [
        f"{NOON + timedelta(seconds=n * every_s):%Y-%m-%dT%H:%M:%SZ},{coin},{price}\n" for n, price in enumerate(prices)
    ]
    return "at,asset,price\n" + "".join(rows)


@pytest.mark.parametrize(
    ("coin", "quantity", "tape", "ltv"),
    [
        ("BTC", "1", long(45000, 31000), "0.90322581"),
        ("BTC", "1", long(45000, 31000, coin="btc-usdt"), "0.90322581"),
        ("BTC", "1", long(45000, 31000).replace(",", ";"), "0.90322581"),
        ("SHIB", "1000000", "ts_utc,BTCUSDT,1000SHIBUSDT\n1621425480000,1,45\n1621425540000,1,31\n", "0.90322581"),
    ],
)
def test_the_margin_call_comes_whatever_form_the_tape_has(
    desk: TapeDesk, coin: str, quantity: str, tape: str, ltv: str
) -> None:
    desk.book(coin, quantity)
    ended = desk.replay(desk.put(tape))
    assert ended.code == 0, ended
    assert [(a["type"], a["data"]["ltv"]) for a in ended.alerts] == [("loan_group.margin_call.opened", ltv)]
    said = {
        "SHIB": "note: tape.csv: '1000SHIBUSDT' is read as 1,000 SHIB in USDT",
        "btc-usdt": "'btc-usdt' is read as BTC in USDT",
    }
    for name, words in said.items():
        assert (words in ended.err) == (name in tape)


def test_a_tape_of_other_coins_says_which_group_has_no_value_and_why_and_exits_1(desk: TapeDesk) -> None:
    ended = desk.replay(desk.put(long(3000, 2000, coin="ETH")))
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines() == [
        "error: tape.csv: group G-1 owes and was never valued: no price of BTC",
        "error: tape.csv: BTC has no price; the tape has ETH: add rows of BTC, or name the coin as the tape does",
    ]
    known = desk.replay("tape.csv", "--allow-unvalued")
    assert known.code == 0
    assert "note: tape.csv: group G-1 owes and was never valued: no price of BTC" in known.err


def test_a_pair_that_does_not_count_is_the_reason(desk: TapeDesk) -> None:
    ended = desk.replay(desk.put(long(45000, 31000, coin="BTCUSDC")))
    assert ended.code == 1
    assert (
        "tape.csv: BTC has no price; the tape has 'BTCUSDC', which is in USDC; only prices in USDT or USD" in ended.err
    )


def test_prices_in_a_quote_without_a_price_are_the_reason(desk: TapeDesk) -> None:
    (desk.folder / "monitor.toml").write_text(CONFIG.replace("[prices]", '[prices]\nusdt_usd = "USDT"'))
    ended = desk.replay(desk.put(long(45000, 31000, coin="BTCUSDT")))
    assert ended.code == 1
    assert "tape.csv: BTC has prices in USDT, and USDT has none in USD; see usdt_usd of [prices]" in ended.err
    both = long(45000, 31000, coin="BTCUSDT") + "2021-05-19T12:01:00Z,USDT,1\n"
    assert desk.replay(desk.put(both)).code == 0


def test_a_price_that_was_never_believed_is_the_reason(desk: TapeDesk) -> None:
    ended = desk.replay(desk.put(long(45000)), "--trust")
    assert ended.code == 1
    assert "group G-1 owes and was never valued: no price of BTC" in ended.err
    assert "BTC has prices that were not believed: no second price confirmed the first" in ended.err


def test_groups_that_owe_nothing_need_no_value(desk: TapeDesk) -> None:
    lines = desk.book("ETH", owed="0", id_="G-2") + desk.book("BTC", id_="G-1")
    (desk.folder / "book.jsonl").write_text(lines)
    assert desk.replay(desk.put(long(45000, 44000))).code == 0
    lines += "".join(desk.book("ETH", id_=f"H-{n}") for n in range(60))
    (desk.folder / "book.jsonl").write_text(lines)
    ended = desk.replay("tape.csv")
    assert ended.code == 1
    assert (
        "at least 49 groups that owe were never valued (H-0, H-1, H-10, H-11, H-12, ...): no price of ETH" in ended.err
    )


@pytest.mark.parametrize(
    "text", ["at,asset,price\n", "ts_utc,BTCUSDT\nyesterday,1\n", "at,asset,price\n2021-05-19,BTC,1\n"]
)
def test_a_tape_that_plays_nothing_exits_1_and_says_so(desk: TapeDesk, text: str) -> None:
    ended = desk.replay(desk.put(text))
    assert (ended.code, ended.out) == (1, "")
    assert "error: tape.csv: no row of the tape could be played" in ended.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"id,price,qty,quote_qty,time,is_buyer_maker\n", "found trades of Binance"),
        (gzip.compress(long(*range(1, 5000)).encode())[:9000], "it is cut or damaged after"),
        (b"\x00\x01\x02\x03", "bytes that are no text"),
    ],
)
@pytest.mark.parametrize("command", ["replay", "report"])
def test_a_file_that_cannot_be_read_exits_2_with_one_sentence(
    desk: TapeDesk, content: bytes, words: str, command: str
) -> None:
    tape = desk.put(content)
    if command == "replay":
        ended = desk.replay(tape)
    else:
        ended = desk.command(
            "report", "--config", "monitor.toml", "--tape", tape, "--book", "book.jsonl", "--out", "r.html"
        )
    assert (ended.code, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    assert line.startswith(f"error: {tape}: ")
    assert words in line


def test_a_report_of_a_group_without_a_value_exits_1_and_is_written(desk: TapeDesk) -> None:
    options = ("--config", "monitor.toml", "--tape", desk.put(long(3000, 2000, coin="ETH")), "--book", "book.jsonl")
    ended = desk.command("report", *options, "--out", "r.html")
    assert ended.code == 1
    assert "group G-1 owes and was never valued: no price of BTC" in ended.err
    assert (desk.folder / "r.html").is_file()
    assert desk.command("report", *options, "--out", "r.html", "--allow-unvalued").code == 0


@pytest.mark.parametrize("every_s", [60, 3600])
def test_rows_further_apart_than_the_limit_are_refused_under_trust_with_the_remedy(
    desk: TapeDesk, every_s: int
) -> None:
    tape = desk.put(long(*([45000] * 30 + [31000] * 30), every_s=every_s))
    ended = desk.replay(tape, "--trust")
    assert (ended.code, ended.out) == (2, "")
    apart, enough = ("1m", "2m") if every_s == 60 else ("1h", "2h")
    assert ended.err.startswith(f"error: tape.csv: 'tape' gives prices every {apart}, but stale_after is 10s")
    assert f'state stale_after = "{enough}" or more, or leave out --trust' in ended.err
    (desk.folder / "monitor.toml").write_text(CONFIG.replace('"10s"', f'"{enough}"'))
    ended = desk.replay(tape, "--trust")
    assert ended.code == 0, ended
    assert "loan_group.margin_call.opened" in [a["type"] for a in ended.alerts]


@pytest.mark.parametrize(
    "tape",
    [
        long(45000, 31000) + "2021-05-19T12:01:00Z,USDT,0.5\n",
        "ts_utc,BTCUSD,USDTUSD\n1621425480000,45000,1\n1621425540000,31000,0.5\n",
    ],
)
def test_prices_of_usdt_count_or_the_tape_says_why_they_do_not(desk: TapeDesk, tape: str) -> None:
    path = desk.put(tape)
    stated = desk.replay(path)
    assert [a["data"]["ltv"] for a in stated.alerts] == ["0.90322581"]
    assert stated.err.splitlines() == [
        'note: tape.csv: prices of USDT do not count: usdt_usd of [prices] is "1"; write usdt_usd = "USDT" to take them '
        "from the tape"
    ]
    report = desk.command(
        "report", "--config", "monitor.toml", "--tape", path, "--book", "book.jsonl", "--out", "r.html"
    )
    assert "prices of USDT do not count" in report.err
    (desk.folder / "monitor.toml").write_text(CONFIG.replace("[prices]", '[prices]\nusdt_usd = "USDT"'))
    own = desk.replay(path)
    assert (own.code, own.alerts, own.err) == (0, [], "")


def test_a_gap_in_the_middle_is_said_once(desk: TapeDesk) -> None:
    rows = long(*([45000] * 60), every_s=1) + "".join(f"2021-05-19T13:00:{n:02}Z,BTC,45000\n" for n in range(30))
    ended = desk.replay(desk.put(rows), "--trust")
    assert ended.code == 0
    assert ended.err.count("it has no row between 2021-05-19T12:00:59.000Z and 2021-05-19T13:00:00.000Z") == 1
    told = [a["type"] for a in ended.alerts]
    assert len(told) <= 6
    assert told.count("price.stale") == 1


def test_what_is_said_of_a_tape_goes_to_stderr_and_json_stays_alerts_alone(desk: TapeDesk) -> None:
    rows = long(45000, 40000, 31000, coin="XBT").splitlines(True)
    ended = desk.replay(desk.put(rows[0] + "".join(reversed(rows[1:]))))
    assert [a["type"] for a in ended.alerts] == ["loan_group.margin_call.opened"]
    assert ended.err.splitlines() == [
        "note: tape.csv: newest first: its rows were sorted by time",
        "note: tape.csv: 'XBT' is read as BTC in USD",
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (long(45000, 31000), "gives prices every 1m, but stale_after is 10s"),
        (gzip.compress(long(*range(1, 5000)).encode())[:9000], "it is cut or damaged after"),
        ("a,b\n1,2\n", "found 'a,b', expected"),
        ("", "the file is empty"),
    ],
)
def test_check_config_refuses_a_feed_whose_tape_cannot_be_played_or_is_too_slow(
    desk: TapeDesk, content: str | bytes, words: str
) -> None:
    desk.put(content)
    feed = '[[feed]]\nname = "day"\nkind = "tape"\npath = "tape.csv"\n'
    (desk.folder / "monitor.toml").write_text(CONFIG + feed)
    ended = desk.command("check-config", "--config", "monitor.toml")
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err


@pytest.mark.parametrize("more", ['speed = "60"', 'speed = "max"', 'stale_after = "2m"'])
def test_check_config_takes_a_tape_whose_rows_come_in_time(desk: TapeDesk, more: str) -> None:
    desk.put(long(45000, 31000))
    feed = f'[[feed]]\nname = "day"\nkind = "tape"\npath = "tape.csv"\n{more}\n'
    (desk.folder / "monitor.toml").write_text(CONFIG + feed)
    assert desk.command("check-config", "--config", "monitor.toml").code == 0
