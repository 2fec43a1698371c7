"""Scenarios: the path hits its anchors, keeps its gaps, walks back in a loop; a wrong file is named with what to mend."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain, islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.clock import SystemClock
from monitor.core import schema
from monitor.core.money import places
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import Trust
from monitor.feeds.scenario import Config, Scenario, Step, build, for_ever, load, path, price_at
from tests.feeds.shared import SHARED, needs_shared

DEMO = Path(__file__).parents[2] / "config" / "scenarios" / "2021-05-19.toml"
NOON = datetime(2021, 5, 19, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

GOOD = """
title = "A bad hour"
duration = "1s"
interval = "100ms"
places = 4
loop = true
pause = "200ms"
return = "500ms"

[constant]
USDC = "1"

[anchors]
BTC = [[2021-05-19T12:00:00Z, "100"], [2021-05-19T12:31:00Z, "70"], [2021-05-19T13:00:00Z, "80.5"]]
ETH = [["2021-05-19T14:10:00+02:00", "10"]]

[[gap]]
asset = "ETH"
from = 2021-05-19T12:18:00Z
to = 2021-05-19T12:48:00Z
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "scenario.toml"
    file.write_text(text)
    return file


def read(folder: Path, text: str = GOOD) -> Scenario:
    return load(written(folder, text))


def cycle(scenario: Scenario) -> list[Step]:
    """One cycle and the first step of the next, as a loop plays them."""
    steps = list(path(scenario))
    return [*steps, Step(scenario.cycle, scenario.begin, steps[0].prices)]


def test_anchors_are_hit_exactly_and_lines_join_them(tmp_path: Path) -> None:
    scenario = read(tmp_path)
    for minute, expected in [(0, "100"), (31, "70"), (60, "80.5"), (62, "80.5"), (-5, "100")]:
        assert price_at(scenario, "BTC", NOON + minute * MINUTE) == Decimal(expected)
    # 100 - 30 x 10/31 = 90.32258..., rounded down to the stated four places.
    assert price_at(scenario, "BTC", NOON + 10 * MINUTE) == Decimal("90.3225")
    assert price_at(scenario, "ETH", NOON) == price_at(scenario, "ETH", NOON + 50 * MINUTE) == Decimal("10")
    assert price_at(scenario, "USDC", NOON) == Decimal("1")


def test_every_anchor_is_a_step_besides_the_regular_ones(tmp_path: Path) -> None:
    scenario = read(tmp_path)
    forward = [step for step in path(scenario) if step.at is not None]
    minutes = [(step.at - NOON) / MINUTE for step in forward]
    assert minutes == [0, 6, 10, 12, 18, 24, 30, 31, 36, 42, 48, 54, 60]
    assert [round(step.after.total_seconds(), 4) for step in forward][:3] == [0, 0.1, 0.1667]
    assert forward[7].prices["BTC"] == Decimal("70")


def test_a_gap_silences_its_asset_alone_and_its_end_is_not_part_of_it(tmp_path: Path) -> None:
    steps = [step for step in path(read(tmp_path)) if step.at is not None]
    silent = [(step.at - NOON) / MINUTE for step in steps if "ETH" not in step.prices]
    assert silent == [18, 24, 30, 31, 36, 42]
    assert all({"BTC", "USDC"} <= step.prices.keys() for step in steps)


def test_the_loop_pauses_and_walks_back_to_the_first_prices(tmp_path: Path) -> None:
    scenario = read(tmp_path)
    assert scenario.cycle == timedelta(seconds=1.7)
    back = [(step.after.total_seconds(), str(step.prices["BTC"])) for step in path(scenario) if step.at is None]
    assert back == [
        (1.1, "80.5000"), (1.2, "80.5000"), (1.3, "84.4000"), (1.4, "88.3000"), (1.5, "92.2000"), (1.6, "96.1000"),
    ]  # fmt: skip
    times = [after for after, _ in islice(for_ever(scenario), 60)]
    assert times == sorted(times)
    assert len(set(times)) == 60
    again = next(prices for after, prices in for_ever(scenario) if after == timedelta(seconds=1.7))
    assert again["BTC"] == Decimal("100")


def test_without_a_loop_the_last_prices_stay_in_force(tmp_path: Path) -> None:
    scenario = read(tmp_path, GOOD.replace("loop = true", "loop = false"))
    steps = list(path(scenario))
    assert steps[-1].at == NOON + 60 * MINUTE
    after = [(t.total_seconds(), p["BTC"]) for t, p in islice(for_ever(scenario), len(steps), len(steps) + 3)]
    assert after == [(1.1, Decimal("80.5")), (1.2, Decimal("80.5")), (1.3, Decimal("80.5"))]


