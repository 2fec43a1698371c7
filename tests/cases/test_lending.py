"""The handed cases about coins, each with the right answer that was worked out apart from the product, and siblings of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from monitor import config
from monitor.cli.replay import of_tape
from monitor.core.events.events import GroupPut, MarkPrices, TimePassed
from monitor.core.loans.group import parse_line
from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import Rules
from monitor.core.watch.risk import RiskMonitor

CASES = Path(__file__).parent / "lending"
TRIGGERED = "loan_group.liquidation.triggered"

Line = dict[str, Any]


def replayed(
    name: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Line], Line] | None = None,
    tape: str = "",
) -> tuple[int, list[Line], str]:
    """The exit code, the alerts and stderr of a replay of a case, with other lines or rows in its place."""
    case = CASES / name
    lines = [json.loads(line) for line in (case / "book.jsonl").read_text().splitlines()]
    book, prices = folder / "book.jsonl", folder / "tape.csv"
    book.write_text("\n".join(json.dumps(change(line) if change else line, ensure_ascii=False) for line in lines))
    prices.write_text((case / "tape.csv").read_text() + tape)
    code = of_tape(config.load(case / "monitor.toml"), prices, book, None, trust=False, as_json=True)
    said = capsys.readouterr()
    return code, [json.loads(line) for line in said.out.splitlines() if line.startswith("{")], said.err


def of_group(alerts: list[Line], group: str) -> Line:
    (found,) = [alert for alert in alerts if alert["data"].get("group", {}).get("id") == group]
    return found


@pytest.mark.parametrize(
    "coin", ["wstETH", "BTC-Earn", "币安人生", "cbBTC", "1000Xy.z", "9gag", "Ünit", "коин", "USD₮0", "a_b-c.d"]
)
def test_a_coin_is_what_its_venue_calls_it_and_one_that_is_not_listed_is_named(
    coin: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(line: Line) -> Line:
        held = line["collateral"].get("E-m")
        return line | {"collateral": {"E-m": {"BTC": held["BTC"], coin: "5"}}} if held else line

    code, alerts, said = replayed("coins-as-venues-call-them", tmp_path, capsys, change)
    assert (code, "Traceback" in said) == (0, False), said
    told = of_group(alerts, "E")
    assert (told["type"], told["data"]["ltv"]) == (TRIGGERED, "0.96666667")
    assert told["data"]["uncounted"] == [{"asset": coin, "quantity": "5"}]


def test_the_groups_of_the_case_are_liquidated_and_their_other_coins_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, alerts, _ = replayed("coins-as-venues-call-them", tmp_path, capsys)
    found = {group: of_group(alerts, group) for group in "EFX"}
    assert {alert["type"] for alert in found.values()} == {TRIGGERED}
    assert [found[group]["data"]["ltv"] for group in "EF"] == ["0.96666667"] * 2
    named = {group: [each["asset"] for each in alert["data"]["uncounted"]] for group, alert in found.items()}
    assert named == {"E": ["wstETH"], "F": ["BTC-Earn"], "X": ["XBT"]}


@pytest.mark.parametrize(
    ("coin", "said"),
    [
        ("BTC\u200b", "U+200B"),
        ("B\u202eTC", "U+202E"),
        ("BTC ", "the name of a coin"),
        ("\uff22\uff34\uff23", "write 'BTC'"),
        ("Be\u0301", "NFC"),
        ("B\u0422C", "Cyrillic and Latin"),
        ("x" * 33, "at most 32"),
    ],
)
def test_a_name_that_is_not_what_it_seems_is_refused_with_its_place(
    coin: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(line: Line) -> Line:
        return line | {"collateral": {f"{line['id']}-m": {"BTC": "1", coin: "5"}}}

    _, alerts, _ = replayed("coins-as-venues-call-them", tmp_path, capsys, change)
    assert {alert["type"] for alert in alerts} == {"book.refused"}
    assert all("collateral" in alert["data"]["facts"]["problem"] for alert in alerts)
    assert all(said in alert["data"]["facts"]["problem"] for alert in alerts), alerts


def test_a_group_that_a_missing_coin_could_save_ends_a_replay_with_its_name_and_the_coins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, alerts, said = replayed("a-coin-without-a-price", tmp_path, capsys)
    assert (code, alerts) == (1, [])
    assert "G-1" in said
    assert "MATIC" in said


def test_a_group_whose_other_coins_decide_is_decided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is owed in MATIC may be worth nothing, and the level is 1.08 all the same."""

    def owes(line: Line) -> Line:
        more = line["loans"][0] | {"id": "L-2", "asset": "MATIC", "principal": "0.0001"}
        return line | {"collateral": {"G-1-m": {"BTC": "1"}}, "loans": [*line["loans"], more]}

    _, alerts, _ = replayed("a-coin-without-a-price", tmp_path, capsys, owes)
    told = alerts[-1]
    assert (told["type"], told["data"]["margin_level"]) == (TRIGGERED, "1.08")
    assert (told["data"]["bound"], told["data"]["missing"]) == (True, ["MATIC"])


def test_live_the_worst_case_is_told_within_ninety_seconds_and_not_at_the_start() -> None:
    case = CASES / "a-coin-without-a-price"
    rules: Rules = config.load(case / "monitor.toml").rules
    monitor, at = RiskMonitor(rules), datetime(2026, 1, 5, tzinfo=UTC)
    line = json.loads((case / "book.jsonl").read_text())
    monitor.handle(GroupPut(at, parse_line(line, at, rules.products), "book"))
    told = []
    for second in range(91):
        now = at + timedelta(seconds=second)
        price = Decimal(60_000 if second < 10 else 54_000)
        found = [
            *monitor.handle(MarkPrices(now, (Quote("BTC", price, "USD", "a", now, beside=price),))).alerts,
            *monitor.handle(TimePassed(now)).alerts,
        ]
        told += [(second, alert) for alert in found if alert.severity == "critical"]
    ((second, alert),) = told
    assert 60 <= second <= 90
    assert (alert.type, alert.subject) == ("price.missing", "MATIC")
    assert alert.facts["worst_case"] == "G-1 at margin level 1.08, with MATIC at nothing (liquidation)"


def test_rows_of_usdt_that_do_not_count_are_said_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, alerts, said = replayed("usdt-at-seventy-cents", tmp_path, capsys)
    if not [alert for alert in alerts if (alert["type"], alert["data"].get("ltv")) == (TRIGGERED, "1")]:
        assert "USDT do not count" in said
        assert 'usdt_usd = "USDT"' in said