@pytest.mark.parametrize(
    ("setting", "plays_s"),
    [('speed = "60"', 60), ('speed = "0.5"', 7200), ('duration = "90s"', 90), ("", 3600), ('speed = "1e9"', 0.000003)],
)
def test_compression_is_said_as_speed_or_as_duration(tmp_path: Path, setting: str, plays_s: float) -> None:
    scenario = read(tmp_path, GOOD.replace('duration = "1s"', setting))
    assert scenario.plays.total_seconds() == plays_s
    forward = [s for s in islice(path(scenario), 200) if s.at is not None]
    assert all(a.after <= b.after and a.at < b.at for a, b in pairwise(forward))


def test_constant_prices_alone_are_a_scenario_and_do_not_spin(tmp_path: Path) -> None:
    for loop in ("true", "false"):
        scenario = read(tmp_path, f'title = "calm"\nloop = {loop}\n[constant]\nUSDC = "1"\n')
        steps = list(islice(for_ever(scenario), 3))
        assert steps == [(timedelta(seconds=n), {"USDC": Decimal(1)}) for n in range(3)]


@given(
    st.lists(st.tuples(st.integers(1, 10**7), st.integers(1, 10**9)), min_size=1, max_size=6),
    st.integers(0, 18),
    st.integers(10, 5000),
    st.integers(10, 20_000),
)
def test_any_path_stays_between_its_anchors_at_the_stated_places(
    hops: list[tuple[int, int]], digits: int, interval_ms: int, duration_ms: int
) -> None:
    at, anchors = NOON, []
    for micros, price in hops:
        at += timedelta(microseconds=micros)
        anchors.append((at, Decimal(price).scaleb(-min(digits, 4))))
    scenario = Scenario(
        "any",
        {"X": tuple(anchors)},
        places=digits,
        interval=timedelta(milliseconds=interval_ms),
        duration=timedelta(milliseconds=duration_ms),
        loop=True,
        walk_back=timedelta(seconds=1),
    )
    prices = [price for _, price in anchors]
    steps = list(path(scenario))
    assert [s.prices["X"] for s in steps if s.at in dict(anchors)] == prices
    for step in steps:
        assert min(prices) - Decimal(1).scaleb(-digits) < step.prices["X"] <= max(prices)
        assert step.prices["X"] >= min(prices), "rounding down never leaves the anchors' own places"
        assert places(step.prices["X"]) <= digits


# What is wrong with a file is said with file, key path, what was found and what was expected.

BTC = 'BTC = [[2021-05-19T12:00:00Z, "100"], [2021-05-19T12:31:00Z, "70"], [2021-05-19T13:00:00Z, "80.5"]]'


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"70"', '"0"', "anchors.BTC[1][1]: found '0', expected a number from 1e-18 up to 1e15"),
        ('"70"', '"-1"', "anchors.BTC[1][1]: found '-1', expected a number from"),
        ('"70"', "70.5", "anchors.BTC[1][1]: found 70.5, expected a decimal number in quotes"),
        ('"70"', '"NaN"', "anchors.BTC[1][1]: found 'NaN', expected a decimal number"),
        ('"70"', '"70.12345"', "anchors.BTC[1][1]: found 70.12345, expected at most 4 places"),
        ("T12:31:00Z", "T11:59:00Z", "anchors.BTC[1][0]: found 2021-05-19T11:59:00+00:00, expected a time after"),
        ("T12:31:00Z", "T12:00:00Z", "anchors.BTC[1][0]: found 2021-05-19T12:00:00+00:00, expected a time after"),
        (
            "T12:31:00Z",
            "T12:31:00",
            "anchors.BTC[1][0]: found datetime.datetime(2021, 5, 19, 12, 31), expected a time with",
        ),
        (', "70"]', "]", "anchors.BTC[1]: found"),
        (BTC, "BTC = []", "anchors.BTC: found no anchor, expected at least one [time, price]"),
        ("BTC = ", '"b tc" = ', "anchors: found 'b tc', expected the name of a coin"),
        ("BTC = ", "USDC = ", "constant.USDC: USDC has anchors too; expected one of the two"),
        ('USDC = "1"', 'USDT = "1"', "quote: found USDT among the assets"),
        ('USDC = "1"', 'USDC = "x"', "constant.USDC: found 'x', expected a decimal number in quotes"),
        ('asset = "ETH"', 'asset = "SOL"', "gap[0].asset: found 'SOL', expected one of: BTC, ETH, USDC"),
        ('asset = "ETH"', "", "gap[0].asset: is missing"),
        (
            "to = 2021-05-19T12:48:00Z",
            "to = 2021-05-19T12:18:00Z",
            "gap[0].to: found 2021-05-19T12:18:00+00:00, expected",
        ),
        ('duration = "1s"', 'duration = "1s"\nspeed = "2"', "speed: found beside `duration`, expected one of the two"),
        ('duration = "1s"', 'duration = "0s"', "duration: found 0:00:00, expected at least 10ms"),
        ('duration = "1s"', 'speed = "0"', "speed: found '0', expected a number above 0"),
        ('duration = "1s"', 'duration = "soon"', "duration: found 'soon', expected a duration such as"),
        ('interval = "100ms"', 'interval = "1ms"', "interval: found 0:00:00.001000, expected at least 10ms"),
        ("places = 4", "places = 19", "places: found 19, expected a whole number from 0 to 18"),
        ("loop = true", "loop = 1", "loop: found 1, expected true or false"),
        ("loop = true", "lop = true", "lop: unknown key (value True); did you mean 'loop'?"),
        ('title = "A bad hour"', "", "title: is missing"),
        ('title = "A bad hour"', 'quote = "EUR"\ntitle = "x"', "quote: found 'EUR', expected one of 'USDT', 'USD'"),
        ("places = 4", "places = = 4", "is not TOML: Invalid value (at line 5, column 10)"),
    ],
)
def test_a_wrong_file_is_named_with_the_key_and_what_was_expected(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    assert GOOD.count(old) == 1
    file = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(schema.Invalid) as caught:
        load(file)
    told = [str(p) for p in caught.value.problems]
    assert any(line.startswith(f"{file}: {problem}") for line in told), told


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("T12:31:00Z", "T11:00:00Z").replace('"ETH"', '"SOL"').replace('"100ms"', '"1ms"')
    with pytest.raises(schema.Invalid) as caught:
        read(tmp_path, text)
    assert len(caught.value.problems) == 3


def test_a_scenario_without_any_price_is_named(tmp_path: Path) -> None:
    with pytest.raises(schema.Invalid, match="anchors: found no asset with a price, expected at least one"):
        read(tmp_path, 'title = "nothing"\n')


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(schema.Invalid, match=r"none\.toml: cannot be read: No such file or directory"):
        load(tmp_path / "none.toml")
    with pytest.raises(schema.Invalid, match="cannot be read: Is a directory"):
        load(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(schema.Invalid, match=r"binary\.toml: is not TOML"):
        load(tmp_path / "binary.toml")


# The feed.


async def test_the_feed_quotes_on_todays_clock_and_never_ends(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    config = schema.read(Config, {"file": "scenario.toml", "duration": "200ms", "loop": False}, folder=tmp_path)
    clock = SystemClock()
    feed = build("demo", config, clock)
    began = clock.utc()
    batches = []
    async for batch in feed.quotes():
        batches.append(batch)
        if len(batches) == 10:
            assert feed.stats.connected
            break
    first, last = batches[0], batches[-1]
    assert [(q.asset, q.price, q.quote, q.source) for q in first] == [
        ("BTC", 100, "USDT", "demo"), ("ETH", 10, "USDT", "demo"), ("USDC", 1, "USDT", "demo"),
    ]  # fmt: skip
    assert {q.asset: q.price for q in last}["BTC"] == Decimal("80.5")
    times = [batch[0].at for batch in batches]
    assert times == sorted(times)
    # Steps at 0, 33, 100, 103, 200 ms, then every 100 ms on the last prices: ten of them end at 0.7 s.
    assert timedelta(seconds=0.69) <= times[-1] - began < timedelta(seconds=3)
    assert feed.stats.frames == 10
    assert feed.stats.quotes == sum(map(len, batches))


async def test_after_a_sleep_of_the_machine_the_scenario_goes_on_where_it_was(tmp_path: Path) -> None:
    class Sleepy(SystemClock):
        slept_s = 0.0

        def monotonic_s(self) -> float:
            return super().monotonic_s() + self.slept_s

    clock = Sleepy()
    feed = build("demo", Config(written(tmp_path, GOOD), duration=timedelta(seconds=0.5)), clock)
    began = SystemClock().monotonic_s()
    count = 0
    async for batch in feed.quotes():
        if count == 0:
            clock.slept_s = 3600.0
        if {q.asset: q.price for q in batch}["BTC"] == Decimal("80.5"):
            break
        count += 1
    assert SystemClock().monotonic_s() - began > 0.35, "the rest was not rushed through"


async def test_the_source_of_the_file_names_the_quotes(tmp_path: Path) -> None:
    feed = build("demo", Config(written(tmp_path, 'source = "crash-2021"\n' + GOOD)))
    async for batch in feed.quotes():
        assert {quote.source for quote in batch} == {"crash-2021"}
        break


def test_speed_and_duration_of_the_configuration_replace_the_files(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD)
    assert build("x", Config(file, speed=Decimal(60))).scenario.plays == timedelta(minutes=1)
    assert build("x", Config(file, duration=timedelta(seconds=7))).scenario.plays == timedelta(seconds=7)
    assert build("x", Config(file, loop=False)).scenario.loop is False
    assert build("x", Config(file)).scenario.plays == timedelta(seconds=1)
    with pytest.raises(schema.Invalid, match="speed: found beside `duration`"):
        schema.read(Config, {"file": "x", "speed": "2", "duration": "1s"})


# The demonstration.


def test_the_demo_lasts_as_long_as_its_readers_are_told() -> None:
    demo = load(DEMO)
    assert (demo.plays, demo.cycle) == (timedelta(seconds=110), timedelta(seconds=132))
    assert demo.loop
    assert set(demo.anchors) == {"BTC", "ETH", "ADA", "XRP", "DOGE", "LTC", "LINK", "BCH"}
    assert all(len(anchors) <= 20 for anchors in demo.anchors.values())
    day = datetime(2021, 5, 19, tzinfo=UTC)
    assert (demo.begin, demo.end) == (day, day + timedelta(days=1))


def test_no_two_consecutive_quotes_of_the_demo_need_a_confirmation() -> None:
    """The monitor asks for a confirmation at 15 %; the way back and the return from a gap are no exception."""
    last: dict[str, Decimal] = {}
    for step in cycle(load(DEMO)):
        for asset, price in step.prices.items():
            assert abs(price - last.get(asset, price)) <= Decimal("0.11") * last.get(asset, price), (asset, step.at)
            last[asset] = price


def test_link_falls_silent_long_enough_to_go_stale_and_comes_back_before_the_crash() -> None:
    demo = load(DEMO)
    quoted = [step.after for step in path(demo) if "LINK" in step.prices]
    silent, at = max((b - a, b) for a, b in pairwise(quoted))
    assert timedelta(seconds=14) <= silent < timedelta(seconds=15), "stale after 10 s in the demo"
    assert at < timedelta(seconds=50)
    others = [step.after for step in path(demo) if {"BTC", "USDC", "FDUSD"} <= step.prices.keys()]
    assert max(b - a for a, b in pairwise(others)) <= demo.interval + timedelta(milliseconds=1)


def test_the_shape_of_the_day_shows_in_every_coin() -> None:
    """Two legs down between 12:30 and 13:10, a rebound, a second dip, a recovery by the evening."""
    demo = load(DEMO)
    day = datetime(2021, 5, 19, tzinfo=UTC)
    for asset in demo.anchors:

        def extreme(pick: type[min] | type[max], begin: str, end: str, asset: str = asset) -> Decimal:
            hours = [day + timedelta(hours=int(t[:2]), minutes=int(t[3:])) for t in (begin, end)]
            return pick(
                s.prices[asset] for s in path(demo) if s.at and hours[0] <= s.at <= hours[1] and asset in s.prices
            )

        open_, before = extreme(max, "00:00", "00:30"), extreme(max, "12:00", "12:40")
        low, rebound = extreme(min, "12:41", "13:12"), extreme(max, "13:13", "13:50")
        dip, recovery = extreme(min, "13:51", "15:00"), extreme(max, "16:00", "18:00")
        assert low < Decimal("0.84") * before
        assert low < Decimal("0.70") * open_
        assert rebound > Decimal("1.2") * low
        assert dip < Decimal("0.95") * rebound
        assert recovery > Decimal("1.12") * dip


@needs_shared
def test_every_anchor_of_the_demo_is_a_close_of_that_minute() -> None:
    with gzip.open(SHARED / "data" / "prices" / "crash_2021-05-19_1m.csv.gz", "rt") as lines:
        closes = {row["ts_utc"]: row for row in csv.DictReader(lines)}
    demo = load(DEMO)
    for asset, (at, price) in chain.from_iterable(
        zip([a] * 20, anchors, strict=True) for a, anchors in demo.anchors.items()
    ):
        assert closes[str(int(at.timestamp() * 1000))][f"{asset}USDT"] == str(price)


def test_on_the_monitors_own_price_board_only_link_is_ever_doubted_and_it_is_believed_again() -> None:
    """Two cycles of the demo with stale_after = "10s" and a jump of 15 % to be confirmed."""
    board = PriceBoard(Trust())
    doubted: list[tuple[str, str]] = []
    start = SystemClock().utc()
    for after, prices in for_ever(load(DEMO)):
        if after > timedelta(seconds=264):
            break
        now = start + after
        due = {asset: board.stale_due(asset) for asset in board.marks}
        for asset in [asset for asset, at in due.items() if at is not None and at < now]:
            board.expire(asset)
            doubted.append((asset, board.trust_of(asset)))
        change = board.apply([Quote(asset, price, "USDT", "demo", now) for asset, price in prices.items()], now)
        doubted += [(asset, board.trust_of(asset)) for asset in (*change.lost, *change.regained)]
    assert doubted == [("LINK", "stale"), ("LINK", "good")] * 2
